"""A config is checked once, field by field and field against field, and then it is frozen."""

import dataclasses
import functools
import json

import pytest

from mtt_jax.config.files import from_json, to_json
from mtt_jax.config.resolve import put_labels, resolve
from mtt_jax.config.schema import (
    SECTIONS,
    PhaseConfig,
    TaskConfig,
    TaskDataConfig,
    default_config,
    options_of,
    phase,
)
from mtt_jax.errors import UserError


def plain(**overrides):
    """The default config as nested dicts; `train__steps=1` sets config.train.steps."""
    config = default_config().to_dict()
    for path, value in overrides.items():
        *groups, name = path.split("__")
        node = config
        for group in groups:
            node = node[group]
        node[name] = value
    return config


def refusal(**overrides):
    """What `resolve` says against the default config with some fields changed."""
    with pytest.raises(UserError) as caught:
        resolve(plain(**overrides))
    return str(caught.value)


def test_the_default_config_resolves_to_the_defaults_of_the_schema():
    config = resolve(default_config())
    for name, section in SECTIONS.items():
        assert getattr(config, name) == (
            dataclasses.replace(section(), score={"topic": 1.0, "ner": 1.0})
            if name == "train"
            else section()
        )
    assert config.tasks["topic"].labels == ("sports", "politics", "others")
    assert config.tasks["ner"].labels == ("O", "PER", "ORG", "LOC", "MISC")
    assert {task.data == TaskDataConfig() for task in config.tasks.values()} == {True}
    assert (config.seed, config.init_from, config.init_parts) == (0, "", "all")


def test_fields_that_are_missing_have_their_defaults():
    config = resolve({"tasks": {"topic": {"labels": ["a", "b"]}}, "train": {"score": "topic=1"}})
    assert config.tasks["topic"] == TaskConfig(labels=("a", "b"))
    assert config.encoder == SECTIONS["encoder"]()
    assert config.seed == 0


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"sede": 1}, "config.sede: no such field. Did you mean 'seed'?"),
        ({"train__step": 5}, "config.train.step: no such field. Did you mean 'steps'?"),
        ({"encoder__Width": 8}, "config.encoder.Width: no such field. Did you mean 'width'?"),
        (
            {"tasks__ner__wieght": 2.0},
            "config.tasks.ner.wieght: no such field. Did you mean 'weight'?",
        ),
        ({"data__ner__trian": "x"}, "config.data.ner.trian: no such field. Did you mean 'train'?"),
        ({"data__topics": {}}, "config.data.topics: no such field. Did you mean 'topic'?"),
    ],
)
def test_an_unknown_field_is_named_with_the_nearest_known_one(overrides, message):
    assert refusal(**overrides) == message


def test_an_unknown_field_without_a_near_name_gets_no_suggestion():
    assert refusal(train__zzzzzz=1) == "config.train.zzzzzz: no such field."


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"train__steps": "5"}, "config.train.steps: expected a whole number, got '5'."),
        ({"train__steps": 5.0}, "config.train.steps: expected a whole number, got 5.0."),
        ({"seed": True}, "config.seed: expected a whole number, got True."),
        ({"train__clip": "1"}, "config.train.clip: expected a number, got '1'."),
        ({"train__clip": True}, "config.train.clip: expected a number, got True."),
        ({"encoder__scan": 1}, "config.encoder.scan: expected a boolean, got 1."),
        ({"init_from": None}, "config.init_from: expected a string, got None."),
        ({"train__freeze": 5}, "config.train.freeze: expected a tuple of strings, got 5."),
        ({"train__freeze": (1,)}, "config.train.freeze: expected a tuple of strings, got (1,)."),
        ({"train__freeze": 3}, "config.train.freeze: expected a tuple of strings, got 3."),
        (
            {"tasks__topic__labels": None},
            "config.tasks.topic.labels: expected a tuple of strings, got None.",
        ),
        ({"train": 3}, "config.train: expected a group of fields, got 3."),
        ({"data__ner": "x"}, "config.data.ner: expected a group of fields, got 'x'."),
        ({"tasks__ner": 3}, "config.tasks.ner: expected a group of fields, got 3."),
        ({"tasks": 3}, "config.tasks: expected a group of fields, got 3."),
        ({"data": 3}, "config.data: expected a group of fields, got 3."),
        ({"tasks__ner__kind": 3}, "config.tasks.ner.kind: expected a string, got 3."),
    ],
)
def test_a_value_of_another_type_is_refused_with_the_type_expected(overrides, message):
    assert refusal(**overrides) == message


