"""Labels from the data: most frequent first, and refused where they are none or come too late."""

import shlex

import pytest

from mtt_jax.config.files import override, split_overrides
from mtt_jax.config.resolve import resolve
from mtt_jax.config.schema import TaskConfig, default_config
from mtt_jax.data.labels import count_labels, find_labels
from mtt_jax.errors import UserError
from mtt_jax.types import Record, Span


def config_for(kind, name="t", **data):
    """A config with one task, whose labels are left to the data."""
    raw = default_config({name: TaskConfig(kind=kind)})
    raw.data.source = "files"
    raw.data[name].update({"train": "train.jsonl", "dev": "dev.jsonl", **data})
    return resolve(raw)


def records(*labels):
    return [Record(f"Text {i}.", {"t": label}) for i, label in enumerate(labels)]


def found(kind, train, dev=(), test=(), **data):
    """The labels that are found in splits with these labels; `data` are fields of data.t."""
    config = config_for(kind, **data)
    splits = {"train": records(*train), "dev": records(*dev), "test": records(*test)}
    return find_labels(config.task_list[0], splits, config)


def complaint(*args, **kwargs):
    with pytest.raises(UserError) as caught:
        found(*args, **kwargs)
    return str(caught.value)


def spans(*labels):
    return tuple(Span(i, i + 1, label) for i, label in enumerate(labels))


def test_the_most_frequent_label_is_first_and_names_decide_between_equals():
    assert found("classes", ["b", "c", "a", "c", "b", "d"]) == ("b", "c", "a", "d")


@pytest.mark.parametrize(
    ("kind", "labels"),
    [
        ("multilabel", [("x", "y"), (), ("y",)]),
        ("entities", [spans("x", "y", "y"), ()]),
        ("tags", [spans("y", "x"), spans("y")]),
    ],
)
def test_labels_of_every_kind_are_counted_as_often_as_they_occur(kind, labels):
    assert found(kind, labels) == ("y", "x")


def test_a_dev_share_that_was_held_out_of_train_counts_as_training_data():
    raw = {"train": records("a", "b"), "dev": records("c", "c"), "test": []}
    config = config_for("classes", dev="")
    assert find_labels(config.task_list[0], raw, config) == ("c", "a", "b")


def test_sentences_without_a_label_of_the_task_do_not_count():
    task = config_for("classes").task_list[0]
    others = [Record("x", {"other": "z"}), *records("a", "a")]
    assert count_labels(task, others) == {"a": 2}


def test_without_any_label_the_message_says_where_to_look():
    config = config_for("classes")
    splits = {"train": [Record("x", {})], "dev": [], "test": []}
    with pytest.raises(UserError, match="no training sentence carries a label of this task; look "
                                        "at --config.data.t.label"):  # fmt: skip
        find_labels(config.task_list[0], splits, config)


@pytest.mark.parametrize(
    ("kind", "train", "what"),
    [("classes", ["a", "a"], "only the label 'a'"), ("entities", [(), ()], "no label"),
     ("multilabel", [(), ()], "no label")],
)  # fmt: skip
def test_too_few_labels_to_learn_from_are_refused(kind, train, what):
    assert complaint(kind, train) == (
        f"config.tasks.t.labels: {what} in the training data, which leaves nothing to learn. Look "
        "at --config.data.t.label, which says where the labels are."
    )


@pytest.mark.parametrize(("kind", "label"), [("multilabel", ("a",)), ("entities", spans("a"))])
def test_one_label_is_enough_where_it_may_be_absent(kind, label):
    assert found(kind, [label, ()]) == ("a",)


def test_a_column_of_texts_is_not_taken_for_labels():
    texts = [f"This is sentence number {i} of a file." for i in range(40)]
    message = complaint("classes", texts)
    assert message.startswith(
        "config.data.t.label: 40 different labels among 40, such as This is sentence number 0 of a"
        "..., "
    )
    assert "Name the column or key of the label with --config.data.t.label=..." in message


def test_cells_of_several_labels_that_were_not_divided_are_refused():
    for separator in ",;":
        joined = (f"a{separator} b",)
        message = complaint("multilabel", [joined, ("a",), ("b",)])
        assert f"--config.data.t.separator='{separator}'" in message
    assert found("multilabel", [("Smith, Jo",), ("Doe, Al",)]) == ("Doe, Al", "Smith, Jo")


def test_many_labels_that_repeat_are_labels():
    assert len(found("classes", [f"class {i % 150}" for i in range(450)])) == 150


def test_labels_that_only_dev_or_test_have_are_refused_with_counts_and_lines_to_paste():
    message = complaint("entities", [spans("PER", "PER", "LOC")], [spans("LAW", "LAW")],
                        [spans("ART", "LAW")])  # fmt: skip
    lines = message.split("\n")
    assert lines[0] == (
        "config.tasks.t.labels: not in the training data, so that the model cannot learn them: "
        "'ART' (1 in test); 'LAW' (2 in dev, 1 in test)."
    )
    assert "  --config.tasks.t.labels=O,PER,LOC,ART,LAW" in lines


def test_the_lines_to_paste_give_a_config_that_knows_the_labels():
    message = complaint("classes", ["Sci/Tech", "Arts, etc"], ["arts, etc"], label_map="1=Sci/Tech")
    flags = [line.strip() for line in message.split("\n") if line.startswith("  --")]
    labels, label_map = (shlex.split(flag) for flag in flags)
    raw = default_config({"t": TaskConfig()})
    override(raw, split_overrides([*labels, *label_map])[0])
    config = resolve(raw)
    assert config.tasks["t"].labels == ("Arts, etc", "Sci/Tech", "arts, etc")
    # What the map held before stays in it.
    assert config.tasks["t"].data.label_map == {"1": "Sci/Tech", "arts, etc": "Arts, etc"}
