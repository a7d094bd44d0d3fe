"""Any file is read or refused in one line, by every reader and for every kind of task.

Samples of all formats are damaged at random: parts removed, repeated, reversed, or replaced by
what breaks formats.
"""

import contextlib
import dataclasses

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtt_jax.config.schema import DataConfig, TaskDataConfig
from mtt_jax.data.readers import READERS, read_file, read_rows
from mtt_jax.data.readers.rows import Layout
from mtt_jax.errors import UserError
from mtt_jax.tasks import Classes, Entities, Multilabel, Tags
from mtt_jax.types import Span
from tests.data.readers.test_every_format import SAMPLES

TASKS = (Classes("topic", ()), Multilabel("topics", ()), Entities("ner", ()), Tags("pos", ()))
PIECES = (
    "\n", "\r", "\t", " ", "", '"', "'", ",", ";", "|", "{", "}", "[", "]", "null", "-1", "1e9",
    "O", "B-PER", "#", "\ufeff", "\u2028", "\u00a0", "\u200d", "\U0001d165", "\x00", "\x85",
    "&amp;",
    "<b>", "😀", "ด", "__label__", "*", "(", "_", "-DOCSTART- -X- O O", "1-2", '"start": 9999',
)  # fmt: skip
EDIT = st.tuples(
    st.sampled_from(("insert", "delete", "repeat", "swap")),
    st.floats(0, 1, exclude_max=True),
    st.floats(0, 1, exclude_max=True),
    st.sampled_from(PIECES),
)
PLAIN = settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def damaged(content, edits):
    """A content after some edits at places given as shares of its length."""
    for kind, at, other, piece in edits:
        start, end = sorted((int(at * len(content)), int(other * len(content))))
        end = min(end, start + 40)
        if kind == "insert":
            content = content[:start] + piece + content[start:]
        elif kind == "delete":
            content = content[:start] + content[end:]
        elif kind == "repeat":
            content = content[:end] + content[start:]
        else:
            content = content[:start] + content[start:end][::-1] + content[end:]
    return content


def check_label(label, text):
    """Spans lie inside the text, cover something and are in order."""
    for span in label if isinstance(label, tuple) else ():
        if isinstance(span, Span):
            assert 0 <= span.start < span.end <= len(text)
            assert text[span.start : span.end].strip() == text[span.start : span.end]


def read_for_all_tasks(file):
    """Reads a file for each kind of task; refusing it, with a message, is fine."""
    problems = []
    for task in TASKS:
        for faults in (None, []):
            try:
                found = read_file(
                    str(file), task, DataConfig(), TaskDataConfig(), "--x", faults=faults
                )
            except UserError as error:
                problems.append(str(error))
                continue
            for record in found.records:
                assert record.text.strip()
                if task.name in record.labels:
                    check_label(record.labels[task.name], record.text)
    assert all(problems)


@pytest.mark.parametrize("name", sorted(SAMPLES))
@PLAIN
@given(edits=st.lists(EDIT, min_size=1, max_size=5))
def test_a_damaged_file_is_read_or_refused(name, edits, tmp_path):
    file_name, content = SAMPLES[name]
    file = tmp_path / file_name
    file.write_text(damaged(content, edits), encoding="utf-8", newline="")
    read_for_all_tasks(file)
    rows = []
    with contextlib.suppress(UserError):  # by its own reader, whatever it is recognized as now
        rows = list(read_rows(file, Layout(flag="--x"), name).rows)
    assert all(row.tokens is None or len(row.tokens) for row in rows)


# Layouts that a reader reads in addition to the one among the samples.
MORE = {
    "questions.label": "LOC:city Where is Oslo ?\nHUM:ind Who ran ?\n",
    "tags.csv": 'sentence,word_labels\nAnn left Oslo,"B-PER,O,B-LOC"\nTom ran,"B-PER,O"\n',
    "lists.csv": "tokens,ner_tags\n\"['Ann', 'left']\",\"[1, 0]\"\n['Tom' 'ran'],[1 0]\n",
    "spans.csv": "text,entities\nAnn left,\"[(0, 3, 'PER')]\"\nTom ran,\"[('PER', 0, 3)]\"\n",
    "keys.jsonl": '{"text": "Ann left", "entities": [{"BeginOffset": 0, "EndOffset": 2, '
    '"Type": "PER"}, ["LOC", 4, 7]]}\n'
    '{"text": "Tom", "entities": [[[0, 3], "PER"], [0, 3, "Tom", "PER"]]}\n',
    "comments.conll": ";; a\n-DOCSTART-\nAnn B:PER\nleft O\n\n// b\nOslo B:LOC\n",
    "gold.conll": "Ann B-PER B-PER\nleft O O\n\nOslo B-LOC O\n",
}


@pytest.mark.parametrize("name", sorted(MORE))
@settings(PLAIN, max_examples=40)
@given(edits=st.lists(EDIT, max_size=5))
def test_a_damaged_file_in_a_further_layout_is_read_or_refused(name, edits, tmp_path):
    file = tmp_path / name
    file.write_text(damaged(MORE[name], edits), encoding="utf-8", newline="")
    read_for_all_tasks(file)


@PLAIN
@given(content=st.binary(max_size=300), name=st.sampled_from(["a.txt", "a.csv", "a.json", "a"]))
def test_any_bytes_are_read_or_refused(content, name, tmp_path):
    file = tmp_path / name
    file.write_bytes(content)
    read_for_all_tasks(file)


def test_every_text_format_is_among_the_samples():
    binary = {"hub", "datasets", "parquet", "docbin", "brat", "folders"}
    tables = {"label-studio-table", "doccano-csv"}
    assert {reader.name for reader in READERS} - binary - tables <= set(SAMPLES)


def test_tasks_of_the_fuzz_are_all_kinds():
    assert {dataclasses.replace(task).kind for task in TASKS} == {
        "classes", "multilabel", "entities", "tags"
    }  # fmt: skip
