"""Text without labels: which files are read, in what order, and what is refused."""

import gzip
import json

import pytest

from mtt_jax.data.unlabelled import unlabelled_texts
from mtt_jax.errors import UserError
from tests.helpers import make_config, written


def texts(spec, **fields):
    config = make_config(**{f"data__{name}": value for name, value in fields.items()},
                         data__unlabelled=str(spec))  # fmt: skip
    return [record.text for record in unlabelled_texts(config)]


def complaint(spec, **fields):
    with pytest.raises(UserError) as caught:
        texts(spec, **fields)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_text_file_has_a_text_per_line_and_empty_lines_are_skipped(tmp_path):
    file = written(tmp_path, "news.txt", "Ann left Rome .\n\n   \nShares fell .\n")
    assert texts(file) == ["Ann left Rome .", "Shares fell ."]


def test_files_are_read_in_their_order_whatever_their_format(tmp_path):
    written(tmp_path, "a.txt", "One .\n")
    rows = [{"text": "Two .", "label": "x"}, {"text": ""}]
    written(tmp_path, "b.jsonl", "".join(json.dumps(row) + "\n" for row in rows) + "\n")
    written(tmp_path, "c.csv", "id,text\n1,Three .\n")
    (tmp_path / "d.txt.gz").write_bytes(gzip.compress(b"Four .\n"))
    names = ",".join(str(tmp_path / name) for name in ("c.csv", "a.txt", "b.jsonl", "d.txt.gz"))
    assert texts(names) == ["Three .", "One .", "Two .", "Four ."]
    assert texts(tmp_path / "*.txt*") == ["One .", "Four ."]


def test_of_a_folder_the_files_in_it_are_read(tmp_path):
    (tmp_path / "more").mkdir()
    written(tmp_path, "b.txt", "Two .\n")
    written(tmp_path, "a.txt", "One .\n")
    written(tmp_path, ".hidden", "Not this .\n")
    written(tmp_path / "more", "c.jsonl", '{"text": "Three ."}\n')
    assert texts(tmp_path) == ["One .", "Two .", "Three ."]


def test_each_text_says_where_it_is(tmp_path):
    file = written(tmp_path, "news.txt", "\nAnn left Rome .\n")
    (found,) = unlabelled_texts(make_config(data__unlabelled=str(file)))
    assert found.place == f"{file}, line 2"
    assert found.labels == {}


def test_texts_are_read_as_they_are_asked_for(tmp_path):
    file = written(tmp_path, "news.txt", "One .\n" * 5)
    with file.open("ab") as stream:
        stream.write(b"\xff\xfe broken\n" + b"Two .\n")
    found = unlabelled_texts(make_config(data__unlabelled=str(file), data__encoding="utf-8"))
    assert [next(found).text for _ in range(5)] == ["One ."] * 5
    with pytest.raises(UserError, match="line 6: byte 1 is not UTF-8"):
        next(found)


def test_a_key_and_a_format_can_be_named(tmp_path):
    file = written(tmp_path, "rows.jsonl", '{"a": "One .", "b": "Two ."}\n')
    assert texts(file, unlabelled_text="b") == ["Two ."]
    lines = written(tmp_path, "tags.txt", "Rome LOC\nOslo LOC\n")
    assert texts(lines, unlabelled_format="text") == ["Rome LOC", "Oslo LOC"]


def test_what_cannot_be_read_is_named_with_its_flag_and_a_remedy(tmp_path):
    assert "--config.data.unlabelled: " in complaint(tmp_path / "none.txt")
    assert "no such file" in complaint(tmp_path / "none.txt")
    assert "no file matches" in complaint(tmp_path / "*.txt")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "holds no text" in complaint(empty)
    rows = written(tmp_path, "rows.jsonl", '{"a": "One ."}\n')
    assert "with --config.data.unlabelled_text=..." in complaint(rows)
    lines = written(tmp_path, "tags.txt", "Rome LOC\nOslo LOC\n")
    assert "add --config.data.unlabelled_format=text" in complaint(lines)
    broken = written(tmp_path, "broken.jsonl", '{"text": "One ."}\n{"text": \n')
    assert f"{broken}, line 2: not valid JSON" in complaint(broken)
    assert "Correct the line, or leave it out." in complaint(broken)
