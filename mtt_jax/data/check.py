"""The check of labeled data: what is wrong with it, or may be, before anything is trained on it.

    counts       task -> split -> how often each label occurs
    summary      the same, a line per task and split; what every run prints
    inspect      what the sentences show: labels, duplicates, texts
    measure      what the tokenizer shows: lengths, scripts, unknown subwords, entities cut by words

Each finding is an error, with which a run would be wrong, or a warning.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from tokenizers import Tokenizer

from mtt_jax.config.values import as_flag
from mtt_jax.data.encode import ExampleSet
from mtt_jax.data.readers.unknown import HEADINGS, nearest
from mtt_jax.data.tokenizer import UNKNOWN
from mtt_jax.tasks import Task
from mtt_jax.tasks.base import part_of
from mtt_jax.tasks.schemes import OUTSIDE
from mtt_jax.types import Record, Span

ERROR, WARNING = "error", "warning"
# A label with fewer examples than this in train is rarely learned.
_FEW = 10
# A dev or test split with fewer labeled sentences than this measures little.
_SMALL = 50
# If one class has this share of a split, always answering it scores well.
_DOMINANT = 0.9
# A text this many times as long as 99% of the others is unlikely to be one sentence.
_OUTLIER = 3.0
# Shorter texts than this, in characters, are never too long.
_LONG = 500
# Cut training sentences are a finding if their share is at least this.
_CUT = 0.1
# A text of which the tokenizer knows less than half is in another script, or is not text.
_STRANGE = 0.5
# A script that a smaller share of the texts is in than this is not a usual one.
_STRAY = 0.02
# How many labels the summary of a split names.
_SHOWN = 12
# A column name is rarely repeated more often than this, even in files that were joined.
_HEADERS = 3
# What bytes of UTF-8 become if they are read as Windows-1252: a lead byte and those after it. For
# letters that rarely precede such a symbol one pair is enough; others do so in some languages.
_AFTER = "[\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a"
_AFTER += "\u20ac\u2122]"
_MISREAD = re.compile(
    f"\ufffd|\u00ef\u00bb\u00bf|\u00e2\u20ac|[\u00c2\u00c3]{_AFTER}"
    f"|(?:[\u00c4-\u00df]{_AFTER}){{2}}|(?:[\u00e0-\u00ef]{_AFTER}{_AFTER}){{2}}"
)
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")
# Names of columns that hold a tag per word.
_TAG_HEADINGS = frozenset(["ner", "ner_tag", "ner_tags", "pos", "pos_tag", "bio", "iob", "entity"])
# Separators inside a name, which differ between spellings of one label.
_INNER = re.compile(r"(?<=[^\W\d])[\s_./-]+(?=[^\W\d])")
# Scripts that are written together.
_TOGETHER = {"HIRAGANA": "CJK", "KATAKANA": "CJK", "KATAKANA-HIRAGANA": "CJK"}

Records = Mapping[str, Sequence[Record]]
# (split, record) of sentences with the same text.
_Group = list[tuple[str, Record]]


class Finding(NamedTuple):
    """Something in the data that is wrong, or may be.

    Attributes:
      severity: ERROR or WARNING.
      name: of this kind of finding, such as "conflicting duplicates".
      task: which task it is about, or which with commas; "" for all.
      split: where it is; "" for several.
      text: what it is and what to do, on one line unless there are lines to paste.
      places: where it was found, such as `train.csv, line 7`; files for what is in no line.
    """

    severity: str
    name: str
    task: str
    split: str
    text: str
    places: tuple[str, ...] = ()

    def line(self) -> str:
        """What it is and where it is first, as the notes of a run have it."""
        known = not self.places or self.places[0] in self.text
        return self.text if known else f"{self.text} First: {self.places[0]}."

    def as_json(self) -> dict[str, Any]:
        """The finding as JSON holds it."""
        return {**self._asdict(), "places": list(self.places)}


class _Labelled(NamedTuple):
    """The sentences of a split with a label of one task.

    Attributes:
      records: in the order of the split.
      plain: their texts, as `plain` gives them.
    """

    records: list[Record]
    plain: list[str]


def counts(splits: Records, tasks: Sequence[Task]) -> dict[str, dict[str, Counter]]:
    """Task -> split -> label -> how often it occurs, for the splits with labels of the task."""
    found: dict[str, dict[str, Counter]] = {}
    for task in tasks:
        by_split = {
            split: [record for record in records if task.name in record.labels]
            for split, records in splits.items()
        }
        found[task.name] = {split: _count(task, part) for split, part in by_split.items() if part}
    return found


def _count(task: Task, records: Iterable[Record]) -> Counter:
    return Counter(name for record in records for name in task.names(record.labels[task.name]))


def summary(splits: Records, tasks: Sequence[Task]) -> list[str]:
    """A line per task and split: how many sentences are labeled, and how often with what."""
    lines = []
    for task, by_split in counts(splits, tasks).items():
        for split, found in by_split.items():
            shown = ", ".join(f"{label} {count:,}" for label, count in found.most_common(_SHOWN))
            more = f", {len(found) - _SHOWN:,} more labels" if len(found) > _SHOWN else ""
            total = sum(task in record.labels for record in splits[split])
            sentences = number(total, "sentence", "sentences", split)
            lines.append(f"{task}: {sentences}: {shown or 'no label'}{more}.")
    return lines


def inspect(splits: Records, tasks: Sequence[Task]) -> list[Finding]:
    """What the sentences and their labels show, errors first.

    Args:
      splits: "train", "dev" and "test" -> records, as the files give them.
      tasks: whose labels to check.
    """
    found: list[Finding] = []
    texts = {split: [plain(record.text) for record in part] for split, part in splits.items()}
    for task in tasks:
        by_split = {s: _labelled(task, part, texts[s]) for s, part in splits.items()}
        by_split = {split: part for split, part in by_split.items() if part.records}
        by_label = {split: _count(task, part.records) for split, part in by_split.items()}
        found += _never(task, by_split, by_label)
        found += _headings(task, by_split, by_label)  # these two change the counts,
        found += _spellings(task, by_split, by_label)  # so that nothing is reported twice
        found += _labels(task, by_split, by_label)
        found += _duplicates(task, by_split)
    for split, records in splits.items():
        found += _texts(split, records, tasks)
    return merged(found)


def merged(found: Iterable[Finding]) -> list[Finding]:
    """The findings, errors first, with those that several tasks share merged into one."""
    whole: dict[tuple, Finding] = {}
    for finding in found:
        own = f"{finding.task}: "
        text = finding.text.removeprefix(own)
        key = (finding.severity, finding.name, finding.split, text, finding.places)
        there = whole.get(key)
        if there and finding.task in there.task.split(", "):
            continue
        if there:
            task = f"{there.task}, {finding.task}"
            shown = f"{task}: {text}" if finding.text.startswith(own) else text
            finding = there._replace(task=task, text=shown)
        whole[key] = finding
    return sorted(whole.values(), key=lambda finding: finding.severity != ERROR)


def number(count: int, one: str, several: str, between: str = "") -> str:
    """A count with its noun: `1 text occurs`, `2 texts occur`.

    Args:
      count: how many.
      one: what follows 1.
      several: what follows any other count.
      between: a word between count and noun, such as "labeled"; "" for none.
    """
    words = [f"{count:,}", between, one if count == 1 else several]
    return " ".join(word for word in words if word)


def plain(text: str) -> str:
    """A text as duplicates are compared: without case, composition and extra spaces."""
    text = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return " ".join(text.casefold().split())


def _labelled(task: Task, records: Sequence[Record], texts: Sequence[str]) -> _Labelled:
    kept = [i for i, record in enumerate(records) if task.name in record.labels]
    return _Labelled([records[i] for i in kept], [texts[i] for i in kept])


def _never(
    task: Task, by_split: Mapping[str, _Labelled], by_label: Mapping[str, Counter]
) -> Iterator[Finding]:
    """Labels that the config names and no sentence has."""
    if "train" not in by_split:
        return
    there = set().union(*by_label.values()) | {OUTSIDE}
    never = [label for label in task.labels if label not in there]
    if never:
        yield Finding(
            WARNING, "label without examples", task.name, "train",
            f"{task.name}: no sentence has {_listed(never)}, which --config.tasks.{task.name}."
            "labels names; is it spelled differently in the files?",
            _files(by_split["train"].records),
        )  # fmt: skip


def _headings(
    task: Task, by_split: Mapping[str, _Labelled], by_label: Mapping[str, Counter]
) -> Iterator[Finding]:
    """Rows that hold names of columns; their labels are taken out of the counts."""
    if not by_split:
        return
    total = sum(by_label.values(), Counter())
    names = HEADINGS | {task.name.casefold()} | (_TAG_HEADINGS if task.unit == "word" else set())
    usual = np.median([len(text.split()) for part in by_split.values() for text in part.plain])
    for split, part in by_split.items():
        for record, text in zip(part.records, part.plain, strict=True):
            for label in task.names(record.labels[task.name])[:1]:
                if total[label] > _HEADERS or len(total) < 3:
                    continue
                begins = total[label] == 1 and record.place.endswith("line 1")
                short = task.unit == "sentence" and 3 * len(text.split()) < usual
                known = label.strip().casefold() in names and (task.unit == "sentence" or begins)
                if known or (begins and short):
                    yield _header(task, split, label, record.place)
                    del by_label[split][label]


def _header(task: Task, split: str, label: str, place: str) -> Finding:
    remedy = (
        f"set --config.data.{task.name}.header=true, or delete it if it is not the first."
        if task.unit == "sentence"
        else "delete it."
    )
    return Finding(
        ERROR, "header as data", task.name, split,
        f"{task.name}: a line of {split} with the label {label!r} seems to hold the names of the "
        f"columns; {remedy}",
        (place,),
    )  # fmt: skip


def _spellings(
    task: Task, by_split: Mapping[str, _Labelled], by_label: Mapping[str, Counter]
) -> Iterator[Finding]:
    """Labels that differ in capitals, spaces and separators alone; they are counted as one."""
    total = sum(by_label.values(), Counter())
    alike = defaultdict(list)
    for label in total:
        alike[_INNER.sub("", label.strip().casefold())].append(label)
    for same in alike.values():
        if len(same) < 2:
            continue
        same.sort(key=lambda label: (-total[label], label))
        flag = as_flag(f"config.data.{task.name}.label_map", dict.fromkeys(same[1:], same[0]))
        places = [
            place
            for part in by_split.values()
            for place in _places_of(same[1:], task, part.records)
        ]
        yield Finding(
            ERROR, "one label in several spellings", task.name, "",
            f"{task.name}: {_listed(same)} differ in spelling alone; if they are one label, map "
            f"them: {flag}",
            tuple(places),
        )  # fmt: skip
        for here in by_label.values():
            moved = sum(here.pop(label, 0) for label in same[1:])
            if moved:
                here[same[0]] += moved


def _labels(
    task: Task, by_split: Mapping[str, _Labelled], by_label: Mapping[str, Counter]
) -> Iterator[Finding]:
    """Labels that a split lacks, or has too few of."""
    train = by_label.get("train", Counter())
    rare = _rare(train)
    name = task.name
    for split, here in by_label.items():
        records = by_split[split].records
        sentences, files = len(records), _files(records)
        held = split != "train"
        if not here:
            yield _without_labels(task, split, sentences, files)
            continue
        if held and sentences < _SMALL:
            yield Finding(
                WARNING, "small split", name, split,
                f"{name}: {split} has only {number(sentences, 'sentence', 'sentences', 'labeled')}"
                ", whose score says little; add some.",
                files,
            )  # fmt: skip
        label, most = here.most_common(1)[0]
        one = len(here) == 1 and task.unit == "sentence"
        if one and (len(train) > 1 if held else task.fewest_labels > 1):
            yield Finding(
                ERROR, "one label", name, split,
                f"{name}: all {split} labels are {label!r}; "
                + ("a model that always says so is right. Take sentences of all labels."
                   if held else "there is nothing to learn."),
                files,
            )  # fmt: skip
            continue
        if task.unit == "sentence" and len(train) > 1 and most > _DOMINANT * sentences:
            yield Finding(
                WARNING, "dominant label", name, split,
                f"{name}: {most / sentences:.0%} of the {split} sentences are {label!r}; a model "
                "that always says so scores as well. "
                f"--config.tasks.{name}.class_sampling=over draws the others more often.",
                files,
            )  # fmt: skip
        if not held or not train:
            continue
        absent = [label for label in train if label not in here and label not in rare]
        if absent:
            yield Finding(
                WARNING, "absent label", name, split,
                f"{name}: {split} has no {_listed(absent)}, which train has; the score there says "
                "nothing about it. Add sentences with it.",
                files,
            )  # fmt: skip
        unknown = [label for label in here if label not in train]
        if unknown:
            yield Finding(
                ERROR, "label that train lacks", name, split,
                f"{name}: {split} has {_listed(unknown)}, which train lacks, so that the model "
                "cannot learn it. Add such sentences to train; if it is another name of a label, "
                f"map it with --config.data.{name}.label_map",
                _places_of(unknown, task, records),
            )  # fmt: skip
    if rare:
        near = {label: nearest(label, [n for n in train if n not in rare]) for label in rare}
        like = next((f"Is {a!r} a slip for {b!r}? " for a, b in near.items() if b), "")
        yield Finding(
            WARNING, "rare label", name, "train",
            f"{name}: train has fewer than {_FEW} examples of {_listed(rare)}. {like}Add some, or "
            f"join it with another label by --config.data.{name}.label_map",
            _places_of(rare, task, by_split["train"].records),
        )  # fmt: skip


def _rare(train: Counter) -> list[str]:
    """The labels of which train has few examples, unless it is small as a whole."""
    rare = [label for label, count in train.items() if count < _FEW]
    return rare if train.total() > _FEW * len(train) else []


def _without_labels(task: Task, split: str, sentences: int, files: tuple[str, ...]) -> Finding:
    """The finding that all sentences of a split say that nothing applies."""
    what = "an entity" if "offsets" in task.reads else "a label"
    count = f"none of {sentences:,} {split} sentences has {what}"
    flag = f"--config.data.{task.name}"
    remedy = {
        "train": f"look at {flag}.label, which says where the labels are.",
        "dev": "its score chooses the best checkpoint and says nothing. Name another file with "
        f"{flag}.dev, or look at {flag}.label",
    }.get(split, "its score says nothing.")
    severity = WARNING if split == "test" else ERROR
    return Finding(
        severity, "no labels", task.name, split, f"{task.name}: {count}; {remedy}", files
    )


def _duplicates(task: Task, by_split: Mapping[str, _Labelled]) -> Iterator[Finding]:
    """Texts that occur more than once, with one label or with several."""
    groups: dict[str, _Group] = defaultdict(list)
    for split, part in by_split.items():
        for record, text in zip(part.records, part.plain, strict=True):
            groups[text].append((split, record))
    several = [group for group in groups.values() if len(group) > 1]
    conflicting: list[_Group] = []
    same: list[_Group] = []
    for group in several:
        labels = {_comparable(record.labels[task.name], record.text) for _, record in group}
        (conflicting if len(labels) > 1 else same).append(group)
    if conflicting:
        pair = [record.place for _, record in conflicting[0] if record.place][:2]
        such = "such as " if len(conflicting) > 1 else ""
        shown = f" ({such}{' and '.join(pair)})" if pair else ""
        yield Finding(
            WARNING, "conflicting duplicates", task.name, "",
            f"{task.name}: {number(len(conflicting), 'text occurs', 'texts occur')} with different "
            f"labels{shown}; keep the right one.",
            tuple(record.place for group in conflicting for _, record in group),
        )  # fmt: skip
    for split in by_split:
        copies = [r for group in same for r in [r for where, r in group if where == split][1:]]
        if copies:
            yield Finding(
                WARNING, "duplicates", task.name, split,
                f"{task.name}: {number(len(copies), 'text repeats', 'texts repeat', split)} an "
                "earlier one; remove the copies.",
                tuple(record.place for record in copies),
            )  # fmt: skip
    yield from _leaks(task, by_split, several)


def _leaks(
    task: Task,
    by_split: Mapping[str, _Labelled],
    several: Sequence[_Group],
) -> Iterator[Finding]:
    """Texts of dev and test that are in train, and those of test that are in dev."""
    pairs = (("dev", "train"), ("test", "train"), ("test", "dev"))
    told: set[tuple[str, int]] = set()
    for split, other in pairs:
        leaked = [
            record
            for group in several
            if {other, split} <= {where for where, _ in group}
            for where, record in group
            if where == split and (split, id(record)) not in told
        ]
        if leaked:
            told |= {(split, id(record)) for record in leaked}
            total = len(by_split[split].records)
            of = number(total, "sentence", "sentences", split)
            why = "the score too high" if other == "train" else "the choice by dev count for test"
            yield Finding(
                ERROR if 2 * len(leaked) > total else WARNING, f"{other} text", task.name, split,
                f"{task.name}: {len(leaked):,} of {of} {'is' if len(leaked) == 1 else 'are'} also "
                f"in {other}, which makes {why}; remove from one of the two.",
                tuple(record.place for record in leaked),
            )  # fmt: skip


def _texts(split: str, records: Sequence[Record], tasks: Sequence[Task]) -> Iterator[Finding]:
    """Texts that were damaged before they came here."""
    misread = [r for r in records if not r.text.isascii() and _MISREAD.search(r.text)]
    if misread:
        looks = number(len(misread), "text looks as if it had", "texts look as if they had")
        yield Finding(
            WARNING, "misread characters", "", split,
            f"{split}: {looks} been read in a wrong encoding, such as "
            f"{_around(misread[0].text, _MISREAD)}; export the file again as UTF-8.",
            tuple(record.place for record in misread),
        )  # fmt: skip
    hidden = [record for record in records if _CONTROL.search(record.text)]
    if hidden:
        yield Finding(
            WARNING, "control characters", "", split,
            f"{split}: {number(len(hidden), 'text contains', 'texts contain')} control characters, "
            f"which no one sees, such as {_around(hidden[0].text, _CONTROL)}; remove them.",
            tuple(record.place for record in hidden),
        )  # fmt: skip
    swallowed = list(_swallowed(records, tasks))
    if swallowed:
        contains = number(len(swallowed), "text contains", "texts contain")
        yield Finding(
            ERROR, "rows inside a text", "", split,
            f"{split}: {contains} lines that begin with a label; is a quote missing at its end?",
            tuple(record.place for record in swallowed),
        )  # fmt: skip
    lengths = np.array([len(record.text) for record in records] or [0])
    limit = max(_OUTLIER * np.quantile(lengths, 0.99), _LONG)
    known = {id(record) for record in swallowed}
    long = [r for r in records if len(r.text) > limit and id(r) not in known]
    if long:
        length = max(len(record.text) for record in long)
        yield Finding(
            WARNING, "overlong text", "", split,
            f"{split}: {number(len(long), 'text is', 'texts are')} more than {_OUTLIER:.0f} times "
            f"as long as 99 of 100 others, the longest {length:,} characters; is a quote or an "
            "empty line missing?",
            tuple(record.place for record in long),
        )  # fmt: skip


def _swallowed(records: Sequence[Record], tasks: Sequence[Task]) -> Iterator[Record]:
    """Texts over several lines of which one begins as a row of a table does: label, separator."""
    labels = [label for task in tasks if task.unit == "sentence" for label in task.labels]
    if not labels:
        return
    row = re.compile(rf'^"?(?:{"|".join(map(re.escape, labels))})"?[,;\t|]', re.MULTILINE)
    for record in records:
        _, end, rest = record.text.partition("\n")
        if end and row.search(rest):
            yield record


def measure(
    splits: Records, encoded: Mapping[str, ExampleSet], tokenizer: Tokenizer, max_length: int
) -> tuple[dict[str, dict[str, float]], list[Finding]]:
    """What the tokenizer shows: (split -> figures, findings).

    Args:
      splits: records.
      encoded: the same records, encoded.
      tokenizer: that encoded them.
      max_length: subwords of the longest sentence that is read whole.
    """
    figures: dict[str, dict[str, float]] = {}
    found: list[Finding] = []
    scripts = {split: [script_of(r.text) for r in splits[split]] for split in encoded}
    usual = _usual_scripts(script for part in scripts.values() for script in part)
    for split, examples in encoded.items():
        if not len(examples):
            continue
        records, lengths = splits[split], examples.lengths()
        shares, long = _unknown_shares(examples, tokenizer), lengths > max_length
        figures[split] = {
            "sentences": len(examples),
            "subwords_mean": round(float(lengths.mean()), 1),
            "subwords_max": int(lengths.max()),
            "cut_share": round(float(long.mean()), 4),
            "unknown_share": round(float(np.average(shares, weights=lengths)), 4),
        }
        stray = np.array([script != "" and script not in usual for script in scripts[split]])
        found += _strange(split, records, stray, shares)
        if split == "train":
            found += _cut_sentences(records, long, examples, max_length)
        found += cut_labels(split, records, examples)
    return figures, found


def _cut_sentences(
    records: Sequence[Record], long: np.ndarray, examples: ExampleSet, max_length: int
) -> Iterator[Finding]:
    """A task of whose training sentences many are longer than what is read of them."""
    for task in examples.tasks:
        labelled = examples.labelled(task)
        share = long[labelled].mean() if labelled.any() else 0.0
        if share > _CUT:
            yield Finding(
                WARNING, "cut sentences", task.name, "train",
                f"{task.name}: {share:.0%} of the train sentences are longer than {max_length} "
                "subwords and are cut; raise --config.data.max_length.",
                tuple(records[i].place for i in np.flatnonzero(long & labelled).tolist()),
            )  # fmt: skip


def _strange(
    split: str, records: Sequence[Record], stray: np.ndarray, shares: np.ndarray
) -> Iterator[Finding]:
    """Texts in a script that few others are in, and those of unknown characters."""
    if stray.any():
        places = tuple(records[i].place for i in np.flatnonzero(stray).tolist())
        yield Finding(
            WARNING, "another script", "", split,
            f"{split}: {number(len(places), 'text is', 'texts are')} in another script than the "
            f"rest, such as {_beginning(records[int(np.argmax(stray))].text)}; a model learns it "
            "from many examples only.",
            places,
        )  # fmt: skip
    unknown = (shares > _STRANGE) & ~stray
    if unknown.any():
        places = tuple(records[i].place for i in np.flatnonzero(unknown).tolist())
        yield Finding(
            WARNING, "unknown characters", "", split,
            f"{split}: of {number(len(places), 'text', 'texts')} the tokenizer knows less than "
            f"half, such as {_beginning(records[int(np.argmax(unknown))].text)}; are they damaged, "
            "or in another language than train?",
            places,
        )  # fmt: skip


def script_of(text: str) -> str:
    """The script that most letters of a text are in, as Unicode names it; "" without letters."""
    if text.isascii():
        return "LATIN" if any(map(str.isalpha, text)) else ""
    found: Counter = Counter()
    for char, times in Counter(text).items():
        if char.isalpha():
            found[_script(char)] += times
    return max(found, key=lambda script: (found[script], script), default="")


@lru_cache(maxsize=20_000)
def _script(char: str) -> str:
    name = unicodedata.name(char, "").partition(" ")[0]
    return _TOGETHER.get(name, name)


def _usual_scripts(found: Iterable[str]) -> set[str]:
    """The scripts of more than a few texts."""
    totals = Counter(script for script in found if script)
    return {script for script, count in totals.items() if count > _STRAY * totals.total()}


def _unknown_shares(examples: ExampleSet, tokenizer: Tokenizer) -> np.ndarray:
    """[n] share of each sentence's subwords that are unknown."""
    unknown = tokenizer.token_to_id(UNKNOWN)
    if unknown is None:
        unknown = tokenizer.token_to_id("<unk>")
    ends = examples.arrays["token_ends"]
    total = np.concatenate([[0], np.cumsum(examples.arrays["tokens"] == unknown)])
    inside = total[ends] - total[np.concatenate([[0], ends[:-1]])]
    return inside / np.maximum(examples.lengths() - 2, 1)


