"""Tags are read as seqeval reads them, and decoding finds the most probable legal sequence."""

import itertools

import numpy as np
import pytest
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import BILOU, IOB1, IOB2, IOBES
from seqeval.scheme import Entities as StrictEntities

from mtt_jax.tasks.schemes import (
    FILE_SCHEMES as NAMED,
)
from mtt_jax.tasks.schemes import (
    MODEL_SCHEMES,
    class_ids,
    class_names,
    decode,
    entity_types,
    illegal_tags,
    read_tagging,
    scheme_name,
    spans_to_tags,
    split_tag,
    tags_to_spans,
    type_of,
)
from mtt_jax.types import Span

# Those with letters of their own; bmes is read as bioes.
FILE_SCHEMES = [scheme for scheme in NAMED if scheme != "bmes"]
ORACLES = {"io": IOB1, "iob1": IOB1, "iob2": IOB2, "bioes": IOBES, "bilou": BILOU}


def random_sentences(count=200, seed=0):
    """(length, spans) pairs; about every second entity is adjacent to the one before it."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        length, position, spans = int(rng.integers(0, 14)), 0, []
        while position < length:
            end = min(length, position + int(rng.integers(1, 4)))
            if rng.random() < 0.6:
                spans.append(Span(position, end, str(rng.choice(["PER", "ORG", "A-B"]))))
            position = end
        yield length, tuple(spans)


SENTENCES = [
    (0, ()),
    (1, ()),
    (1, (Span(0, 1, "PER"),)),
    (3, (Span(0, 2, "PER"), Span(2, 3, "PER"))),  # adjacent, of one type
    (4, (Span(0, 1, "PER"), Span(1, 2, "PER"), Span(2, 3, "PER"))),
    (4, (Span(0, 2, "PER"), Span(2, 4, "ORG"))),  # adjacent, of two types
    (5, (Span(0, 2, "PER"), Span(3, 5, "PER"))),
    (3, (Span(0, 3, "LOC"),)),
    *random_sentences(),
]


def written(length, spans, scheme):
    """The tags of entities, written independently of the code under test."""
    tags = ["O"] * length
    for start, end, label in spans:
        follows = any((other.end, other.label) == (start, label) for other in spans)
        inside = ["I"] * (end - start)
        if scheme == "iob2" or (scheme == "iob1" and follows):
            inside[0] = "B"
        if scheme in ("bioes", "bilou"):
            last, single = ("E", "S") if scheme == "bioes" else ("L", "U")
            inside[0], inside[-1] = "B", last
            inside = inside if end - start > 1 else [single]
        tags[start:end] = [label if scheme == "io" else f"{prefix}-{label}" for prefix in inside]
    return tags


def strict(tags, scheme):
    """The entities that seqeval's strict mode finds."""
    if scheme == "io":  # I- alone is IOB1 without adjacent entities
        tags = [tag if tag == "O" else f"I-{tag}" for tag in tags]
    (entities,) = StrictEntities([tags], ORACLES[scheme]).entities
    return tuple(Span(entity.start, entity.end, entity.tag) for entity in entities)


@pytest.mark.parametrize("scheme", FILE_SCHEMES)
def test_each_scheme_is_read_as_seqeval_reads_it(scheme):
    for length, spans in SENTENCES:
        tags = written(length, spans, scheme)
        assert tags_to_spans(tags, scheme) == strict(tags, scheme)


@pytest.mark.parametrize("scheme", [scheme for scheme in FILE_SCHEMES if scheme != "io"])
def test_every_scheme_but_io_keeps_all_entities(scheme):
    for length, spans in SENTENCES:
        assert tags_to_spans(written(length, spans, scheme), scheme) == spans


@pytest.mark.parametrize("target", MODEL_SCHEMES)
@pytest.mark.parametrize("source", FILE_SCHEMES)
def test_tags_in_any_scheme_are_converted_to_the_scheme_of_the_model(source, target):
    for length, spans in SENTENCES:
        tags = written(length, spans, source)
        converted = spans_to_tags(tags_to_spans(tags, source), length, target)
        assert converted == written(length, strict(tags, source), target)
        assert len(converted) == length
        if source != "io" or target == "io":
            assert converted == written(length, spans, target)


