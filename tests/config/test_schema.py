"""The schema: each field has a meaning, and what follows from the fields."""

import dataclasses

import pytest

from mtt_jax.config.resolve import resolve
from mtt_jax.config.schema import SECTIONS, TOP, Config, TaskConfig, TaskDataConfig, default_config
from tests.helpers import make_config


@pytest.mark.parametrize("section", [TaskConfig, TaskDataConfig, *SECTIONS.values(), Config])
def test_every_field_has_a_meaning_and_a_default_that_it_accepts(section):
    for field in dataclasses.fields(section):
        if section is Config and field.name not in TOP:
            continue
        assert field.metadata["meaning"]
        if field.metadata["choices"]:
            assert field.default in field.metadata["choices"]
        if field.metadata["low"] is not None:
            assert field.default >= field.metadata["low"]
        if field.metadata["high"] is not None:
            assert field.default <= field.metadata["high"]


def test_a_task_knows_its_classes():
    tasks = {
        "a": TaskConfig(labels=("yes", "no")),
        "b": TaskConfig(kind="token", labels=("O", "PER"), scheme="iob2"),
    }
    sentence, token = resolve(default_config(tasks)).task_list
    assert token.classes == ("O", "B-PER", "I-PER")
    assert token.entity_types == ("PER",)
    assert (sentence.classes, sentence.scheme) == (("yes", "no"), "")


def test_a_row_holds_as_many_sentences_as_said_or_one_for_eight_positions():
    assert make_config(train__row_length=48, train__slots=0).slots == 6
    assert make_config(train__row_length=48, train__slots=11).slots == 11
