"""Readers: a file per format, the table of them, and what a task takes from their rows.

    read_rows   file -> rows, whatever the format; what prediction, convert and check read
    read_file   files -> records of one task; what training reads

A fault that would teach the model something wrong ends the run with file, line and remedy. What is
harmless (an empty text, an illegal tag that has one sensible reading) is counted, and the count is
printed with the location of the first. A new format is a file here and a row in `READERS`.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from mtt_jax.config.schema import DataConfig, TaskDataConfig
from mtt_jax.data.readers import (
    brat,
    class_folders,
    conll,
    conllu,
    datasets_folder,
    doccano,
    fasttext,
    germeval,
    gliner,
    hub,
    jsonl,
    kaggle,
    label_studio,
    ontonotes,
    parquet,
    prodigy,
    sentence_tags,
    spacy_docbin,
    spacy_json,
    tables,
    webanno,
)
from mtt_jax.data.readers.files import HUB, encoding_notes, expand, extension, head, not_text
from mtt_jax.data.readers.records import records_of
from mtt_jax.data.readers.rows import Head, Layout, Row
from mtt_jax.data.readers.source import Source
from mtt_jax.data.readers.tally import Loaded
from mtt_jax.data.readers.unknown import Unknown
from mtt_jax.errors import UserError, did_you_mean
from mtt_jax.tasks import Task
from mtt_jax.types import Record


class Reader(NamedTuple):
    """One file format.

    Attributes:
      name: its value of data.NAME.format.
      title: what the user is told of it if nothing more precise is known.
      extensions: by which it is chosen if no content was recognized.
      recognize: the beginning of a file -> a description such as "CoNLL-U columns"; None if the
        file is in another format.
      read: (file, layout) -> its rows.
    """

    name: str
    title: str
    extensions: tuple[str, ...]
    recognize: Callable[[Head], str | None]
    read: Callable[[Path, Layout], Iterator[Row]]


_COLUMNAR = (".parquet", ".arrow", ".feather", ".ipc")

# In the order in which they are tried on a file: the most specific first.
READERS: tuple[Reader, ...] = (
    Reader("hub", "Hugging Face hub", (), hub.recognize, hub.read),
    Reader("datasets", "datasets folder", (), datasets_folder.recognize, datasets_folder.read),
    Reader("parquet", "Parquet or Arrow", _COLUMNAR, parquet.recognize, parquet.read),
    Reader("docbin", "spaCy DocBin", (".spacy",), spacy_docbin.recognize, spacy_docbin.read),
    Reader("brat", "BRAT", (".ann",), brat.recognize, brat.read),
    Reader("label-studio", "Label Studio", (), label_studio.recognize, label_studio.read),
    Reader(
        "label-studio-table",
        "Label Studio table",
        (),
        label_studio.recognize_table,
        label_studio.read_table,
    ),
    Reader("prodigy", "Prodigy", (), prodigy.recognize, prodigy.read),
    Reader("doccano", "doccano", (), doccano.recognize, doccano.read),
    Reader("doccano-csv", "doccano CSV", (), doccano.recognize_csv, doccano.read_csv),
    Reader("spacy", "spaCy JSON", (), spacy_json.recognize, spacy_json.read),
    Reader("gliner", "GLiNER JSON", (), gliner.recognize, gliner.read),
    Reader("fasttext", "fastText lines", (), fasttext.recognize, fasttext.read),
    Reader("json", "JSON", (".json",), jsonl.recognize_json, jsonl.read_json),
    Reader("jsonl", "JSONL", (".jsonl", ".ndjson"), jsonl.recognize, jsonl.read),
    Reader("webanno", "WebAnno TSV", (), webanno.recognize, webanno.read),
    Reader("conllu", "CoNLL-U columns", (".conllu", ".conllup"), conllu.recognize, conllu.read),
    Reader("germeval", "GermEval columns", (), germeval.recognize, germeval.read),
    Reader("ontonotes", "OntoNotes columns", (), ontonotes.recognize, ontonotes.read),
    Reader("kaggle", "table with a word per row", (), kaggle.recognize, kaggle.read),
    Reader("sentence-tags", "word/tag sentences", (), sentence_tags.recognize, sentence_tags.read),
    Reader(
        "conll", "CoNLL columns", (".conll", ".txt", ".bio", ".iob"), conll.recognize, conll.read
    ),
    Reader("tsv", "TSV", (".tsv", ".tab"), tables.recognize_tsv, tables.read_tsv),
    Reader("csv", "CSV", (".csv",), tables.recognize_csv, tables.read_csv),
    Reader("folders", "folders of texts", (), class_folders.recognize, class_folders.read),
)


class Opened(NamedTuple):
    """A file whose format is known.

    Attributes:
      reader: that reads it.
      description: of its format, for the user.
      rows: of the file, read as they are asked for.
    """

    reader: Reader
    description: str
    rows: Iterator[Row]


def read_rows(path: Path, layout: Layout, format: str = "auto") -> Opened:
    """Opens a file or a folder in any format.

    Args:
      path: as `files.expand` gives it.
      layout: encoding, header and columns, where the user gives them.
      format: name of a reader; "auto" recognizes it by the content.

    Raises:
      UserError: if the format is not recognized; and while rows are read, for a fault in the file.
    """
    found = head(path)
    reader, description = _recognized(found, layout) if format == "auto" else _named(format, found)
    return Opened(reader, description, reader.read(path, layout))


def layout_of(data: DataConfig, fields: TaskDataConfig, name: str) -> Layout:
    """How to read the files of a task, as the config gives it.

    Args:
      data: encoding.
      fields: header and column of the words.
      name: of the task.
    """
    header = {"true": True, "false": False}.get(str(fields.header).lower())
    return Layout(data.encoding, header, fields.word, f"--config.data.{name}")


def read_file(
    spec: str,
    task: Task,
    data: DataConfig,
    fields: TaskDataConfig,
    flag: str,
    unknown: Unknown | None = None,
    faults: list[UserError] | None = None,
) -> Loaded:
    """Reads the records of one task.

    A task without labels takes every name that the files have, as `data/labels` needs it.

    Args:
      spec: a path, a glob or several of them with commas.
      task: whose labels to read.
      data: encoding.
      fields: format, keys, columns, scheme, names and label map.
      flag: the flag that names the files, for messages.
      unknown: collects labels that the task does not have, for the caller to report; None reports
        them here.
      faults: collects the faults of single texts, for a caller who lists all of them; None ends the
        reading at the first.

    Raises:
      UserError: naming file, line and remedy.
    """
    source = Source(task, fields, unknown, faults)
    layout = layout_of(data, fields, task.name)._replace(faults=faults)
    records: list[Record] = []
    for path in expand(spec, flag):
        opened = read_rows(path, layout, fields.format)
        found = records_of(opened.rows, source, path, opened.description)
        if not found and not faults:
            raise UserError(
                f"{flag}: {path} contains no sentence; expected at least one in "
                f"{opened.reader.name} format."
            )
        for note in encoding_notes(path, data.encoding):
            source.tally.note(note)
        records += found
    if unknown is None:
        source.check()
    notes = source.tally.notes() if faults is None else source.tally.recognized()
    return Loaded(records, notes, source.labels, source.tally.faults)


def _named(format: str, found: Head) -> tuple[Reader, str]:
    """The reader with a name."""
    names = [reader.name for reader in READERS]
    if format not in names:
        raise UserError(
            f"{found.path}: unknown format {format!r}; the formats are {', '.join(names)}."
            f"{did_you_mean(format, names)}"
        )
    reader = READERS[names.index(format)]
    return reader, reader.recognize(found) or reader.title


def _recognized(found: Head, layout: Layout) -> tuple[Reader, str]:
    """The reader that recognizes a file; failing that, the one whose extension it has."""
    for reader in READERS:
        description = reader.recognize(found)
        if description is not None:
            return reader, description
    for reader in READERS:
        if found.extension in reader.extensions and (found.text or not found.raw):
            return reader, reader.title
    if fault := not_text(found):
        raise fault
    names = ", ".join(reader.name for reader in READERS)
    if found.path.is_dir():
        raise UserError(
            f"{found.path}: is a directory in an unknown format; name the files in it, as in "
            f"'{found.path}/*.jsonl'."
        )
    raise UserError(
        f"{found.path}: the format is not recognized from its content or from the extension "
        f"{found.path.suffix!r}; set {layout.flag}.format to one of {names}."
    )


__all__ = [
    "HUB",
    "READERS",
    "Loaded",
    "Opened",
    "Reader",
    "expand",
    "extension",
    "head",
    "layout_of",
    "read_file",
    "read_rows",
]
