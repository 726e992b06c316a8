"""Files that were edited under the same names make another pack; a copy of all files does not."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from keras_bigdata import Arrays, FrameFolder, HDF5Table, ImageFolder, ImageTable, PackError, pack
from keras_bigdata import repair as run_repair
from keras_bigdata.packing.sources import arrays
from tests.helpers.image_files import write_image
from tests.helpers.packs import read_files, read_rows

SIZE = (4, 4)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve images in two class folders, with old times."""
    for row in range(12):
        write_image(tmp_path / "photos" / "ab"[row % 2] / f"{row:02}.png", row)
    age(tmp_path / "photos")
    return tmp_path / "photos"


def age(folder: Path, seconds: int = 100) -> None:
    for path in folder.rglob("*.png"):
        set_time(path, -seconds)


def set_time(path: Path, seconds: int) -> None:
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + seconds * 10**9))


def packed(folder: Path, out: Path, **options: Any) -> Any:
    return pack(ImageFolder(folder, size=SIZE), out, workers=1, shuffle=False, **options)


def test_an_image_edited_under_the_same_name_makes_another_pack(folder: Path, tmp_path: Path):
    packed(folder, tmp_path / "out")
    before = read_files(tmp_path / "out")
    write_image(folder / "b" / "03.png", 200, (9, 9))
    with pytest.raises(
        PackError, match=r"of another call. files changed: 1 of 12, such as .*b/03\.png"
    ):
        packed(folder, tmp_path / "out")
    assert read_files(tmp_path / "out") == before
    assert read_rows(packed(folder, tmp_path / "new"))["images"].max() == 200


def test_some_files_with_another_time_count_as_edited(folder: Path, tmp_path: Path):
    packed(folder, tmp_path / "out")
    for name in ("a/00.png", "b/05.png"):
        set_time(folder / name, 5)
    with pytest.raises(PackError, match=r"changed: 2 of 12, .*00\.png \(same size, another mod"):
        packed(folder, tmp_path / "out")


def test_a_copy_of_all_files_is_the_same_pack_with_a_note(
    folder: Path, tmp_path: Path, capsys: Any
):
    packed(folder, tmp_path / "out")
    copy = tmp_path / "elsewhere" / "photos"
    shutil.copytree(folder, copy, copy_function=shutil.copyfile)
    capsys.readouterr()
    packed(copy, tmp_path / "out")
    error = capsys.readouterr().err
    assert "all files have other modification times than when they were packed" in error
    assert "packed already" in error
    packed(copy, tmp_path / "out", verbose=0)
    assert capsys.readouterr().err == ""
    packed(folder, tmp_path / "out")
    assert "modification times" not in capsys.readouterr().err


def test_files_that_are_gone_do_not_count(folder: Path, tmp_path: Path):
    names = [f"{'ab'[row % 2]}/{row:02}.png" for row in range(12)]
    source = ImageTable({"f": names}, image="f", size=SIZE, root=folder)
    pack(source, tmp_path / "out")
    (folder / "a" / "00.png").unlink()
    pack(source, tmp_path / "out")
    write_image(folder / "a" / "02.png", 7, (20, 20))
    with pytest.raises(PackError, match="files changed: 1 of 12"):
        pack(source, tmp_path / "out")


def test_masks_and_frames_count_too(folder: Path, tmp_path: Path):
    table = {"f": ["a/00.png"], "m": ["mask.npy"]}
    np.save(folder / "mask.npy", np.zeros((4, 4), np.uint8))
    source = ImageTable(table, image="f", mask="m", size=SIZE, root=folder)
    pack(source, tmp_path / "masks")
    np.save(folder / "mask.npy", np.ones((8, 8), np.uint8))
    with pytest.raises(PackError, match=r"files changed: 1 of 2, such as .*mask\.npy"):
        pack(source, tmp_path / "masks")
    videos = FrameFolder(tmp_path, frames=2, size=SIZE)  # photos/a and photos/b
    pack(videos, tmp_path / "videos")
    write_image(folder / "b" / "99.png", 1)
    with pytest.raises(PackError, match=r"files changed: 1 of 2, such as .*photos/b"):
        pack(videos, tmp_path / "videos")


