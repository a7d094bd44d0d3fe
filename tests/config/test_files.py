"""A config comes back from JSON whole; a mistake in a file or a flag is named with its place."""

import dataclasses
import json

import pytest
from ml_collections import ConfigDict

from mtt_jax.config import (
    SECTIONS,
    TOP,
    Config,
    PhaseConfig,
    TaskConfig,
    TaskDataConfig,
    default_config,
    phase,
)
from mtt_jax.config.files import (
    check_override,
    differences,
    document,
    from_json,
    load_file,
    to_json,
)
from mtt_jax.config.resolve import resolve
from mtt_jax.errors import UserError
from tests.helpers import make_config

CHANGED = {
    "seed": 7,
    "init_from": "runs/früher",
    "tasks__ner__scheme": "iob2",
    "tasks__ner__class_weights": "O=0.5, PER=2",
    "tasks__topic__labels": ("Спорт", "政治", "others"),
    "data__ner__label_map": "LOCATION=LOC",
    "data__topic__header": True,
    "train__freeze": ("encoder/.*", r"heads/ner/\w+"),
    "train__learning_rate": 3e-5,
}


@pytest.mark.parametrize("overrides", [{}, CHANGED], ids=["default", "changed"])
def test_a_config_comes_back_from_json_as_it_was(overrides):
    config = make_config(**overrides)
    assert from_json(to_json(config)) == config


def test_what_is_written_can_also_be_read_as_a_config_dict():
    config = make_config(**CHANGED)
    assert resolve(ConfigDict(json.loads(to_json(config)))) == config


def test_the_text_is_readable_json_with_every_field():
    text = to_json(make_config(**CHANGED))
    assert "runs/früher" in text
    assert "政治" in text
    plain = json.loads(text)
    assert set(plain) == {*SECTIONS, "tasks", "phases", *TOP}
    assert set(plain["tasks"]["ner"]) == {f.name for f in dataclasses.fields(TaskConfig)}
    assert set(plain["data"]["ner"]) == {f.name for f in dataclasses.fields(TaskDataConfig)}
    for name, section in SECTIONS.items():
        assert set(plain[name]) >= {f.name for f in dataclasses.fields(section)}


def test_damaged_json_is_named_with_file_and_line():
    lines = to_json(make_config()).splitlines()
    lines[3] = lines[3].replace(":", "")
    with pytest.raises(UserError, match=r"^runs/a/config.json, line 4: not valid JSON: Expecting"):
        from_json("\n".join(lines), "runs/a/config.json")


