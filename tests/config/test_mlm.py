"""The objective on texts without labels in a config: what adds it, and what contradicts it."""

import pytest

from mtt_jax.config import TaskConfig, default_config, phase
from mtt_jax.config.files import from_json, override, to_json
from mtt_jax.config.resolve import answering, resolve
from mtt_jax.errors import UserError
from tests.helpers import make_config


def complaint(config):
    with pytest.raises(UserError) as caught:
        resolve(config)
    message = str(caught.value)
    assert "\n" not in message
    return message


def with_mlm(**fields):
    return default_config(
        {
            "topic": TaskConfig(kind="classes", labels=("a", "b")),
            "mlm": TaskConfig(kind="mlm", **fields),
        }
    )


def test_train_mlm_adds_an_objective_that_answers_nothing():
    config = make_config(train__mlm=0.5)
    assert [one.name for one in config.objectives] == ["topic", "ner", "mlm"]
    assert [task.name for task in config.task_list] == ["topic", "ner"]
    assert config.tasks["mlm"].weight == 0.5
    assert config.reads_texts
    assert not make_config().reads_texts
    assert from_json(to_json(config)) == config


def test_a_declared_objective_is_not_scored():
    config = resolve(with_mlm(masked=0.3))
    assert config.train.score == {"topic": 1.0}
    assert config.objectives[-1].share == 0.3
    assert resolve(default_config({"texts": TaskConfig(kind="mlm")})).train.score == {}


def test_a_model_answers_without_it():
    config = with_mlm()
    config.train.tasks = ("topic", "mlm")
    config.phases = (phase("a", steps=1, tasks=("mlm",)), phase("b", steps=1, weights="mlm=2"))
    found = answering(resolve(config))
    assert list(found.tasks) == ["topic"]
    assert found.train.tasks == ("topic",)
    assert [(one.name, one.weights) for one in found.phases] == [("b", {})]
    assert from_json(to_json(found)) == found


@pytest.mark.parametrize(
    ("section", "field", "value", "said"),
    [
        ("train", "score", "mlm=1", "'mlm' answers nothing that could be scored"),
        ("train", "mlm", 0.5, "set its weight with --config.tasks.mlm.weight=0.5"),
        ("data", "train", "a.txt", "name them with --config.data.unlabelled=FILES"),
        ("tasks", "labels", ("a",), "a task of kind mlm has no labels"),
        ("tasks", "hidden", 8, "its head has one layer"),
        ("tasks", "class_sampling", "over", "it has no classes"),
        ("tasks", "class_weights", "a=2", "class_weights"),
        ("tasks", "masked", 0.0, "config.tasks.mlm.masked: 0.0 is too small"),
    ],
)
def test_what_it_cannot_have_is_an_error_that_says_what_to_do(section, field, value, said):
    config = with_mlm()
    group = config.train if section == "train" else config[section].mlm
    group[field] = value
    assert said in complaint(config)


def test_other_contradictions_are_errors():
    config = with_mlm()
    config.tasks.topic.masked = 0.3
    assert "only for one of kind mlm" in complaint(config)
    alone = default_config({"mlm": TaskConfig(kind="mlm")})
    alone.data.source = "files"
    assert "name some with --config.data.unlabelled=FILES" in complaint(alone)
    taken = default_config({"mlm": TaskConfig(kind="classes", labels=("a", "b"))})
    taken.train.mlm = 1.0
    assert "rename that one" in complaint(taken)
    two = default_config({"a": TaskConfig(kind="mlm"), "b": TaskConfig(kind="mlm")})
    assert "a and b train on the same texts" in complaint(two)


def test_flags_change_fields_of_the_task_that_train_mlm_adds():
    flags = [("config.tasks.mlm.masked", "0.3"), ("config.train.mlm", "0.5")]
    config = default_config()
    override(config, flags)
    found = resolve(config).tasks["mlm"]
    assert (found.masked, found.weight) == (0.3, 0.5)
    with pytest.raises(
        UserError, match=r"mlm.masked: there is no task 'mlm'; add it with --config"
    ):
        override(default_config(), flags[:1])
