"""The schema: every field has a meaning and a legal default, and what follows from the fields."""

import pytest

from mtt_jax.config.resolve import build_section, resolve
from mtt_jax.config.schema import (
    SECTIONS,
    TOP,
    Config,
    PhaseConfig,
    TaskConfig,
    TaskDataConfig,
    as_plain,
    default_config,
    default_of,
    options_of,
    phase,
)
from mtt_jax.tasks import Classes, Entities, Multilabel, Tags
from tests.helpers import make_config

ALL_SECTIONS = [TaskConfig, TaskDataConfig, PhaseConfig, *SECTIONS.values(), Config]


@pytest.mark.parametrize("section", ALL_SECTIONS, ids=lambda section: section.__name__)
def test_every_field_has_a_meaning_and_a_default_in_its_range(section):
    options = options_of(section)
    assert options
    for field in options:
        limits, default = field.metadata, default_of(field)
        assert limits["meaning"]
        if limits["choices"]:
            assert default in limits["choices"]
        if limits["low"] is not None:
            assert default >= limits["low"]
        if limits["high"] is not None:
            assert default <= limits["high"]


def test_the_top_fields_are_those_of_the_config_that_a_user_sets():
    assert tuple(field.name for field in options_of(Config)) == TOP


@pytest.mark.parametrize(
    "section", [s for s in ALL_SECTIONS if s is not Config], ids=lambda section: section.__name__
)
def test_the_defaults_of_a_section_come_back_from_their_plain_form(section):
    """Texts such as 'PER=2' included."""
    plain = as_plain(section())
    assert all(type(v) in (str, int, float, bool, tuple) for v in plain.values()), plain
    assert build_section(section, plain, "x.") == section()
    assert build_section(section, {}, "x.") == section()


def test_the_default_config_has_a_group_for_every_section_and_task():
    config = default_config()
    assert set(config) == {*SECTIONS, *TOP, "tasks", "phases"}
    assert set(config.tasks) == {"topic", "ner"}
    assert set(config.tasks.ner) == {field.name for field in options_of(TaskConfig)}
    assert set(config.data.ner) == {field.name for field in options_of(TaskDataConfig)}
    assert set(phase("a")) == {field.name for field in options_of(PhaseConfig)}


def test_the_data_of_a_task_can_be_given_with_the_task():
    data = TaskDataConfig(train="train.conll", label_map={"LOCATION": "LOC"})
    task = TaskConfig(kind="entities", labels=("O", "LOC"), data=data)
    config = default_config({"ner": task})
    assert config.data.ner.train == "train.conll"
    assert config.data.ner.label_map == "LOCATION=LOC"
    assert resolve(config).tasks["ner"] == task


def test_default_configs_share_no_state():
    one, two = default_config(), default_config()
    one.tasks.ner.class_weights = "PER=2"
    one.train.freeze = ("a",)
    assert two == default_config()
    assert TaskConfig().class_weights is not TaskConfig().class_weights


def test_the_config_makes_a_task_of_each_kind():
    tasks = {
        "topic": TaskConfig(kind="classes", labels=("yes", "no")),
        "subjects": TaskConfig(kind="multilabel", labels=("a", "b")),
        "ner": TaskConfig(kind="entities", labels=("O", "PER"), scheme="iob2"),
        "pos": TaskConfig(kind="tags", labels=("NOUN", "VERB")),
    }
    config = resolve(default_config(tasks))
    by_name = {task.name: task for task in config.task_list}
    assert by_name == {
        "topic": Classes("topic", ("yes", "no")),
        "subjects": Multilabel("subjects", ("a", "b")),
        "ner": Entities("ner", ("O", "PER"), "iob2"),
        "pos": Tags("pos", ("NOUN", "VERB")),
    }
    assert by_name["ner"].classes == ("O", "B-PER", "I-PER")
    assert by_name["topic"].classes == ("yes", "no")


@pytest.mark.parametrize(
    ("given", "expected"),
    [((), ("topic", "ner")), (("ner",), ("ner",)), (("ner", "topic"), ("topic", "ner"))],
)
def test_active_tasks_are_those_of_train_tasks_in_the_order_of_the_config(given, expected):
    assert make_config(train__tasks=given).active == expected


def test_slots_are_one_per_eight_positions_unless_given():
    assert make_config(train__row_length=48, train__slots=0).slots == 6
    assert make_config(train__row_length=48, train__slots=11).slots == 11


def test_the_data_seed_is_the_seed_of_the_run_unless_given():
    assert make_config(seed=3).data_seed == 3
    assert make_config(seed=3, data__seed=0).data_seed == 0
