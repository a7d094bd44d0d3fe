"""Tag schemes: the one codec between tags, class ids and entities.

A tag scheme writes entities as one tag per word. With two people side by side, A B | C:

    io      PER PER PER         adjacent entities of one type merge
    iob1    I-PER I-PER B-PER   B- only if an entity follows another of its type
    iob2    B-PER I-PER B-PER   B- at every start
    bioes   B-PER E-PER S-PER   E- at an end, S- for a single word
    bilou   B-PER L-PER U-PER   the same with other letters
    bmes    B-PER E-PER S-PER   the same with M- for what is between

The model reads and writes io or iob2; all six are understood in files, where the letter may also be
in lower case (`b-PER`), be joined by `_`, `:`, `/`, `|` or a dash (`B_PER`, `B:PER`), or stand at
the end (`PER-B`).
"""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from mtt_jax.tasks.ragged import ranges
from mtt_jax.types import Span

OUTSIDE = "O"
# The type of entities in files that mark them without one: B, I and O alone.
UNNAMED = "ENTITY"
# What stands for O in files without one.
_BLANKS = ("_", "-", "0")
MODEL_SCHEMES = ("io", "iob2")
FILE_SCHEMES = ("io", "iob1", "iob2", "bioes", "bilou", "bmes")
# What else the schemes are called.
SCHEME_ALIASES = {
    "bio": "iob2", "bio2": "iob2", "bio1": "iob1", "iob": "iob1", "iobes": "bioes",
    "bieos": "bioes", "biose": "bioes", "biluo": "bilou", "bioul": "bilou", "bmeso": "bmes",
    "bmewo": "bmes", "bmew": "bmes",
}  # fmt: skip


def entity_types(labels: Iterable[str]) -> tuple[str, ...]:
    """The labels of an entity task without O, in their order."""
    return tuple(label for label in labels if label != OUTSIDE)


def class_names(labels: Sequence[str], scheme: str) -> tuple[str, ...]:
    """Names of the classes in scheme io or iob2, in the order of the logits; O comes first."""
    if scheme == "io":
        return tuple(labels)
    return (OUTSIDE, *(f"{prefix}-{label}" for label in entity_types(labels) for prefix in "BI"))


def type_of(name: str, scheme: str) -> str:
    """The label of a class: `PER` of the class `B-PER` in iob2, and of `PER` in io."""
    return split_tag(name)[1] if scheme == "iob2" else name


def class_ids(spans: np.ndarray, length: int, scheme: str) -> np.ndarray:
    """int32 [length] class ids of words, from entities int32 [k, 3]: start, end and type."""
    ids = np.zeros(length, np.int32)
    starts, ends, types = spans[spans[:, 0] < spans[:, 1]].T  # no word is left for the others
    inside, first = (1 + types, 1 + types) if scheme == "io" else (2 + 2 * types, 1 + 2 * types)
    sizes = ends - starts
    ids[ranges(starts, sizes)] = np.repeat(inside, sizes)
    ids[starts] = first
    return ids


def spans_of(
    classes: np.ndarray, lengths: Sequence[int], labels: Sequence[str], scheme: str
) -> list[tuple[Span, ...]]:
    """The entities of sentences, in words, from their class ids: what `class_ids` was given.

    As in `tags_to_spans`, I-X with nothing to continue begins an entity.

    Args:
      classes: int [w] of the words of all sentences, behind one another.
      lengths: words of each sentence.
      labels: of the task, O in front.
      scheme: io or iob2.
    """
    types = entity_types(labels)
    kinds = classes - 1 if scheme == "io" else (classes - 1) // 2  # -1 for O
    first = _first_words(lengths)
    new = first | (kinds != np.roll(kinds, 1))
    if scheme == "iob2":
        new |= classes % 2 == 1
    begins, goes_on = (kinds >= 0) & new, (kinds >= 0) & ~new
    starts = np.flatnonzero(begins)
    stops = 1 + np.flatnonzero((kinds >= 0) & ~np.append(goes_on[1:], False))
    ends = np.cumsum(lengths)
    owners = np.searchsorted(ends, starts, side="right")
    before = (ends - lengths)[owners]
    places = np.stack([starts - before, stops - before, kinds[starts]], axis=1)
    spans: list[list[Span]] = [[] for _ in lengths]
    for owner, (start, stop, kind) in zip(owners.tolist(), places.tolist(), strict=True):
        spans[owner].append(Span(start, stop, types[kind]))
    return [tuple(found) for found in spans]


