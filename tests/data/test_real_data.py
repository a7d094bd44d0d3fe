"""Real corpora, if there are any: AG News as CSV and WikiNEuRal as CoNLL columns.

They are in the folder that MTT_DATA names, by default ../shared/data.
"""

import os
from pathlib import Path

import pytest

from mtt_jax.config.files import load_file
from mtt_jax.config.resolve import resolve
from mtt_jax.data.sources import read_files
from tests.helpers import ROOT

DATA = Path(os.environ.get("MTT_DATA", ROOT.parent / "shared" / "data"))
TOPIC, NER = DATA / "ag_news_csv", DATA / "wikineural_en"

pytestmark = pytest.mark.skipif(
    not (TOPIC.is_dir() and NER.is_dir()),
    reason=f"no ag_news_csv and wikineural_en in {DATA}; MTT_DATA names another folder",
)


@pytest.fixture(scope="module")
def news():
    config = load_file(str(ROOT / "configs" / "news_files.py"))
    config.data.topic.update(train=str(TOPIC / "train.csv"), test=str(TOPIC / "test.csv"))
    for split in ("train", "dev", "test"):
        config.data.ner[split] = str(NER / f"{split}.conll")
    return read_files(resolve(config), Path())


def test_every_row_and_every_sentence_is_read(news):
    records, _ = news
    topics = {s: sum("topic" in r.labels for r in records[s]) for s in records}
    assert topics["train"] + topics["dev"] == 9000
    assert topics["test"] == 1000
    assert {s: sum("ner" in r.labels for r in records[s]) for s in records} == {
        "train": 10_000, "dev": 1_590, "test": 4_000
    }  # fmt: skip


def test_texts_have_no_markup_and_entities_are_on_words(news):
    records, _ = news
    texts = [r.text for r in records["train"]]
    assert not any(mark in text for text in texts for mark in ("&lt;", "&amp;", "#39;", "<b>"))
    for record in records["test"]:
        for start, end, _ in record.labels.get("ner", ()):
            assert 0 <= start < end <= len(record.words)


def test_notes_state_the_tag_scheme_and_the_held_out_sentences(news):
    _, notes = news
    assert any("tags in scheme iob2" in note for note in notes)
    assert any(note.startswith("topic: no dev given;") for note in notes)
