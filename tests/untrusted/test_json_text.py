"""Strict JSON: what Python's own reader lets through is refused, in words that say where."""

import json

import pytest

from mtt_jax.untrusted.json_text import DEEPEST, JsonError, parse_json


@pytest.mark.parametrize(
    "value", [None, 0, -1.5e-3, "é😀", [], {}, {"a": [1, {"b": [None, True]}]}, 10**300]
)
def test_json_is_read_as_python_reads_it(value):
    assert parse_json(json.dumps(value, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is not JSON: Expecting value (line 1, column 1)"),
        (b'{"a": 1,\n}', "is not JSON: "),
        (b"[1] 2", "is not JSON: Extra data (line 1, column 5)"),
        (b"\xef\xbb\xbf{}", "begins with a byte order mark; save it as UTF-8 without one"),
        (b'"\xff"', "is not UTF-8 (byte 1)"),
        ("{}".encode("utf-16"), "is not UTF-8 (byte 0)"),
        (b"NaN", "is not JSON: NaN is not a number in JSON"),
        (b"[-Infinity]", "is not JSON: -Infinity is not a number in JSON"),
        (b"1e999", "has the number 1e999, which is too large"),
        (b"9" * 5000, "has a number with too many digits"),
        (b'{"a": 1, "b": 2, "a": 1}', "has the key 'a' twice"),
        (
            b'{"' + b"k" * 100 + b'": 1, "' + b"k" * 100 + b'": 2}',
            f"has the key '{'k' * 60}...' tw",
        ),
        (b"[" * 100_000, "is nested too deeply"),
        (b"[" * 500 + b"]" * 500, "is nested too deeply"),
        (b'{"a":' * 90 + b"1" + b"}" * 90, "is nested too deeply"),
    ],
)
def test_what_is_not_strict_json_is_refused_with_its_place(data, message):
    with pytest.raises(JsonError) as error:
        parse_json(data)
    assert str(error.value).startswith(message)


def test_depth_is_bounded_whatever_the_depth_of_the_caller():
    def within(calls):
        return parse_json(deep) if not calls else within(calls - 1)

    deep = b"[" * DEEPEST + b"]" * DEEPEST
    assert within(0) == within(700)
    with pytest.raises(JsonError):
        parse_json(b"[[" + deep + b"]]")


def test_nan_and_infinity_are_read_where_python_wrote_them():
    assert parse_json(b"[Infinity, 1e999]", finite=False) == [float("inf")] * 2