def cut_labels(split: str, records: Sequence[Record], examples: ExampleSet) -> Iterator[Finding]:
    """Yields a finding for each task with spans that begin or end inside a word.

    Args:
      split: of the records.
      records: as the files give them.
      examples: the same records, encoded.
    """
    for task in examples.tasks:
        places: list[str] = []
        cut, total = 0, 0
        for index, record in enumerate(records):
            label = record.labels.get(task.name)
            if not label or task.unit != "word":
                continue
            here = task.cut(label, part_of(examples.arrays, "word", index))
            cut, total = cut + here, total + len(label)
            places += [record.place] * (here > 0)
        if places:
            yield Finding(
                WARNING, "label inside a word", task.name, split,
                f"{task.name}: {cut:,} of {number(total, 'label', 'labels', split)} "
                f"{'begins or ends' if cut == 1 else 'begin or end'} inside a word, so that no "
                "answer can match; are the offsets right?",
                tuple(places),
            )  # fmt: skip


def _comparable(label: Any, text: str) -> str:
    """A label as duplicates are compared: spans by what they cover, not by where it is."""
    if isinstance(label, Span):
        return f"{label.label} {plain(text[label.start : label.end])}"
    if isinstance(label, (tuple, list, set, frozenset)):
        return repr(sorted(_comparable(part, text) for part in label))
    return str(label)


def _places_of(labels: Sequence[str], task: Task, records: Sequence[Record]) -> tuple[str, ...]:
    """Where some labels are."""
    wanted = set(labels)
    return tuple(
        record.place for record in records if wanted & set(task.names(record.labels[task.name]))
    )


def _files(records: Sequence[Record]) -> tuple[str, ...]:
    """The files that records are from."""
    places = (record.place for record in records if record.place)
    return tuple(dict.fromkeys(re.sub(r", [a-z]+ \d+$", "", place) for place in places))


def _listed(labels: Sequence[str], most: int = 8) -> str:
    more = f" and {len(labels) - most:,} more" if len(labels) > most else ""
    return ", ".join(repr(label) for label in labels[:most]) + more


def _around(text: str, pattern: re.Pattern) -> str:
    """What is around the first match, for a message."""
    match = pattern.search(text)
    start = match.start() if match else 0
    return repr(text[max(0, start - 10) : start + 12])


def _beginning(text: str) -> str:
    return repr(text if len(text) <= 30 else f"{text[:30]}...")
