"""Configs go through JSON, files and flags; a mistake is named with its file, line or flag."""

import dataclasses
import json
import re
import sys

import pytest
from ml_collections import ConfigDict

from mtt_jax.config import TaskConfig, TaskDataConfig, base_config, default_config, phase
from mtt_jax.config.aliases import FORMAT
from mtt_jax.config.files import (
    differences,
    document,
    find_file,
    from_json,
    load_config,
    load_file,
    override,
    shipped_configs,
    split_overrides,
    to_json,
    to_plain,
)
from mtt_jax.config.resolve import resolve
from mtt_jax.config.schema import SECTIONS, TOP, Config, PhaseConfig, default_of, options_of
from mtt_jax.errors import UserError
from tests.helpers import ROOT, four_task_config, make_config

CHANGED = {
    "seed": 7,
    "init_from": "runs/früher",
    "tasks__ner__scheme": "iob2",
    "tasks__ner__class_weights": "O=0.5, PER=2",
    "tasks__topic__labels": ("Спорт", "政治", "others"),
    "data__ner__label_map": "LOCATION=LOC",
    "data__topic__header": "true",
    "data__ner__synthetic_methods": "case, mention",
    "train__balance": "gradnorm",
    "train__balance_options": "alpha=1.5",
    "train__tasks": ("ner",),
    "train__profile": "2:3",
    "train__freeze": ("encoder/.*", r"heads/ner/\w+"),
    "train__learning_rate": 3e-5,
}


@pytest.mark.parametrize("overrides", [{}, CHANGED], ids=["default", "changed"])
def test_a_config_comes_back_from_json_as_it_was(overrides):
    config = make_config(**overrides)
    assert from_json(to_json(config)) == config


def test_a_config_with_tasks_of_every_kind_comes_back_from_json_as_it_was():
    config = four_task_config(tasks__pos__class_weights="NOUN=2")
    again = from_json(to_json(config))
    assert again == config
    assert again.task_list == config.task_list


def test_to_plain_has_the_shape_of_a_config_dict():
    config = make_config(**CHANGED)
    assert resolve(ConfigDict(to_plain(config))) == config


def test_config_json_is_readable_and_has_every_field_and_a_format_number():
    text = to_json(make_config(**CHANGED))
    assert "runs/früher" in text
    assert "政治" in text
    plain = json.loads(text)
    assert plain["format"] == FORMAT
    assert set(plain) == {*SECTIONS, "tasks", "phases", "format", *TOP}
    assert set(plain["tasks"]["ner"]) == {f.name for f in options_of(TaskConfig)}
    assert set(plain["data"]["ner"]) == {f.name for f in options_of(TaskDataConfig)}
    for name, section in SECTIONS.items():
        assert set(plain[name]) >= {f.name for f in dataclasses.fields(section)}
    assert plain["tasks"]["ner"]["class_weights"] == "O=0.5, PER=2"
    assert plain["train"]["profile"] == "2:3"


def test_damaged_json_is_refused_with_file_and_line():
    lines = to_json(make_config()).splitlines()
    lines[3] = lines[3].replace(":", "")
    with pytest.raises(UserError, match=r"^runs/a/config.json: is not JSON: Expecting .*line 4"):
        from_json("\n".join(lines), "runs/a/config.json")


