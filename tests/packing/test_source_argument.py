"""What is passed to `pack` as a source or directory: taken, or the message names what takes it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from keras_bigdata import (
    Arrays,
    FrameFolder,
    HDF5Table,
    ImageFolder,
    ImageTable,
    PackError,
    ScoreLog,
    ShardWriter,
    TextTable,
    capture,
    pack,
)
from tests.helpers.packs import read_rows
from tests.packing.small_sources import Numbers

SAMPLES = [{"x": np.full(2, row, np.float32), "labels": row % 3} for row in range(10)]


@pytest.mark.parametrize("kind", [list, tuple])
def test_a_list_of_dicts_is_a_source(tmp_path: Path, kind: Callable[..., Any], capsys: Any):
    index = pack(kind(SAMPLES), tmp_path / "out", shuffle=False, shard_samples=4)
    rows = read_rows(index)
    assert rows["x"][:, 0].tolist() == list(range(10))
    assert (index.roles.inputs, index.roles.targets) == ("x", "labels")
    pack(kind(SAMPLES), tmp_path / "out", shuffle=False, shard_samples=4)
    assert "packed already" in capsys.readouterr().err
    # All values are compared, not those of the first row only.
    changed = [*SAMPLES[:9], {**SAMPLES[9], "labels": 1}]
    with pytest.raises(PackError, match=r"source.rows_sha256 was"):
        pack(changed, tmp_path / "out", shuffle=False, shard_samples=4)
    with pytest.raises(PackError, match=r"row 3: field 'x' is not an array"):
        pack([*SAMPLES[:3], {"x": [[1], [2, 3]], "labels": 0}], tmp_path / "other")


def test_a_list_of_dicts_is_packed_in_processes(tmp_path: Path):
    def augment(sample: Any, rng: Any) -> Any:
        return {**sample, "x": sample["x"] + 1}

    index = pack(SAMPLES, tmp_path / "out", augment=augment, shard_samples=5, workers=1)
    assert sorted(read_rows(index)["x"][:, 0].tolist()) == list(range(1, 11))


def generator() -> Any:
    yield np.zeros(2), np.zeros(2)


class Dataset:
    """Like a `tf.data.Dataset`: it has a length and is iterated over."""

    def __len__(self) -> int:
        return 2

    def __iter__(self) -> Any:
        return generator()


class Pairs:
    """Like a `torch.utils.data.Dataset`, whose rows are tuples."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, row: int) -> Any:
        return np.zeros(2), row


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (generator(), r"capture\(batches, directory\)"),
        (iter([1]), r"capture\(batches, directory\)"),
        (zip([1], [2], strict=True), r"capture\(batches, directory\)"),
        (Dataset(), r"capture\(batches, directory\)"),
        (pd.DataFrame({"file": ["a"], "label": ["b"]}), r"ImageTable\(frame, image="),
        ({"x": np.zeros(2)}, r"Arrays\(\*\*fields\)"),
        ([np.zeros(2), np.zeros(2)], r"Arrays\(x=x, labels=y\).* or a list of dicts"),
        ([], "a list of dicts"),
        (np.zeros((4, 2)), r"Arrays\(x=x, labels=y\)"),
        (ImageFolder, r"an object, as ImageFolder\(\.\.\.\) returns"),
        ("photos", "not a path"),
        (Path("photos"), r"ImageFolder\(directory, \.\.\.\)"),
        (None, r"have len\(\) and \[i\]"),
    ],
)
def test_what_is_not_a_source_names_what_takes_it(tmp_path: Path, source: Any, message: str):
    with pytest.raises(TypeError, match=f"`source` must .*{message}"):
        pack(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_files_of_h5py_and_rows_that_are_tuples(tmp_path: Path):
    with h5py.File(tmp_path / "t.h5", "w") as file:
        file["x"] = np.zeros(3)
        for source in (file, file["x"]):
            with pytest.raises(TypeError, match=r"HDF5Table\(path, image="):
                pack(source, tmp_path / "out")
    with pytest.raises(PackError, match=r'return \{"x": x, "labels": y\}; batches .*capture\('):
        pack(Pairs(), tmp_path / "out", workers=1)


# Paths


def into(path: Any) -> list[Callable[[], Any]]:
    """Everything that writes shards or scores, or reads a source."""
    return [
        lambda: pack(Numbers(), path),
        lambda: capture([(np.zeros(2), np.zeros(2))], path),
        lambda: ShardWriter(path),
        lambda: ImageTable(path, image="f", size=(4, 4)),
        lambda: ImageTable({"f": ["a.png"]}, image="f", size=(4, 4), root=path),
        lambda: TextTable(path, text="t"),
        lambda: ImageFolder(path, size=(4, 4)),
        lambda: FrameFolder(path, frames=2, size=(4, 4)),
        lambda: HDF5Table(path),
        lambda: ScoreLog(path),
    ]


@pytest.mark.parametrize("url", ["s3://bucket/x", "gs://b", "https://a.b/c.csv", "file:///x"])
def test_a_url_is_not_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str):
    monkeypatch.chdir(tmp_path)
    # Scores are written to a URL too.
    for door in [*into(url)[3:-1], *into(Path(url))[3:-1]]:
        with pytest.raises(ValueError, match=r"must be a path on this machine, not a URL: .*Copy"):
            door()
    for door in into(Path(url))[:3]:  # `pathlib` makes one slash of two
        with pytest.raises(ValueError, match=r"a URL in a path object|not a URL: .*Copy"):
            door()
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://a.b/x", "web servers are only read"),
        ("hf://datasets/a/b", "each file would be a commit.*upload_folder"),
        ("ftp://a.b/x", "it is unknown whether the driver of ftp:// writes files whole"),
        ("s3:/bucket/x", "Two slashes"),
    ],
)
def test_a_store_whose_files_may_be_seen_in_part_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, reason: str
):
    monkeypatch.chdir(tmp_path)
    for door in into(url)[:3]:
        with pytest.raises(ValueError, match=reason):
            door()
    assert not os.listdir(tmp_path)


def test_options_of_a_driver_are_for_urls(tmp_path: Path):
    with pytest.raises(ValueError, match="`storage_options` is for URLs"):
        pack(Numbers(), tmp_path / "out", storage_options={"anon": True})
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("path", ["", "~/shards", "~", "a\0b"])
def test_a_path_that_would_be_another_place_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
):
    monkeypatch.chdir(tmp_path)
    for door in into(path):
        with pytest.raises(ValueError, match=r"must be a path|expanduser"):
            door()
    assert not os.listdir(tmp_path)
    pack(Numbers(), "a~b/C:x", workers=1)
    assert (tmp_path / "a~b" / "C:x" / "index.json").exists()


def test_a_path_is_a_string_or_a_path_object():
    for door in into(3)[:3]:
        with pytest.raises(
            TypeError, match=r"`directory` must be a path, .* Received: directory=3"
        ):
            door()


def test_a_file_name_that_is_a_url_is_a_bad_row():
    source = ImageTable({"f": ["https://a.b/c.jpg", "a.jpg"]}, image="f", size=(4, 4))
    assert list(source.problems) == [0]
    assert (
        "'https://a.b/c.jpg' is a URL, which is not read: download the file" in source.problems[0]
    )


def test_arrays_name_the_field():
    with pytest.raises(TypeError, match=r"Field 'x' must be an array of numbers\. It is a dict"):
        Arrays(x={"a": [1]})
