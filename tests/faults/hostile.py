"""Inputs drawn for the fuzz: JSON, bytes and texts, changed at a few places to what breaks readers.

Nothing but the standard library and hypothesis.
"""

import copy
import json
import struct

from hypothesis import strategies as st


def nested(depth, value=None):
    """A value within so many lists."""
    for _ in range(depth):
        value = [value]
    return value


# What stands where something else is expected.
VALUES = (
    None, True, False, -1, 0, 1, 3, 10**9, 10**30, -(2**63), 2**64, 0.5, -0.0, 1e308, float("nan"),
    float("inf"), "", " ", "a", "0", "-1", "x" * 3000, "\x00", "\n", "\ud800", "\ufeff", "😀",
    "ﬁ", "O",
    "B-PER", "auto", "true", "a=1", "a,b", "[", '"', "../x", "/etc/passwd", [], {}, [None], [[]],
    ["a", "a"], [0, 1], {"a": 1}, {"": None}, {"\ud800": 1}, nested(20), nested(100),
)  # fmt: skip
TEXTS = (
    "", " ", "\n", "\r\n", "\t", "\x00", "\x85", "\u2028", "\u200b", "\ufeff", "\ud800", "\udfff",
    "é", "e\u0301", "ﬁ", "İ", "ß", "😀", "👩‍👩‍👧", "ด", "م", "<b>", "</b>", "&amp;",
    "&lt;b&gt;", "#39;",
    "&#0;", "&#x10FFFF;", "&#999999;", "&#xD800;", "\\", '"', "'", "<!--", "-->", "amp;",
    "a" * 400, "0" * 400,
    "<" * 200, "&#3" * 100, "- " * 100, "http://a.b/c?d=e", "Ann left Oslo.",
)  # fmt: skip

hostile = st.sampled_from(VALUES) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner,
    max_size=3),
    max_leaves=5,
)  # fmt: skip
texts = st.lists(st.sampled_from(TEXTS) | st.text(max_size=30), max_size=6).map("".join)

_EDIT = st.tuples(
    st.sampled_from(("put", "put", "put", "drop", "twice", "name")), st.integers(0, 10**6), hostile
)


def _places(value):
    """(container, key) of everything in a value, the outermost first."""
    waiting = [value]
    while waiting:
        one = waiting.pop(0)
        inner = one.items() if isinstance(one, dict) else enumerate(one)
        for key, part in list(inner):
            yield one, key
            if isinstance(part, (dict, list)):
                waiting.append(part)


def _edited(value, edits):
    whole = [copy.deepcopy(value)]
    for what, at, new in edits:
        places = list(_places(whole))
        owner, key = places[at % len(places)]
        if what == "put" or owner is whole:
            owner[key] = copy.deepcopy(new)
        elif what == "drop":
            del owner[key]
        elif what == "twice" and isinstance(owner, list):
            owner.insert(key, copy.deepcopy(owner[key]))
        elif isinstance(owner, dict):
            owner[new if isinstance(new, str) else str(at)] = owner.pop(key)
    return whole[0]


def changed(value):
    """A strategy of JSON values that differ from one at up to three places."""
    return st.lists(_EDIT, min_size=1, max_size=3).map(lambda edits: _edited(value, edits))


def as_json(value):
    """JSON as a sloppy program writes it: NaN, surrogates and all."""
    return json.dumps(value).encode()


_BYTES = st.tuples(
    st.floats(0, 1, exclude_max=True),
    st.integers(0, 60),
    st.binary(max_size=8)
    | st.sampled_from(
        (b"\xff" * 8, b"\x00" * 8, struct.pack("<Q", 2**62), b"\xef\xbb\xbf", b"\xff\xfe",
        b"[" * 2000,
         b'{"a":' * 500, b"9" * 5000, b"NaN", b"-", b'"', b"\\ud800", b"}", b"\n")
    ),
)  # fmt: skip


def _cut(data, edits):
    for at, removed, new in edits:
        begin = int(at * (len(data) + 1))
        data = data[:begin] + new + data[begin + removed :]
    return data


def damaged_bytes(data):
    """A strategy of bytes that differ from some at up to four places."""
    return st.lists(_BYTES, min_size=1, max_size=4).map(lambda edits: _cut(data, edits))


def damaged_json(value):
    """A strategy of texts that are JSON of another shape, or JSON no more."""
    return changed(value).map(as_json) | damaged_bytes(as_json(value))
