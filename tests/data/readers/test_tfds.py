"""TFDS data sets, built and read without TensorFlow, with the same checks as files."""

import pytest
import tensorflow_datasets as tfds

from mtt_jax.config.resolve import resolve
from mtt_jax.config.schema import TaskConfig, default_config
from mtt_jax.data.readers.tfds import read_tfds
from mtt_jax.errors import UserError
from tests.data.readers.tiny_sets import builders  # noqa: F401  registers the data sets
from tests.helpers import entities


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A folder in which each data set is built once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def config():
    config = default_config()
    config.data.source = "tfds"
    config.data.topic.update(name="tiny_topics", text="title,description", test="test")
    config.data.topic.label_map = "World=politics, Sports=sports"
    config.data.ner.update(name="tiny_names", dev="dev", test="test")
    return config


def test_topics_and_entities_are_read_by_the_names_of_their_features(config, cache):
    records, notes = read_tfds(resolve(config), cache)
    topics = [r for r in records["test"] if "topic" in r.labels]
    assert sorted(r.labels["topic"] for r in topics) == ["politics"] * 2 + ["sports"] * 2
    assert {r.text for r in topics} == {f"Title {i} AT&amp;T" for i in range(4)}
    names = [r for r in records["dev"] if "ner" in r.labels]
    assert len(names) == 3
    assert {r.text for r in names} == {f"Ann Lee left Oslo{i}" for i in range(3)}
    assert all(entities(r)[0] == ("Ann Lee", "PER") for r in names)
    assert {entities(r)[1] for r in names} == {(f"Oslo{i}", "LOC") for i in range(3)}
    held_out = sum("topic" in r.labels for r in records["dev"])
    assert 0 < held_out < 15
    assert len(records["train"]) == 30 - held_out + 10
    assert f"topic: no dev given; {held_out} training sentences held out as dev." in notes


def odd(config, cache):
    """The records of the splits with harmless faults, by text, and the notes about them."""
    config.data.topic.test = config.data.ner.test = "odd"
    records, notes = read_tfds(resolve(config), cache)
    return {r.text: r for r in records["test"]}, notes


def line_of(data_set, feature, wanted, cache):
    """The number of the first row of split odd with a value; TFDS shuffles what it writes."""
    home = str(cache / "tfds")
    builder = tfds.builder(data_set, data_dir=home, file_format="array_record")
    rows = builder.as_data_source(split="odd")
    return next(n for n, row in enumerate(rows, start=1) if row[feature] in wanted)


def test_texts_and_words_of_tfds_stay_as_they_are(config, cache):
    found, _ = odd(config, cache)
    assert "Title 0 AT&amp;T" in found
    assert entities(found["AT&amp;T 's <b>Ann</b>"]) == [("<b>Ann</b>", "PER")]


def test_tag_scheme_of_tfds_is_detected_and_stated(config, cache):
    _, notes = odd(config, cache)
    assert "tiny_names/train: 10 texts, TFDS, entities from 'ner', tags in scheme iob2." in notes
    assert "tiny_names/odd: 3 texts, TFDS, entities from 'ner', tags in scheme iob2." in notes


def test_illegal_tags_of_tfds_are_counted_with_the_first_row_and_start_an_entity(config, cache):
    found, notes = odd(config, cache)
    assert entities(found["in New York"]) == [("New York", "LOC")]
    assert entities(found["Ann Oslo"]) == [("Ann", "PER"), ("Oslo", "LOC")]
    (note,) = (note for note in notes if "cannot follow" in note)
    assert note.startswith("tiny_names/odd: 2 tags that cannot follow the tag before them in iob2")
    assert f"(first: line {line_of('tiny_names', 'id', (1, 2), cache)})" in note


def test_explicit_tag_scheme_overrides_detection_for_tfds(config, cache):
    config.data.ner.scheme = "iob1"
    found, notes = odd(config, cache)
    assert "tiny_names/odd: 3 texts, TFDS, entities from 'ner', tags in scheme iob1." in notes
    assert not any("cannot follow" in note for note in notes)
    assert entities(found["in New York"]) == [("New York", "LOC")]