def test_an_hdf5_file_and_a_large_memory_map_that_were_edited(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(arrays, "HASHED_BYTES", 1000)
    x = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.int64, (1000, 2))
    with h5py.File(tmp_path / "t.h5", "w") as file:
        file["x"], file["y"] = np.arange(1000), np.zeros(1000, int)
    pack(Arrays(x=x), tmp_path / "map")
    pack(HDF5Table(tmp_path / "t.h5"), tmp_path / "hdf5")
    x[3] = 1  # not among the 64 rows whose values are compared
    x.flush()
    set_time(tmp_path / "x.npy", 5)
    with h5py.File(tmp_path / "t.h5", "r+") as file:
        file["x"][3] = 0
    set_time(tmp_path / "t.h5", 5)
    capsys.readouterr()
    pack(Arrays(x=np.load(tmp_path / "x.npy", mmap_mode="r")), tmp_path / "map")
    pack(HDF5Table(tmp_path / "t.h5"), tmp_path / "hdf5")
    assert capsys.readouterr().err.count("all files have other modification times") == 2


def test_an_index_of_an_earlier_release_has_no_times(folder: Path, tmp_path: Path, capsys: Any):
    packed(folder, tmp_path / "out")
    path = tmp_path / "out" / "index.json"
    index = json.loads(path.read_text())
    assert index["made"].pop("files")["count"] == 12
    write_image(folder / "b" / "03.png", 200, (9, 9))
    for broken in (None, {"count": 12}, {"count": 12, "sizes": "?", "times": 3}):
        index["made"]["files"] = broken
        path.write_text(json.dumps(index))
        packed(folder, tmp_path / "out")
    assert capsys.readouterr().err.count("packed already") == 3


def test_shards_of_files_that_were_corrected_are_written_again(folder: Path, tmp_path: Path):
    """A pack stops at a bad file; until the call is repeated, the user has corrected others too."""
    bad = folder / "b" / "11.png"
    content = bad.read_bytes()
    bad.write_bytes(b"<html>")
    options: dict[str, Any] = {"shard_samples": 3}
    with pytest.raises(PackError, match=r"11\.png"):
        packed(folder, tmp_path / "out", **options)
    done = sorted((tmp_path / "out").glob("shard-*.pkl"))
    times = {path.name: path.stat().st_mtime_ns for path in done}
    assert len(done) == 3
    bad.write_bytes(content)
    write_image(folder / "a" / "00.png", 200, (9, 9))
    index = packed(folder, tmp_path / "out", **options)
    assert read_files(tmp_path / "out") == read_files(
        packed(folder, tmp_path / "at once", **options).directory
    )
    assert read_rows(index)["images"].max() == 200
    changed = [
        name for name, time in times.items() if (tmp_path / "out" / name).stat().st_mtime_ns != time
    ]
    assert changed == ["shard-00000.pkl"]


def test_many_files_are_compared_in_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from keras_bigdata.packing.identity import file_changes
    from keras_bigdata.packing.sources import map_files

    monkeypatch.setattr(file_changes, "MAX_GROUPS", 4)
    monkeypatch.setattr(map_files, "_FEW_FILES", 3)
    paths = []
    for number in range(10):
        path = tmp_path / f"{number}"
        path.write_text("x")
        paths.append(str(path))
    recorded = json.loads(json.dumps(file_changes.record_files(paths)))
    assert file_changes.compare_files(recorded, paths) == file_changes.FileChanges()
    (tmp_path / "4").write_text("longer")
    (tmp_path / "9").unlink()
    changes = file_changes.compare_files(recorded, paths)
    assert changes.edited == (
        f"at least 1 of 10, one of them among the 3 files from {paths[3]} to {paths[5]}"
    )
    assert file_changes.compare_files(recorded, paths[:9]) == file_changes.FileChanges()
    assert file_changes.record_files([]) is None


def test_what_is_recorded_does_not_grow_with_the_files():
    from keras_bigdata.packing.identity import file_changes

    recorded = file_changes.record_files([f"/none/{number}" for number in range(10_000)])
    assert len(json.dumps(recorded)) < 50_000


def test_a_repair_compares_bytes_and_not_times(folder: Path, tmp_path: Path):
    packed(folder, tmp_path / "out", shard_samples=6)
    before = read_files(tmp_path / "out")
    (tmp_path / "out" / "shard-00001.pkl").unlink()
    set_time(folder / "a" / "00.png", 5)
    source = ImageFolder(folder, size=SIZE)
    assert run_repair(tmp_path / "out", source=source, dry_run=False, workers=1).done
    assert read_files(tmp_path / "out") == before
