"""A folder per class with a file per text."""

import pytest

from mtt_jax.data.readers import class_folders, files
from mtt_jax.data.readers.rows import Layout
from mtt_jax.errors import UserError


def write(folder, contents):
    for name, content in contents.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def rows(folder):
    return list(class_folders.read(folder, Layout()))


def recognized(folder):
    return class_folders.recognize(files.head(folder))


REVIEWS = {"pos/1_9.txt": "Lovely .\n", "neg/0_2.txt": "Dull .", "unsup/7_0.txt": "Who knows"}


def test_the_folder_is_the_label_and_the_file_is_the_text_in_the_order_of_names(tmp_path):
    found = rows(write(tmp_path, {**REVIEWS, "neg/0_1.txt": "Bad\n\nvery"}))
    assert [(row.text, row.fields.get("label")) for row in found] == [
        ("Bad\n\nvery", "neg"), ("Dull .", "neg"), ("Lovely .", "pos"), ("Who knows", None),
    ]  # fmt: skip
    assert [row.fields["file"] for row in found][:2] == ["neg/0_1.txt", "neg/0_2.txt"]


def test_a_place_is_a_file(tmp_path):
    (row,) = rows(write(tmp_path, {"a/1": "x"}))
    assert str(row.place) == str(tmp_path / "a" / "1")


def test_names_without_an_extension_and_other_encodings_are_read(tmp_path):
    text = "Der Zug fährt über die Brücke nach Köln, und zwar täglich außer sonntags ."
    contents = {
        "de/49960": text.encode("latin-1"),
        "en/7": "\ufeffplain",
        "x/8": text.encode("utf-16"),
    }
    assert [row.text for row in rows(write(tmp_path, contents))] == [text, "plain", text]


def test_hidden_files_and_files_beside_the_folders_are_skipped(tmp_path):
    beside = {"README": "about", "labeledBow.feat": "9 0:1", "__MACOSX/pos/._1": b"\0"}
    hidden = {"pos/.DS_Store": b"\0\0", ".git/HEAD": "ref", "neg/Thumbs.db": b"\0"}
    folder = write(tmp_path, {**REVIEWS, **beside, **hidden})
    assert recognized(folder) == "3 folders, one per class, with 3 texts"
    assert len(rows(folder)) == 3


def test_a_folder_of_splits_is_refused_with_one_of_them_to_name(tmp_path):
    contents = {
        f"{split}/{name}": text for split in ("train", "test") for name, text in REVIEWS.items()
    }
    folder = write(tmp_path, contents)
    assert recognized(folder)
    with pytest.raises(UserError, match=f"splits, name one of them, such as {folder}/test"):
        rows(folder)
    assert len(rows(folder / "train")) == 3


def test_folders_that_are_called_like_splits_are_not_read_as_classes(tmp_path):
    folder = write(tmp_path, {"train/a.txt": "x", "test/a.txt": "y"})
    with pytest.raises(UserError, match="test, train are names of splits, not of classes"):
        rows(folder)


def test_a_folder_inside_one_class_is_a_fault(tmp_path):
    with pytest.raises(UserError, match="pos/old: a folder in the folder of class 'pos'"):
        rows(write(tmp_path, {**REVIEWS, "pos/old/3.txt": "x"}))


def test_a_file_that_is_not_a_text_is_a_fault(tmp_path):
    with pytest.raises(UserError, match="pos/2.bmp: is not a text"):
        rows(write(tmp_path, {**REVIEWS, "pos/2.bmp": b"BM\0\0\0\0"}))


@pytest.mark.parametrize(
    "contents",
    [
        {"a/1.jpg": b"\xff\xd8\0\0"},
        {"a/doc.ann": "T1\tPER 0 3\tAnn", "a/doc.txt": "Ann"},
        {"a/rows.csv": "x,y\n"},
        {"notes.txt": "no folder"},
    ],
)
def test_folders_of_other_things_are_not_recognized(tmp_path, contents):
    assert recognized(write(tmp_path, contents)) is None


def test_a_file_is_not_a_folder(tmp_path):
    assert recognized(write(tmp_path, {"a.txt": "x"}) / "a.txt") is None


def test_compressed_texts_are_read(tmp_path):
    import gzip

    folder = write(tmp_path, {"a/1.txt.gz": gzip.compress(b"packed")})
    assert [row.text for row in rows(folder)] == ["packed"]