def test_a_whole_number_is_accepted_for_a_float():
    clip = resolve(plain(train__clip=2)).train.clip
    assert (clip, type(clip)) == (2.0, float)


def test_a_list_is_accepted_for_a_tuple():
    assert resolve(plain(train__freeze=["encoder/.*"])).train.freeze == ("encoder/.*",)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"train__steps": 0}, "config.train.steps: 0 is too small; must be at least 1."),
        ({"seed": -1}, "config.seed: -1 is too small; must be at least 0."),
        (
            {"tasks__ner__weight": -0.5},
            "config.tasks.ner.weight: -0.5 is too small; must be at least 0.",
        ),
        (
            {"encoder__dropout": 1.0},
            "config.encoder.dropout: 1.0 is too large; must be at most 0.99.",
        ),
        ({"data__dev_share": 0.6}, "config.data.dev_share: 0.6 is too large; must be at most 0.5."),
        ({"seed": 2**63}, f"config.seed: {2**63} is too large; must be at most {2**63 - 1}."),
        (
            {"train__steps": 2**31},
            f"config.train.steps: {2**31} is too large; must be at most {2**31 - 1}.",
        ),
        (
            {"tasks__topic__hidden": 1_000_001},
            "config.tasks.topic.hidden: 1000001 is too large; must be at most 1000000.",
        ),
        ({"data__ner__word": -1}, "config.data.ner.word: -1 is too small; must be at least 0."),
    ],
)
def test_a_value_out_of_range_is_refused_with_the_limit(overrides, message):
    assert refusal(**overrides) == message