def _first_words(lengths: Sequence[int]) -> np.ndarray:
    """Bool [w], which of the words of all sentences is the first of its own."""
    sizes = np.array(lengths, np.int64)
    first = np.zeros(sizes.sum(), bool)
    first[(np.cumsum(sizes) - sizes)[sizes > 0]] = True
    return first


def decode(
    log_probs: Sequence[np.ndarray], labels: tuple[str, ...], scheme: str
) -> list[tuple[Span, ...]]:
    """The entities of the most probable legal tag sequence of each sentence; spans are in words.

    Under io every sequence is legal and each word decides for itself; under iob2 the best sequence
    in which I-X follows B-X or I-X is found (Viterbi 1967).

    Args:
      log_probs: [w, C] per word, of each sentence.
      labels: of the task, O in front.
      scheme: io or iob2.
    """
    if not len(log_probs):
        return []
    lengths = [len(rows) for rows in log_probs]
    best = np.concatenate(log_probs).argmax(axis=-1)
    if scheme == "iob2":
        # Word by word the most probable tags are the best sequence if they are legal; most are.
        before = np.where(_first_words(lengths), 0, np.roll(best, 1))
        inside = (best > 0) & (best % 2 == 0)  # I-X is next to B-X, and O is 0
        illegal = np.flatnonzero(inside & (best != before) & (best - 1 != before))
        ends = np.cumsum(lengths)
        for index in np.unique(np.searchsorted(ends, illegal, side="right")):
            best[ends[index] - lengths[index] : ends[index]] = _viterbi(log_probs[index])
    return spans_of(best, lengths, labels, scheme)


def _viterbi(log_probs: np.ndarray) -> list[int]:
    """Class ids of the best legal path of iob2, from [w, C].

    All classes but I-X may follow any other, so that the best predecessor is the same for them. On
    lists, since the arrays would have a few elements each.
    """
    first, *rest = log_probs.tolist()
    insides = range(2, len(first), 2)
    score = [-math.inf if index in insides else value for index, value in enumerate(first)]
    back = []
    for row in rest:
        top = max(score)
        came = [score.index(top)] * len(row)
        fresh = [top + value for value in row]
        for index in insides:
            came[index] = index - (score[index - 1] >= score[index])
            fresh[index] = score[came[index]] + row[index]
        back.append(came)
        score = fresh
    path = [score.index(max(score))]
    for came in reversed(back):
        path.append(came[path[-1]])
    return path[::-1]


def split_tag(tag: str) -> tuple[str, str]:
    """Splits `B-PER` into (`B`, `PER`); a tag without a prefix is (``, tag)."""
    if len(tag) > 2 and tag[1] == "-" and tag[0] in "BIESLU":
        return tag[0], tag[2:]
    return "", tag


def scheme_name(name: str) -> str:
    """A scheme's name as this package writes it: `iob2` for `BIO`; other texts in lower case."""
    return SCHEME_ALIASES.get(name.strip().lower(), name.strip().lower())


class Tagging(NamedTuple):
    """How the tags of a file are written.

    Attributes:
      scheme: one of FILE_SCHEMES.
      plain: tag in the file -> the tag in the one form that `split_tag` reads.
    """

    scheme: str
    plain: Mapping[str, str]

    @property
    def read_as(self) -> str:
        """The scheme of the plain tags: bioes for bmes."""
        return "bioes" if self.scheme == "bmes" else self.scheme


class _Style(NamedTuple):
    """Where the letter of a tag is: `B-PER`, `B_PER`, `B:PER`, `b-PER` or `PER-B`."""

    separator: str
    first: bool = True
    upper: bool = True

    def split(self, tag: str) -> tuple[str, str] | None:
        """(letter, type) of a tag; None for one in another style."""
        letter, rest = (tag[:1], tag[1:]) if self.first else (tag[-1:], tag[:-1])
        joint, name = (rest[:1], rest[1:]) if self.first else (rest[-1:], rest[:-1])
        if joint != self.separator or not name:
            return None
        letter = letter if self.upper else letter.upper() if letter.islower() else ""
        return (letter, name) if letter and letter in "BIESLUMW" else None


