"""spaCy's DocBin: what a document gives, and what to do without spaCy."""

import importlib.util
import json
import re
import shlex
import subprocess
import sys
import zlib

import pytest

from mtt_jax.data.readers import read_rows, spacy_docbin
from mtt_jax.data.readers.files import head
from mtt_jax.data.readers.rows import Layout
from mtt_jax.errors import UserError
from tests.helpers import written

INSTALLED = importlib.util.find_spec("spacy") is not None
# The keys of a DocBin in MessagePack, as far as recognition looks.
BEGIN = b"\x86\xa7version\xa30.1\xa5attrs\x90"


def packed(folder):
    file = folder / "a.spacy"
    file.write_bytes(zlib.compress(BEGIN))
    return file


def test_a_file_is_recognized_by_its_content(tmp_path):
    assert read_rows(packed(tmp_path), Layout()).description == "spaCy DocBin"
    other = tmp_path / "b.spacy"
    other.write_bytes(zlib.compress(b"something else"))
    assert spacy_docbin.recognize(head(other)) is None
    assert spacy_docbin.recognize(head(written(tmp_path, "c.spacy", "text"))) is None


@pytest.mark.skipif(INSTALLED, reason="spaCy is installed")
def test_without_spacy_the_message_gives_two_ways(tmp_path):
    with pytest.raises(UserError) as error:
        list(spacy_docbin.read(packed(tmp_path), Layout()))
    message = str(error.value)
    assert "a DocBin is read by spaCy, which is not installed: pip install spacy\n" in message
    assert message.splitlines()[-1].startswith("python -c ")


@pytest.mark.peers
class TestWithSpacy:
    """Documents that spaCy itself writes."""

    @pytest.fixture
    def spacy(self):
        return pytest.importorskip("spacy")

    @pytest.fixture
    def saved(self, spacy, tmp_path):
        def save(*documents):
            file = tmp_path / "a.spacy"
            spacy.tokens.DocBin(docs=documents, store_user_data=True).to_disk(file)
            return file

        return save

    @pytest.fixture
    def ann(self, spacy):
        document = spacy.blank("en")("Ann  sold Acme.")
        document.ents = [document.char_span(0, 3, "PER"), document.char_span(10, 14, "ORG")]
        return document

    def test_entities_words_and_cats_are_read(self, ann, saved):
        ann.cats = {"business": 1.0, "sports": 0.0}
        opened = read_rows(saved(ann), Layout())
        (row,) = opened.rows
        assert opened.reader.name == "docbin"
        assert row.text == "Ann  sold Acme."
        assert row.fields["entities"] == [
            {"start": 0, "end": 3, "label": "PER"},
            {"start": 10, "end": 14, "label": "ORG"},
        ]
        assert row.fields["cats"] == {"business": 1, "sports": 0}
        assert row.tokens == ["Ann", "sold", "Acme", "."]
        assert [row.text[start:end] for start, end in row.offsets] == row.tokens

    def test_tags_are_read_for_the_words(self, ann, saved):
        for token in ann:
            token.tag_, token.pos_ = ("_SP", "SPACE") if token.is_space else ("T", "NOUN")
        (row,) = spacy_docbin.read(saved(ann), Layout())
        assert row.fields["tag"] == ["T"] * 4
        assert row.fields["pos"] == ["NOUN"] * 4

    def test_a_document_without_annotations_is_unlabeled(self, spacy, saved):
        bare, empty = spacy.blank("en")("Rain."), spacy.blank("en")("Fog.")
        empty.ents = []
        found = list(spacy_docbin.read(saved(bare, empty), Layout()))
        assert [set(row.fields) for row in found] == [{"text"}, {"text", "entities"}]
        assert str(found[1].place).endswith("a.spacy, document 2")

    def test_groups_of_spans_are_under_their_names(self, ann, saved):
        ann.spans["sc"] = [ann[0:1], ann[0:3]]
        ann.spans["sc"][0].label_ = "PER"
        (row,) = spacy_docbin.read(saved(ann), Layout())
        assert [e["end"] for e in row.fields["spans.sc"]] == [3, 9]

    def test_a_damaged_file_is_one_line(self, ann, saved, tmp_path):
        file = tmp_path / "b.spacy"
        file.write_bytes(saved(ann).read_bytes()[:-20])
        with pytest.raises(UserError, match=r"b.spacy: not a DocBin that spaCy can read"):
            list(spacy_docbin.read(file, Layout()))
        with pytest.raises(UserError, match=r"a.spacy: not a DocBin that spaCy can read"):
            list(spacy_docbin.read(packed(tmp_path), Layout()))

    def test_the_command_for_a_machine_with_spacy_writes_the_same(self, ann, saved, monkeypatch):
        file = saved(ann)
        monkeypatch.setitem(sys.modules, "spacy", None)
        with pytest.raises(UserError) as error:
            list(spacy_docbin.read(file, Layout()))
        command = str(error.value).splitlines()[-1]
        assert re.search(r" > (\S+)$", command)
        python = shlex.quote(sys.executable)
        subprocess.run(command.replace("python", python, 1), shell=True, check=True)
        monkeypatch.undo()
        (row,) = spacy_docbin.read(file, Layout())
        converted = json.loads(file.with_suffix(".jsonl").read_text())
        assert converted["text"] == row.text
        assert converted["entities"] == row.fields["entities"]
