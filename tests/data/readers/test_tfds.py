"""TFDS data sets: built and read for real, without TensorFlow; only the names are ours."""

import pytest

from mtt_jax.config.resolve import resolve
from mtt_jax.config.schema import default_config
from mtt_jax.data.readers.tfds import read_tfds
from mtt_jax.errors import UserError
from tests.data.readers.tiny_sets import builders  # noqa: F401  registers the data sets


@pytest.fixture
def config():
    config = default_config()
    config.data.source = "tfds"
    config.data.topic.update(name="tiny_topics", text="title,description", test="test")
    config.data.topic.label_map = "World=politics, Sports=sports"
    config.data.ner.update(name="tiny_names", dev="dev", test="test")
    return config


def test_topics_and_entities_are_read_by_the_names_of_their_features(config, tmp_path):
    records, notes = read_tfds(resolve(config), tmp_path)
    topics = [r for r in records["test"] if "topic" in r.labels]
    assert sorted(r.labels["topic"] for r in topics) == ["politics"] * 2 + ["sports"] * 2
    assert {r.text for r in topics} == {f"Title {i} AT&T" for i in range(4)}
    names = [r for r in records["dev"] if "ner" in r.spans]
    assert len(names) == 3
    assert {r.spans["ner"] for r in names} == {((0, 2, "PER"), (3, 4, "LOC"))}
    held_out = sum("topic" in r.labels for r in records["dev"])
    assert 0 < held_out < 15
    assert len(records["train"]) == 30 - held_out + 10
    assert f"topic: no dev given; {held_out} training sentences held out as dev." in notes


def refusal(config, tmp_path):
    with pytest.raises(UserError) as error:
        read_tfds(resolve(config), tmp_path)
    return str(error.value)


def test_an_unknown_split_is_named_with_the_known_ones(config, tmp_path):
    config.data.ner.dev = "validation"
    message = refusal(config, tmp_path)
    assert message.startswith("config.data.ner.dev: tiny_names has no split 'validation'")
    assert "train, dev, test" in message or all(s in message for s in ("train", "dev", "test"))


def test_an_unknown_feature_is_named_with_the_known_ones(config, tmp_path):
    config.data.topic.text = "headline"
    message = refusal(config, tmp_path)
    assert message.startswith("config.data.topic.text: tiny_topics has no feature 'headline'")
    assert "title" in message


def test_a_data_set_that_is_not_there_says_how_to_use_files(config, tmp_path):
    config.data.ner.name = "no_such_set"
    message = refusal(config, tmp_path)
    assert "TFDS cannot give 'no_such_set'" in message
    assert "--config=configs/news_files.py" in message
    assert "--config.data.ner.train=FILE" in message