def test_a_value_at_the_limit_of_its_range_is_accepted():
    config = resolve(plain(encoder__dropout=0.99, data__dev_share=0.001, train__warmup=0))
    assert (config.encoder.dropout, config.data.dev_share) == (0.99, 0.001)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            {"encoder__norm": "Post"},
            "config.encoder.norm: 'Post' is not one of pre, post. Did you mean 'post'?",
        ),
        (
            {"tasks__ner__scheme": "iob1"},
            "config.tasks.ner.scheme: 'iob1' is not one of io, iob2. Did you mean 'iob2'?",
        ),
        (
            {"tasks__ner__kind": "entity"},
            "config.tasks.ner.kind: 'entity' is not one of classes, multilabel, entities, tags, "
            "mlm. Did you mean 'entities'?",
        ),
        (
            {"init_parts": "head"},
            "config.init_parts: 'head' is not one of all, encoder, heads, embedding. "
            "Did you mean 'heads'?",
        ),
    ],
)
def test_a_value_that_is_not_a_choice_is_refused_with_the_choices(overrides, message):
    assert refusal(**overrides) == message


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize(
    "path",
    [
        f"{name}__{field.name}"
        for name, section in {
            **SECTIONS,
            "tasks__ner": TaskConfig,
            "data__ner": TaskDataConfig,
        }.items()
        for field in options_of(section)
        if field.type is float
    ],
)
def test_a_number_must_not_be_nan_or_infinite(path, value):
    assert refusal(**{path: value}).startswith(f"config.{path.replace('__', '.')}: ")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            {"tasks__topic__labels": ("a", "b", "a")},
            "config.tasks.topic.labels: the same label twice in a, b, a.",
        ),
        (
            {"tasks__topic__labels": ("a",)},
            "config.tasks.topic.labels: name at least two labels",
        ),
        ({"tasks__ner__labels": ("O",)}, "config.tasks.ner.labels: name at least two labels"),
        ({"tasks__ner__labels": ("PER", "O")}, "config.tasks.ner.labels: put 'O' first."),
        (
            {"tasks__ner__class_weights": "PERS=2"},
            "config.tasks.ner.class_weights: 'PERS' is not one of O, PER, ORG, LOC, MISC. "
            "Did you mean 'PER'?",
        ),
        (
            {"tasks__topic__class_weights": "B-sports=2"},
            "config.tasks.topic.class_weights: 'B-sports' is not one of sports, politics, others. "
            "Did you mean 'sports'?",
        ),
        (
            {"tasks__topic__class_weights": "sports=-1"},
            "config.tasks.topic.class_weights: -1 is not a finite number of at least 0.",
        ),
        (
            {"data__topic__label_map": "World"},
            "config.data.topic.label_map: expected 'NAME=VALUE, NAME=VALUE', got 'World'.",
        ),
        (
            {"train__profile": "10-20"},
            "config.train.profile: expected 'FIRST:LAST', as in '10:20', got '10-20'.",
        ),
        ({"train__profile": "20:10"}, "config.train.profile: '20:10' is not a range of steps"),
        ({"train__profile": "0:2"}, "config.train.profile: '0:2' is not a range of steps"),
        (
            {"train__profile": "2000:2010"},
            "config.train.profile: step 2000 is after the last one, train.steps=1000",
        ),
        (
            {"encoder__heads": 3},
            "config.encoder.heads: 3 heads do not divide a width of 128; "
            "set --config.encoder.heads=2, or change the width.",
        ),
        (
            {"encoder__positions": "rotary", "encoder__width": 12, "encoder__heads": 4},
            "config.encoder.positions: rotary needs an even width / heads.",
        ),
        (
            {"encoder__positions": "sinusoidal", "encoder__width": 9, "encoder__heads": 3},
            "config.encoder.positions: sinusoidal needs an even width.",
        ),
        (
            {"encoder__max_positions": 100},
            "config.encoder.max_positions: 100 learned positions are fewer than "
            "data.max_length, 128; set --config.encoder.max_positions=128.",
        ),
        (
            {"train__row_length": 64},
            "config.train.row_length: a row of 64 cannot hold a sentence of data.max_length, 128; "
            "set --config.train.row_length=128.",
        ),
        (
            {"data__overlap": 65},
            "config.data.overlap: 65 is more than half of data.max_length, 128; "
            "set --config.data.overlap=32.",
        ),
        (
            {"train__accumulate": 3},
            "config.train.accumulate: 3 does not divide train.batch_rows, 32; "
            "set --config.train.accumulate=2.",
        ),
        (
            {"tasks__ner__sampling": 1.0},
            "config.tasks.ner.sampling: train.mixing=size takes no shares",
        ),
        (
            {"tasks__ner__sampling_cap": 5, "train__mixing": "equal"},
            "config.tasks.ner.sampling_cap: has no effect because train.mixing=equal gives",
        ),
        (
            {
                "tasks__ner__sampling_cap": 5,
                "tasks__ner__sampling": 1.0,
                "tasks__topic__sampling": 1.0,
                "train__mixing": "explicit",
            },
            "config.tasks.ner.sampling_cap: has no effect because every task's sampling gives",
        ),
        (
            {"tasks__ner__class_sampling": "PRE=2"},
            "config.tasks.ner.class_sampling: 'PRE' is not one of O, PER, ORG, LOC, MISC. Did you",
        ),
        (
            {"data__ner__synthetic_methods": "mentoin"},
            "config.data.ner.synthetic_methods: 'mentoin' is not one of mention, token, shuffle, "
            "case. Did you mean 'mention'?",
        ),
        (
            {"data__ner__synthetic": 1.0, "data__ner__synthetic_methods": " ,"},
            "config.data.ner.synthetic_methods: empty; name some of",
        ),
        (
            {"data__topic__synthetic": 1.0},
            "config.data.topic.synthetic: makes sentences for entities, which topic does not have.",
        ),
        (
            {"data__ner__gazetteer": "names.tsv"},
            "config.data.ner.gazetteer: has names for synthetic sentences; set",
        ),
        (
            {"data__ner__newswire": 5},
            "config.data.ner.newswire: data.source=newswire already uses that corpus.",
        ),
        (
            {"encoder__lora_rank": 600},
            "config.encoder.lora_rank: 600 is larger than the width of the matrices",
        ),
        (
            {"tasks__topic__weight": 0.0, "tasks__ner__weight": 0.0},
            "config.tasks: every task that trains has weight 0; nothing would be learned.",
        ),
        (
            {"train__tasks": ("nre",)},
            "config.train.tasks: 'nre' is not one of topic, ner. Did you mean 'ner'?",
        ),
        (
            {"tasks__ner__weight": 0.0, "train__tasks": ("ner",)},
            "config.tasks: every task that trains has weight 0; nothing would be learned.",
        ),
        (
            {"tasks__topic__class_sampling": "ovre"},
            "config.tasks.topic.class_sampling: expected over, under or a factor per class as in "
            "'others=2', got 'ovre'.",
        ),
        (
            {"train__balance_options": "alpha=1"},
            "config.train.balance_options: train.balance=fixed has no options;",
        ),
        (
            {"train__balance_on": "features", "train__balance": "dwa"},
            "config.train.balance_on: train.balance=dwa uses the losses alone",
        ),
        (
            {"train__balance": "pcgrad", "train__accumulate": 2},
            "config.train.accumulate: train.balance=pcgrad compares the tasks on a whole batch;",
        ),
        (
            {"train__batch_rows": 8, "data__shards": 3},
            "config.data.shards: 3 shards do not divide train.batch_rows, 8, evenly.",
        ),
        (
            {"encoder__embedding_norm": True, "encoder__norm": "post"},
            "config.encoder.embedding_norm: norm=post always has it; leave it at False.",
        ),
        (
            {"encoder__scan": True, "encoder__window": 4},
            "config.encoder.scan: compiles one layer for all, but encoder.window makes the layers "
            "differ; leave scan at False.",
        ),
        (
            {"encoder__attention": "cudnn"},
            "config.encoder.attention: cudnn needs encoder.dtype=bfloat16",
        ),
        *(
            (
                {"encoder__attention": "fused", "encoder__dtype": "bfloat16", **wrong},
                "config.encoder.attention: fused needs encoder.dtype=bfloat16",
            )
            for wrong in (
                {"encoder__dtype": "float32"},
                {"train__row_length": 160},
                {"encoder__heads": 16},
            )
        ),
        (
            {"encoder__init": "x", "init_from": "y"},
            "config.encoder.init: a run starts either from this or from init_from, not from both.",
        ),
        (
            {"train__score": "topics=1"},
            "config.train.score: 'topics' is not one of ",
        ),
        ({"train__score": ""}, "config.train.score: give at least one task a weight above 0"),
        (
            {"train__score": "topic=0, ner=0"},
            "config.train.score: give at least one task a weight above 0",
        ),
        ({"init_parts": "encoder"}, "config.init_parts: says what to take from init_from"),
        (
            {"data__source": "tfds", "data__topic__name": "x"},
            "config.data.ner.name: data.source=tfds needs a TFDS data set for task 'ner': "
            "--config.data.ner.name=...",
        ),
        (
            {"data__source": "files", "data__ner__train": "x"},
            "config.data.topic.train: data.source=files needs a file for task 'topic': "
            "--config.data.topic.train=...",
        ),
    ],
)
def test_fields_that_contradict_one_another_are_refused(overrides, message):
    assert refusal(**overrides).startswith(message)


