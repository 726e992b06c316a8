"""Packing as a user does it: files in, shards out; and what is refused."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from PIL import Image

from keras_bigdata import (
    Arrays,
    ImageFolder,
    PackError,
    ShardIndex,
    pack,
    repair,
)
from keras_bigdata.packing.planning.plan import default_shard_samples
from keras_bigdata.shards.fields.roles import Roles
from keras_bigdata.shards.index.shard_index import Field
from tests.helpers.packs import read_files, read_rows
from tests.packing.conftest import PHOTOS
from tests.packing.small_sources import Numbers, add_noise, open_table

# What is packed


def test_a_table_of_photographs(photos: Path, tmp_path: Path):
    source = open_table(photos)
    index = pack(source, tmp_path / "shards", shard_samples=25)
    assert index.samples.tolist() == [25, 25, 10]
    rows = read_rows(index)
    # Every row once, with its own image and label; the captions hold the number.
    captions = [[index.vocabulary[token] for token in row if token] for row in rows["texts"]]
    numbers = [int(words[2]) for words in captions]
    assert sorted(numbers) == list(range(PHOTOS))
    assert numbers != sorted(numbers)
    for position, number in enumerate(numbers):
        for name, value in source[number].items():
            np.testing.assert_array_equal(rows[name][position], value)
    assert index.classes == ["cat", "dog"]
    assert index.class_counts == [20, 40]
    assert index.roles == Roles(("images", "texts"), "labels")
    assert index.provenance["skipped"] == []


def test_the_returned_index_is_the_one_on_disk(photos: Path, tmp_path: Path):
    index = pack(open_table(photos), tmp_path / "shards", shard_samples=25)
    saved = ShardIndex.load(tmp_path / "shards")
    for name in ("fields", "names", "roles", "classes", "class_counts", "vocabulary", "provenance"):
        assert getattr(saved, name) == getattr(index, name)
    for shard in range(len(index)):
        assert saved[shard] == index[shard]
        info, content = index[shard], index.path(shard).read_bytes()
        start = info.offsets["images"]
        nbytes = info.samples * 16 * 16 * 3
        shown = np.frombuffer(content[start : start + nbytes], np.uint8)
        np.testing.assert_array_equal(shown, pickle.loads(content)["images"].ravel())
    assert sorted(entry.name for entry in (tmp_path / "shards").iterdir()) == [
        "index.json",
        *(f"shard-0000{number}.pkl" for number in range(3)),
    ]


def test_class_folders(tmp_path: Path):
    for name, value in (("red", 200), ("dark", 10)):
        (tmp_path / "in" / name).mkdir(parents=True)
        for number in range(5):
            Image.new("RGB", (9, 7), (value, 0, 0)).save(tmp_path / "in" / name / f"{number}.png")
    index = pack(ImageFolder(tmp_path / "in", size=(7, 9)), tmp_path / "out")
    rows = read_rows(index)
    assert index.classes == ["dark", "red"]
    assert index.class_counts == [5, 5]
    assert (rows["images"][:, 0, 0, 0] == np.where(rows["labels"] == 1, 200, 10)).all()


def test_without_shuffle_rows_keep_their_order(tmp_path: Path):
    x = np.arange(100, dtype=">f4")
    index = pack(Arrays(x=x), tmp_path / "a", shard_samples=7, shuffle=False)
    rows = read_rows(index)["x"]
    np.testing.assert_array_equal(rows, x)
    assert rows.dtype == np.dtype("float32")
    assert index.roles == Roles("x")


def test_seeds_give_different_orders_and_the_same_one_again(tmp_path: Path):
    orders = [
        read_rows(pack(Arrays(x=np.arange(100)), tmp_path / str(number), seed=seed))["x"].tolist()
        for number, seed in enumerate((0, 0, 1))
    ]
    assert orders[0] == orders[1] != orders[2]


def test_any_object_with_rows_is_a_source(tmp_path: Path):
    index = pack(Numbers(), tmp_path / "out", shard_samples=8, workers=1)
    rows = read_rows(index)
    assert sorted(rows["x"][:, 0].tolist()) == list(range(20))
    np.testing.assert_array_equal(rows["x"][:, 1], rows["x"][:, 0] ** 2)
    np.testing.assert_array_equal(rows["labels"], rows["x"][:, 0] % 3)
    assert index.roles == Roles("x", "labels")
    assert index.class_counts == [7, 7, 6]
    assert index.classes is None


@pytest.mark.parametrize("augment", [None, add_noise])
def test_the_first_row_is_read_once_for_the_plan(tmp_path: Path, augment: Any):
    """And once for its shard, as all others."""

    class Counting(Numbers):
        def __getitem__(self, row: int) -> dict[str, Any]:
            reads.append(row)
            return super().__getitem__(row)

    reads: list[int] = []
    pack(Counting(), tmp_path / "out", shard_samples=6, augment=augment, workers=1)
    assert reads[0] == 0
    assert sorted(reads[1:]) == list(range(20))
    (tmp_path / "out" / "shard-00002.pkl").unlink()
    reads.clear()
    repair(tmp_path / "out", source=Counting(), augment=augment, dry_run=False, workers=1)
    assert reads[0] == 0
    assert len(reads[1:]) == 6


def test_a_memory_map_is_packed_by_parts(tmp_path: Path):
    x = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.int32, (1000, 50))
    x[:] = np.arange(1000)[:, None]
    train, rest = Arrays(x=x, y=np.arange(1000.0), targets="y").split(0.1)
    index = pack(rest, tmp_path / "rest", shard_samples=30)
    rows = read_rows(index)
    assert (rows["x"] == rows["y"][:, None]).all()
    assert index.class_counts is None
    both = [*rows["y"], *read_rows(pack(train, tmp_path / "train"))["y"]]
    assert sorted(both) == list(range(1000))


@pytest.mark.parametrize(
    ("rows", "row_bytes", "expected"),
    [(1000, 49152, 84), (1500, 784, 1500), (10**6, 49152, 1367), (3, 10**9, 1), (100, 10**6, 7)],
)
def test_shards_are_neither_tiny_nor_huge(rows: int, row_bytes: int, expected: int):
    fields = {"x": Field("x", np.dtype("uint8"), (row_bytes,))}
    assert default_shard_samples(rows, fields) == expected


# Workers


# JAX, which other tests import, warns of any fork.
@pytest.mark.filterwarnings("ignore:os.fork")
@pytest.mark.filterwarnings("ignore:Exception ignored in")
@pytest.mark.parametrize(
    "backends",
    [("loky", "threading"), pytest.param(("multiprocessing",), marks=pytest.mark.slow)],
    ids=" ".join,
)
def test_the_bytes_do_not_depend_on_the_workers(photos: Path, tmp_path: Path, backends):
    source = open_table(photos)
    pack(source, tmp_path / "one", shard_samples=9, workers=1)
    pack(source, tmp_path / "threads", shard_samples=9, workers=2)
    for backend in backends:
        with joblib.parallel_config(backend):
            pack(source, tmp_path / backend, shard_samples=9, workers=2)
        assert read_files(tmp_path / backend) == read_files(tmp_path / "one")
    assert read_files(tmp_path / "threads") == read_files(tmp_path / "one")


@pytest.mark.slow
def test_a_custom_source_and_function_in_processes(tmp_path: Path):
    options: dict[str, Any] = {"shard_samples": 3, "variants": 2, "augment": add_noise}
    pack(Numbers(), tmp_path / "one", workers=1, **options)
    pack(Numbers(), tmp_path / "two", workers=2, **options)
    assert read_files(tmp_path / "one") == read_files(tmp_path / "two")


# Variants


@pytest.mark.slow
def test_every_variant_is_its_own_reproducible_copy(tmp_path: Path):
    index = pack(
        Numbers(), tmp_path / "out", shard_samples=8, variants=3, augment=add_noise, seed=4
    )
    plain = read_rows(pack(Numbers(), tmp_path / "plain", shard_samples=8, seed=4))
    assert index.variants == 3
    assert index.num_samples == 20
    assert sum(index.class_counts or ()) == 20
    for variant in range(3):
        rows = read_rows(index, variant)
        np.testing.assert_array_equal(rows["labels"], plain["labels"])
        for position, (number, _) in enumerate(plain["x"]):
            # The first 20 numbers of a NumPy generator: seed, row, variant and nothing else.
            noise = np.random.default_rng([4, int(number), variant]).normal(size=2)
            expected = plain["x"][position] + noise.astype(np.float32)
            np.testing.assert_array_equal(rows["x"][position], expected)


def test_augment_may_change_the_shape_alike(photos: Path, tmp_path: Path):
    def crop(sample: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        y, x = rng.integers(0, 8, 2)
        return {**sample, "images": sample["images"][y : y + 8, x : x + 8]}

    index = pack(open_table(photos), tmp_path / "out", augment=crop, workers=1)
    assert index.fields["images"].shape == (8, 8, 3)


def test_augment_that_fails_is_named_with_the_line(tmp_path: Path):
    def broken(sample: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        return {"x": sample["x"] / 0 if sample["x"][0] == 17 else sample["y"]}

    for on_error in ("raise", "skip"):
        with pytest.raises(PackError, match=r"row 0, variant 0: .*KeyError: 'y' \(.*test_pack.py:"):
            pack(Numbers(), tmp_path / "out", augment=broken, on_error=on_error)
    assert not (tmp_path / "out").exists()


def test_augment_that_returns_rows_unlike_each_other_is_refused(tmp_path: Path):
    def uneven(sample: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        return {"x": sample["x"][: 1 if sample["x"][0] == 7 else 2]}

    message = r"row 7, variant 0: .*field 'x' is float32 of shape \(1,\); in other .* shape \(2,\)"
    with pytest.raises(PackError, match=message):
        pack(Numbers(), tmp_path / "out", augment=uneven, workers=1)


def test_nothing_to_pack_is_an_error(photos: Path, tmp_path: Path):
    with pytest.raises(PackError, match="the source has no rows"):
        pack(Numbers(0), tmp_path / "out")
    for path in photos.glob("*.*g"):
        path.unlink()
    with pytest.raises(PackError, match=r"none of the 60 rows can be read. row 0: .*No such file"):
        pack(open_table(photos), tmp_path / "out", on_error="skip")
    assert not (tmp_path / "out").exists()


# Arguments


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"source": "photos"}, TypeError, "not a path"),
        ({"source": iter([])}, TypeError, r"len\(\) and \[i\]"),
        ({"shard_samples": 0}, ValueError, "`shard_samples` must be an integer of at least 1"),
        ({"seed": -1}, ValueError, "`seed`"),
        ({"seed": None}, TypeError, "`seed`"),
        ({"variants": 2}, ValueError, "needs `augment`"),
        ({"variants": True}, TypeError, "`variants`"),
        ({"augment": "flip"}, TypeError, "`augment` must be a function"),
        ({"workers": 0}, ValueError, "`workers`"),
        ({"shuffle": "window"}, TypeError, "`shuffle`"),
        ({"on_error": "ignore"}, ValueError, "'raise' or 'skip'"),
    ],
)
def test_bad_arguments_are_refused(tmp_path: Path, options: dict[str, Any], error, message: str):
    arguments = {"source": Numbers(), "directory": tmp_path / "out", **options}
    with pytest.raises(error, match=message):
        pack(**arguments)
    assert not (tmp_path / "out").exists()


def test_roles_must_name_fields(tmp_path: Path):
    source = Numbers()
    source.roles = {"inputs": "photos"}  # type: ignore[attr-defined]
    with pytest.raises(PackError, match=r"the roles name \['photos'\].*'x', 'labels'"):
        pack(source, tmp_path / "out")
    source.roles = "x"  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match=r"`source\.roles` must be a dict.*Received: 'x'"):
        pack(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_source_may_bring_roles_classes_and_vocabulary(tmp_path: Path):
    source = Numbers()
    source.roles = {"inputs": {"number": "x"}, "targets": "labels"}  # type: ignore[attr-defined]
    source.classes = np.array([5, 6, 7])  # type: ignore[attr-defined]
    source.vocabulary = ("a", "b")  # type: ignore[attr-defined]
    pack(source, tmp_path / "out", workers=1)
    index = ShardIndex.load(tmp_path / "out")
    assert index.roles == Roles({"number": "x"}, "labels")
    assert (index.classes, index.vocabulary) == ([5, 6, 7], ["a", "b"])
    source.classes = [object()]  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match=r"`source\.classes` must hold plain JSON"):
        pack(source, tmp_path / "other")


def test_labels_beyond_the_classes_are_refused(tmp_path: Path):
    source = Numbers()
    source.classes = ["a", "b"]  # type: ignore[attr-defined]
    with pytest.raises(PackError, match="2 classes, but the largest label is 2"):
        pack(source, tmp_path / "out", workers=1)


def test_labels_below_zero_are_refused_where_there_are_classes(tmp_path: Path):
    class Missing(Numbers):
        classes = ("a", "b", "c")

        def __getitem__(self, row: int) -> dict[str, Any]:
            return {"x": row, "labels": row % 3 - 1}

    with pytest.raises(PackError, match="3 classes, but the smallest label is -1"):
        pack(Missing(), tmp_path / "out", workers=1)
