"""Arrays of unequal length in one."""

import numpy as np

from mtt_jax.tasks.ragged import part_of, parts_of, ragged, ranges


def test_ragged_arrays_come_apart_again():
    parts = [np.arange(n * 3).reshape(n, 3) for n in (2, 0, 3, 0)]
    arrays = ragged("span", parts, np.int32)
    assert {name: array.dtype for name, array in arrays.items()} == {
        "spans": np.int32,
        "span_ends": np.int64,
    }
    for index, part in enumerate(parts):
        np.testing.assert_array_equal(part_of(arrays, "span", index), part)


def test_parts_are_found_at_any_indices_in_any_order():
    parts = [np.arange(3), np.arange(0), np.arange(2), np.arange(4)]
    arrays = ragged("x", parts, np.int32)
    indices = np.array([3, 0, 1, 3])
    begins, ends = parts_of(arrays, "x", indices)
    found = [arrays["xs"][begin:end].tolist() for begin, end in zip(begins, ends, strict=True)]
    assert found == [parts[index].tolist() for index in indices]
    whole = arrays["xs"][ranges(begins, ends - begins)]
    assert whole.tolist() == [number for index in indices for number in parts[index]]


def test_ranges_may_be_empty():
    assert ranges(np.array([5, 9, 2]), np.array([2, 0, 3])).tolist() == [5, 6, 2, 3, 4]
    assert ranges(np.zeros(0, int), np.zeros(0, int)).tolist() == []