@pytest.mark.parametrize(
    ("phases", "message"),
    [
        (3, "config.phases: expected a tuple of phases, got 3."),
        ([3], "config.phases[0]: expected a group of fields"),
        ([phase("a", step=3)], "config.phases[0].step: no such field. Did you mean 'steps'?"),
        (
            [phase("", steps=3)],
            "config.phases[0].name: '' is empty or used twice; each needs its own name.",
        ),
        ([phase("a", steps=3)] * 2, "config.phases[1].name: 'a' is empty or used twice;"),
        ([phase("a")], "config.phases[0]: give it either steps or epochs above 0."),
        ([phase("a", steps=1, epochs=1.0)], "config.phases[0]: give it either steps or epochs"),
        (
            [phase("a", steps=1, tasks=("nre",))],
            "config.phases[0].tasks: 'nre' is not one of topic, ner. Did you mean 'ner'?",
        ),
        (
            [phase("a", steps=1, weights="topic=0, ner=0")],
            "config.phases[0]: all of its tasks have weight 0; nothing would be learned.",
        ),
        (
            [phase("a", steps=1, tasks=("topic",), weights="ner=2")],
            "config.phases[0].weights: 'ner' is not among its tasks, topic.",
        ),
        ([phase("a", steps=1, trainable=())], "config.phases[0].trainable: empty;"),
        (
            [phase("a", steps=1, trainable=("(",))],
            "config.phases[0].trainable: '(' is not a regular expression",
        ),
    ],
)
def test_a_phase_with_a_mistake_is_refused_with_its_index(phases, message):
    assert refusal(phases=phases).startswith(message)


