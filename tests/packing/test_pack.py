"""Packing as a user does it: files in, shards out, and everything that can go wrong between."""

from __future__ import annotations

import contextlib
import csv
import functools
import json
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import skimage
from PIL import Image

from keras_bigdata import (
    Arrays,
    CorruptShardError,
    ImageFolder,
    ImageTable,
    PackError,
    ShardIndex,
    pack,
)
from keras_bigdata.packing.pack import default_shard_samples
from keras_bigdata.packing.shard_jobs import CONTINUE
from keras_bigdata.shards.index import Field
from keras_bigdata.shards.roles import Roles

ASTRONAUT = Path(skimage.__file__).parent / "data" / "astronaut.png"
ROWS = 60


def contents(directory: Path) -> dict[str, bytes]:
    return {entry.name: entry.read_bytes() for entry in directory.iterdir() if entry.is_file()}


def load(index: ShardIndex, variant: int = 0) -> dict[str, np.ndarray]:
    """All rows, read by plain pickle."""
    shards = [
        pickle.loads(index.path(shard).read_bytes())
        for shard in range(len(index))
        if index.variant[shard] == variant
    ]
    return {name: np.concatenate([shard[name] for shard in shards]) for name in shards[0]}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Sixty cuts of a photograph, of differing size, and their CSV."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    rows = []
    with Image.open(ASTRONAUT) as image:
        for number in range(ROWS):
            x, y = rng.integers(0, 400, 2)
            width, height = rng.integers(30, 110, 2)
            suffix = ("jpg", "png")[number % 2]
            cut = image.crop((x, y, x + width, y + height))
            cut.save(folder / f"{number}.{suffix}")
            rows.append(
                (f"{number}.{suffix}", f"cut number {number}", ("dog", "cat")[number % 3 == 0])
            )
    with open(folder / "labels.csv", "w", newline="") as file:
        csv.writer(file).writerows([("file", "caption", "label"), *rows])
    return folder


def table(photos: Path, **options: Any) -> ImageTable:
    options = {"size": (16, 16), **options}
    return ImageTable(photos / "labels.csv", image="file", text="caption", label="label", **options)


class Numbers:
    """The least a source can be."""

    def __init__(self, rows: int = 20) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, row: int) -> dict[str, Any]:
        return {"x": np.array([row, row * row], np.float32), "labels": row % 3}


def jitter(sample: dict[str, np.ndarray], rng: np.random.Generator) -> dict[str, np.ndarray]:
    sample["x"] += rng.normal(size=2).astype(np.float32)  # in place, as users do
    return sample


# What is packed


def test_a_table_of_photographs(photos: Path, tmp_path: Path):
    source = table(photos)
    index = pack(source, tmp_path / "shards", shard_samples=25)
    assert index.samples.tolist() == [25, 25, 10]
    rows = load(index)
    # Every row once, with its own picture and label; the captions tell the number.
    captions = [[index.vocabulary[token] for token in row if token] for row in rows["texts"]]
    numbers = [int(words[2]) for words in captions]
    assert sorted(numbers) == list(range(ROWS))
    assert numbers != sorted(numbers)
    for position, number in enumerate(numbers):
        for name, value in source[number].items():
            np.testing.assert_array_equal(rows[name][position], value)
    assert index.classes == ["cat", "dog"]
    assert index.class_counts == [20, 40]
    assert index.roles == Roles(("images", "texts"), "labels")
    assert index.provenance["skipped"] == []


def test_the_index_given_back_is_the_one_on_disk(photos: Path, tmp_path: Path):
    index = pack(table(photos), tmp_path / "shards", shard_samples=25)
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
    rows = load(index)
    assert index.classes == ["dark", "red"]
    assert index.class_counts == [5, 5]
    assert (rows["images"][:, 0, 0, 0] == np.where(rows["labels"] == 1, 200, 10)).all()


def test_without_shuffle_rows_keep_their_order(tmp_path: Path):
    x = np.arange(100, dtype=">f4")
    index = pack(Arrays(x=x), tmp_path / "a", shard_samples=7, shuffle=False)
    rows = load(index)["x"]
    np.testing.assert_array_equal(rows, x)
    assert rows.dtype == np.dtype("float32")
    assert index.roles == Roles("x")


