"""What the tokenizer shows: lengths, scripts, unknown subwords, labels that end inside a word."""

import pytest

from mtt_jax.config import default_config
from mtt_jax.data.check.findings import WARNING
from mtt_jax.data.check.subwords import measure
from mtt_jax.data.encode import Reading, encode_records
from mtt_jax.data.tokenizer import train as train_tokenizer
from mtt_jax.types import Span
from tests.data.check.samples import NER, record, splits


@pytest.fixture(scope="module")
def tokenizer():
    texts = ["Tom ran to Rome on Monday", "Ann ran home", "Привет Рим", "12 : 30"]
    fields = default_config().tokenizer
    fields.vocab_size = 200
    return train_tokenizer(texts * 3, fields)


def measured(records, tokenizer, max_length=30, tasks=(NER,)):
    encoded = {
        s: encode_records(part, tokenizer, tasks, Reading(True)) for s, part in records.items()
    }
    return measure(records, encoded, tokenizer, max_length)


def test_lengths_and_shares_are_measured_per_split(tokenizer):
    figures, found = measured(splits([record("Tom ran"), record("Ann " * 9)]), tokenizer, 9)
    assert list(figures) == ["train"]
    assert figures["train"] == {
        "sentences": 2, "subwords_mean": 7.5, "subwords_max": 11, "cut_share": 0.5,
        "unknown_share": 0.0,
    }  # fmt: skip
    assert found == [], "no task has labels"


def test_a_task_of_whose_sentences_many_are_cut_is_told(tokenizer):
    long = [record("Ann " * 9, "a, line 1", ner=()), record("Tom ran", ner=())]
    _, (found,) = measured(splits(long), tokenizer, 9)
    assert found[:4] == (WARNING, "cut sentences", "ner", "train")
    assert "50% of the train sentences are longer than 9 subwords" in found.text
    assert "--config.data.max_length" in found.text
    assert found.places == ("a, line 1",)


def test_a_text_in_another_script_is_noticed_though_the_tokenizer_knows_it(tokenizer):
    rest = [record(f"Tom ran {n} miles") for n in range(99)]
    _, (found,) = measured(splits([*rest, record("Привет Рим", "a, line 7")]), tokenizer)
    assert found[:4] == (WARNING, "another script", "", "train")
    assert found.text.startswith("train: 1 text is in another script than the rest, such as 'При")
    assert found.places == ("a, line 7",)


def test_texts_in_two_scripts_are_no_finding(tokenizer):
    rest = [record("Tom ran"), record("Привет Рим"), record("12 : 30")] * 10
    assert measured(splits(rest), tokenizer)[1] == []


def test_a_text_that_the_tokenizer_does_not_know_is_noticed(tokenizer):
    rest = [record("Tom ran") for _ in range(20)]
    _, (found,) = measured(
        splits(rest, [record("Tom ran", "b"), record("☂☃☄", "b, line 3")]), tokenizer
    )
    assert found[:4] == (WARNING, "unknown characters", "", "dev")
    assert found.places == ("b, line 3",)


def test_labels_that_end_inside_a_word_are_counted(tokenizer):
    spans = (Span(0, 2, "PER"), Span(11, 14, "LOC"))
    records = splits([record("Tom ran to Rome", "a, line 3", ner=spans), record("Ann", ner=())])
    _, (found,) = measured(records, tokenizer)
    assert found[:4] == (WARNING, "label inside a word", "ner", "train")
    assert found.text.startswith("ner: 2 of 2 train labels begin or end inside a word")
    assert found.places == ("a, line 3",)
