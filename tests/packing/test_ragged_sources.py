"""Custom sources whose rows have any length."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_bigdata import Arrays, PackError, Ragged, pack
from keras_bigdata.shards.reading.read_column import read_ragged
from tests.helpers.packs import read_files
from tests.helpers.ragged_sets import assert_same, stored_rows

ROWS = [np.arange(length, dtype=np.int32) for length in (3, 0, 5, 1, 1, 7, 2, 0)]


class Sentences:
    """A source with nothing but length, rows and what it declares."""

    def __init__(self, rows: Any = ROWS, **declared: Any) -> None:
        self.rows = rows
        vars(self).update(declared)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> dict[str, Any]:
        return {"x": self.rows[row], "labels": row % 2}


class Counted(Sentences):
    """Counts the rows that are read."""

    reads = 0

    def __getitem__(self, row: int) -> dict[str, Any]:
        self.reads += 1
        return super().__getitem__(row)


def test_rows_that_differ_in_length_are_refused_with_the_attribute_named(tmp_path: Path):
    with pytest.raises(PackError, match=r"row 1: .*`ragged` = \{'x': 0\}.*Ragged\.from_rows"):
        pack(Sentences(), tmp_path / "s", workers=1, shuffle=False, verbose=0)
    wrong_dtype = [np.zeros(3), np.zeros(3, np.int32)]
    with pytest.raises(PackError) as caught:
        pack(Sentences(wrong_dtype), tmp_path / "s", workers=1, verbose=0)
    assert "ragged" not in str(caught.value)


def test_a_list_of_dicts_is_told_what_to_do(tmp_path: Path):
    samples = [{"x": row} for row in ROWS]
    with pytest.raises(PackError, match=r"Arrays\(x=Ragged\.from_rows\(rows\)\)"):
        pack(samples, tmp_path / "s", verbose=0)


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("padding", [0, -1, np.int64(7)])
def test_declared_fields_have_rows_of_any_length(tmp_path: Path, padding: Any):
    source = Sentences(ragged={"x": padding})
    index = pack(source, tmp_path / "one", shard_samples=3, workers=1, verbose=0)
    assert (index.fields["x"].shape, index.fields["x"].padding) == ((None,), padding)
    assert_same(stored_rows(index, "x"), ROWS)
    pack(source, tmp_path / "two", shard_samples=3, workers=2, verbose=0)
    assert read_files(tmp_path / "two") == read_files(tmp_path / "one")


def test_empty_lists_have_the_dtype_of_the_others(tmp_path: Path):
    rows: list[Any] = [[], [[1, 2]], [], [[3, 4], [5, 6]]]
    index = pack(Sentences(rows, ragged={"x": 0}), tmp_path / "s", workers=1, verbose=0)
    expected = [np.array(row, np.int64).reshape(-1, 2) for row in rows]
    assert_same(stored_rows(index, "x"), expected)
    only = pack(Sentences([[], []], ragged={"x": 0}), tmp_path / "empty", workers=1, verbose=0)
    assert_same(stored_rows(only, "x"), [np.zeros(0), np.zeros(0)])


@pytest.mark.parametrize(
    ("rows", "declared", "error", "message"),
    [
        (ROWS, {"x", "y"}, TypeError, "must be a dict of the fields"),
        (ROWS, {"x": "0"}, TypeError, r"source\.ragged\['x'\]"),
        (ROWS, {"x": 0.5}, ValueError, "Field 'x': `padding` is not a value of int32"),
        (ROWS, {"z": 0}, PackError, r"names \['z'\], but the samples hold \['x', 'labels'\]"),
        (ROWS, {"labels": 0}, PackError, "field 'labels' is a single number"),
        ([ROWS[0], ROWS[0].astype("f4")], {"x": 0}, PackError, r"int32 of shape \(any,\)"),
        ([np.zeros((2, 3)), np.zeros((2, 4))], {"x": 0}, PackError, r"of shape \(any, 3\)"),
        ([[1], 2], {"x": 0}, PackError, r"int64 of shape \(\); in other rows"),
        ([Ragged.from_rows([[1], [2]])], {"x": 0}, PackError, "Ragged, which holds many rows"),
    ],
)
def test_what_does_not_fit_is_refused(
    tmp_path: Path, rows: Any, declared: Any, error: type[Exception], message: str
):
    with pytest.raises(error, match=message):
        pack(Sentences(rows, ragged=declared), tmp_path / "s", workers=1, shuffle=False, verbose=0)
    assert not (tmp_path / "s" / "index.json").exists()


def test_another_padding_is_another_pack(tmp_path: Path):
    pack(Sentences(ragged={"x": 0}), tmp_path / "s", workers=1, verbose=0)
    pack(Sentences(ragged={"x": 0}), tmp_path / "s", workers=1, verbose=0)
    with pytest.raises(PackError, match=r"source\.ragged\.x was 0\.0 and is 1\.0"):
        pack(Sentences(ragged={"x": 1}), tmp_path / "s", workers=1, verbose=0)


def test_the_size_of_shards_follows_from_some_rows(tmp_path: Path):
    rows = [np.zeros(20_000 + number % 7) for number in range(200)]  # 32 MB
    source = Counted(rows, ragged={"x": 0})
    index = pack(source, tmp_path / "s", workers=1, verbose=0)
    assert len(index) == 8  # of 4 MiB
    assert source.reads <= 200 + 1 + 64
    source = Counted(rows, ragged={"x": 0})
    pack(source, tmp_path / "t", shard_samples=50, workers=1, verbose=0)
    assert source.reads == 201


def test_rows_that_cannot_be_read_are_skipped(tmp_path: Path):
    rows: list[Any] = [*ROWS, np.zeros(2)]
    source = Sentences(rows, ragged={"x": 0})
    index = pack(source, tmp_path / "s", on_error="skip", workers=1, verbose=0)
    assert_same(stored_rows(index, "x"), ROWS)
    assert [entry["row"] for entry in index.provenance["skipped"]] == [8]


def test_sample_weights_of_any_length_are_refused(tmp_path: Path):
    roles = {"inputs": "labels", "targets": "labels", "sample_weights": "x"}
    source = Sentences(ragged={"x": 0}, roles=roles)
    with pytest.raises(PackError, match="'x' has rows of any length, and sample weights"):
        pack(source, tmp_path / "s", workers=1, verbose=0)


def test_a_class_of_its_own_may_declare_fields_of_arrays(tmp_path: Path):
    class Words(Arrays):
        ragged = {"x": -1}  # noqa: RUF012

        def __getitem__(self, row: int) -> dict[str, Any]:
            sample = super().__getitem__(row)
            return {**sample, "x": np.arange(sample["x"])}

    index = pack(Words(x=[3, 1, 2]), tmp_path / "s", workers=1, verbose=0)
    assert_same(stored_rows(index, "x"), [np.arange(3), np.arange(1), np.arange(2)])

    class Declared(Arrays):
        ragged = {"x": 0}  # noqa: RUF012

    index = pack(Declared(x=np.ones((3, 2))), tmp_path / "t", workers=1, verbose=0)
    assert_same(stored_rows(index, "x"), list(np.ones((3, 2))))


def test_a_killed_pack_continues_with_the_same_bytes(tmp_path: Path):
    class Failing(Sentences):
        def __getitem__(self, row: int) -> dict[str, Any]:
            if row == 5 and fail:
                raise OSError("gone")
            return super().__getitem__(row)

    fail = False
    options: dict[str, Any] = {"shard_samples": 2, "workers": 1, "verbose": 0}
    pack(Failing(ragged={"x": 0}), tmp_path / "whole", **options)
    fail = True
    with pytest.raises(PackError, match="gone"):
        pack(Failing(ragged={"x": 0}), tmp_path / "s", **options)
    fail = False
    pack(Failing(ragged={"x": 0}), tmp_path / "s", **options)
    assert read_files(tmp_path / "s") == read_files(tmp_path / "whole")


def test_words_of_any_length_are_renumbered_when_they_are_appended(tmp_path: Path):
    def texts(rows: list[list[int]], words: list[str]) -> Sentences:
        return Sentences(
            [np.array(row, np.int32) for row in rows],
            ragged={"x": 0},
            vocabulary=["", "[UNK]", *words],
            text_fields=("x",),
        )

    pack(texts([[2, 3], [3]], ["cat", "dog"]), tmp_path / "s", workers=1, verbose=0)
    more = texts([[2], [], [3, 2, 0]], ["dog", "cow"])
    index = pack(more, tmp_path / "s", append=True, workers=1, shuffle=False, verbose=0)
    assert index.vocabulary == ["", "[UNK]", "cat", "dog", "cow"]
    last = read_ragged(index, len(index) - 1, "x")
    assert [row.tolist() for row in last] == [[3], [], [4, 3, 0]]
    other = texts([[2]], ["dog"])
    other.ragged = {"x": 1}  # type: ignore[attr-defined]
    with pytest.raises(PackError, match="padded with 1"):
        pack(other, tmp_path / "s", append=True, workers=1, verbose=0)