def test_the_example_in_the_docstring_of_the_module_holds():
    spans = (Span(0, 2, "PER"), Span(2, 3, "PER"))
    drawn = {
        "io": "PER PER PER",
        "iob1": "I-PER I-PER B-PER",
        "iob2": "B-PER I-PER B-PER",
        "bioes": "B-PER E-PER S-PER",
        "bilou": "B-PER L-PER U-PER",
    }
    for scheme, tags in drawn.items():
        expected = (Span(0, 3, "PER"),) if scheme == "io" else spans
        assert tags_to_spans(tags.split(), scheme) == expected


@pytest.mark.parametrize(
    ("scheme", "prefixes"), [("iob1", "BI"), ("iob2", "BI"), ("bioes", "BIES"), ("bilou", "BILU")]
)
def test_an_illegal_sequence_is_read_as_the_conll_evaluation_script_reads_it(scheme, prefixes):
    rng = np.random.default_rng(1)
    tags = ["O", *(f"{prefix}-{label}" for prefix in prefixes for label in ("PER", "ORG"))]
    same_rules = str.maketrans("LU", "ES")
    for _ in range(1000):
        sentence = [str(tag) for tag in rng.choice(tags, rng.integers(1, 10))]
        plain = [tag[0].translate(same_rules) + tag[1:] for tag in sentence]
        expected = tuple(Span(start, end + 1, label) for label, start, end in get_entities(plain))
        assert tags_to_spans(sentence, scheme) == expected, sentence


def detected(sentences):
    """The scheme that tags follow, and (sentence, word) of each that breaks it."""
    found = read_tagging(sentences)
    plain = [[found.plain.get(tag, tag) for tag in tags] for tags in sentences]
    return found.scheme, illegal_tags(plain, found.read_as)


@pytest.mark.parametrize("scheme", FILE_SCHEMES)
def test_the_scheme_of_legal_tags_is_detected(scheme):
    sentences = [written(length, spans, scheme) for length, spans in SENTENCES]
    assert detected(sentences) == (scheme, ())


@pytest.mark.parametrize(
    ("sentences", "scheme"),
    [
        ([], "io"),
        ([[]], "io"),
        ([["O", "O"]], "io"),
        ([["PER", "O", "ORG"]], "io"),
        ([["I-PER", "I-PER", "O"]], "iob1"),
        ([["I-PER", "B-PER"]], "iob1"),
        ([["B-PER", "O"]], "iob2"),
        ([["O", "S-PER"]], "bioes"),
        ([["O", "B-PER", "E-PER"]], "bioes"),
        ([["U-PER"]], "bilou"),
        ([["B-PER", "I-PER", "L-PER"]], "bilou"),
    ],
)
def test_a_scheme_is_detected_from_few_tags(sentences, scheme):
    assert detected(sentences) == (scheme, ())


@pytest.mark.parametrize(
    ("sentences", "scheme", "illegal"),
    [
        (["B-PER O I-PER"], "iob2", [(0, 2)]),
        (["O", "B-PER I-ORG I-ORG"], "iob2", [(1, 1)]),
        (["B-PER I-PER", "I-PER", "B-ORG"], "iob2", [(1, 0)]),
        (["B-PER O", "S-PER E-PER"], "bioes", [(0, 1), (1, 1)]),
        (["S-PER O", "B-PER"], "bioes", [(1, 0)]),
        (["B-PER S-PER"], "bioes", [(0, 1)]),
        (["B-PER E-PER I-PER E-PER"], "bioes", [(0, 2)]),
        (["B-PER E-ORG O"], "bioes", [(0, 1)]),
        (["U-PER L-PER"], "bilou", [(0, 1)]),
        (["B-PER I-PER", "U-ORG"], "bilou", [(0, 1)]),
        (["B-PER L-PER U-PER B-ORG U-PER"], "bilou", [(0, 4)]),
    ],
)
def test_an_illegal_tag_is_reported_with_sentence_and_word(sentences, scheme, illegal):
    assert detected([sentence.split() for sentence in sentences]) == (scheme, tuple(illegal))