def test_a_text_that_ends_too_early_is_named_with_its_file():
    text = to_json(make_config())
    with pytest.raises(UserError, match=r"^config.json, line \d+: not valid JSON"):
        from_json(text[: len(text) // 2])


def test_json_that_is_no_config_is_named_with_file_and_field():
    text = to_json(make_config()).replace('"steps"', '"stepz"')
    with pytest.raises(UserError) as caught:
        from_json(text, "old.json")
    assert str(caught.value) == (
        "old.json: config.train.stepz: no such field. Did you mean 'steps'?"
    )


@pytest.mark.parametrize("text", ["[]", "[1]", "null", "3", '"train"'])
def test_json_that_is_no_group_of_fields_is_named_with_its_file(text):
    with pytest.raises(UserError, match="^old.json: "):
        from_json(text, "old.json")


def test_equal_configs_do_not_differ():
    assert differences(make_config(**CHANGED), make_config(**CHANGED)) == []


def test_only_what_differs_is_listed_with_both_values():
    ours = make_config(
        seed=1,
        train__steps=500,
        tasks__ner__weight=2.0,
        data__topic__name="2",
        train__freeze=("a",),
    )
    theirs = make_config(train__steps=1000)
    assert sorted(differences(ours, theirs)) == [
        "data.topic.name: '2' here, '' there",
        "seed: 1 here, 0 there",
        "tasks.ner.weight: 2.0 here, 1.0 there",
        "train.freeze: ['a'] here, [] there",
        "train.steps: 500 here, 1000 there",
    ]


def test_a_task_that_only_one_config_has_is_a_difference_from_either_side():
    labels = ("yes", "no")
    one = resolve(default_config({"a": TaskConfig(labels=labels)}))
    two = resolve(default_config({"a": TaskConfig(labels=labels), "b": TaskConfig(labels=labels)}))
    paths = ["tasks.b", "data.b", "train.score"]
    for ours, theirs in ((one, two), (two, one)):
        found = [line.partition(":")[0] for line in differences(ours, theirs)]
        assert sorted(found) == sorted(paths)


@pytest.fixture
def config_file(tmp_path):
    """Writes a config file and returns its path."""

    def write(text, name="balanced.py"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def load_refusal(path):
    with pytest.raises(UserError) as caught:
        load_file(path)
    return str(caught.value)


def test_a_config_file_gives_what_its_get_config_returns(config_file):
    path = config_file(
        "from mtt_jax.config import default_config\n\n\n"
        "def get_config():\n"
        "    config = default_config()\n"
        "    config.train.steps = 700\n"
        "    return config\n"
    )
    assert resolve(load_file(path)).train.steps == 700


def test_a_missing_file_is_named_with_the_nearest_in_its_directory(config_file, tmp_path):
    there = config_file("")
    missing = str(tmp_path / "balance.py")
    assert load_refusal(missing) == (f"--config: {missing}: no such file. Did you mean '{there}'?")
    nowhere = str(tmp_path / "none" / "at_all.py")
    assert load_refusal(nowhere) == f"--config: {nowhere}: no such file."
    assert load_refusal(str(tmp_path)).startswith(f"--config: {tmp_path}: no such file.")


def test_a_file_without_get_config_is_named(config_file):
    path = config_file("config = {}\n")
    assert load_refusal(path) == f"--config: {path}: defines no get_config()."


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("\nimport no_such_module_at_all\n", 2, "No module named 'no_such_module_at_all'"),
        ("def get_config():\n    x = 1\n    return x / 0\n", 3, "division by zero"),
        (
            "from mtt_jax.config import default_config\n"
            "def get_config():\n"
            "    config = default_config()\n"
            "    config.trian.steps = 3\n"
            "    return config\n",
            4,
            "trian",
        ),
        (
            "from mtt_jax.config import default_config\n"
            "def get_config():\n"
            "    config = default_config()\n"
            "    config.train.steps = 'many'\n"
            "    return config\n",
            4,
            "steps",
        ),
        ("def get_config():\n    return {}['nothing']\n", 2, "nothing"),
        ("x = {}['nothing']\n", 1, "nothing"),
    ],
    ids=["import", "zero", "unknown field", "wrong type", "lookup", "lookup outside"],
)
def test_a_file_that_fails_is_named_with_the_line_and_the_reason(config_file, text, line, message):
    path = config_file(text)
    refusal = load_refusal(path)
    assert refusal.startswith(f"{path}, line {line}: ")
    assert message in refusal
    assert "\n" not in refusal


def test_a_file_that_is_no_python_is_named_with_its_line(config_file):
    path = config_file("x = 1\ny = = 2\n")
    refusal = load_refusal(path)
    assert refusal.startswith(path)
    assert "line 2" in refusal


@pytest.mark.parametrize("result", ["{}", "None", "default_config().to_dict()"])
def test_a_get_config_that_returns_something_else_is_refused(config_file, result):
    path = config_file(
        f"from mtt_jax.config import default_config\ndef get_config():\n    return {result}\n"
    )
    assert load_refusal(path) == (
        f"--config: {path}: get_config() returns no ConfigDict; see configs/."
    )


@pytest.mark.parametrize(
    ("flag", "text", "message"),
    [
        ("config.train.step", "5", "--config.train.step: no such field. Did you mean 'steps'?"),
        ("config.tran.steps", "5", "--config.tran: no such field. Did you mean 'train'?"),
        ("config.tasks.nre.weight", "2", "--config.tasks.nre: no such field. Did you mean 'ner'?"),
        ("config.train.steps.more", "5", "--config.train.steps.more: no such field."),
        ("config.train.steps", "x", "--config.train.steps: expected a whole number, got 'x'."),
        ("config.train.steps", "1.5", "--config.train.steps: expected a whole number, got '1.5'."),
        ("config.train.steps", "", "--config.train.steps: expected a whole number, got ''."),
        ("config.train.clip", "big", "--config.train.clip: expected a number, got 'big'."),
        ("config.encoder.scan", "yes", "--config.encoder.scan: expected true or false, got 'yes'."),
        ("config.seed", None, "--config.seed: needs a value, as in --config.seed=0."),
        ("config.init_from", None, "--config.init_from: needs a value, as in --config.init_from=."),
        ("config.mesh", "2", "--config.mesh: a group of fields; name one: data, fsdp."),
        ("config.tasks", None, "--config.tasks: a group of fields; name one: "),
    ],
)  # fmt: skip
def test_an_override_that_cannot_be_is_refused_with_its_flag(flag, text, message):
    with pytest.raises(UserError) as caught:
        check_override(default_config(), flag, text)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("flag", "text"),
    [
        ("config.train.steps", "500"),
        ("config.seed", "-1"),
        ("config.train.clip", "2"),
        ("config.train.learning_rate", "3e-4"),
        ("config.encoder.scan", None),
        ("config.encoder.scan", "true"),
        ("config.encoder.scan", "False"),
        ("config.tasks.ner.scheme", "iob2"),
        ("config.data.ner.train", "train.conll"),
        ("config.data.ner.label_map", ""),
        ("config.train.freeze", "('encoder/.*',)"),
    ],
)
def test_an_override_of_the_right_type_passes_and_changes_nothing(flag, text):
    config = default_config()
    check_override(config, flag, text)
    assert config == default_config()