def test_empty_texts_of_tfds_are_left_out_and_counted(config, cache):
    found, notes = odd(config, cache)
    assert len(found) == 6
    for data_set, feature, value in (("tiny_names", "id", 3),):
        line = line_of(data_set, feature, (value,), cache)
        assert f"{data_set}/odd: 1 empty texts, left out (first: line {line})." in notes


def test_class_label_of_minus_1_is_unlabelled_and_counted(config, cache):
    found, notes = odd(config, cache)
    assert found["Title 0 AT&amp;T"].labels == {"topic": "politics"}
    assert found["Title 1 "].labels == {}
    line = line_of("tiny_topics", "title", (b"Title 1",), cache)
    note = f"tiny_topics/odd: 1 sentences without a label of topic (first: line {line})."
    assert note in notes


def test_multilabel_sets_and_tags_are_read_from_sequence_features(cache):
    tasks = {
        "pos": TaskConfig(kind="tags", labels=("NOUN", "VERB")),
        "subjects": TaskConfig(kind="multilabel", labels=("law", "money")),
        "named": TaskConfig(kind="multilabel", labels=("law", "people")),
    }
    config = default_config(tasks)
    config.data.source = "tfds"
    for name in tasks:
        config.data[name].name = "tiny_subjects"
    config.data.pos.label_map = "I-NP=NOUN, I-VP=VERB"
    config.data.named.label = "names"
    records, notes = read_tfds(resolve(config), cache)
    every = [r for split in ("train", "dev") for r in records[split]]
    for task, expected in (
        ("subjects", [(), ("money",), ("law", "money")]),
        ("named", [(), ("law",), ("law", "people")]),
    ):
        found = {r.text: r.labels[task] for r in every if task in r.labels}
        assert found == {f"Ann &amp; Lee {i}": expected[i % 3] for i in range(12)}
    tags = [[tag for _, tag in entities(r, "pos")] for r in every if "pos" in r.labels]
    assert tags == [["NOUN", "VERB"]] * 12
    assert any(note.startswith("tiny_subjects/train: 12 texts, TFDS, tags") for note in notes)


def refusal(config, cache):
    with pytest.raises(UserError) as error:
        read_tfds(resolve(config), cache)
    return str(error.value)


def test_unknown_tag_of_tfds_is_reported_with_its_row_and_the_nearest_label(config, cache):
    config.tasks.ner.labels = ("O", "PER", "LOCATION")
    message = refusal(config, cache)
    assert message.startswith("tiny_names/train, line 1: 'B-LOC' (15 times) is not a label of task")
    assert "--config.data.ner.label_map=LOC=LOCATION" in message


def test_unknown_label_of_tfds_is_reported_with_its_row(config, cache):
    config.data.topic.label_map = "World=politics"
    message = refusal(config, cache)
    assert ": 'Sports' (17 times) is not a label of task 'topic'" in message
    assert message.startswith("tiny_topics/train, line ")
    assert "'World=politics, Sports=sports'" in message


def test_words_and_tags_of_unequal_number_are_reported(config, cache):
    config.data.ner.test = "unequal"
    assert "tiny_names/unequal, line 1: 2 tokens, but 1 tags in 'ner'." in refusal(config, cache)


def test_unknown_tfds_split_is_reported_with_the_known_ones(config, cache):
    config.data.ner.dev = "validation"
    message = refusal(config, cache)
    assert message.startswith("config.data.ner.dev: tiny_names has no split 'validation'")
    assert all(split in message for split in ("train", "dev", "test"))


def test_unknown_tfds_feature_is_reported_with_the_known_ones(config, cache):
    config.data.topic.text = "headline"
    message = refusal(config, cache)
    assert message.startswith("config.data.topic.text: tiny_topics has no feature 'headline'")
    assert "title" in message


def test_unavailable_tfds_data_set_says_how_to_use_files(config, cache):
    config.data.ner.name = "no_such_set"
    message = refusal(config, cache)
    assert "TFDS cannot provide 'no_such_set'" in message
    assert "--config=configs/news_files.py" in message
    assert "--config.data.ner.train=FILE" in message
