"""Rows of different length become one array."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from keras_bigdata import Arrays, ShardSequence, pack, pad_rows


def test_ragged_token_lists_are_padded_and_packed(tmp_path: Path):
    lists = [[4, 9, 2], [7], [], np.array([1, 2, 3, 4])]
    tokens = pad_rows(lists, 3)
    np.testing.assert_array_equal(tokens, [[4, 9, 2], [7, 0, 0], [0, 0, 0], [1, 2, 3]])
    pack(Arrays(texts=tokens, labels=["a", "b", "a", "b"]), tmp_path / "shards", shuffle=False)
    x, y = ShardSequence(tmp_path / "shards", 4, shuffle=None)[0]
    np.testing.assert_array_equal(x, tokens)
    assert (x.dtype, y.tolist()) == (np.int32, [0, 1, 0, 1])


def test_the_longest_row_the_value_and_the_dtype():
    array = pad_rows([[0.5], [1, 2]], value=-1, dtype="float32")
    np.testing.assert_array_equal(array, np.float32([[0.5, -1], [1, 2]]))
    points = pad_rows([np.ones((2, 3)), np.zeros((1, 3))], dtype=np.float64)
    assert points.shape == (2, 2, 3)
    assert np.isnan(pad_rows([[1.0], []], np.int64(2), value=np.nan, dtype="float32")[0, 1])
    assert points[1, 1].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([], {}, "`rows` must hold at least one row"),
        ([[], []], {}, "`rows` must hold at least one row"),
        ([[1]], {"length": 0}, "`length` must be an integer of at least 1"),
        ([[1], [0.5]], {}, "Received: row 1 has entries of float64"),
        ([[1], [float("nan")]], {}, "Received: row 1 has entries of float64"),
        ([[1], [2**40]], {}, "Received: row 1 has entries of int64"),
        ([[1e6], [1.0]], {"dtype": "float16"}, "Received: row 0 has entries of float64"),
        ([[1]], {"value": 0.5}, "`value` must be a number that int32 can hold"),
        ([[1]], {"value": float("nan")}, "`value` must be a number that int32 can hold"),
        ([[1]], {"value": -1, "dtype": "uint8"}, "`value` must be a number that uint8 can hold"),
        ([[1], ["a"]], {}, "Received: row 1 has entries of <U1"),
        ([[1], [[2]]], {}, r"Received: row 1 has entries of int64 and shape \(1,\)"),
    ],
)
def test_rows_that_make_no_array_are_refused(rows, options, message):
    with pytest.raises(ValueError, match=message):
        pad_rows(rows, **options)


@pytest.mark.parametrize("length", [1.5, True])
def test_a_length_that_is_not_an_integer_is_refused(length):
    with pytest.raises(TypeError, match="`length` must be an integer"):
        pad_rows([[1]], length)