@pytest.mark.parametrize(
    "overrides",
    [
        {"encoder__positions": "rotary", "encoder__width": 16, "encoder__heads": 4},
        {"encoder__positions": "rotary", "encoder__max_positions": 8},
        {"encoder__positions": "sinusoidal", "encoder__width": 10, "encoder__heads": 5},
        {"encoder__max_positions": 128},
        {"train__row_length": 128},
        {"data__overlap": 64},
        {"train__warmup": 1001},
        {"tasks__topic__weight": 0.0},
        {"train__tasks": ["ner"], "tasks__topic__weight": 0.0},
        {"train__score": "ner=1"},
        {"init_parts": "encoder", "init_from": "runs/other"},
        {"data__source": "files", "data__ner__train": "x", "data__topic__train": "y"},
        {"tasks__ner__scheme": "iob2", "tasks__ner__class_weights": "B-PER=2, I-ORG=0.5, O=1"},
        {"tasks__ner__scheme": "iob2", "tasks__ner__class_weights": "PER=2"},
    ],
)
def test_fields_that_only_almost_contradict_one_another_are_accepted(overrides):
    config = json.loads(to_json(resolve(plain(**overrides))))
    for path, value in overrides.items():
        assert functools.reduce(dict.__getitem__, path.split("__"), config) == value


def test_a_run_needs_a_task():
    with pytest.raises(UserError, match="config.tasks: empty; a run needs at least one task"):
        resolve({"tasks": {}})


def test_a_pattern_to_freeze_that_is_not_a_regular_expression_is_refused():
    message = r"train.freeze: 'encoder/\(' is not a regular expression"
    with pytest.raises(UserError, match=message):
        resolve(plain(train__freeze=["encoder/("]))


@pytest.mark.parametrize(
    "name",
    [
        "source", "max_length", "my task", "1st", "a.b", "", "text", "encoder", "json", "help",
        "config", "engine", "backend", "split", "error",
    ],
)  # fmt: skip
def test_a_task_name_must_be_an_identifier_that_means_nothing_else(name):
    task = TaskConfig(labels=("a", "b"))
    plain_task = {field: getattr(task, field) for field in ("kind", "labels")}
    config = default_config().to_dict() | {"tasks": {name: plain_task}}
    with pytest.raises(UserError) as caught:
        resolve(config)
    expected = f"config.tasks: {name!r} is a reserved name or not an identifier; rename it."
    assert str(caught.value) == expected