@pytest.mark.parametrize(
    ("sentences", "illegal"),
    [
        (["S-PER U-PER"], [(0, 1)]),
        (["B-PER E-PER", "O PER"], [(1, 1)]),
        (["B-PER I-PER PER"], [(0, 2)]),
    ],
)
def test_a_tag_of_another_scheme_is_reported_with_sentence_and_word(sentences, illegal):
    assert detected([line.split() for line in sentences])[1] == tuple(illegal)


def test_a_tag_is_illegal_in_iob2_exactly_if_it_is_an_i_that_continues_nothing():
    rng = np.random.default_rng(2)
    tags = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG"]
    sentences = [["O", "B-PER"]]  # makes it iob2
    sentences += [[str(t) for t in rng.choice(tags, rng.integers(1, 9))] for _ in range(300)]
    expected = [
        (row, word)
        for row, sentence in enumerate(sentences)
        for word, (last, tag) in enumerate(zip(["O", *sentence], sentence, strict=False))
        if tag[0] == "I" and (last[0] not in "BI" or last[2:] != tag[2:])
    ]
    assert detected(sentences) == ("iob2", tuple(expected))
    assert len(expected) > 100


@pytest.mark.parametrize(
    ("tag", "parts"),
    [
        ("B-PER", ("B", "PER")),
        ("I-A-B", ("I", "A-B")),
        ("O", ("", "O")),
        ("PER", ("", "PER")),
        ("X-PER", ("", "X-PER")),
        ("B-", ("", "B-")),
        ("B", ("", "B")),
    ],
)
def test_a_tag_has_a_prefix_only_before_a_label(tag, parts):
    assert split_tag(tag) == parts


def through_scheme(spans, length, scheme):
    """What is left of entities after writing them in a scheme and reading them back."""
    return tags_to_spans(spans_to_tags(spans, length, scheme), scheme)


def test_io_merges_adjacent_entities_of_one_type_and_nothing_else():
    merged = 0
    for length, spans in SENTENCES:
        expected = []
        for span in spans:
            if expected and (expected[-1].end, expected[-1].label) == (span.start, span.label):
                expected[-1] = expected[-1]._replace(end=span.end)
                merged += 1
            else:
                expected.append(span)
        assert through_scheme(spans, length, "io") == tuple(expected)
    assert merged > 50


def test_iob2_keeps_every_entity():
    for length, spans in SENTENCES:
        assert through_scheme(spans, length, "iob2") == spans


def test_the_order_in_which_entities_are_given_does_not_matter():
    for length, spans in SENTENCES:
        for scheme in MODEL_SCHEMES:
            assert spans_to_tags(spans[::-1], length, scheme) == written(length, spans, scheme)


LABELS = ("O", "PER", "ORG")


def test_class_names_are_the_tags_that_the_scheme_writes():
    assert class_names(LABELS, "io") == LABELS
    assert class_names(LABELS, "iob2") == ("O", "B-PER", "I-PER", "B-ORG", "I-ORG")
    assert entity_types(LABELS) == ("PER", "ORG")
    assert [type_of(name, "iob2") for name in class_names(LABELS, "iob2")] == [
        "O", "PER", "PER", "ORG", "ORG"
    ]  # fmt: skip
    assert type_of("B-movie", "io") == "B-movie"


@pytest.mark.parametrize("scheme", MODEL_SCHEMES)
def test_class_ids_are_those_of_the_tags(scheme):
    labels = ("O", "PER", "ORG", "A-B")
    names, types = class_names(labels, scheme), entity_types(labels)
    for length, spans in SENTENCES:
        spans = [span for span in spans if span.label in types]
        rows = [(span.start, span.end, types.index(span.label)) for span in spans]
        ids = class_ids(np.array(rows, np.int32).reshape(-1, 3), length, scheme)
        assert ids.dtype == np.int32
        assert [names[index] for index in ids] == spans_to_tags(spans, length, scheme)


@pytest.mark.parametrize("scheme", ["iob2", "bioes", "bilou"])
def test_tags_can_be_checked_against_a_scheme_that_is_given(scheme):
    legal = [written(length, spans, scheme) for length, spans in SENTENCES]
    assert illegal_tags(legal, scheme) == ()
    assert illegal_tags([*legal, ["O", "I-PER", "O"]], scheme)[0] == (len(legal), 1)
    assert illegal_tags([["O", "PER"]], scheme) == ((0, 1),)