def test_seeds_give_different_orders_and_the_same_one_again(tmp_path: Path):
    orders = [
        load(pack(Arrays(x=np.arange(100)), tmp_path / str(number), seed=seed))["x"].tolist()
        for number, seed in enumerate((0, 0, 1))
    ]
    assert orders[0] == orders[1] != orders[2]


def test_any_object_with_rows_is_a_source(tmp_path: Path):
    index = pack(Numbers(), tmp_path / "out", shard_samples=8, workers=1)
    rows = load(index)
    assert sorted(rows["x"][:, 0].tolist()) == list(range(20))
    np.testing.assert_array_equal(rows["x"][:, 1], rows["x"][:, 0] ** 2)
    np.testing.assert_array_equal(rows["labels"], rows["x"][:, 0] % 3)
    assert index.roles == Roles("x", "labels")
    assert index.class_counts == [7, 7, 6]
    assert index.classes is None


def test_a_memory_map_is_packed_by_parts(tmp_path: Path):
    x = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.int32, (1000, 50))
    x[:] = np.arange(1000)[:, None]
    train, rest = Arrays(x=x, y=np.arange(1000.0), targets="y").split(0.1)
    index = pack(rest, tmp_path / "rest", shard_samples=30)
    rows = load(index)
    assert (rows["x"] == rows["y"][:, None]).all()
    assert index.class_counts is None
    both = [*rows["y"], *load(pack(train, tmp_path / "train"))["y"]]
    assert sorted(both) == list(range(1000))


@pytest.mark.parametrize(
    ("rows", "row_bytes", "expected"),
    [(1000, 49152, 84), (1500, 784, 1500), (10**6, 49152, 1367), (3, 10**9, 1), (100, 10**6, 7)],
)
def test_shards_are_neither_tiny_nor_huge(rows: int, row_bytes: int, expected: int):
    fields = {"x": Field("x", np.dtype("uint8"), (row_bytes,))}
    assert default_shard_samples(rows, fields) == expected


# Workers


def test_the_bytes_do_not_depend_on_the_workers(photos: Path, tmp_path: Path):
    source = table(photos)
    pack(source, tmp_path / "one", shard_samples=9, workers=1)
    pack(source, tmp_path / "threads", shard_samples=9, workers=2)
    for backend in ("loky", "threading", "multiprocessing"):
        with joblib.parallel_config(backend):
            pack(source, tmp_path / backend, shard_samples=9, workers=2)
        assert contents(tmp_path / backend) == contents(tmp_path / "one")
    assert contents(tmp_path / "threads") == contents(tmp_path / "one")


def test_a_source_and_a_function_of_the_users_own_in_processes(tmp_path: Path):
    options: dict[str, Any] = {"shard_samples": 3, "variants": 2, "augment": jitter}
    pack(Numbers(), tmp_path / "one", workers=1, **options)
    pack(Numbers(), tmp_path / "two", workers=2, **options)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


# Variants


def test_every_variant_is_its_own_reproducible_copy(tmp_path: Path):
    index = pack(Numbers(), tmp_path / "out", shard_samples=8, variants=3, augment=jitter, seed=4)
    plain = load(pack(Numbers(), tmp_path / "plain", shard_samples=8, seed=4))
    assert index.variants == 3
    assert index.num_samples == 20
    assert sum(index.class_counts or ()) == 20
    for variant in range(3):
        rows = load(index, variant)
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

    index = pack(table(photos), tmp_path / "out", augment=crop, workers=1)
    assert index.fields["images"].shape == (8, 8, 3)


