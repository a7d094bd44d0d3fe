"""Old names of fields and values keep working wherever they are written, with a warning."""

import dataclasses
import json
import warnings
from contextlib import contextmanager

import pytest

from mtt_jax.config import TaskConfig, default_config, phase
from mtt_jax.config.aliases import FORMAT, rename, upgrade
from mtt_jax.config.files import from_json, load_config, load_file, override, to_json, to_plain
from mtt_jax.config.resolve import resolve
from mtt_jax.errors import RenamedWarning, UserError
from tests.helpers import ROOT, make_config

OLD_RUNS = ROOT / "tests" / "old_runs" / "v0_1"

# (old field, its value, new field, its value), for every alias there is.
ALIASES = [
    ("tokenizer.kind", "bpe", "tokenizer.algorithm", "bpe"),
    ("data.ner.synthetic_ways", "case", "data.ner.synthetic_methods", "case"),
    ("data.topic.synthetic_ways", "case", "data.topic.synthetic_methods", "case"),
    ("tasks.topic.kind", "sentence", "tasks.topic.kind", "classes"),
    ("tasks.ner.kind", "token", "tasks.ner.kind", "entities"),
    ("train.tensorboard", True, "train.log_to", ("tensorboard",)),
    ("train.tensorboard", False, "train.log_to", ()),
]
every_alias = pytest.mark.parametrize(
    ("old", "value", "new", "new_value"), ALIASES, ids=[alias[0] for alias in ALIASES]
)


@pytest.mark.parametrize(
    ("field", "value", "name"),
    [
        ("tasks.ner.scheme", "bio", "iob2"),
        ("tasks.ner.scheme", "BIO", "iob2"),
        ("tasks.ner.scheme", "IOB", "iob2"),
        ("data.ner.scheme", "BIO", "iob2"),
        ("data.ner.scheme", "biluo", "bilou"),
        ("data.ner.scheme", "BIOES", "bioes"),
        ("data.ner.scheme", "IOB1", "iob1"),
        ("encoder.dtype", "bf16", "bfloat16"),
    ],
)
def test_a_value_is_known_under_its_names_in_other_tools_without_a_warning(field, value, name):
    config = default_config()
    with renamed(0):
        override(config, [(f"config.{field}", value)])
        found = resolve(config)
    node = to_plain(found)
    for part in field.split("."):
        node = node[part]
    assert node == name


@contextmanager
def renamed(count):
    """Checks that a block warns of so many renames; gives their messages."""
    messages = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield messages
    messages += [str(w.message) for w in caught if w.category is RenamedWarning]
    assert len(messages) == count, messages


def with_field(path, value):
    """The default config with one field changed, under its new name."""
    config = default_config()
    *groups, name = path.split(".")
    node = config
    for group in groups:
        node = node[group]
    node[name] = value
    return resolve(config)


def warning(old, value, new, new_value, dashes=""):
    """The message about an old field, or an old value of a field."""
    if old == new:
        return f"config.{old}={value} is now {new_value}; the old name still works."
    return f"{dashes}config.{old} is now {dashes}config.{new}; the old name still works."


@every_alias
def test_an_alias_in_a_config_file_warns_once_with_the_new_name(
    old, value, new, new_value, tmp_path
):
    file = tmp_path / "mine.py"
    file.write_text(
        "from mtt_jax.config import default_config\n"
        "def get_config():\n"
        "    config = default_config()\n"
        f"    config.{old} = {value!r}\n"
        "    return config\n"
    )
    with renamed(1) as messages:
        config = load_config(str(file))
    assert config == with_field(new, new_value)
    assert messages == [warning(old, value, new, new_value)]


@every_alias
def test_an_alias_on_the_command_line_warns_once_with_the_new_name(old, value, new, new_value):
    config = default_config()
    with renamed(1) as messages:
        override(config, [(f"config.{old}", str(value))])
        resolved = resolve(config)
    assert resolved == with_field(new, new_value)
    assert messages == [warning(old, value, new, new_value, dashes="--")]


@every_alias
def test_an_alias_in_plain_dicts_warns_once_with_the_new_name(old, value, new, new_value):
    plain = default_config().to_dict()
    *groups, name = old.split(".")
    node = plain
    for group in groups:
        node = node[group]
    node[name] = value
    with renamed(1) as messages:
        resolved = resolve(plain)
    assert resolved == with_field(new, new_value)
    assert messages == [warning(old, value, new, new_value)]