# The separators of a letter and a type; in most files the first.
SEPARATORS = "-_:/|–—"
# In the order in which they are tried: letters in front first, and in upper case.
_STYLES = tuple(
    _Style(separator, first, upper)
    for separators in ("-_", SEPARATORS[2:])
    for first, upper in ((True, True), (True, False), (False, True))
    for separator in separators
)


def read_tagging(
    sentences: Sequence[Sequence[str]], scheme: str = "auto", known: Collection[str] = ()
) -> Tagging:
    """Tells how tags are written.

    A letter is one of a scheme only if the tags as a whole follow that scheme: `E-MAIL` and
    `S-BAHN` are types where no tag begins with B. Letters decide the scheme first (M: bmes; E or S:
    bioes; L or U: bilou; none: io). Of the two that use only B and I, it is iob1 if some entity
    starts with I and no B starts one after another type or O; anything else is iob2.

    Args:
      sentences: the tags of a file.
      scheme: one of FILE_SCHEMES if it is known, otherwise "auto".
      known: labels that tags may have, by which doubtful cases are settled.
    """
    counts = Counter(tag for tags in sentences for tag in tags)
    blank = next((tag for tag in _BLANKS if tag in counts and tag not in known), OUTSIDE)
    if OUTSIDE not in counts and blank != OUTSIDE:
        found = read_tagging(
            [[OUTSIDE if tag == blank else tag for tag in tags] for tags in sentences],
            scheme,
            known,
        )
        return Tagging(found.scheme, {**found.plain, blank: OUTSIDE})
    counts.pop(OUTSIDE, None)
    if counts and scheme != "io" and counts.keys() <= set("BIESLUM") and {"B", "I"} & counts.keys():
        types = [name for name in known if name != OUTSIDE]
        if not set(types) & counts.keys():
            return _without_types(sentences, scheme, types[0] if len(types) == 1 else UNNAMED)
    style = None if scheme == "io" else _style(counts, sentences, known, scheme == "auto")
    if style is None:
        return Tagging("io", {})
    plain = {tag: OUTSIDE for tag in counts if not style.upper and tag == "o"}
    letters = {parts[0] for tag in counts if (parts := style.split(tag))}
    same = {} if "I" in letters else {"M": "I"}
    same |= {} if letters & {"S", "U"} else {"W": "S"}
    for tag in counts:
        parts = style.split(tag)
        if parts:
            plain[tag] = f"{same.get(parts[0], parts[0])}-{parts[1]}"
    if scheme == "auto":
        middle = bool(letters & {"M", "W"} & same.keys())
        scheme = _scheme(letters, middle, [[plain.get(t, t) for t in tags] for tags in sentences])
    return Tagging(scheme, plain)


def _without_types(sentences: Sequence[Sequence[str]], scheme: str, name: str) -> Tagging:
    """How tags are written that are a letter alone, as B, I and O: all entities get one type."""
    plain = {tag: f"{tag}-{name}" for tags in sentences for tag in tags if tag != OUTSIDE}
    found = read_tagging([[plain.get(tag, tag) for tag in tags] for tags in sentences], scheme)
    return Tagging(found.scheme, {tag: found.plain.get(new, new) for tag, new in plain.items()})


def _style(
    counts: Counter, sentences: Sequence[Sequence[str]], known: Collection[str], doubt: bool
) -> _Style | None:
    """The style that the tags as a whole are in, None if they are types without letters."""
    for style in _STYLES:
        tags = {tag: n for tag, n in counts.items() if style.upper or tag != "o"}
        parts = {tag: found for tag in tags if (found := style.split(tag))}
        if not parts:
            continue
        if not doubt:
            if len(parts) * 2 > len(tags):
                return style
            continue
        share = sum(tags[tag] for tag in parts) / sum(tags.values())
        letters = {letter for letter, _ in parts.values()}
        whole = sum(tag in known for tag in tags)
        named = sum(tag in known or name in known for tag, (_, name) in parts.items())
        if whole > sum(name in known for _, name in parts.values()):
            continue  # the labels are whole tags, as E-MAIL is
        several = len(set(parts.values())) > len({name for _, name in parts.values()})
        settled = named == len(tags) or (share == 1 and style == _STYLES[0] and several)
        if settled or _follows(style, letters, share, tags, sentences):
            return style
    return None if doubt else _STYLES[0]