def test_augment_that_fails_is_named_with_the_line(tmp_path: Path):
    def broken(sample: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        return {"x": sample["x"] / 0 if sample["x"][0] == 17 else sample["y"]}

    for on_error in ("raise", "skip"):
        with pytest.raises(PackError, match=r"row 0, variant 0: .*KeyError: 'y' \(.*test_pack.py:"):
            pack(Numbers(), tmp_path / "out", augment=broken, on_error=on_error)
    assert not (tmp_path / "out").exists()


def test_augment_that_gives_rows_unlike_each_other_is_refused(tmp_path: Path):
    def uneven(sample: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        return {"x": sample["x"][: 1 if sample["x"][0] == 7 else 2]}

    message = r"row 7, variant 0: .*field 'x' is float32 of shape \(1,\); in other .* shape \(2,\)"
    with pytest.raises(PackError, match=message):
        pack(Numbers(), tmp_path / "out", augment=uneven, workers=1)


# Bad rows


def break_some(photos: Path) -> None:
    (photos / "10.jpg").unlink()
    (photos / "21.png").write_text("<html>404</html>")
    whole = (photos / "30.jpg").read_bytes()
    (photos / "30.jpg").write_bytes(whole[:-200])


@pytest.mark.parametrize("workers", [1, 2])
def test_a_bad_row_is_named_and_nothing_is_left_half(photos: Path, tmp_path: Path, workers: int):
    (photos / "40.jpg").unlink()
    with pytest.raises(
        PackError, match=r"row 40: .*40\.jpg \(.*labels\.csv, line 42\): No such file.*on_error"
    ):
        pack(table(photos), tmp_path / "out", shard_samples=6, workers=workers)
    names = {entry.name for entry in (tmp_path / "out").iterdir()}
    assert "index.json" not in names
    assert not [name for name in names if name.startswith(".tmp-")]


def test_bad_rows_are_left_out_and_listed(photos: Path, tmp_path: Path, capsys):
    break_some(photos)
    source = table(photos)
    pack(source, tmp_path / "two", shard_samples=7, on_error="skip", workers=2)
    index = pack(source, tmp_path / "out", shard_samples=7, on_error="skip", workers=1)
    assert contents(tmp_path / "two") == contents(tmp_path / "out")
    assert index.num_samples == ROWS - 3
    skipped = index.provenance["skipped"]
    assert [entry["row"] for entry in skipped] == [10, 21, 30]
    assert [Path(entry["file"]).name for entry in skipped] == ["10.jpg", "21.png", "30.jpg"]
    assert "No such file" in skipped[0]["error"]
    assert "not an image" in skipped[1]["error"]
    assert "truncated" in skipped[2]["error"].lower()
    printed = capsys.readouterr().err
    assert "3 rows left out" in printed
    assert "10.jpg" in printed
    captions = load(index)["texts"]
    left = {index.vocabulary[row[2]] for row in captions}
    assert left == {str(number) for number in range(ROWS)} - {"10", "21", "30"}


def test_a_bad_row_is_left_out_of_every_variant(photos: Path, tmp_path: Path):
    break_some(photos)

    def same(sample: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        return sample

    index = pack(
        table(photos), tmp_path / "out", variants=2, augment=same, on_error="skip", workers=1
    )
    one, two = load(index, 0), load(index, 1)
    assert len(one["labels"]) == ROWS - 3
    np.testing.assert_array_equal(one["texts"], two["texts"])


def test_missing_labels_are_told_before_any_work(photos: Path, tmp_path: Path):
    path = photos / "labels.csv"
    path.write_text(path.read_text().replace("number 5,dog", "number 5,").replace("8,dog", "8,"))
    with pytest.raises(
        PackError, match=r"5 of 60 rows.*row 5: .*line 7\): there is no label; row 8"
    ):
        pack(table(photos), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    index = pack(table(photos), tmp_path / "out", on_error="skip")
    assert [entry["row"] for entry in index.provenance["skipped"]] == [5, 8, 28, 38, 58]
    assert index.num_samples == ROWS - 5


def test_two_rows_of_one_picture_are_two_rows(photos: Path, tmp_path: Path):
    with open(photos / "labels.csv", "a") as file:
        file.write("0.jpg,another caption,cat\r\n")
    assert pack(table(photos), tmp_path / "out").num_samples == ROWS + 1


class Uneven(Numbers):
    def __getitem__(self, row: int) -> dict[str, Any]:
        sample = super().__getitem__(row)
        if row == 3:
            sample["x"] = np.zeros(5, np.float32)
        if row == 4:
            sample["x"] = sample["x"].astype(np.float64)
        if row == 5:
            del sample["labels"]
        if row == 6:
            sample["x"] = [[1], [1, 2]]
        if row == 7:
            raise KeyError("seven")
        if row == 8:
            return [1]  # type: ignore[return-value]
        return sample


def test_rows_unlike_the_others_are_bad_rows(tmp_path: Path):
    index = pack(Uneven(), tmp_path / "out", on_error="skip", workers=1)
    errors = {entry["row"]: entry["error"] for entry in index.provenance["skipped"]}
    assert "float32 of shape (5,); in other rows it is float32 of shape (2,)" in errors[3]
    assert "float64 of shape (2,)" in errors[4]
    assert "the fields are ['x']; in other rows they are ['x', 'labels']" in errors[5]
    assert "field 'x' is no array" in errors[6]
    assert "KeyError: 'seven'" in errors[7]
    assert "Received: list" in errors[8]
    assert errors.keys() == {3, 4, 5, 6, 7, 8}
    with pytest.raises(PackError, match=r"row [3-8]: "):
        pack(Uneven(), tmp_path / "other", workers=1)


def test_nothing_to_pack_is_an_error(photos: Path, tmp_path: Path):
    with pytest.raises(PackError, match="the source has no rows"):
        pack(Numbers(0), tmp_path / "out")
    for path in photos.glob("*.*g"):
        path.unlink()
    with pytest.raises(PackError, match=r"none of the 60 rows can be read. row 0: .*No such file"):
        pack(table(photos), tmp_path / "out", on_error="skip")
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
    source.roles = {"inputs": "pictures"}  # type: ignore[attr-defined]
    with pytest.raises(PackError, match=r"the roles name \['pictures'\].*'x', 'labels'"):
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
    with pytest.raises(PackError, match="2 classes, but the largest label is 2"):
        pack(Arrays(x=np.arange(3), labels=[0, 1, 2], classes=["a", "b"]), tmp_path / "out")


# Directories


def test_a_directory_with_something_else_is_refused_and_left_alone(tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(PackError, match=r"holds something else: thesis\.txt"):
        pack(Numbers(), tmp_path)
    assert contents(tmp_path) == {"thesis.txt": b"years of work"}
    assert len(list(tmp_path.iterdir())) == 1
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "shard-00000.pkl").write_text("somebody's")
    with pytest.raises(PackError, match=r"something else: shard-00000\.pkl"):
        pack(Numbers(), tmp_path / "other")
    with pytest.raises(PackError, match="cannot be written"):
        pack(Numbers(), tmp_path / "thesis.txt")


def test_the_same_call_again_does_nothing(photos: Path, tmp_path: Path, capsys):
    index = pack(table(photos), tmp_path / "out")
    stamps = {entry: entry.stat().st_mtime_ns for entry in (tmp_path / "out").iterdir()}
    for path in photos.glob("*.*g"):
        path.unlink()  # a finished pack does not need its pictures
    again = pack(table(photos), tmp_path / "out", workers=1)
    assert again.names == index.names
    assert "packed already" in capsys.readouterr().err
    assert {entry: entry.stat().st_mtime_ns for entry in (tmp_path / "out").iterdir()} == stamps


def test_another_call_into_the_same_directory_is_refused(photos: Path, tmp_path: Path):
    pack(table(photos), tmp_path / "out")
    before = contents(tmp_path / "out")
    with pytest.raises(
        PackError, match=r"of another call.*source.size was \[16, 16\] and is \[8, 8\]"
    ):
        pack(table(photos, size=(8, 8)), tmp_path / "out")
    with pytest.raises(PackError, match=r"arguments.seed was 0 and is 1"):
        pack(table(photos), tmp_path / "out", seed=1)
    with pytest.raises(PackError, match=r"source.kind was 'ImageTable' and is 'Arrays'"):
        pack(Arrays(x=np.arange(9)), tmp_path / "out")
    assert contents(tmp_path / "out") == before


def test_rows_left_out_are_not_passed_over_in_silence(photos: Path, tmp_path: Path):
    break_some(photos)
    pack(table(photos), tmp_path / "out", on_error="skip")
    with pytest.raises(PackError, match="3 rows were left out"):
        pack(table(photos), tmp_path / "out")


def test_a_finished_set_that_lost_a_shard_is_an_error(tmp_path: Path):
    pack(Numbers(), tmp_path / "out", shard_samples=5, workers=1)
    (tmp_path / "out" / "shard-00002.pkl").unlink()
    with pytest.raises(CorruptShardError, match=r"shard-00002\.pkl: is missing"):
        pack(Numbers(), tmp_path / "out", shard_samples=5)


# Going on after a stop


@pytest.fixture
def unfinished(photos: Path, tmp_path: Path) -> Path:
    """A directory in which some shards are done and one could not be made."""
    hidden = (photos / "40.jpg").rename(photos / "hidden")
    with pytest.raises(PackError, match=f"row 40.*{CONTINUE}"):
        pack(table(photos), tmp_path / "out", shard_samples=6, workers=1)
    hidden.rename(photos / "40.jpg")
    done = sorted(name for name in contents(tmp_path / "out") if name.endswith(".pkl"))
    assert 0 < len(done) < ROWS // 6
    return tmp_path / "out"


def test_the_same_call_continues(photos: Path, tmp_path: Path, unfinished: Path):
    first = unfinished / "shard-00000.pkl"
    stamp = first.stat().st_mtime_ns
    pack(table(photos), unfinished, shard_samples=6)
    assert first.stat().st_mtime_ns == stamp
    pack(table(photos), tmp_path / "at once", shard_samples=6)
    assert contents(unfinished) == contents(tmp_path / "at once")
    assert not (unfinished / ".packing").exists()


def test_shards_that_were_harmed_meanwhile_are_made_again(
    photos: Path, tmp_path: Path, unfinished: Path
):
    pack(table(photos), tmp_path / "at once", shard_samples=6)
    shard = unfinished / "shard-00000.pkl"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    for record in sorted((unfinished / ".packing").glob("shard-*.json"))[1:]:
        record.write_text("{")
    (unfinished / ".tmp-12345678-shard-00009.pkl").write_text("left by a kill")
    pack(table(photos), unfinished, shard_samples=6)
    assert contents(unfinished) == contents(tmp_path / "at once")


def test_rows_left_out_before_a_stop_are_an_error_to_a_call_that_raises(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(self: ShardIndex) -> None:
        raise OSError(28, "No space left on device")

    break_some(photos)
    out = tmp_path / "out"
    options: dict[str, Any] = {"shard_samples": 6, "on_error": "skip", "workers": 1}
    with monkeypatch.context() as patched:
        patched.setattr(ShardIndex, "save", full)
        with pytest.raises(PackError, match=r"cannot be written: .*No space left"):
            pack(table(photos), out, **options)
    assert len(list((out / ".packing").glob("shard-*.json"))) == ROWS // 6
    with pytest.raises(PackError, match=r"row (10|21|30): "):
        pack(table(photos), out, shard_samples=6, workers=1)
    pack(table(photos), out, **options)
    pack(table(photos), tmp_path / "at once", **options)
    assert contents(out) == contents(tmp_path / "at once")


def test_another_call_does_not_continue(photos: Path, unfinished: Path):
    before = contents(unfinished)
    with pytest.raises(PackError, match=r"unfinished pack of another call.*shard_samples was 6"):
        pack(table(photos), unfinished, shard_samples=7)
    with pytest.raises(PackError, match=r"source.rows was 60 and is 48"):
        pack(table(photos).split(0.2)[0], unfinished, shard_samples=6)
    assert contents(unfinished) == before


def test_a_call_that_made_no_shard_is_forgotten(photos: Path, tmp_path: Path):
    (photos / "0.jpg").rename(photos / "hidden")
    for seed in (0, 1):
        with pytest.raises(PackError, match=r"row 0: .*0\.jpg"):
            pack(table(photos), tmp_path / "out", shard_samples=ROWS, seed=seed)
    assert not (tmp_path / "out").exists()


def test_a_kill_between_the_index_and_the_end(photos: Path, tmp_path: Path, unfinished: Path):
    state = {entry.name: entry.read_bytes() for entry in (unfinished / ".packing").iterdir()}
    pack(table(photos), unfinished, shard_samples=6)
    (unfinished / ".packing").mkdir()
    for name, content in state.items():
        (unfinished / ".packing" / name).write_bytes(content)
    pack(table(photos), unfinished, shard_samples=6)
    assert not (unfinished / ".packing").exists()


CHILD = """
    import os, sys, time
    import numpy as np
    from keras_bigdata import pack

    class Slow:
        def __init__(self, pids):
            self.pids = pids

        def __len__(self):
            return 120

        def __getitem__(self, row):
            with open(self.pids, "a") as file:
                file.write(f"{os.getpid()}\\n")
            time.sleep(0.004)
            return {"x": np.full(3000, row), "labels": row % 4}

    if __name__ == "__main__":
        pack(Slow(sys.argv[2]), sys.argv[1], shard_samples=5, workers=int(sys.argv[3]))
"""


@pytest.fixture
def child(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    script = tmp_path / "child.py"
    script.write_text(textwrap.dedent(CHILD))

    def start(directory: Path, workers: int = 1) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, script, directory, tmp_path / "pids", str(workers)],
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def wait_for(condition: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
def test_kills_at_any_time_cost_nothing_but_time(child, tmp_path: Path):
    with child(tmp_path / "at once") as process:
        process.communicate()
        assert process.returncode == 0
    out = tmp_path / "out"
    for done in (2, 9):
        with child(out, workers=2) as process:
            wait_for(lambda done=done: len(list(out.glob("shard-*.pkl"))) >= done)
            process.send_signal(signal.SIGKILL)
            process.wait()
        assert not (out / "index.json").exists()
        # The workers end too, and do not write on beside the next run.
        pids = {int(pid) for pid in (tmp_path / "pids").read_text().split()}
        wait_for(lambda pids=pids: not any(map(is_running, pids)), 5)
    with child(out, workers=2) as process:
        process.communicate()
        assert process.returncode == 0
    assert contents(out) == contents(tmp_path / "at once")
    assert not (out / ".packing").exists()


def test_ctrl_c_says_how_to_go_on(child, tmp_path: Path):
    out = tmp_path / "out"
    with child(out) as process:
        wait_for(lambda: len(list(out.glob("shard-*.pkl"))) >= 2)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert "KeyboardInterrupt" in errors
    assert "shards are done. The same call, made again, continues" in errors
    assert not list(out.glob(".tmp-*"))
    with child(out) as process:
        process.communicate()
    assert ShardIndex.load(out).num_samples == 120


def test_two_packs_into_one_directory(child, tmp_path: Path):
    out = tmp_path / "out"
    with child(out) as process:
        wait_for(lambda: len(list(out.glob("shard-*.pkl"))) >= 2)
        with child(out) as second:
            _, errors = second.communicate()
        assert second.returncode == 1
        assert f"is being packed by process {process.pid} on" in errors
        process.communicate()
        assert process.returncode == 0
    assert ShardIndex.load(out).num_samples == 120


class Dying(Numbers):
    """Its process is ended by the system, as for lack of memory."""

    def __init__(self, parent: int) -> None:
        super().__init__()
        self.parent = parent

    def __getitem__(self, row: int) -> dict[str, Any]:
        if row == 13 and os.getpid() != self.parent:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(row)


# joblib's warning of a worker that was killed
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_worker_that_dies_is_an_error_and_the_call_can_be_repeated(tmp_path: Path):
    with pytest.raises(PackError, match=rf"a worker process ended .*`workers=1`.*{CONTINUE}"):
        pack(Dying(os.getpid()), tmp_path / "out", shard_samples=2, workers=2)
    assert not list((tmp_path / "out").glob(".tmp-*")) if (tmp_path / "out").exists() else True
    index = pack(Dying(os.getpid()), tmp_path / "out", shard_samples=2, workers=1)
    assert index.num_samples == 20


# Full disks


FULL = """
    import resource, sys
    import numpy as np
    from keras_bigdata import Arrays, PackError, pack

    limit = int(sys.argv[2])
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    x = np.arange(200_000, dtype=np.int64).reshape(-1, 1000)
    x[50:] = 0
    try:
        pack(Arrays(x=x), sys.argv[1], shard_samples=10, workers=int(sys.argv[3]))
    except PackError as error:
        sys.exit(f"PackError: {error}")
"""


def pack_arrays(script: Path, directory: Path, limit: int = 0, workers: int = 1) -> str:
    script.write_text(textwrap.dedent(FULL))
    done = subprocess.run(
        [sys.executable, script, directory, str(limit), str(workers)],
        check=False,
        capture_output=True,
        text=True,
    )
    return done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="no limits on file sizes")
def test_a_file_size_limit_while_packing(tmp_path: Path):
    out, script = tmp_path / "out", tmp_path / "script.py"
    errors = pack_arrays(script, out, limit=50_000)
    assert errors.startswith("PackError: ")
    assert str(out) in errors
    assert "File too large" in errors
    assert CONTINUE in errors
    assert not out.exists() or not [name for name in contents(out) if name != ".packing"]
    assert pack_arrays(script, out) == ""
    assert pack_arrays(script, tmp_path / "at once") == ""
    assert contents(out) == contents(tmp_path / "at once")


@contextlib.contextmanager
def small_disk(path: Path, size: str) -> Iterator[None]:
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("cannot mount a small disk here")
    try:
        yield
    finally:
        subprocess.run(["umount", str(path)], check=True)


def test_a_full_disk_while_packing(tmp_path: Path):
    disk, script = tmp_path / "disk", tmp_path / "script.py"
    with small_disk(disk, "700k"):
        errors = pack_arrays(script, disk / "out", workers=2)
        assert errors.startswith("PackError: ")
        assert str(disk / "out") in errors
        assert "No space left" in errors
        names = list(contents(disk / "out"))
        assert names  # some shards are done ...
        for name in names:  # ... and whole
            assert len(pickle.loads((disk / "out" / name).read_bytes())["x"]) == 10
        subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
        assert pack_arrays(script, disk / "out") == ""
        assert pack_arrays(script, tmp_path / "at once") == ""
        assert contents(disk / "out") == contents(tmp_path / "at once")


def test_a_directory_that_cannot_be_written(tmp_path: Path):
    with small_disk(tmp_path / "disk", "1m"):
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path / "disk")], check=True)
        with pytest.raises(PackError, match=r"cannot be written.*Read-only file system"):
            pack(Numbers(), tmp_path / "disk" / "out")


# Fingerprints


def test_a_source_may_tell_itself(tmp_path: Path):
    class Named(Numbers):
        def fingerprint(self) -> dict[str, Any]:
            return {"release": self.release}

        release: Any = 3

    source = Named()
    index = pack(source, tmp_path / "out", workers=1)
    assert json.loads((tmp_path / "out" / "index.json").read_text())["made"] == index.provenance
    assert index.provenance["source"] == {"release": 3}
    source.release = 4
    with pytest.raises(PackError, match=r"source.release was 3 and is 4"):
        pack(source, tmp_path / "out")
    source.release = object()
    with pytest.raises(TypeError, match=r"`source.fingerprint\(\)` must give plain JSON"):
        pack(source, tmp_path / "out")


def test_other_sources_are_told_by_class_length_and_first_row(tmp_path: Path):
    pack(Numbers(), tmp_path / "out", workers=1)
    with pytest.raises(PackError, match=r"source.rows was 20 and is 21"):
        pack(Numbers(21), tmp_path / "out")


def test_another_augment_of_the_same_name_is_another_call(tmp_path: Path):
    def made(amount: int) -> Any:
        names: dict[str, Any] = {}
        code = f"def shift(sample, rng): return {{'x': sample['x'] + {amount}}}"
        exec(code, names)
        return names["shift"]

    source = Arrays(x=np.zeros(4))
    pack(source, tmp_path / "a", augment=made(1), workers=1)
    pack(source, tmp_path / "a", augment=made(1), workers=1)
    with pytest.raises(PackError, match=r"another call.*shift"):
        pack(source, tmp_path / "a", augment=made(2), workers=1)


def test_a_partial_over_an_object_is_the_same_call_again(tmp_path: Path, capsys: Any):
    class Amount:
        value = 2.0

    def shift(sample: dict[str, Any], rng: Any, by: Amount) -> dict[str, Any]:
        return {"x": sample["x"] + by.value}

    for _ in range(2):
        augment = functools.partial(shift, by=Amount())
        pack(Arrays(x=np.zeros(4)), tmp_path / "a", augment=augment, workers=1)
    assert "packed already" in capsys.readouterr().err


@pytest.mark.parametrize("source", [{"x": np.zeros(2)}, (np.zeros(2), np.zeros(2))])
def test_arrays_alone_are_no_source(source: Any, tmp_path: Path):
    with pytest.raises(TypeError, match=r"must be a source: Arrays\("):
        pack(source, tmp_path)