@every_alias
@pytest.mark.parametrize("version", [1, FORMAT])
def test_an_alias_in_config_json_is_read_without_a_warning(old, value, new, new_value, version):
    raw = json.loads(to_json(with_field(new, new_value)))
    raw["format"] = version
    *groups, name = new.split(".")
    node = raw
    for group in groups:
        node = node[group]
    del node[name]
    node[old.rpartition(".")[2]] = value
    with renamed(0):
        config = from_json(json.dumps(raw))
    assert config == with_field(new, new_value)


@pytest.mark.parametrize(
    ("text", "loggers"),
    [(None, ("tensorboard",)), ("true", ("tensorboard",)), ("No", ()), ("0", ())],
)
def test_an_alias_of_a_boolean_is_written_as_booleans_are(text, loggers):
    config = default_config()
    config.train.log_to = ("wandb",)
    with renamed(1):
        override(config, [("config.train.tensorboard", text)])
    assert resolve(config).train.log_to == loggers


def test_a_wrong_value_of_an_alias_of_a_boolean_is_refused_under_the_name_that_was_written():
    with renamed(1), pytest.raises(UserError) as caught:
        override(default_config(), [("config.train.tensorboard", "wandb")])
    assert str(caught.value) == ("--config.train.tensorboard: expected true or false, got 'wandb'.")


def test_old_kinds_can_be_given_to_a_task_of_a_config_file():
    tasks = {
        "topic": TaskConfig(kind="sentence", labels=("a", "b")),
        "ner": TaskConfig(kind="token", labels=("O", "PER")),
    }
    with renamed(2) as messages:
        config = resolve(default_config(tasks))
    assert sorted(messages) == [
        "config.tasks.ner.kind=token is now entities; the old name still works.",
        "config.tasks.topic.kind=sentence is now classes; the old name still works.",
    ]
    new = {
        "topic": TaskConfig(kind="classes", labels=("a", "b")),
        "ner": TaskConfig(kind="entities", labels=("O", "PER")),
    }
    assert config == resolve(default_config(new))


@pytest.mark.parametrize("names", [("algorithm", "kind"), ("kind", "algorithm")])
def test_an_alias_written_next_to_the_new_name_wins(names):
    """The new name of a ConfigDict holds the default; what the user wrote is the old name."""
    values = {"algorithm": "wordpiece", "kind": "bpe"}
    fields = {"tokenizer": {**{name: values[name] for name in names}, "vocab_size": 300}}
    assert rename(fields, warn=False) == {"tokenizer": {"algorithm": "bpe", "vocab_size": 300}}


def test_a_wrong_value_under_an_alias_is_refused_under_the_new_name():
    config = default_config()
    with renamed(1):
        override(config, [("config.tokenizer.kind", "bep")])
    with pytest.raises(UserError) as caught:
        resolve(config)
    assert str(caught.value) == (
        "config.tokenizer.algorithm: 'bep' is not one of wordpiece, bpe. Did you mean 'bpe'?"
    )


@pytest.mark.parametrize("value", [float("nan"), "classes", "words"])
def test_a_value_that_was_not_renamed_gives_no_warning(value):
    plain = {"tasks": {"ner": {"kind": value, "weight": value, "labels": ("O", "PER")}}}
    with renamed(0):
        assert rename(plain)["tasks"]["ner"]["labels"] == ("O", "PER")


def test_an_old_name_in_a_task_or_section_without_that_alias_stays_unknown():
    plain = default_config().to_dict()
    plain["encoder"]["kind"] = "bpe"
    with renamed(0), pytest.raises(UserError, match="config.encoder.kind: no such field"):
        resolve(plain)


def test_a_task_may_be_called_like_an_old_field():
    tasks = {"kind": TaskConfig(labels=("a", "b")), "tokenizer": TaskConfig(labels=("a", "b"))}
    with renamed(0):
        config = resolve(default_config(tasks))
    assert list(config.tasks) == ["kind", "tokenizer"]


def test_the_config_file_of_version_0_1_gives_the_config_json_that_it_wrote():
    """But for what depends on the machine, and word features, which that version did not have."""
    with renamed(2):
        config = resolve(load_file(str(OLD_RUNS / "cfg.py")))
    stored = from_json((OLD_RUNS / "finished" / "config.json").read_text(encoding="utf-8"))
    data = dataclasses.replace(config.data, shards=stored.data.shards)
    encoder = dataclasses.replace(config.encoder, word_features=())
    assert dataclasses.replace(config, data=data, encoder=encoder) == stored