def test_json_that_is_cut_off_is_refused_with_its_file():
    text = to_json(make_config())
    with pytest.raises(UserError, match=r"^config.json: is not JSON: .*line \d+"):
        from_json(text[: len(text) // 2])


def test_json_with_an_unknown_field_is_refused_with_file_and_field():
    text = to_json(make_config()).replace('"steps"', '"stepz"')
    with pytest.raises(UserError) as caught:
        from_json(text, "old.json")
    assert str(caught.value) == (
        "old.json: config.train.stepz: no such field. Did you mean 'steps'?"
    )


@pytest.mark.parametrize("text", ["[]", "[1]", "null", "3", '"train"'])
def test_json_that_is_not_an_object_is_refused_with_its_file(text):
    with pytest.raises(UserError, match="^old.json: "):
        from_json(text, "old.json")


def test_equal_configs_have_no_differences():
    assert differences(make_config(**CHANGED), make_config(**CHANGED)) == []


def test_differences_list_each_field_with_both_values():
    ours = make_config(
        seed=1,
        train__steps=500,
        tasks__ner__weight=2.0,
        data__topic__name="2",
        train__freeze=("a",),
        tasks__ner__class_weights="PER=2",
    )
    theirs = make_config(train__steps=1000)
    assert sorted(differences(ours, theirs)) == [
        "data.topic.name: '2' here, '' there",
        "seed: 1 here, 0 there",
        "tasks.ner.class_weights: 'PER=2' here, '' there",
        "tasks.ner.weight: 2.0 here, 1.0 there",
        "train.freeze: ('a',) here, () there",
        "train.steps: 500 here, 1000 there",
    ]


def test_a_task_that_only_one_config_has_is_a_difference():
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


def test_load_file_returns_what_get_config_returns(config_file):
    path = config_file(
        "from mtt_jax.config import default_config\n\n\n"
        "def get_config():\n"
        "    config = default_config()\n"
        "    config.train.steps = 700\n"
        "    return config\n"
    )
    assert resolve(load_file(path)).train.steps == 700


def test_a_missing_file_is_refused_with_the_nearest_in_its_directory(config_file, tmp_path):
    there = config_file("")
    missing = str(tmp_path / "balance.py")
    assert load_refusal(missing) == (f"--config: {missing}: no such file. Did you mean '{there}'?")
    nowhere = str(tmp_path / "none" / "at_all.py")
    assert load_refusal(nowhere) == f"--config: {nowhere}: no such file."
    assert load_refusal(str(tmp_path)).startswith(f"--config: {tmp_path}: a folder; name a config")
    for name in (".", "/"):
        assert load_refusal(name).startswith(f"--config: {name}: a folder; name a config file")


def test_a_shipped_config_is_found_beside_a_folder_of_its_name(tmp_path, monkeypatch):
    """As docs/data.md has its data in ag_news/."""
    (tmp_path / "ag_news").mkdir()
    monkeypatch.chdir(tmp_path)
    assert load_file("ag_news").data.topic.label == "1"


def test_a_config_file_without_get_config_is_refused(config_file):
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
def test_a_config_file_that_fails_is_refused_with_line_and_reason(config_file, text, line, message):
    path = config_file(text)
    refusal = load_refusal(path)
    assert refusal.startswith(f"{path}, line {line}: ")
    assert message in refusal
    assert "\n" not in refusal


def test_a_config_file_with_a_syntax_error_is_refused_with_its_line(config_file):
    path = config_file("x = 1\ny = = 2\n")
    refusal = load_refusal(path)
    assert refusal.startswith(path)
    assert "line 2" in refusal


@pytest.mark.parametrize("result", ["{}", "None", "default_config().to_dict()"])
def test_a_get_config_that_does_not_return_a_config_dict_is_refused(config_file, result):
    path = config_file(
        f"from mtt_jax.config import default_config\ndef get_config():\n    return {result}\n"
    )
    assert load_refusal(path) == (
        f"--config: {path}: get_config() returns no ConfigDict; see configs/."
    )


# Shipped configs


def test_a_shipped_config_is_found_by_its_name_from_any_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    expected = ROOT / "configs" / "balanced.py"
    assert shipped_configs() == expected.parent
    assert find_file("balanced") == find_file("balanced.py") == expected
    assert load_config("balanced").train.mixing == "explicit"


def test_a_file_of_that_name_comes_before_the_shipped_config(config_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config_file(
        "from mtt_jax.config import base_config\n\n\n"
        "def get_config():\n"
        "    config = base_config('balanced')\n"
        "    config.train.steps = 700\n"
        "    return config\n",
        name="mine.py",
    )
    assert load_config("mine.py").train.steps == 700
    (tmp_path / "mine.py").rename(tmp_path / "joint.py")
    assert load_config("joint.py").train.steps == 700
    assert load_config("joint.py").train.mixing == "explicit"


def test_an_unknown_name_is_refused_with_the_nearest_shipped_config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, near in (("balancd", "balanced"), ("Balanced", "balanced"), ("jiont", "joint")):
        assert load_refusal(name) == (
            f"--config: {name}: neither a file nor the name of a shipped config. "
            f"Did you mean '{near}'?"
        )


def test_an_unknown_name_like_no_other_is_refused_with_all_shipped_configs():
    names = sorted(file.stem for file in (ROOT / "configs").glob("*.py"))
    assert load_refusal("zzzzzzzz") == (
        "--config: zzzzzzzz: neither a file nor the name of a shipped config. "
        f"Shipped configs: {', '.join(names)}."
    )


def test_a_path_is_never_the_name_of_a_shipped_config(tmp_path):
    assert load_refusal("nowhere/balanced.py") == (
        "--config: nowhere/balanced.py: no such file. Did you mean 'balanced'?"
    )


@pytest.mark.parametrize("name", ["balanced.py", "configs/balanced", "configs/balanced.py"])
def test_a_shipped_config_is_found_under_its_path_in_the_project(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_file(name) == shipped_configs() / "balanced.py"


def test_the_extension_of_a_config_file_may_be_left_out(config_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = config_file("return default_config()")
    assert find_file(str(path).removesuffix(".py")).samefile(path)


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("train.steps", "1e3", 1000),
        ("train.steps", "1_000", 1000),
        ("encoder.scan", "yes", True),
        ("encoder.scan", "off", False),
        ("train.best_by_task", "No", False),
    ],
)
def test_numbers_and_booleans_are_read_as_people_write_them(field, text, value):
    config = load_file("balanced")
    override(config, [(f"config.{field}", text)])
    section, name = field.split(".")
    assert config[section][name] == value


def test_a_file_that_the_embedded_corpus_would_leave_out_is_refused(tmp_path):
    with pytest.raises(UserError) as caught:
        load_config("balanced", [("config.data.ner.test", str(tmp_path / "x.conll"))])
    assert str(caught.value) == (
        "config.data.ner.test: data.source=newswire reads no files; add --config.data.source=files."
    )
    assert "no such file" in load_refusal(str(tmp_path / "balanced.py"))


def test_base_config_is_the_shipped_config_also_for_a_file_of_the_same_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "balanced.py").write_text(
        "from mtt_jax.config import base_config\n\n\n"
        "def get_config():\n"
        "    config = base_config('balanced')\n"
        "    config.train.steps = 7\n"
        "    return config\n",
        encoding="utf-8",
    )
    assert load_file("balanced").train.steps == 7


def test_base_config_gives_a_shipped_config_to_change(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = base_config("balanced")
    assert isinstance(config, ConfigDict)
    config.train.steps = 7
    config.train.warmup = 1
    assert resolve(config).train.steps == 7
    assert resolve(base_config("balanced")).train.steps == 900  # each call runs the file
    with pytest.raises(UserError, match="Did you mean 'balanced'"):
        base_config("balancde")


def test_a_config_file_imports_from_the_working_directory(config_file, tmp_path, monkeypatch):
    """As with `python launch.py`, and the search path is as before afterwards."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_settings_of_this_test.py").write_text("STEPS = 321\n")
    path = config_file(
        "from mtt_jax.config import default_config\n"
        "from my_settings_of_this_test import STEPS\n"
        "def get_config():\n"
        "    config = default_config()\n"
        "    config.train.steps = STEPS\n"
        "    return config\n"
    )
    before = list(sys.path)
    assert resolve(load_file(path)).train.steps == 321
    assert sys.path == before


# Overrides


def overridden(*overrides, config=None):
    """The default config, or another, as a ConfigDict with some overrides."""
    config = config or default_config()
    override(config, overrides)
    return config


def override_refusal(flag, text, config=None):
    with pytest.raises(UserError) as caught:
        overridden((flag, text), config=config)
    return str(caught.value)


@pytest.mark.parametrize(
    ("flag", "text", "message"),
    [
        ("config.train.step", "5", "--config.train.step: no such field. Did you mean 'steps'?"),
        ("config.tran.steps", "5", "--config.tran: no such field. Did you mean 'train'?"),
        ("config.tasks.nre.weight", "2", "--config.tasks.nre: no such field. Did you mean 'ner'?"),
        ("config.data.nre.train", "x", "--config.data.nre: no such field. Did you mean 'ner'?"),
        (
            "config.tasks.sentiment.kind",
            "classes",
            "--config.tasks.sentiment: there is no task 'sentiment' in this config, only ner, "
            "topic; docs/tasks.md says how to declare one.",
        ),
        (
            "config.data.sentiment.train",
            "x.csv",
            "--config.data.sentiment: there is no task 'sentiment' in this config, only ner, "
            "topic; docs/tasks.md says how to declare one.",
        ),
        ("config.data.zzz", "5", "--config.data.zzz: no such field."),
        ("config.train.steps.more", "5", "--config.train.steps.more: no such field."),
        ("config.train.", "5", "--config.train.: no such field."),
        ("config.", "5", "--config.: no such field."),
        ("config.train.steps", "x", "--config.train.steps: expected a whole number, got 'x'."),
        ("config.train.steps", "1.5", "--config.train.steps: expected a whole number, got '1.5'."),
        ("config.train.steps", "", "--config.train.steps: expected a whole number, got ''."),
        ("config.train.clip", "big", "--config.train.clip: expected a number, got 'big'."),
        ("config.encoder.scan", "si", "--config.encoder.scan: expected true or false, got 'si'."),
        ("config.train.steps", "inf", "--config.train.steps: expected a whole number, got 'inf'."),
        ("config.encoder.scan", "2", "--config.encoder.scan: expected true or false, got '2'."),
        ("config.encoder.scan", "", "--config.encoder.scan: expected true or false, got ''."),
        ("config.seed", None, "--config.seed: needs a value, as in --config.seed=0."),
        ("config.init_from", None, "--config.init_from: needs a value, as in --config.init_from=."),
        ("config.mesh", "2", "--config.mesh: a group of fields; name one: data, fsdp."),
        ("config.tasks", None, "--config.tasks: a group of fields; name one: "),
        ("config.train.freeze", "('a',", "--config.train.freeze: a bracket is not closed in"),
        ("config.tasks.ner.labels", '"a, b', "--config.tasks.ner.labels: a quote is not closed in"),
    ],
)  # fmt: skip
def test_a_wrong_override_is_refused_with_its_flag(flag, text, message):
    assert override_refusal(flag, text).startswith(message)


@pytest.mark.parametrize(
    ("flag", "text", "expected"),
    [
        ("config.train.steps", "500", 500),
        ("config.seed", "-1", -1),
        ("config.train.clip", "2", 2.0),
        ("config.train.learning_rate", "3e-4", 3e-4),
        ("config.encoder.scan", None, True),
        ("config.encoder.scan", "true", True),
        ("config.encoder.scan", "T", True),
        ("config.encoder.scan", "1", True),
        ("config.encoder.scan", "False", False),
        ("config.encoder.scan", "f", False),
        ("config.encoder.scan", "0", False),
        ("config.tasks.ner.scheme", "iob2", "iob2"),
        ("config.data.ner.train", "train.conll", "train.conll"),
        ("config.data.ner.label_map", "", ""),
        ("config.data.ner.label_map", "A=B, C=D", "A=B, C=D"),
        ("config.train.freeze", "('encoder/.*',)", ("encoder/.*",)),
        ("config.train.freeze", "['a', 'b']", ("a", "b")),
        ("config.train.freeze", "'a'", ("a",)),
        ("config.train.freeze", "()", ()),
        ("config.train.freeze", "encoder/.*", ("encoder/.*",)),
        ("config.train.freeze", "(a|b)/.*", ("(a|b)/.*",)),
        ("config.train.tasks", "ner, topic", ("ner", "topic")),
        ("config.tasks.ner.labels", "('O', 'X')", ("O", "X")),
        ("config.tasks.ner.labels", "PER,LOC", ("PER", "LOC")),
        ("config.tasks.ner.labels", '"a, b",c', ("a, b", "c")),
        ("config.tasks.ner.labels", '["caf\\u00e9", "b"]', ("café", "b")),
        ("config.tasks.topic.labels", "1,2", ("1", "2")),
        ("config.tasks.ner.labels", "auto", ()),
        ("config.tasks.ner.labels", "", ()),
        ("config.tasks.ner.labels", '"auto"', ("auto",)),
    ],
)
def test_an_override_changes_one_field_to_a_value_of_its_type(flag, text, expected):
    config = overridden((flag, text))
    *groups, name = flag.split(".")[1:]
    node, plain = config, default_config()
    parent = plain
    for group in groups:
        node, parent = node[group], parent[group]
    assert tuple(node[name]) == expected if isinstance(expected, tuple) else node[name] == expected
    assert isinstance(node[name], (type(expected), list))
    parent[name] = expected
    assert config.to_dict() == plain.to_dict()  # and nothing else changes


def test_of_two_overrides_of_a_field_the_last_one_counts():
    config = overridden(("config.train.steps", "500"), ("config.train.steps", "600"))
    assert config.train.steps == 600


PHASES = (phase("one", steps=1), phase("two", steps=2))


@pytest.mark.parametrize(
    ("flag", "text", "message"),
    [
        ("config.phases[2].steps", "5", "--config.phases[2]: no such element; there are 0 to 1."),
        ("config.phases[x].steps", "5", "--config.phases[x]: no such element; there are 0 to 1."),
        ("config.phases[-1].steps", "5", "--config.phases[-1]: no such element; there are 0 to 1."),
        ("config.phases[].steps", "5", "--config.phases[]: no such element; there are 0 to 1."),
        ("config.phases[0].step", "5", "--config.phases[0].step: no such field. Did you mean"),
        ("config.phases[0].steps", "x", "--config.phases[0].steps: expected a whole number"),
        ("config.phases[0]", "x", "--config.phases[0]: a group of fields; name one: name, steps,"),
        ("config.seed[0]", "5", "--config.seed[0]: no such element; there are none."),
        ("config.train[0].steps", "5", "--config.train[0]: no such element; there are none."),
        (
            "config.train.freeze[0]",
            "b",
            "--config.train.freeze[0]: cannot be set alone; set all of --config.train.freeze.",
        ),
    ],
)
def test_a_wrong_index_in_an_override_is_refused_with_its_flag(flag, text, message):
    config = default_config()
    config.phases, config.train.freeze = PHASES, ("a",)
    assert override_refusal(flag, text, config).startswith(message)


def test_a_field_of_a_phase_is_overridden_by_its_index():
    config = default_config()
    config.phases = (phase("one", steps=1), phase("two", steps=2))
    override(
        config,
        [
            ("config.phases[0].steps", "5"),
            ("config.phases[1].trainable", "('heads/.*',)"),
            ("config.phases[1].weights", "ner=2"),
        ],
    )
    assert resolve(config).phases == (
        PhaseConfig(name="one", steps=5),
        PhaseConfig(name="two", steps=2, trainable=("heads/.*",), weights={"ner": 2.0}),
    )


def test_load_config_applies_overrides_before_the_config_is_checked():
    config = load_config("balanced", [("config.train.steps", "7"), ("config.train.warmup", "1")])
    assert (config.train.steps, config.train.warmup) == (7, 1)
    with pytest.raises(UserError, match="config.train.accumulate: 3 does not divide"):
        load_config("balanced", [("config.train.accumulate", "3")])


# (arguments, overrides, other arguments)
COMMAND_LINES = [
    ("", [], []),
    ("--config=x --workdir y", [], ["--config=x", "--workdir", "y"]),
    ("--config.a.b=value", [("config.a.b", "value")], []),
    ("--config.a.b value", [("config.a.b", "value")], []),
    ("-config.a.b=value rest", [("config.a.b", "value")], ["rest"]),
    ("--config.a.b=", [("config.a.b", "")], []),
    ("--config.a.b=x=y", [("config.a.b", "x=y")], []),
    ("--config.a.b=--x", [("config.a.b", "--x")], []),
    ("--config.a.b -1 --config.c -1e-3", [("config.a.b", "-1"), ("config.c", "-1e-3")], []),
    ("--config.a.b=-1", [("config.a.b", "-1")], []),
    ("--config.a.b", [("config.a.b", None)], []),
    ("--config.a.b --config.c=1", [("config.a.b", None), ("config.c", "1")], []),
    ("--config.a.b --workdir=y", [("config.a.b", None)], ["--workdir=y"]),
    ("run --config.a=1 more --x", [("config.a", "1")], ["run", "more", "--x"]),
    ("--config.a=1 -- --config.b=2", [("config.a", "1")], ["--", "--config.b=2"]),
    ("--config.a -- b", [("config.a", None)], ["--", "b"]),
    ("--config.phases[0].steps=5", [("config.phases[0].steps", "5")], []),
    ("config.a=1", [], ["config.a=1"]),
    ("--configs.a=1 --config=a.b", [], ["--configs.a=1", "--config=a.b"]),
]


@pytest.mark.parametrize(
    ("line", "overrides", "rest"), COMMAND_LINES, ids=[line[0] or "empty" for line in COMMAND_LINES]
)
def test_overrides_are_split_from_the_other_arguments(line, overrides, rest):
    arguments = line.split()
    assert split_overrides(arguments) == (overrides, rest)
    assert arguments == line.split()  # and are left as they were


def test_phases_come_back_from_json_as_they_were():
    phases = (phase("one", steps=3, tasks=("ner",)), phase("two", epochs=0.5, weights="ner=2"))
    config = make_config(phases=phases)
    assert from_json(to_json(config)) == config
    assert config.phases[1] == PhaseConfig(name="two", epochs=0.5, weights={"ner": 2.0})


# docs/config.md


def rows(page):
    """Path -> the other cells of its row."""
    lines = [line for line in page.splitlines() if line[:3] == "| `"]
    cells = [re.split(r"(?<!\\) ?\| ?", line)[1:-1] for line in lines]
    assert {len(row) for row in cells} == {4}  # a | in a cell is escaped
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
        for field in options_of(section)
    ] + [f"config.{name}" for name in TOP]
    page = document()
    assert sorted(rows(page)) == sorted(expected)
    assert sum(line.startswith("| `") for line in page.splitlines()) == len(expected)


def test_the_page_gives_type_default_meaning_and_choices():
    table = rows(document())
    assert table["config.train.steps"] == [
        "int",
        "`1000`",
        "optimizer steps, if config.phases is empty",
    ]
    assert table["config.train.freeze"][:2] == ["names", "`''`"]
    assert table["config.phases[I].trainable"][:2] == ["names", "`'.*'`"]
    assert table["config.tasks.NAME.labels"][:2] == ["names", "`'auto'`"]
    assert table["config.encoder.norm"][2].endswith(": pre, post")
    # A field that is written as a text is listed as one.
    assert table["config.tasks.NAME.class_weights"][:2] == ["str", "`''`"]
    methods = "`'mention, token, shuffle, case'`"
    assert table["config.data.NAME.synthetic_methods"][:2] == ["str", methods]
    assert table["config.train.score"][:2] == ["str", "`'topic=1, ner=1'`"]
    assert table["config.train.profile"][:2] == ["str", "`''`"]
    assert table["config.data.NAME.separator"][:2] == ["str", r"`'\|'`"]
    for field in options_of(Config):
        assert table[f"config.{field.name}"][1] == f"`{default_of(field)!r}`"
        assert field.metadata["meaning"] in table[f"config.{field.name}"][2]