CLASSES = TaskConfig(kind="classes", labels=("yes", "no"))
MULTILABEL = TaskConfig(kind="multilabel", labels=("yes", "no"))
ENTITIES = TaskConfig(kind="entities", labels=("O", "PER"), scheme="iob2")
TAGS = TaskConfig(kind="tags", labels=("NOUN", "VERB"))


def test_tasks_per_sentence_come_before_tasks_per_word_and_both_by_name():
    given = {"b": ENTITIES, "z": CLASSES, "a": TAGS, "c": ENTITIES, "m": MULTILABEL, "x": CLASSES}
    config = resolve(default_config(given))
    assert list(config.tasks) == ["m", "x", "z", "a", "b", "c"]
    assert [task.name for task in config.task_list] == list(config.tasks)
    backwards = resolve(default_config(dict(reversed(given.items()))))
    assert backwards.task_list == config.task_list


def test_a_kind_left_at_its_default_orders_like_one_that_is_given():
    labels = ("yes", "no")
    tasks = {"a": {"kind": "classes", "labels": labels}, "z": {"labels": labels}}
    config = resolve({"tasks": tasks, "train": {"score": "a=1"}})
    assert list(config.tasks) == ["a", "z"]
    assert list(from_json(to_json(config)).tasks) == ["a", "z"]


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_a_run_may_have_any_number_of_tasks_of_any_kind(count):
    kinds = (CLASSES, ENTITIES, MULTILABEL, TAGS)
    tasks = {f"task{i}": kinds[i % 4] for i in range(count)}
    config = resolve(default_config(tasks))
    assert len(config.task_list) == count
    assert config.train.score == dict.fromkeys(tasks, 1.0)
    assert set(config.active) == set(tasks)


def test_texts_are_parsed_once_and_the_config_holds_their_values():
    config = resolve(
        plain(
            tasks__ner__class_weights="O=0.5, PER=2",
            tasks__ner__class_sampling="PER=3",
            tasks__topic__class_sampling="over",
            data__topic__label_map="World=politics, 1=sports",
            data__ner__synthetic_methods="case, mention",
            train__balance="gradnorm",
            train__balance_options="alpha=1.5",
            train__score="ner=2, topic=1",
            train__profile="10:20",
            phases=[phase("a", steps=1, weights="ner=0.5")],
        )
    )
    assert config.tasks["ner"].class_weights == {"O": 0.5, "PER": 2.0}
    assert config.tasks["ner"].class_sampling == {"PER": 3.0}
    assert config.tasks["topic"].class_sampling == "over"
    assert config.tasks["topic"].class_weights == {}
    assert config.tasks["topic"].data.label_map == {"World": "politics", "1": "sports"}
    assert config.tasks["ner"].data.synthetic_methods == ("case", "mention")
    assert config.train.balance_options == {"alpha": 1.5}
    assert config.train.score == {"ner": 2.0, "topic": 1.0}
    assert config.train.profile == range(10, 21)
    assert config.phases[0].weights == {"ner": 0.5}


def test_values_are_accepted_in_place_of_their_texts():
    texts = {
        "tasks__ner__class_weights": "O=0.5, PER=2",
        "data__topic__label_map": "World=politics",
        "data__ner__synthetic_methods": "case, mention",
        "train__profile": "10:20",
    }
    values = {
        "tasks__ner__class_weights": {"O": 0.5, "PER": 2},
        "data__topic__label_map": {"World": "politics"},
        "data__ner__synthetic_methods": ("case", "mention"),
        "train__profile": range(10, 21),
    }
    assert resolve(plain(**values)) == resolve(plain(**texts))
    assert refusal(train__score=3) == "config.train.score: expected a string, got 3."
    assert refusal(data__ner__label_map=None).endswith("label_map: expected a string, got None.")