# config.json of version 0.1


@pytest.mark.parametrize("run", ["finished", "stopped"])
def test_config_json_of_version_0_1_resolves_without_a_warning(run):
    text = (OLD_RUNS / run / "config.json").read_text(encoding="utf-8")
    raw = json.loads(text)
    with renamed(0):
        config = from_json(text)
    assert [task.name for task in config.task_list] == ["topic", "ner"]
    assert config.tasks["ner"].class_weights == {"PER": 2.0, "O": 0.5}
    assert config.tasks["ner"].data.synthetic_methods == ("mention", "case")
    assert config.tokenizer.algorithm == raw["tokenizer"]["kind"]
    assert config.active == ("topic", "ner")
    assert [part.tasks for part in config.phases] == [
        tuple(part["tasks"]) for part in raw["phases"]
    ]
    assert config.encoder.word_dropout == raw["encoder"].pop("token_dropout")
    assert config.train.log_to == (("tensorboard",) if raw["train"].pop("tensorboard") else ())
    # Whatever has the same name has the same value.
    plain = json.loads(json.dumps(to_plain(config)))
    for section in ("encoder", "train", "mesh", "phases", "seed"):
        if isinstance(raw[section], dict):
            assert {name: plain[section][name] for name in raw[section]} == raw[section]
        else:
            assert plain[section] == raw[section]
    with renamed(0):
        assert from_json(to_json(config)) == config


def old_json(weights=(), phases=()):
    """A config.json as version 0.1 wrote it, with some weights of tasks."""
    raw = json.loads((OLD_RUNS / "finished" / "config.json").read_text(encoding="utf-8"))
    for name, weight in dict(weights).items():
        raw["tasks"][name]["weight"] = weight
    fields = {"name": "a", "steps": 3, "epochs": 0.0, "tasks": [], "weights": ""}
    raw["phases"] = [{**fields, "name": f"phase {i}", **given} for i, given in enumerate(phases)]
    return json.dumps(raw)


def test_a_task_of_weight_0_of_version_0_1_does_not_train():
    config = from_json(old_json({"topic": 0.0}))
    assert config.train.tasks == config.active == ("ner",)
    assert config.tasks["topic"].weight == 0.0
    config = from_json(old_json({"topic": 0.5}))
    assert config.train.tasks == ()
    assert config.active == ("topic", "ner")


@pytest.mark.parametrize(
    ("weights", "phases", "expected"),
    [
        # (tasks, weights) of each phase
        ({}, [{}], [((), {})]),
        ({}, [{"tasks": ["ner"]}], [(("ner",), {})]),
        ({}, [{"weights": "topic=2, ner=1"}], [((), {"topic": 2.0, "ner": 1.0})]),
        ({}, [{"weights": "topic=0"}], [(("ner",), {})]),
        ({}, [{"weights": "topic = 0, ner=3"}], [(("ner",), {"ner": 3.0})]),
        ({}, [{"tasks": ["ner", "topic"], "weights": "topic=0.0"}], [(("ner",), {})]),
        ({"topic": 0.0}, [{}], [(("ner",), {})]),
        ({"topic": 0.0}, [{"weights": "topic=1"}], [((), {"topic": 1.0})]),
        ({"topic": 0.0}, [{"weights": "topic=1"}, {}], [((), {"topic": 1.0}), (("ner",), {})]),
    ],
)
def test_a_task_of_weight_0_in_a_phase_of_version_0_1_does_not_train_in_it(
    weights, phases, expected
):
    config = from_json(old_json(weights, phases))
    assert [(part.tasks, part.weights) for part in config.phases] == expected
    assert config.train.tasks == ()
    assert from_json(to_json(config)) == config


def test_a_phase_of_version_0_1_keeps_to_its_own_tasks():
    raw = json.loads(old_json(phases=[{"tasks": ["ner", "topic"], "weights": "topic=0"}]))
    raw["tasks"]["third"] = raw["tasks"]["topic"]
    raw["data"]["third"] = raw["data"]["topic"]
    assert from_json(json.dumps(raw)).phases[0].tasks == ("ner",)


