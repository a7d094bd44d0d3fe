"""A folder per class with a file per text, as 20 Newsgroups and the IMDB reviews come.

train/neg/0_3.txt
train/pos/0_9.txt
train/unsup/0_0.txt     a text without a label
"""

import codecs
from collections.abc import Iterator
from pathlib import Path

from mtt_jax.data.readers.files import open_binary, read_text
from mtt_jax.data.readers.rows import Head, Layout, Place, Row
from mtt_jax.errors import UserError

# Folders whose texts have no label; the first is the name in the IMDB reviews.
WITHOUT_LABEL = ("unsup", "unlabeled", "unlabelled")
# Folders of these names are parts of a data set, not classes.
_SPLITS = frozenset(("train", "training", "dev", "devel", "val", "valid", "validation", "test"))
# Files that hold many texts, or labels of texts: a folder of them is not a class.
_NOT_A_TEXT = frozenset(
    (
        ".ann", ".arrow", ".bin", ".bio", ".bz2", ".conll", ".conllu", ".csv", ".feat", ".feather",
        ".gif", ".iob", ".jpeg", ".jpg", ".json", ".jsonl", ".mp3", ".ndjson", ".npy", ".npz",
        ".parquet", ".pdf", ".pickle", ".pkl", ".png", ".pyc", ".safetensors", ".spacy", ".tar",
        ".tfrecord", ".tsv", ".wav", ".xlsx", ".xml",
    )
)  # fmt: skip


def recognize(head: Head) -> str | None:
    """A description of a folder that contains folders of texts, or of splits with such folders."""
    if not head.path.is_dir():
        return None
    folders = _folders(head.path)
    splits = [folder for folder in folders if _folders(folder)]
    if splits:
        return recognize(head._replace(path=splits[0]))
    firsts = [file for folder in folders for file in _files(folder)[:1]]
    if not firsts or not all(_is_text(file) for file in firsts):
        return None
    texts = sum(len(_files(folder)) for folder in folders)
    return f"{len(folders):,} folders, one per class, with {texts:,} texts"


def read(path: Path, layout: Layout) -> Iterator[Row]:
    """Reads a row from each file, in the order of the names of folders and files.

    Hidden files are skipped, and so are files beside the folders of classes.

    Raises:
      UserError: if there are folders in the folder of a class, or no text at all.
    """
    folders = _folders(path)
    if not folders:
        raise UserError(
            f"{path}: no folder in it; expected a folder per class with a file per text."
        )
    deep = {folder.name: _folders(folder) for folder in folders}
    if all(deep.values()):
        raise UserError(
            f"{path}: its folders contain folders; if {', '.join(deep)} are splits, name one of "
            f"them, such as {folders[0]}."
        )
    if _SPLITS.issuperset(name.lower() for name in deep):
        raise UserError(
            f"{path}: {', '.join(deep)} are names of splits, not of classes; name the files of "
            f"one, such as {folders[0]}/*.txt."
        )
    for folder in folders:
        if deep[folder.name]:
            raise UserError(
                f"{deep[folder.name][0]}: a folder in the folder of class {folder.name!r}; "
                "expected files with one text each. Move it."
            )
    for folder in folders:
        for file in _files(folder):
            if not _is_text(file):
                raise UserError(
                    f"{file}: is not a text, in the folder of class {folder.name!r}; expected "
                    "files with one text each. Move it."
                )
            text = read_text(file, layout.encoding).rstrip("\r\n")
            fields = {"text": text, "file": f"{folder.name}/{file.name}"}
            if folder.name not in WITHOUT_LABEL:
                fields["label"] = folder.name
            yield Row(Place(file, 0), fields, text=text)


def _folders(path: Path) -> list[Path]:
    return [entry for entry in _entries(path) if entry.is_dir()]


def _files(path: Path) -> list[Path]:
    return [entry for entry in _entries(path) if entry.is_file()]


def _entries(path: Path) -> list[Path]:
    try:
        return sorted(entry for entry in path.iterdir() if not _is_hidden(entry))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}.") from None


def _is_hidden(entry: Path) -> bool:
    """Whether an operating system or an archiver put it there rather than a person."""
    return entry.name.startswith((".", "__MACOSX")) or entry.name in ("Thumbs.db", "desktop.ini")


def _is_text(file: Path) -> bool:
    """Whether a file can be one text: by its extension, then by its first bytes."""
    if _extension(file) in _NOT_A_TEXT:
        return False
    with open_binary(file) as stream:
        begin = stream.read(1024)
    return b"\0" not in begin or begin.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))


def _extension(file: Path) -> str:
    """The extension in lower case, without that of the compression."""
    name = file.name.lower()
    for compression in (".gz", ".zst", ".zip"):
        name = name.removesuffix(compression)
    return Path(name).suffix
