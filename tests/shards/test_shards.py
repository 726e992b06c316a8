"""`Shards`: which rows of which files, without Keras."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from keras_bigdata import (
    Arrays,
    CorruptShardError,
    ImageTable,
    ShardError,
    ShardIndex,
    Shards,
    pack,
    verify,
)
from keras_bigdata.shards.selecting import shard_columns
from tests.helpers.unindexed_pickles import write_shards

SIZES = [7, 1, 12, 30, 5]
TOTAL = sum(SIZES)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return write_shards(tmp_path_factory.mktemp("shards") / "all", SIZES)


@pytest.fixture
def packed(tmp_path):
    labels = np.arange(40) % 4
    source = Arrays(x=np.arange(40.0)[:, None], images=np.zeros((40, 5, 5)), labels=labels)
    pack(source, tmp_path / "packed", shard_samples=8, verbose=0)
    return tmp_path / "packed"


def ids_of(shards):
    return shards.columns("id")["id"].tolist()


def even(columns):
    return columns["id"] % 2 == 0


def test_all_rows_without_a_selection(directory):
    shards = Shards(directory)
    assert shards.num_samples == len(shards) == TOTAL
    assert shards.selection is None
    assert ids_of(shards) == list(range(TOTAL))
    assert repr(shards).startswith("Shards('")
    assert repr(shards).endswith(": 55 rows in 5 shards)")


def test_each_operation_returns_other_shards(directory):
    shards = Shards(directory)
    some = shards.where(even)
    fewer = some.where(lambda columns: columns["id"] > 40)
    assert ids_of(fewer) == [42, 44, 46, 48, 50, 52, 54]
    assert ids_of(some) == list(range(0, TOTAL, 2))
    assert shards.selection is None
    assert ids_of(Shards(fewer)) == ids_of(fewer)
    assert ids_of(Shards(shards.index)) == ids_of(shards)
    assert fewer.selection.description.startswith("where(even), where(<lambda at test_shards.py:")
    assert "28 of 55 rows in 5 shards, where(even))" in repr(some)
    assert "where(even)" in some._repr_html_()


@pytest.mark.slow
@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_positions_are_those_of_the_columns(directory, data):
    shards = Shards(directory).where(even)
    before = ids_of(shards)
    some = data.draw(st.lists(st.sampled_from(range(len(before))), min_size=1, unique=True))
    expected = [before[position] for position in sorted(some)]
    assert ids_of(shards.rows(some)) == expected
    mask = np.isin(np.arange(len(before)), some)
    assert ids_of(shards.rows(mask)) == expected


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        ([3, 3], ValueError, "`rows` holds 3 more than once"),
        ([-1], ValueError, "a negative number may count from the end"),
        ([55], ValueError, "there are 55 rows"),
        ([], ValueError, "selects none of the 55 rows"),
        (np.zeros(55, bool), ValueError, "selects none of the 55 rows"),
        (np.ones(54, bool), ValueError, "a mask of 54 booleans, but there are 55 rows"),
        (slice(3), TypeError, r"Pass range\(0, 3\)"),
        ([0.5], TypeError, "must hold integers"),
    ],
)
def test_rows_that_may_mean_two_things_are_refused(directory, rows, error, message):
    with pytest.raises(error, match=message):
        Shards(directory).rows(rows)


# ---- where


def test_the_function_receives_the_rows_that_are_selected_so_far(directory):
    seen = []

    def record(columns):
        seen.append(columns["id"].tolist())
        return np.ones(len(columns["id"]), bool)

    Shards(directory).rows([2, 3, 30]).where(record)
    assert seen == [[2, 3], [30]]


def test_only_columns_that_the_function_looks_up_are_read(packed, monkeypatch):
    reads = []
    read = shard_columns.read_column

    def recorded(index, shard, name, *, trust):
        reads.append((shard, name))
        return read(index, shard, name, trust=trust)

    monkeypatch.setattr(shard_columns, "read_column", recorded)
    Shards(packed).where(lambda columns: columns["labels"] == 1)
    assert reads == [(shard, "labels") for shard in range(5)]
    del reads[:]
    Shards(packed).where(lambda columns: (columns["labels"] == 1) & (columns["x"][:, 0] > 3))
    assert sorted(reads) == [(shard, name) for shard in range(5) for name in ("labels", "x")]


def test_the_columns_are_a_mapping_of_the_small_fields(packed):
    def check(columns):
        assert list(columns) == ["x", "labels", "row", "source"]
        assert len(columns) == 4
        assert "labels" in columns
        assert "images" not in columns
        assert set(dict(columns)) == {"x", "labels", "row", "source"}
        assert repr(columns) == "ShardColumns(x, labels, row, source)"
        return columns["labels"] == 0

    assert Shards(packed).where(check).num_samples == 10


def test_a_column_that_does_not_exist_is_named_with_those_that_do(packed):
    with pytest.raises(KeyError, match=r"no column 'site' \(.*The columns are: x, la") as error:
        Shards(packed).where(lambda columns: columns["site"] != "B")
    assert "shard-00000.pkl" in error.value.__notes__[0]
    with pytest.raises(KeyError, match="'images' has 200 bytes per row; `where` reads those of le"):
        Shards(packed).where(lambda columns: columns["images"][:, 0, 0] == 0)


@pytest.mark.parametrize(
    ("result", "error", "message"),
    [
        (lambda ids: ids, TypeError, r"must return a boolean array.*00000\.pkl: ndarray of dtype"),
        (lambda ids: True, TypeError, "one value per row. Received, for .*: bool"),
        (lambda ids: (ids == 1).tolist(), TypeError, "Received, for .*: list"),
        (lambda ids: np.ones(3, bool), ValueError, r"shape \(7,\). Received.* of shape \(3,\)"),
        (lambda ids: np.ones((7, 1), bool), ValueError, r"of shape \(7, 1\)"),
        (lambda ids: np.ma.masked_equal(ids, 1) == 2, TypeError, "without masked values"),
        (lambda ids: ids < 0, ValueError, r"selects none of the 55 rows"),
    ],
)
def test_other_results_are_refused(directory, result, error, message):
    with pytest.raises(error, match=message):
        Shards(directory).where(lambda columns: result(columns["id"]))


def test_a_function_is_needed(directory):
    with pytest.raises(TypeError, match="`function` must be a function"):
        Shards(directory).where("site != 'B'")


# ---- columns


def test_columns_are_read_in_the_order_of_the_files(packed):
    shards = Shards(packed).where(lambda columns: columns["labels"] == 2)
    table = shards.columns(("labels", "x", "images"))
    files = [pickle.loads(path.read_bytes()) for path in sorted(packed.glob("*.pkl"))]
    whole = {name: np.concatenate([file[name] for file in files]) for name in files[0]}
    kept = whole["labels"] == 2
    assert list(table) == ["labels", "x", "images"]
    for name, array in table.items():
        assert array.dtype == whole[name].dtype
        np.testing.assert_array_equal(array, whole[name][kept])


def test_a_missing_column_and_a_changed_file_are_errors(packed):
    with pytest.raises(ShardError, match="there is no column 'file'"):
        Shards(packed).columns("file")
    with pytest.raises(TypeError, match="`names` must be a name"):
        Shards(packed).columns(3)
    file = packed / "shard-00001.pkl"
    content = pickle.loads(file.read_bytes())
    file.write_bytes(pickle.dumps({name: array[1:] for name, array in content.items()}))
    with pytest.raises(CorruptShardError, match=r"shard-00001.pkl: the shard has .* expected"):
        Shards(packed).columns("labels")


def test_whole_files_are_verified_and_not_a_selection(packed):
    shards = Shards(packed).rows([1])
    with pytest.raises(TypeError, match="`directory` must be the path of a directory: whole files"):
        verify(shards)
    with pytest.raises(TypeError, match="`against` must be the path of a directory"):
        verify(packed, against=shards, verbose=0)


# ---- Variants


def test_rows_of_variants_that_are_cut_in_other_ways_cannot_be_selected(tmp_path):
    write_shards(tmp_path / "v", [4, 4, 5, 3])
    scanned = Shards(tmp_path / "v").index
    infos = [scanned[shard] for shard in range(4)]
    for number, info in enumerate(infos):
        infos[number] = type(info)(
            info.name, info.samples, info.bytes, info.offsets, variant=number // 2
        )
    index = ShardIndex.from_shards(tmp_path / "v", scanned.fields, infos, variants=2)
    with pytest.raises(ShardError, match=r"variant 1 are cut in another way .*5, 3, and 4, 4"):
        Shards(index).rows([1])


def test_rows_of_one_image_are_on_one_side(tmp_path):
    # Before packing they were; a split of the shards had each photo with several captions on both.
    rng = np.random.default_rng(0)
    for number in range(20):
        Image.fromarray(rng.integers(0, 255, (4, 4, 3), np.uint8)).save(tmp_path / f"{number}.png")
    files = [f"{'./' if copy else ''}{number}.png" for copy in range(3) for number in range(20)]
    table = {"file": files, "label": ["ab"[row % 2] for row in range(60)]}
    photos = ImageTable(
        table, image="file", label="label", root=tmp_path, size=(4, 4), keep="label"
    )
    pack(photos, tmp_path / "one", shard_samples=7, verbose=0)
    shards = Shards(tmp_path / "one")

    def sides(parts):
        return [{Path(f).name for f in part.columns("file")["file"].tolist()} for part in parts]

    for parts in [shards.split(0.3), shards.split(0.3, groups="label"), *shards.folds(4)]:
        first, second = sides(parts)
        assert not first & second
        assert len(first | second) == 20
    assert len(shards.take(0.5).columns("file")["file"]) == 30
    # Equal names in two packs are different files: rows are divided as if there were no names.
    single = photos.select(np.arange(20))
    pack(single, tmp_path / "a", shard_samples=7, verbose=0)
    pack(single, tmp_path / "b", shard_samples=7, verbose=0)
    both = sides(Shards([tmp_path / "a", tmp_path / "b"]).split(0.5))
    assert both[0] & both[1]