def test_a_resolved_config_is_frozen():
    source = default_config()
    source.phases = (phase("a", steps=3),)
    config = resolve(source)
    task = config.tasks["ner"]
    for node in (config, config.train, task, task.data, config.phases[0]):
        name = dataclasses.fields(node)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(node, name, None)
    source.train.steps = 7
    source.tasks.ner.weight = 3.0
    source.phases[0].steps = 4
    assert config.train.steps == 1000
    assert config.tasks["ner"].weight == 1.0
    assert config.phases == (PhaseConfig(name="a", steps=3),)


# Labels that are in the data


def test_labels_may_be_a_text_and_auto_leaves_them_to_the_data():
    def labels(value):
        return resolve(plain(tasks__topic__labels=value)).tasks["topic"].labels

    assert labels("a, b") == ("a", "b")
    assert labels('"a, b", c') == ("a, b", "c")
    assert labels("auto") == labels(()) == labels("") == ()


@pytest.mark.parametrize("labels", [("PER", "LOC"), "PER,LOC", ("O", "PER", "LOC")])
def test_o_is_put_in_front_of_entity_types_if_it_is_missing(labels):
    config = resolve(plain(tasks__ner__labels=labels))
    assert config.tasks["ner"].labels == ("O", "PER", "LOC")
    # And to no other kind of task.
    assert resolve(plain(tasks__topic__labels=("a", "b"))).tasks["topic"].labels == ("a", "b")


def test_what_names_a_label_is_checked_once_the_labels_are_known():
    given = resolve(
        plain(
            tasks__ner__labels=(), tasks__ner__class_weights="B-PER=2, ORG=3",
            tasks__ner__scheme="iob2", tasks__ner__class_sampling="ORG=2",
        )
    )  # fmt: skip
    assert given.tasks["ner"].labels == ()
    found = put_labels(given, {"ner": ["PER", "ORG"]})
    assert found.tasks["ner"].labels == ("O", "PER", "ORG")
    with pytest.raises(UserError, match="config.tasks.ner.class_weights: 'ORG' is not one of O, "):
        put_labels(given, {"ner": ["PER"]})
    weights = resolve(plain(tasks__ner__labels=(), tasks__ner__class_sampling="ORG=2"))
    with pytest.raises(UserError, match="config.tasks.ner.class_sampling: 'ORG' is not one of O, "):
        put_labels(weights, {"ner": ["PER"]})


def test_labels_that_the_config_names_stay_when_others_are_filled_in():
    config = resolve(plain(tasks__ner__labels=()))
    found = put_labels(config, {"ner": ["X"], "topic": ["a", "b"]})
    assert found.tasks["topic"] == config.tasks["topic"]
    assert found.tasks["ner"].labels == ("O", "X")


def test_a_wrong_word_for_class_sampling_is_refused_before_the_labels_are_known():
    message = refusal(tasks__ner__labels=(), tasks__ner__class_sampling="often")
    assert message.startswith("config.tasks.ner.class_sampling: expected over, under or a factor")


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("data__topic__scheme", "bio", "entities"),
        ("tasks__topic__scheme", "iob2", "entities"),
        ("data__topic__offsets", "bytes", "entities"),
        ("data__topic__separator", ";", "multilabel"),
        ("data__ner__separator", ";", "multilabel"),
    ],
)
def test_a_field_that_means_nothing_for_a_kind_of_task_is_refused_with_its_flag(field, value, kind):
    message = refusal(**{field: value})
    path = field.replace("__", ".")
    assert message.startswith(f"config.{path}: ")
    assert f"leave out --config.{path}, or set" in message
    name = path.split(".")[1]
    changed = {field: value, f"tasks__{name}__kind": kind, f"tasks__{name}__labels": "auto"}
    resolve(plain(**changed))  # what the message advises