def test_weight_0_of_today_trains_the_task_with_a_loss_weight_of_0():
    config = make_config(tasks__topic__weight=0.0)
    assert config.active == ("topic", "ner")
    assert from_json(to_json(config)) == config
    phases = (phase("a", steps=3, weights="topic=0"),)
    config = make_config(phases=phases)
    again = from_json(to_json(config))
    assert again == config
    assert again.phases[0].tasks == ()


def test_upgrade_changes_nothing_in_a_config_of_today():
    raw = json.loads(to_json(make_config(tasks__topic__weight=0.0)))
    assert raw["format"] == FORMAT
    assert upgrade(raw) == {name: value for name, value in raw.items() if name != "format"}


@pytest.mark.parametrize("version", [FORMAT + 1, 0, "2", None])
def test_config_json_of_a_later_version_is_refused(version):
    raw = json.loads(to_json(make_config())) | {"format": version}
    with pytest.raises(UserError) as caught:
        from_json(json.dumps(raw), "runs/a/config.json")
    assert str(caught.value) == (
        f"runs/a/config.json: format {version!r} is not one of 1 to {FORMAT}, which this version "
        "of mtt_jax reads; upgrade mtt_jax."
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"phases": 3}, "config.phases: expected a tuple of phases, got 3."),
        ({"phases": [3]}, "config.phases[0]: expected a group of fields, got 3."),
        ({"phases": [{"weights": 3}]}, "config.phases[0].weights: expected a string, got 3."),
        ({"phases": [{"tasks": 3}]}, "config.phases[0].tasks: expected a tuple of strings, got 3."),
        (
            {"phases": [{"tasks": [["ner"]]}]},
            "config.phases[0].tasks: expected a tuple of strings, got [['ner']].",
        ),
        (
            {"phases": [{"weights": "ner"}]},
            "config.phases[0].weights: expected 'NAME=VALUE, NAME=VALUE', got 'ner'.",
        ),
        ({"train": 3}, "config.train: expected a group of fields, got 3."),
        ({"tasks": 3}, "config.tasks: expected a group of fields, got 3."),
        ({"tasks": {"ner": 3}}, "config.tasks.ner: expected a group of fields, got 3."),
        ({"tokenizer": 3}, "config.tokenizer: expected a group of fields, got 3."),
        ({"data": 3}, "config.data: expected a group of fields, got 3."),
    ],
)
def test_a_damaged_config_json_of_version_0_1_is_refused_in_one_line(changes, message):
    raw = json.loads(old_json()) | changes
    with pytest.raises(UserError) as caught:
        from_json(json.dumps(raw), "old.json")
    assert str(caught.value) == f"old.json: {message}"


# config.json of format 2


def test_what_format_2_left_at_its_default_is_now_recognized_and_the_rest_stays():
    raw = json.loads(to_json(resolve(default_config())))
    raw["format"] = 2
    raw["data"]["encoding"] = "utf-8"
    raw["data"]["topic"] |= {"header": False, "word": 1}
    raw["data"]["ner"] |= {"header": True, "word": 2}
    config = from_json(json.dumps(raw))
    topic, ner = (config.tasks[name].data for name in ("topic", "ner"))
    assert (config.data.encoding, topic.header, topic.word) == ("auto", "auto", 0)
    assert (ner.header, ner.word) == ("true", 2)
    raw["data"]["encoding"] = "latin-1"
    assert from_json(json.dumps(raw)).data.encoding == "latin-1"


# config.json of format 3


def test_a_model_of_format_3_reads_no_word_features():
    raw = json.loads(to_json(resolve(default_config())))
    raw["format"] = 3
    del raw["encoder"]["word_features"]
    assert from_json(json.dumps(raw)).encoder.word_features == ()


def test_fields_that_meant_nothing_in_format_3_are_left_out_and_others_stay():
    raw = json.loads(to_json(resolve(default_config())))
    raw["format"] = 3
    raw["tasks"]["topic"]["scheme"] = "iob2"
    raw["tasks"]["ner"]["scheme"] = "iob2"
    raw["data"]["topic"] |= {"separator": ";", "offsets": "bytes"}
    raw["data"]["ner"] |= {"separator": ";", "offsets": "bytes"}
    config = from_json(json.dumps(raw))
    topic, ner = config.tasks["topic"], config.tasks["ner"]
    assert (topic.scheme, topic.data.offsets) == ("io", "characters")
    assert topic.data.separator == ner.data.separator == "|"
    assert (ner.scheme, ner.data.offsets) == ("iob2", "bytes")
