"""Values that a field cannot hold are refused at every door, with what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from keras_bigdata import (
    Arrays,
    BigDataError,
    PackError,
    ShardIndex,
    ShardSequence,
    ShardWriter,
    TextTable,
    capture,
    pack,
    pad_rows,
)
from tests.helpers.packs import read_rows

MASKED = np.ma.masked_greater(np.array([[1.0, 99.0]] * 4), 50)


class Rows:
    """A user's source, whose row 2 has a certain value."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __len__(self) -> int:
        return 4

    def __getitem__(self, row: int) -> dict[str, Any]:
        return {"x": self.value if row == 2 else np.zeros(2), "labels": row}


def into_arrays(value: Any, folder: Path) -> Any:
    return pack(Arrays(x=value, labels=np.arange(4)), folder)


def into_capture(value: Any, folder: Path) -> Any:
    return capture(iter([(value, np.arange(4))]), folder)


def into_writer(value: Any, folder: Path) -> Any:
    with ShardWriter(folder, inputs="x", targets="labels") as writer:
        writer.write({"x": value, "labels": np.arange(4)})
    return writer.index


def into_rows(value: Any, folder: Path) -> Any:
    return pack(Rows(value[2] if isinstance(value, np.ndarray) else value), folder, workers=1)


def into_augment(value: Any, folder: Path) -> Any:
    def augment(sample: Any, rng: Any) -> Any:
        return {**sample, "x": value[2] if isinstance(value, np.ndarray) else value}

    return pack(Arrays(x=np.zeros((4, 2))), folder, augment=augment, workers=1)


def into_transform(value: Any, folder: Path) -> Any:
    pack(Arrays(x=np.zeros((4, 2))), folder, verbose=0)
    train = ShardSequence(folder, 4, workers=0, transform=lambda batch, rng: {"x": value})
    (folder / "index.json").unlink()
    return train[0]


DOORS = [into_arrays, into_capture, into_writer, into_rows, into_augment, into_transform]
REFUSED: list[tuple[Any, str]] = [
    (MASKED, "masked values, .*: fill them, as array.filled"),
    ([MASKED[0], MASKED[1], [0, 0], [0, 0]], "2 masked values"),
    (np.array([["2020", "2021"]] * 4, "M8[Y]"), r"has dtype datetime64\[Y\], .* to numbers"),
    (np.ones((4, 2), ml_dtypes.bfloat16), "has dtype bfloat16, .*float32"),
    (np.array([["a", "b"]] * 4), "holds texts: encode them"),
    (np.array([[1, None]] * 4, object), "holds rows of different length, texts, missing values"),
    ([[1], [1, 2], [3], [4]], "is not an array: a list cannot be converted .*Pad rows"),
    ({"a": np.zeros(4)}, "is a dict, not an array|is a dict whose"),
    (scipy.sparse.eye(4, format="csr"), "make sparse ones dense|is not an array"),
    (np.zeros((4, 2), [("a", "f4")]), "make a field of each of its columns"),
]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("value", "message"), REFUSED, ids=range(len(REFUSED)))
def test_a_value_that_shards_do_not_hold_is_refused(
    tmp_path: Path, door: Callable[..., Any], value: Any, message: str
):
    if door is into_capture and isinstance(value, list | dict):
        pytest.skip("several inputs")
    if door is into_transform and getattr(getattr(value, "dtype", None), "kind", "") in ("V", "U"):
        pytest.skip("a model may take it")
    if door is into_writer and getattr(getattr(value, "dtype", None), "hasobject", False):
        message = "with dtype object"
    if door in (into_writer, into_arrays) and message.endswith("Pad rows"):
        pytest.skip("it stores rows of any length")
    if door is into_writer and scipy.sparse.issparse(value):
        message = "with dtype object"
    with pytest.raises((BigDataError, TypeError), match=message):
        door(value, tmp_path / "out")
    assert not (tmp_path / "out" / "index.json").exists()


@pytest.mark.parametrize("door", [into_arrays, into_capture, into_writer])
def test_a_mask_that_hides_nothing_is_not_a_loss(tmp_path: Path, door: Callable[..., Any]):
    rows = read_rows(door(np.ma.masked_array(np.ones((4, 2)), mask=False), tmp_path / "out"))
    assert rows["x"].tolist() == [[1, 1]] * 4


def test_texts_without_a_role_are_stored_by_a_writer(tmp_path: Path):
    arrays = {"x": np.zeros(2), "id": np.array(["a", "bc"]), "day": np.array([0, 1], "M8[D]")}
    with ShardWriter(tmp_path / "a", inputs="x") as writer:
        writer.write(arrays)
    assert set(ShardIndex.load(tmp_path / "a").fields) == {"x", "id", "day"}
    writer = ShardWriter(tmp_path / "b", inputs=("x", "id"))
    with pytest.raises(BigDataError, match="field 'id' holds texts"):
        writer.write(arrays)


def test_masked_values_of_a_table_are_missing():
    table = {"t": ["a"] * 4, "y": np.ma.masked_greater([1.0, 99.0, 2.0, 3.0], 50)}
    source = TextTable(table, text="t", target="y")
    assert source.problems == {1: "row 1: y: there is no number"}
    table["l"] = np.ma.masked_array(["a", "b", "a", "b"], [0, 1, 0, 0])
    assert list(TextTable(table, text="t", label="l").problems) == [1]


def test_pad_rows_refuses_masked_values_and_rounded_integers():
    with pytest.raises(ValueError, match=r"Row 1 .*has 1 masked values"):
        pad_rows([[1], np.ma.masked_array([1, 2], [0, 1])])
    with pytest.raises(ValueError, match=r"float32 can hold exactly.*row 1 has entries of int64"):
        pad_rows([[1], [2**24 + 1]], dtype="float32")
    assert pad_rows([[2**24], [2**40]], dtype="float32")[1, 0] == 2**40
    # Fractions are what float32 is asked for.
    assert pad_rows([[0.1], [2]], dtype="float32")[0, 0] == np.float32(0.1)
    with pytest.raises(ValueError, match="`value` must be a number that float16 can hold"):
        pad_rows([[1]], value=2049, dtype="float16")


def test_the_message_about_a_row_is_one_line(tmp_path: Path):
    with pytest.raises(
        PackError, match=r"row 2: field 'x' .*Received: masked_array\(data="
    ) as raised:
        into_rows(np.ma.masked_array(np.zeros((4, 2)), True), tmp_path / "out")
    assert "\n" not in str(raised.value)


def test_numbers_that_pandas_holds_are_numbers(tmp_path: Path):
    frame = pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5]})
    index = pack(Arrays(x=frame, n=pd.Series([3, 4]), w=[True, False]), tmp_path / "out")
    assert {name: str(field.dtype) for name, field in index.fields.items()} == {
        "x": "float64",
        "n": "int64",
        "w": "bool",
    }


@pytest.mark.parametrize("values", [[2**53 + 1, 0.5], [2**63, -1]])
def test_integers_of_a_list_that_would_be_rounded_are_refused(values):
    with pytest.raises(TypeError, match=r"'x' must be .* holds \d+ beside numbers that make all"):
        Arrays(x=values)
    assert Arrays(x=[2**53, 0.5])[0]["x"] == 2**53


def test_missing_integers_of_pandas_are_refused():
    """They became NaN, and all integers became floats."""
    with pytest.raises(TypeError, match="holds integers and missing values"):
        Arrays(x=pd.Series([1, None], dtype="Int64"))
    assert Arrays(x=pd.Series([1, 2], dtype="Int64"))[0]["x"] == 1
