"""Tags are read as seqeval reads them, in whichever of five schemes they are written."""

import numpy as np
import pytest
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import BILOU, IOB1, IOB2, IOBES
from seqeval.scheme import Entities as StrictEntities

from mtt_jax.tasks.schemes import (
    FILE_SCHEMES,
    MODEL_SCHEMES,
    Task,
    detect_scheme,
    spans_to_tags,
    split_tag,
    tags_to_spans,
    through_scheme,
)
from mtt_jax.types import Span

ORACLES = {"io": IOB1, "iob1": IOB1, "iob2": IOB2, "bioes": IOBES, "bilou": BILOU}


def random_sentences(count=200, seed=0):
    """(length, spans) pairs; about every second entity touches the one before it."""
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
    (3, (Span(0, 2, "PER"), Span(2, 3, "PER"))),  # one type, side by side
    (4, (Span(0, 1, "PER"), Span(1, 2, "PER"), Span(2, 3, "PER"))),
    (4, (Span(0, 2, "PER"), Span(2, 4, "ORG"))),  # two types, side by side
    (5, (Span(0, 2, "PER"), Span(3, 5, "PER"))),
    (3, (Span(0, 3, "LOC"),)),
    *random_sentences(),
]


def written(length, spans, scheme):
    """The tags of entities, spelled out scheme by scheme."""
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
    if scheme == "io":  # I- alone is IOB1 without neighbours
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
def test_a_file_in_any_scheme_becomes_the_tags_of_the_model(source, target):
    for length, spans in SENTENCES:
        tags = written(length, spans, source)
        converted = spans_to_tags(tags_to_spans(tags, source), length, target)
        assert converted == written(length, strict(tags, source), target)
        assert len(converted) == length
        if source != "io" or target == "io":
            assert converted == written(length, spans, target)


def test_the_example_in_the_text_of_the_module_holds():
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
def test_a_broken_sequence_is_read_as_the_conll_script_reads_it(scheme, prefixes):
    rng = np.random.default_rng(1)
    tags = ["O", *(f"{prefix}-{label}" for prefix in prefixes for label in ("PER", "ORG"))]
    same_rules = str.maketrans("LU", "ES")
    for _ in range(1000):
        sentence = [str(tag) for tag in rng.choice(tags, rng.integers(1, 10))]
        plain = [tag[0].translate(same_rules) + tag[1:] for tag in sentence]
        expected = tuple(Span(start, end + 1, label) for label, start, end in get_entities(plain))
        assert tags_to_spans(sentence, scheme) == expected, sentence


@pytest.mark.parametrize("scheme", FILE_SCHEMES)
def test_the_scheme_of_a_file_is_detected_and_nothing_in_it_is_illegal(scheme):
    report = detect_scheme([written(length, spans, scheme) for length, spans in SENTENCES])
    assert (report.scheme, report.illegal) == (scheme, ())


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
def test_a_scheme_shows_in_few_tags(sentences, scheme):
    report = detect_scheme(sentences)
    assert (report.scheme, report.illegal) == (scheme, ())


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
def test_an_illegal_tag_is_reported_at_its_place(sentences, scheme, illegal):
    report = detect_scheme([sentence.split() for sentence in sentences])
    assert report.scheme == scheme
    assert list(report.illegal) == illegal


@pytest.mark.parametrize(
    ("sentences", "illegal"),
    [
        (["S-PER U-PER"], [(0, 1)]),
        (["B-PER E-PER", "O PER"], [(1, 1)]),
        (["B-PER I-PER PER"], [(0, 2)]),
    ],
)
def test_a_tag_that_the_scheme_does_not_have_is_reported_at_its_place(sentences, illegal):
    assert list(detect_scheme([line.split() for line in sentences]).illegal) == illegal


def test_a_sequence_is_illegal_in_iob2_exactly_where_an_inside_continues_nothing():
    rng = np.random.default_rng(2)
    tags = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG"]
    sentences = [["O", "B-PER"]]  # settles the scheme
    sentences += [[str(t) for t in rng.choice(tags, rng.integers(1, 9))] for _ in range(300)]
    expected = [
        (row, word)
        for row, sentence in enumerate(sentences)
        for word, (last, tag) in enumerate(zip(["O", *sentence], sentence, strict=False))
        if tag[0] == "I" and (last[0] not in "BI" or last[2:] != tag[2:])
    ]
    report = detect_scheme(sentences)
    assert report.scheme == "iob2"
    assert list(report.illegal) == expected
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


def test_iob2_gives_every_entity_back():
    for length, spans in SENTENCES:
        assert through_scheme(spans, length, "iob2") == spans


def test_the_order_in_which_entities_are_given_does_not_matter():
    for length, spans in SENTENCES:
        for scheme in MODEL_SCHEMES:
            assert spans_to_tags(spans[::-1], length, scheme) == written(length, spans, scheme)


def test_the_classes_of_a_head_are_the_tags_that_it_writes():
    labels = ("O", "PER", "ORG")
    assert Task("ner", "token", labels, "io").classes == labels
    iob2 = Task("ner", "token", labels, "iob2")
    assert iob2.classes == ("O", "B-PER", "I-PER", "B-ORG", "I-ORG")
    assert iob2.entity_types == ("PER", "ORG")
    assert Task("topic", "sentence", ("a", "b")).classes == ("a", "b")
