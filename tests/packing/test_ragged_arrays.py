"""`Arrays` of rows of any length."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from keras_bigdata import Arrays, PackError, Ragged, ShardIndex, pack
from keras_bigdata.shards.fields.roles import Roles
from tests.helpers.packs import read_files
from tests.helpers.ragged_sets import assert_same, stored_rows

ROWS = [np.arange(length, dtype=np.int32) + length for length in (3, 0, 5, 1, 1, 7, 2, 0)]
LABELS = np.arange(8) % 2


class ListColumn:
    """A column of lists as a package of tables returns it: NumPy makes an object array of it."""

    def __init__(self, rows: list[Any]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        array = np.empty(len(self.rows), object)
        array[:] = self.rows
        return array


def as_objects(rows: list[Any]) -> np.ndarray:
    return np.asarray(ListColumn(rows))


FORMS = {
    "Ragged": Ragged.from_rows(ROWS),
    "a list of arrays": ROWS,
    "a tuple": tuple(ROWS),
    "an object array": as_objects(ROWS),
    "a column of a frame": pd.DataFrame({"x": ROWS})["x"],
    "a column of another table": ListColumn(ROWS),
}


@pytest.mark.parametrize("form", FORMS)
def test_rows_of_any_length_are_packed_as_they_are(tmp_path: Path, form: str):
    source = Arrays(x=FORMS[form], labels=LABELS)
    assert source.roles == Roles("x", "labels")
    assert len(source) == 8
    assert_same([sample["x"] for sample in source], ROWS)
    index = pack(source, tmp_path / "s", shard_samples=3, verbose=0)
    field = index.fields["x"]
    assert (field.dtype, field.shape, field.codec, field.padding) == (np.int32, (None,), None, 0)
    assert_same(stored_rows(index, "x"), ROWS)
    assert index.class_counts == [4, 4]


def test_lists_of_numbers_of_different_length(tmp_path: Path):
    index = pack(Arrays(x=[[1, 2.5], [], [3]]), tmp_path / "s", verbose=0)
    assert_same(stored_rows(index, "x"), [np.array(row, float) for row in ([1, 2.5], [], [3])])


def test_rows_of_one_length_are_an_array_unless_they_are_ragged(tmp_path: Path):
    assert Arrays(x=[[1, 2], [3, 4]])._row_shapes() == {"x": (2,)}
    equal = Ragged.from_rows([[1, 2], [3, 4]], padding=-1)
    index = pack(Arrays(x=equal), tmp_path / "s", verbose=0)
    assert index.fields["x"].shape == (None,)
    assert index.fields["x"].padding == -1
    for column in (as_objects([[1, 2], [3, 4]]), pd.Series([[1, 2], [3, 4]]), as_objects([[1]])):
        with pytest.raises(TypeError, match=r"two ways: .*numpy\.stack.*Ragged\.from_rows"):
            Arrays(x=column)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([np.zeros((2, 3)), np.zeros((1, 4))], r"row 1 has shape \(1, 4\), .* \(length, 3\)"),
        ([np.zeros((2, 3)), np.zeros((2, 4))], r"row 1 has shape \(2, 4\), .* \(length, 3\)"),
        ([np.zeros(3), np.zeros(2, np.float32)], "several dtypes: float32, float64"),
        ([["a", "b"], ["c"]], "row 0 holds texts"),
        ([[1, 2], [None]], "row 1 .*missing values"),
        ([[1, 2], None], "Pad rows to one length, or pass them as Ragged.from_rows"),
        (as_objects([[1, 2], None]), "Pad rows to one length, or pass them as Ragged.from_rows"),
        (pd.Series([[1, 2], [], "text"]), "texts, missing values"),
        ([[1], [[2], [3, 4]]], "row 1 is not an array"),
        ([np.ma.masked_equal([1, 2], 2), [1]], "row 0 .* 1 masked values"),
    ],
)
def test_rows_that_differ_in_more_than_length_are_refused(rows: Any, message: str):
    with pytest.raises(TypeError, match=f"Field 'x' must be an array of numbers.*{message}"):
        Arrays(x=rows)


def test_a_ragged_is_never_taken_for_an_array():
    with pytest.raises(TypeError, match="rows of any length are not one array"):
        np.asarray(Ragged.from_rows([[1, 2], [3, 4]]))


def test_selections_and_parts_keep_rows_of_any_length(tmp_path: Path):
    source = Arrays(x=ROWS, labels=LABELS)
    chosen = source.select([5, 0, 5])
    assert_same([sample["x"] for sample in chosen], [ROWS[5], ROWS[0], ROWS[5]])
    assert_same(list(chosen.gather()["x"]), [ROWS[5], ROWS[0], ROWS[5]])
    rest, part = source.split(0.25, groups=[0, 0, 1, 1, 2, 2, 3, 3])
    assert len(rest) + len(part) == 8
    first = source.take(0.5, seed=1)
    assert len(first) == 4
    for one in (rest, part, first):
        positions = one.row_numbers(np.arange(len(one)))
        assert_same([sample["x"] for sample in one], [ROWS[number] for number in positions])
    index = pack(part, tmp_path / "s", verbose=0)
    assert len(stored_rows(index, "x")) == len(part)
    with pytest.raises(ValueError, match="'x' has rows of any length"):
        source.split(0.5, groups="x")
    with pytest.raises(ValueError, match="'x' has rows of any length"):
        source.split(0.5, stratify="x")


def test_gathered_rows_are_new_arrays():
    given = Ragged.from_rows(ROWS)
    gathered = Arrays(x=given).gather()["x"]
    assert isinstance(gathered, Ragged)
    gathered.values[:] = 99
    assert_same(list(given), ROWS)


def test_only_selected_rows_are_sent_to_a_worker():
    rows = Ragged(np.zeros(1_000_000), [0, 999_990, 1_000_000])
    sent = pickle.dumps(Arrays(x=rows).select([1]))
    assert len(sent) < 10_000
    assert pickle.loads(sent)[0]["x"].shape == (10,)


def test_the_repr_has_any_length():
    source = Arrays(x=ROWS, y=Ragged.from_rows([np.zeros((2, 3))] * 8), labels=LABELS)
    assert repr(source) == "Arrays(8 rows, x (any,), y (any, 3))"
    assert "x: (any,)" in source._repr_html_()
    assert repr(Arrays(x=ROWS)) == "Arrays(8 rows, (any,))"


def test_the_fingerprint_covers_values_offsets_and_padding():
    def sign(values: Any, offsets: Any, padding: float = 0) -> Any:
        return Arrays(x=Ragged(values, offsets, padding)).fingerprint()

    same = sign([1, 2, 3], [0, 1, 3])
    assert sign([1, 2, 3], [0, 1, 3]) == same
    for other in (
        sign([1, 2, 4], [0, 1, 3]),
        sign([1, 2, 3], [0, 2, 3]),
        sign([1, 2, 3], [0, 1, 3], -1),
        sign([1.0, 2.0, 3.0], [0, 1, 3]),
        Arrays(x=[[1], [2], [3]]).fingerprint(),
    ):
        assert other != same


def test_a_change_of_a_large_field_is_seen(monkeypatch: pytest.MonkeyPatch):
    from keras_bigdata.packing.sources import arrays

    monkeypatch.setattr(arrays, "HASHED_BYTES", 16)
    before = Arrays(x=[[1, 2, 3], [4, 5]]).fingerprint()
    assert Arrays(x=[[1, 2, 3], [4, 6]]).fingerprint() != before
    assert Arrays(x=[[1, 2], [3, 4, 5]]).fingerprint() != before


def test_a_memory_map_of_values_is_a_source_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from keras_bigdata.packing.sources import arrays

    monkeypatch.setattr(arrays, "HASHED_BYTES", 16)
    np.save(tmp_path / "x.npy", np.arange(100))
    values = np.load(tmp_path / "x.npy", mmap_mode="r")
    source = Arrays(x=Ragged(values, [0, 40, 100]))
    assert source.source_files() == [str(tmp_path / "x.npy")]
    index = pack(source, tmp_path / "s", verbose=0)
    assert_same(stored_rows(index, "x"), [np.arange(40), np.arange(40, 100)])


def test_the_same_pack_again_is_found_and_another_refused(tmp_path: Path):
    first = pack(Arrays(x=ROWS), tmp_path / "s", verbose=0)
    before = read_files(tmp_path / "s")
    assert pack(Arrays(x=Ragged.from_rows(ROWS)), tmp_path / "s", verbose=0).fields == first.fields
    assert read_files(tmp_path / "s") == before
    with pytest.raises(PackError, match=r"source\.fields"):
        pack(Arrays(x=Ragged.from_rows(ROWS, padding=1)), tmp_path / "s", verbose=0)
    more = Arrays(x=[[1], [2, 3]])
    with pytest.raises(PackError, match="int64"):
        pack(more, tmp_path / "s", append=True, verbose=0)
    more = Arrays(x=Ragged.from_rows([[1], [2]], np.int32))
    index = pack(more, tmp_path / "s", append=True, verbose=0)
    assert index.num_samples == 10


def test_shards_have_the_number_of_rows_that_their_average_size_asks_for(tmp_path: Path):
    rows = Ragged(np.zeros(2_000_000), np.linspace(0, 2_000_000, 1001).astype(int))
    index = pack(Arrays(x=rows), tmp_path / "s", verbose=0)
    assert len(index) == 4  # of 16 MB, in shards of 4 MiB
    part = Arrays(x=rows).select(range(250))
    assert len(pack(part, tmp_path / "t", verbose=0)) == 1


def test_rows_of_any_length_may_be_augmented(tmp_path: Path):
    def cut(sample: Any, rng: np.random.Generator) -> Any:
        return {**sample, "x": sample["x"][: rng.integers(0, len(sample["x"]) + 1)]}

    source = Arrays(x=ROWS, labels=LABELS)
    index = pack(source, tmp_path / "s", augment=cut, variants=2, workers=1, verbose=0)
    for variant in range(2):
        for row, (given_row, stored) in enumerate(
            zip(ROWS, stored_rows(index, "x", variant), strict=True)
        ):
            expected = cut({"x": given_row}, np.random.default_rng([0, row, variant]))["x"]
            assert_same([stored], [expected])


def test_targets_of_any_length(tmp_path: Path):
    tags = Ragged.from_rows([[0, 1], [2], []], padding=-1)
    source = Arrays(x=np.zeros((3, 2)), labels=tags, classes=["a", "b", "c"])
    index = pack(source, tmp_path / "s", verbose=0)
    assert index.roles == Roles("x", "labels")
    assert index.class_counts is None
    assert_same(stored_rows(index, "labels"), list(tags))
    pack(Arrays(x=np.zeros((2, 2)), y=[[0.5], []], targets="y"), tmp_path / "t", verbose=0)
    with pytest.raises(ValueError, match="Received: 4"):
        Arrays(x=np.zeros((1, 2)), labels=Ragged.from_rows([[4]]), classes=["a", "b", "c"])


def test_targets_that_may_be_several_classes_per_row_are_refused():
    lists = [[0, 2], [1]]
    with pytest.raises(ValueError, match=r"'labels' .*two ways.*Ragged\.from_rows.*0 and 1"):
        Arrays(x=np.zeros((2, 2)), labels=lists)
    assert Arrays(x=np.zeros((2, 2)), labels=lists, inputs=("x", "labels"))


def test_sample_weights_of_any_length_are_refused():
    with pytest.raises(ValueError, match=r"'w' has rows of any length.*mask_zero=True"):
        Arrays(x=np.zeros((2, 2)), labels=[0, 1], w=[[0.5], []], sample_weights="w")


DTYPES = st.sampled_from(["u1", "i2", "i4", "i8", "f2", "f4", "f8", "?", "c8", ">i4", ">f8"])


@settings(max_examples=12, deadline=None)
@given(data=st.data(), kind=DTYPES, padding=st.sampled_from([0, 1]))
def test_arbitrary_rows_come_back(tmp_path_factory: Any, data: Any, kind: str, padding: int):
    trailing = data.draw(hnp.array_shapes(min_dims=1, max_dims=2, min_side=1, max_side=3))
    trailing = data.draw(st.sampled_from([(), trailing]))
    shapes = st.integers(0, 6).map(lambda length: (length, *trailing))
    rows = data.draw(st.lists(shapes.flatmap(lambda shape: hnp.arrays(kind, shape)), min_size=1))
    folder = tmp_path_factory.mktemp("ragged")
    source = Arrays(x=Ragged.from_rows(rows, padding=padding), n=np.arange(len(rows)))
    options: dict[str, Any] = {"shard_samples": data.draw(st.integers(1, 5)), "verbose": 0}
    index = pack(source, folder / "one", workers=1, **options)
    native = [row.astype(np.dtype(kind).newbyteorder("=")) for row in rows]
    assert_same(stored_rows(index, "x"), native)
    assert index.fields["x"].padding == padding
    pack(source, folder / "two", workers=2, **options)
    assert read_files(folder / "two") == read_files(folder / "one")
    assert ShardIndex.load(folder / "one").fields == index.fields


@pytest.mark.parametrize("large", [2**53 + 1, 2**63 - 1])
def test_whole_numbers_that_floats_do_not_hold_are_refused(large):
    with pytest.raises(ValueError, match="float64 does not hold the values of a row"):
        Ragged.from_rows([[large], [0.5, 1]])
    with pytest.raises(ValueError, match="uint64 does not hold the values of a row"):
        Ragged.from_rows([[-1], [1]], dtype="uint64")
    assert Ragged.from_rows([[2**53], [0.5, 1]])[0].tolist() == [2.0**53]


def test_rows_of_vectors_without_a_number_are_refused():
    with pytest.raises(ValueError, match="vectors without any number"):
        Ragged(np.zeros((3, 0)), [0, 1, 3])
