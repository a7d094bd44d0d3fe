"""Real corpora, if there are any: AG News as CSV, WikiNEuRal and WNUT-17 as CoNLL columns.

They are in the folder that MTT_DATA names, by default ../shared/data.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from mtt_jax import Predictor
from mtt_jax.config.files import load_file
from mtt_jax.config.resolve import resolve
from mtt_jax.config.schema import DataConfig, TaskDataConfig, TokenizerConfig
from mtt_jax.data.clean import clean
from mtt_jax.data.encode import encode_records, reading_of
from mtt_jax.data.readers import read_file
from mtt_jax.data.sources import read_files
from mtt_jax.data.tokenizer import train as train_tokenizer
from mtt_jax.scoring.evaluate import evaluate
from mtt_jax.tasks import Entities
from mtt_jax.types import Span
from mtt_jax.weights.saved_model import SavedModel
from tests.helpers import ROOT, forward_of, make_config, model_and_params, strict_f1

DATA = Path(os.environ.get("MTT_DATA", ROOT.parent / "shared" / "data"))
TOPIC, NER, TWEETS = DATA / "ag_news_csv", DATA / "wikineural_en", DATA / "wnut17"


def needs(*folders):
    names = " and ".join(folder.name for folder in folders)
    return pytest.mark.skipif(
        not all(folder.is_dir() for folder in folders),
        reason=f"no {names} in {DATA}; MTT_DATA names another folder",
    )


@pytest.fixture(scope="module")
def news():
    config = load_file(str(ROOT / "configs" / "ag_news.py"))
    config.data.topic.update(train=str(TOPIC / "train.csv"), test=str(TOPIC / "test.csv"))
    for split in ("train", "dev", "test"):
        config.data.ner[split] = str(NER / f"{split}.conll")
    return read_files(resolve(config), Path())


@needs(TOPIC, NER)
def test_every_row_and_every_sentence_is_read(news):
    records, _ = news
    topics = {s: sum("topic" in r.labels for r in records[s]) for s in records}
    assert topics["train"] + topics["dev"] == 9000
    assert topics["test"] == 1000
    assert {s: sum("ner" in r.labels for r in records[s]) for s in records} == {
        "train": 10_000, "dev": 1_590, "test": 4_000
    }  # fmt: skip


@needs(TOPIC, NER)
def test_texts_are_as_given_and_cleaning_leaves_no_markup(news):
    records, _ = news
    marks = ("&lt;", "&amp;", "#39;", "<b>")
    texts = [r.text for r in records["train"]]
    assert any(mark in text for text in texts for mark in marks)
    cleaned = [clean(text).text for text in texts]
    assert not any(mark in text for text in cleaned for mark in marks)


@needs(TOPIC, NER)
def test_entities_lie_in_the_text_and_begin_and_end_with_a_word(news):
    for record in news[0]["test"]:
        for start, end, _ in record.labels.get("ner", ()):
            assert 0 <= start < end <= len(record.text)
            assert record.text[start:end].strip() == record.text[start:end]


@needs(TOPIC, NER)
def test_notes_state_the_tag_scheme_and_the_held_out_sentences(news):
    _, notes = news
    assert any("tags in scheme iob2" in note for note in notes)
    assert any(note.startswith("topic: no dev given;") for note in notes)


# What is scored is what users get


def corpus_of(folder, count=400):
    """(task, records) of the first sentences of a test split."""
    task = Entities("ner", (), "iob2")
    loaded = read_file(
        str(folder / "test.conll"), task, DataConfig(), TaskDataConfig(), "--config.data.ner.test"
    )
    records = loaded.records[:count]
    labels = sorted({span.label for record in records for span in record.labels["ner"]})
    return labels, records


@pytest.mark.parametrize(
    "folder",
    [
        pytest.param(NER, marks=needs(NER)),
        pytest.param(TWEETS, marks=[needs(TWEETS), pytest.mark.peers]),
    ],
    ids=["WikiNEuRal", "WNUT-17"],
)
def test_the_f1_that_is_reported_is_that_of_the_predictor_on_the_raw_texts(folder, tmp_path):
    labels, records = corpus_of(folder)
    texts = [record.text for record in records]
    config = make_config(tasks__ner__labels=("O", *labels), tasks__ner__scheme="iob2")
    tokenizer = train_tokenizer(texts, TokenizerConfig(vocab_size=2000))
    model, params = model_and_params(config, tokenizer)
    params["heads"]["ner"]["logits"]["kernel"] *= 100
    predictor = Predictor(SavedModel(config, params, tokenizer, tmp_path, config.task_list))
    results = predictor(texts)
    # An untrained model is hardly ever right: in half of the sentences its answers become gold.
    rng = np.random.default_rng(0)
    records = [
        record._replace(labels={"ner": tuple(spans_of(result))}) if rng.random() < 0.5 else record
        for record, result in zip(records, results, strict=True)
    ]
    examples = encode_records(records, tokenizer, config.task_list, reading_of(config))
    score = evaluate(forward_of(model), params, examples, config).scores["ner"]
    gold = [record.labels["ner"] for record in records]
    assert score.headline == strict_f1(gold, [result["ner"] for result in results])
    assert 0.3 < score.headline < 0.95


def spans_of(result):
    return [Span(entity["start"], entity["end"], entity["label"]) for entity in result["ner"]]


@pytest.mark.parametrize(
    ("folder", "most"),
    [pytest.param(NER, 10, marks=needs(NER)), pytest.param(TWEETS, 10, marks=needs(TWEETS))],
    ids=["WikiNEuRal", "WNUT-17"],
)
def test_hardly_any_entity_begins_or_ends_inside_a_word(folder, most):
    labels, records = corpus_of(folder, 4000)
    config = make_config(tasks__ner__labels=("O", *labels), tasks__ner__scheme="iob2")
    tokenizer = train_tokenizer([r.text for r in records], TokenizerConfig(vocab_size=2000))
    examples = encode_records(records, tokenizer, config.task_list, reading_of(config))
    cut = sum(examples[i].labels["ner"].cut.sum() for i in range(len(examples)))
    assert cut <= most