# Decoding

OUT, B_PER, I_PER, B_ORG, I_ORG = range(5)
IOB2_CLASSES = class_names(LABELS, "iob2")


def random_log_probs(rng, words, classes):
    """Log-probabilities from nearly even to nearly certain."""
    logits = rng.normal(size=(words, classes)) * rng.choice([0.1, 1.0, 10.0])
    return (logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)).astype(np.float32)


def is_legal(tags):
    """Whether each I-X follows B-X or I-X."""
    return all(
        now[0] != "I" or (last[0] in "BI" and last[2:] == now[2:])
        for last, now in zip(("O", *tags), tags, strict=False)
    )


def best_by_trying_all(log_probs):
    """The most probable legal sequence of class names."""
    words = range(len(log_probs))
    best = max(
        (
            path
            for path in itertools.product(range(5), repeat=len(log_probs))
            if is_legal([IOB2_CLASSES[i] for i in path])
        ),
        key=lambda path: sum(float(log_probs[word, path[word]]) for word in words),
    )
    return [IOB2_CLASSES[i] for i in best]


@pytest.mark.parametrize("words", [1, 2, 3, 4, 5])
def test_viterbi_finds_the_sequence_that_trying_all_legal_ones_finds(words):
    rng = np.random.default_rng(words)
    corrected = 0
    for _ in range(15):
        log_probs = random_log_probs(rng, words, 5)
        expected = best_by_trying_all(log_probs)
        assert decode([log_probs], LABELS, "iob2")[0] == tags_to_spans(expected, "iob2")
        corrected += expected != [IOB2_CLASSES[i] for i in log_probs.argmax(-1)]
    assert corrected > 0  # the scheme changed some of them


def best_legal_score(log_probs):
    """The log-probability of the most probable legal sequence, from the last word to the first."""
    after = dict.fromkeys(IOB2_CLASSES, 0.0)
    for row in log_probs[::-1]:
        scored = {tag: float(p) + after[tag] for tag, p in zip(IOB2_CLASSES, row, strict=True)}
        starts = {tag: score for tag, score in scored.items() if tag[0] != "I"}
        after = {
            last: max(*starts.values(), scored.get(f"I-{last[2:]}", -np.inf))
            for last in IOB2_CLASSES
        }
    return max(starts.values())


def test_decoding_a_sentence_of_any_length_gives_the_most_probable_legal_sequence():
    rng = np.random.default_rng(0)
    illegal_by_word = 0
    for _ in range(300):
        words = int(rng.integers(1, 40))
        log_probs = random_log_probs(rng, words, 5)
        illegal_by_word += not is_legal([IOB2_CLASSES[i] for i in log_probs.argmax(-1)])
        # Had the decoder taken an illegal step, no legal tags of its entities would score this.
        tags = spans_to_tags(decode([log_probs], LABELS, "iob2")[0], words, "iob2")
        score = log_probs[np.arange(words), [IOB2_CLASSES.index(tag) for tag in tags]].sum()
        assert score == pytest.approx(best_legal_score(log_probs), abs=1e-4)
    assert illegal_by_word > 100


def certain(*classes, count=5, sure=0.9):
    """Log-probabilities that favor the given classes."""
    rest = (1 - sure) / (count - 1)
    return np.log(np.where(np.eye(count)[list(classes)] > 0, sure, rest))


def test_the_most_probable_tags_are_kept_if_they_are_legal():
    log_probs = certain(B_PER, I_PER, B_PER, OUT, B_ORG, I_ORG)
    assert decode([log_probs], LABELS, "iob2")[0] == (
        Span(0, 2, "PER"),
        Span(2, 3, "PER"),
        Span(4, 6, "ORG"),
    )


def test_an_i_tag_that_continues_nothing_gets_a_b_tag_if_that_is_more_probable():
    # O is a little more probable than B-PER, but I-PER is almost certain after it.
    log_probs = np.log([[0.5, 0.4, 0.04, 0.03, 0.03], [0.01, 0.01, 0.96, 0.01, 0.01]])
    assert decode([log_probs], LABELS, "iob2")[0] == (Span(0, 2, "PER"),)