@pytest.mark.parametrize(
    ("flag", "text", "message"),
    [
        ("config.phases[0].steps", "5", ""),
        ("config.phases[1].trainable", "('heads/.*',)", ""),
        ("config.phases[2].steps", "5", "--config.phases[2]: no such element; there are 0 to 1."),
        ("config.phases[x].steps", "5", "--config.phases[x]: no such element; there are 0 to 1."),
        ("config.phases[0].step", "5", "--config.phases[0].step: no such field. Did you mean"),
        ("config.phases[0].steps", "x", "--config.phases[0].steps: expected a whole number"),
        ("config.seed[0]", "5", "--config.seed[0]: no such element; there are none."),
    ],
)
def test_a_field_of_a_phase_is_named_by_its_index(flag, text, message):
    config = default_config()
    config.phases = (phase("one", steps=1), phase("two", steps=2))
    if not message:
        check_override(config, flag, text)
        return
    with pytest.raises(UserError) as caught:
        check_override(config, flag, text)
    assert str(caught.value).startswith(message)


def test_phases_are_written_and_read():
    phases = (phase("one", steps=3, tasks=("ner",)), phase("two", epochs=0.5, weights="ner=2"))
    config = make_config(phases=phases)
    assert resolve(json.loads(to_json(config))) == config
    assert config.phases[1] == PhaseConfig(name="two", epochs=0.5, weights="ner=2")


def rows(page):
    """Path -> the cells of its row."""
    cells = [line.strip("| ").split(" | ", 3) for line in page.splitlines() if line[:3] == "| `"]
    return {row[0].strip("`"): row[1:] for row in cells}


def test_the_page_lists_every_field_of_every_section_once():
    groups = {
        "config.tasks.NAME.": TaskConfig,
        "config.data.NAME.": TaskDataConfig,
        **{f"config.{name}.": section for name, section in SECTIONS.items()},
        "config.phases[I].": PhaseConfig,
    }
    expected = [
        f"{prefix}{field.name}"
        for prefix, section in groups.items()
        for field in dataclasses.fields(section)
    ] + [f"config.{name}" for name in TOP]
    page = document()
    assert sorted(rows(page)) == sorted(expected)
    assert sum(line.startswith("| `") for line in page.splitlines()) == len(expected)


def test_the_page_gives_type_default_meaning_and_choices():
    table = rows(document())
    assert table["config.train.steps"] == [
        "int",
        "`1000`",
        "optimiser steps, where config.phases is empty",
    ]
    assert table["config.train.freeze"][:2] == ["tuple", "`()`"]
    assert table["config.encoder.norm"][2].endswith(": pre, post")
    for field in dataclasses.fields(Config):
        if field.name in TOP:
            assert table[f"config.{field.name}"][1] == f"`{field.default!r}`"
            assert field.metadata["meaning"] in table[f"config.{field.name}"][2]