def _follows(
    style: _Style,
    letters: set[str],
    share: float,
    tags: Mapping[str, int],
    sentences: Sequence[Sequence[str]],
) -> bool:
    """Whether the letters of tags, of which a share can be split, follow a scheme."""
    if style != _STYLES[0]:
        # `_` is in types, as in B_CELL; other separators are not, and need no second letter.
        alone = style.first and style.upper and style.separator not in "-_"
        return share == 1 and "B" in letters and (alone or bool(letters & set("IESLUM")))
    if "B" in letters:
        return share >= 0.5
    if share < 1:
        return False
    if "I" in letters:
        return True
    # Entities of one word each, unless the same tag is often repeated, as a type is.
    pairs = sum(a == b != OUTSIDE for row in sentences for a, b in pairwise(row))
    return letters <= {"S", "U"} and pairs * 2 < sum(tags.values())


def _scheme(letters: set[str], middle: bool, sentences: Sequence[Sequence[str]]) -> str:
    """The scheme of plain tags whose letters are known."""
    if middle:
        return "bmes"
    if letters & {"E", "S"}:
        return "bioes"
    if letters & {"L", "U"}:
        return "bilou"
    starts_with_i, free_b = False, False
    for tags in sentences:
        parts = [split_tag(tag) for tag in tags]
        for (_, last_label), (prefix, label) in zip([("", OUTSIDE), *parts], parts, strict=False):
            starts_with_i |= prefix == "I" and last_label != label
            free_b |= prefix == "B" and last_label != label
    return "iob1" if starts_with_i and not free_b else "iob2"


def illegal_tags(sentences: Iterable[Sequence[str]], scheme: str) -> tuple[tuple[int, int], ...]:
    """(sentence, word) of each tag that breaks a scheme, such as I-PER after O in iob2."""
    found = _illegal_tags([[split_tag(tag) for tag in tags] for tags in sentences], scheme)
    return tuple(dict.fromkeys(found))  # I-PER alone in bioes has neither a begin nor an end


def _illegal_tags(tagged, scheme):
    """Yields (sentence, word) of tags that cannot follow the tag before them."""
    if scheme in ("io", "iob1"):
        return
    known = {"bioes": "BIES", "bilou": "BILU"}.get(scheme, "BI")
    ends = {"bioes": "ES", "bilou": "LU"}.get(scheme, "")
    continues = {"bioes": "IE", "bilou": "IL"}.get(scheme, "I")
    for row, tags in enumerate(tagged):
        previous = ("", OUTSIDE)
        for word, tag in enumerate([*tags, ("", OUTSIDE)]):
            opened = previous[0] in ("B", "I")
            inside = tag[0] != "" and tag[0] in continues
            if tag[1] != OUTSIDE and (not tag[0] or tag[0] not in known):
                yield row, word  # a tag of another scheme
            elif inside and not (opened and previous[1] == tag[1]):
                yield row, word
            elif ends and opened and not inside:
                yield row, min(word, len(tags) - 1)
            previous = tag


def tags_to_spans(tags: Sequence[str], scheme: str) -> tuple[Span, ...]:
    """Reads entities off a tag sequence; spans are in words.

    Never fails: a continuation with nothing to continue starts an entity, as in the CoNLL
    evaluation script, so that the same rule reads files and predictions.
    """
    spans: list[Span] = []
    start, label = 0, OUTSIDE
    for index, tag in enumerate([*tags, OUTSIDE]):
        prefix, name = split_tag(tag) if scheme != "io" else ("", tag)
        begins = prefix in ("B", "S", "U") and prefix != ""
        if name == label and not begins:
            if prefix in ("E", "L") and prefix != "" and label != OUTSIDE:
                spans.append(Span(start, index + 1, label))
                label = OUTSIDE
            continue
        if label != OUTSIDE:
            spans.append(Span(start, index, label))
        start, label = index, name
        if prefix in ("S", "U", "E", "L") and prefix != "" and name != OUTSIDE:
            spans.append(Span(index, index + 1, name))
            label = OUTSIDE
    return tuple(spans)


def spans_to_tags(spans: Iterable[Span], length: int, scheme: str) -> list[str]:
    """Writes non-overlapping entities (in words) as `length` tags of scheme io or iob2."""
    tags = [OUTSIDE] * length
    for start, end, label in spans:
        for index in range(start, end):
            prefix = "" if scheme == "io" else ("B-" if index == start else "I-")
            tags[index] = prefix + label
    return tags