def test_a_sentence_never_begins_inside_an_entity():
    assert decode([np.log([[0.3, 0.1, 0.58, 0.01, 0.01]])], LABELS, "iob2")[0] == ()
    assert decode([np.log([[0.1, 0.01, 0.58, 0.3, 0.01]])], LABELS, "iob2")[0] == (
        Span(0, 1, "ORG"),
    )


def test_a_class_of_probability_zero_is_never_chosen():
    log_probs = certain(B_PER, I_PER, I_PER)
    log_probs[1, I_PER] = -np.inf
    spans = decode([log_probs], LABELS, "iob2")[0]
    assert tags_to_spans(["B-PER", "I-PER", "I-PER"], "iob2") != spans
    assert spans[0] == Span(0, 1, "PER")


def test_with_io_each_word_decides_for_itself():
    rng = np.random.default_rng(3)
    for words in range(1, 30):
        log_probs = random_log_probs(rng, words, 3)
        tags = [LABELS[i] for i in log_probs.argmax(-1)]
        assert decode([log_probs], LABELS, "io")[0] == tags_to_spans(tags, "io")


@pytest.mark.parametrize("scheme", MODEL_SCHEMES)
def test_an_empty_sentence_has_no_entities(scheme):
    classes = len(class_names(LABELS, scheme))
    assert decode([np.zeros((0, classes), np.float32)], LABELS, scheme) == [()]
    assert decode([], LABELS, scheme) == []


@pytest.mark.parametrize("labels", [LABELS, ("O", "ORG", "PER")], ids=str)
@pytest.mark.parametrize("scheme", MODEL_SCHEMES)
def test_sentences_together_have_the_entities_that_they_have_alone(scheme, labels):
    rng = np.random.default_rng(4)
    lengths = [0, 3, 0, 0, 1, 12, *rng.integers(0, 9, 200), 0, 0]
    classes = len(class_names(labels, scheme))
    sentences = [random_log_probs(rng, length, classes) for length in lengths]
    together = decode(sentences, labels, scheme)
    assert together == [decode([rows], labels, scheme)[0] for rows in sentences]
    assert {span.label for spans in together for span in spans} == {"PER", "ORG"}
    assert all(
        span.end <= length
        for spans, length in zip(together, lengths, strict=True)
        for span in spans
    )


# Styles of tags, and letters that are part of a type


def read_plain(*sentences, known=(), scheme="auto"):
    """(scheme, the entities of each sentence) of tags as a file writes them."""
    tags = [sentence.split() for sentence in sentences]
    found = read_tagging(tags, scheme, known)
    plain = [[found.plain.get(tag, tag) for tag in row] for row in tags]
    return found.scheme, [tags_to_spans(row, found.read_as) for row in plain]


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        ("B-PER I-PER O B-PER", "iob2"),
        ("B_PER I_PER O B_PER", "iob2"),
        ("b-PER i-PER o b-PER", "iob2"),
        ("b_PER i_PER O b_PER", "iob2"),
        ("PER-B PER-I O PER-B", "iob2"),
        ("PER_B PER_I O PER_B", "iob2"),
        ("B:PER I:PER O B:PER", "iob2"),
        ("B/PER I/PER O B/PER", "iob2"),
        ("B|PER I|PER O B|PER", "iob2"),
        ("B–PER I–PER O B–PER", "iob2"),
        ("B—PER I—PER O B—PER", "iob2"),
        ("b:PER i:PER o b:PER", "iob2"),
        ("PER|B PER|I O PER|B", "iob2"),
        ("PER:B PER:E O PER:S", "bioes"),
        ("B-PER E-PER O S-PER", "bioes"),
        ("PER_B PER_E O PER_S", "bioes"),
        ("B-PER L-PER O U-PER", "bilou"),
        ("B-PER E-PER O W-PER", "bmes"),
    ],
)
def test_the_letter_of_a_tag_is_read_wherever_it_stands(tags, scheme):
    assert read_plain(tags) == (scheme, [(Span(0, 2, "PER"), Span(3, 4, "PER"))])


