"""The values of a JSON file and their places."""

import json

import pytest

from mtt_jax.data.readers.files import head
from mtt_jax.data.readers.json_items import first_items, items
from mtt_jax.errors import UserError
from tests.helpers import written


def values(folder, text):
    return [
        (value, place.unit, place.line)
        for place, value in items(written(folder, "a.json", text), "auto")
    ]


@pytest.mark.parametrize(
    "text",
    [
        '[{"a": 1}, {"a": 2}]',
        '[\n  {\n    "a": 1\n  },\n  {"a": 2}\n]\n',
        ' [ {"a": 1}\n, {"a": 2} ] ',
        '{\n"a": 1\n}\n{\n"a": 2\n}\n',
        '\ufeff[{"a": 1},\n{"a": 2}]',
    ],
)
def test_items_of_an_array_and_objects_over_several_lines_are_counted(text, tmp_path):
    assert values(tmp_path, text) == [({"a": 1}, "item", 1), ({"a": 2}, "item", 2)]


def test_a_value_per_line_has_the_number_of_its_line(tmp_path):
    text = '{"a": 1}\n\n["b", {"c": [2]}]\r\n{"a": "\u2028x"}'
    assert values(tmp_path, text) == [
        ({"a": 1}, "line", 1),
        (["b", {"c": [2]}], "line", 3),
        ({"a": "\u2028x"}, "line", 4),
    ]


@pytest.mark.parametrize("text", ['["b", {"c": 2}]\n', '["b", {"c": 2}]'])
def test_an_array_that_begins_with_a_string_is_one_value(text, tmp_path):
    assert values(tmp_path, text) == [(["b", {"c": 2}], "line", 1)]


@pytest.mark.parametrize("text", ["[]", " [\n]\n", "\n \n"])
def test_a_file_may_hold_nothing(text, tmp_path):
    assert values(tmp_path, text) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1}\n{"a" 2}\n', "a.json, line 2: not valid JSON at column 6: Expecting ':'"),
        ('{"a": 1}\n{"a": \n2}\n', "a.json, line 2: not valid JSON at column"),
        ('{"a" 1}\n{"a": 2}\n', "a.json, line 1: not valid JSON at column 6"),
        ("a,b\n", "a.json, line 1: not valid JSON at column 1"),
        ('[{"a": 1},\n {"a" 2}]', "a.json, line 2: not valid JSON at column 7: Expecting ':'"),
        ('[{"a": 1}\n {"a": 2}]', "a.json, line 2: not valid JSON at column 2: Expecting ','"),
        ('[{"a": 1},\n {"a": 2}', "a.json: not valid JSON: the array is not closed, after item 2"),
        ('[{"a": 1}]\n[{"a": 2}]', "a.json: not valid JSON: text after the array, after item 1"),
        ('[{"a": ' + "[" * 100_000, "not valid JSON: nested too deeply, in item 1 of the file"),
    ],
)
def test_what_is_not_json_is_a_fault_with_its_place(text, message, tmp_path):
    with pytest.raises(UserError) as error:
        values(tmp_path, text)
    assert message in str(error.value)


def test_the_beginning_of_a_file_gives_its_whole_values(tmp_path):
    long = [{"a": "x" * 30_000}, {"a": "y" * 30_000}, {"a": "z" * 30_000}]
    array = written(tmp_path, "a.json", json.dumps(long))
    rows = written(tmp_path, "b.jsonl", "".join(json.dumps(row) + "\n" for row in long))
    assert first_items(head(array)) == first_items(head(rows)) == long[:2]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('["a", {"b": 1}]\n["c", {}]\n', [["a", {"b": 1}], ["c", {}]]),
        ('[["a", {"b": 1}], ["c"', [["a", {"b": 1}]]),
        ("Oslo B-LOC\n", []),
        ("[Oslo] wins\n", []),
    ],
)
def test_the_beginning_of_other_files_gives_what_is_whole_there(text, found, tmp_path):
    assert first_items(head(written(tmp_path, "a.txt", text))) == found
