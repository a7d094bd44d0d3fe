"""Counts of labels, and the lines about them that every run prints."""

from mtt_jax.data.check.counts import label_counts, summary
from mtt_jax.tasks import Classes, Multilabel
from mtt_jax.types import Span
from tests.data.check.samples import NER, THREE, TOPIC, names, record, splits, topics


def test_the_summary_is_a_line_per_task_and_split_that_has_labels():
    records = splits(
        [*topics("a", "sports", "sports", "others"), record("Tom ran", ner=(Span(0, 3, "PER"),))],
        [record("it rains", ner=())],
    )
    assert summary(records, (TOPIC, NER)) == [
        "topic: 3 train sentences: sports 2, others 1.",
        "ner: 1 train sentence: PER 1.",
        "ner: 1 dev sentence: no label.",
    ]


def test_the_summary_names_the_most_frequent_of_many_labels():
    labels = [str(n) for n in range(20)]
    (line,) = summary(splits(topics("a", *labels, "7")), (Classes("topic", tuple(labels)),))
    assert line.startswith("topic: 21 train sentences: 7 2, 0 1, ")
    assert line.endswith(", 8 more labels.")


def test_counts_are_by_task_split_and_label():
    assert label_counts(splits(topics("a", "sports", "sports")), (TOPIC, NER)) == {
        "topic": {"train": {"sports": 2}},
        "ner": {},
    }


def test_labels_of_sets_are_counted_one_by_one():
    task = Multilabel("topic", THREE)
    sets = [record(f"text {n}", f"a, line {n}", topic=THREE[: n % 3]) for n in range(60)]
    assert label_counts(splits(sets), (task,)) == {
        "topic": {"train": {"sports": 40, "politics": 20}}
    }
    assert names(splits(sets), (task,)) == ["label without examples"]