def test_m_continues_an_entity():
    tags = "B-ORG M-ORG M-ORG E-ORG S-PER O B-PER M-PER E-PER"
    spans = (Span(0, 4, "ORG"), Span(4, 5, "PER"), Span(6, 9, "PER"))
    assert read_plain(tags) == ("bmes", [spans])
    assert read_plain(tags, scheme="bmes") == ("bmes", [spans])


@pytest.mark.parametrize(
    "tags",
    [
        "E-MAIL E-MAIL O S-BAHN Multi-tissue", "E-MAIL E-MAIL O S-BAHN", "T-cell O B12 T-cell",
        "S/M O I/O", "B:W O city", "city|B O town",
    ],
)  # fmt: skip
def test_types_with_hyphens_are_types_where_the_tags_follow_no_scheme(tags):
    scheme, (found,) = read_plain(tags)
    assert scheme == "io"
    assert {span.label for span in found} == set(tags.split()) - {"O"}


def test_types_with_hyphens_keep_them_in_a_scheme():
    tags = "B-E-MAIL I-E-MAIL O B-S-BAHN B-Multi-tissue I-Multi-tissue"
    spans = (Span(0, 2, "E-MAIL"), Span(3, 4, "S-BAHN"), Span(4, 6, "Multi-tissue"))
    assert read_plain(tags) == ("iob2", [spans])


def test_entities_of_one_word_are_read_with_any_separator():
    assert read_plain("B:PER O B:LOC") == ("iob2", [(Span(0, 1, "PER"), Span(2, 3, "LOC"))])
    assert read_plain("B/W O", known=("O", "B/W")) == ("io", [(Span(0, 1, "B/W"),)])


def test_doubtful_letters_are_settled_by_the_known_labels():
    assert read_plain("B-cell O", known=("O", "B-cell"))[0] == "io"
    assert read_plain("B-cell O", known=("O", "cell"))[0] == "iob2"
    assert read_plain("PER_B O", known=("O", "PER")) == ("iob2", [(Span(0, 1, "PER"),)])
    assert read_plain("S-BAHN O", known=("O", "S-BAHN")) == ("io", [(Span(0, 1, "S-BAHN"),)])


@pytest.mark.parametrize(("tags", "scheme"), [("B I O B", "iob2"), ("B E O S", "bioes")])
def test_letters_alone_are_entities_of_one_type(tags, scheme):
    unnamed = (Span(0, 2, "ENTITY"), Span(3, 4, "ENTITY"))
    assert read_plain(tags) == (scheme, [unnamed])
    named = (Span(0, 2, "GENE"), Span(3, 4, "GENE"))
    assert read_plain(tags, known=("O", "GENE")) == (scheme, [named])
    assert read_plain("B I O B", known=("O", "B", "I"))[0] == "io"


@pytest.mark.parametrize("blank", ["_", "-", "0"])
def test_what_stands_for_o_in_a_file_without_one_is_no_entity(blank):
    tags = f"B-PER I-PER {blank} {blank} {blank} {blank} B-LOC"
    assert read_plain(tags) == ("iob2", [(Span(0, 2, "PER"), Span(6, 7, "LOC"))])
    assert read_plain(f"PER {blank} {blank}") == ("io", [(Span(0, 1, "PER"),)])
    assert read_plain(f"PER {blank} O")[1] == [(Span(0, 1, "PER"), Span(1, 2, blank))]


def test_explicit_scheme_io_takes_tags_as_they_are():
    assert read_plain("B-PER I-PER", scheme="io") == (
        "io", [(Span(0, 1, "B-PER"), Span(1, 2, "I-PER"))],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "scheme"),
    [("bio", "iob2"), ("BIO", "iob2"), ("IOB2", "iob2"), ("IOB1", "iob1"), ("BILUO", "bilou"),
     ("iobes", "bioes"), ("BMEWO", "bmes"), ("io", "io"), ("nonsense", "nonsense")],
)  # fmt: skip
def test_schemes_are_known_by_their_other_names(name, scheme):
    assert scheme_name(name) == scheme
