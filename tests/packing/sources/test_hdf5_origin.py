"""HDF5 files whose values come from other files, or cannot be what the file says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from keras_bigdata import HDF5Table, PackError, pack
from keras_bigdata.packing.sources.hdf5_files import hdf5_origin
from tests.helpers.packs import read_rows

ROWS = 12


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with `part.h5`, next to a file that must not be read."""
    (tmp_path / "secret").write_bytes(b"password" * 10)
    with h5py.File(tmp_path / "outside.h5", "w") as file:
        file["x"], file["y"] = np.full(ROWS, 7), np.arange(ROWS) % 2
    (tmp_path / "data").mkdir()
    with h5py.File(tmp_path / "data" / "part.h5", "w") as file:
        file["x"], file["y"] = np.arange(ROWS), np.arange(ROWS) % 3
    return tmp_path / "data"


def write_virtual(path: Path, source: str) -> Path:
    layout = h5py.VirtualLayout(shape=(ROWS,), dtype="i8")
    layout[:] = h5py.VirtualSource(source, "x", shape=(ROWS,))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("x", layout)
        file["y"] = np.arange(ROWS) % 3
    return path


def write_links(path: Path, source: str) -> Path:
    with h5py.File(path, "w") as file:
        file["x"] = h5py.ExternalLink(source, "/x")
        file["y"] = np.arange(ROWS) % 3
    return path


def test_external_storage_is_refused(folder: Path):
    """Its values are the bytes of any file that the user may read."""
    with h5py.File(folder / "t.h5", "w") as file:
        secret = str(folder.parent / "secret")
        file.create_dataset("x", (ROWS,), "u1", external=[(secret, 0, ROWS)])
        file["y"] = np.zeros(ROWS)
    with pytest.raises(PackError, match=r"'x' lies in external storage \(.*secret\), the bytes of"):
        HDF5Table(folder / "t.h5")
    # Also behind a virtual dataset or a link.
    for write in (write_virtual, write_links):
        with pytest.raises(PackError, match="lies in external storage"):
            HDF5Table(write(folder / "other.h5", "t.h5"))


@pytest.mark.parametrize("write", [write_virtual, write_links])
@pytest.mark.parametrize("source", ["../outside.h5", "{absolute}"])
def test_files_of_other_folders_are_refused(folder: Path, write: Any, source: str):
    path = write(folder / "t.h5", source.format(absolute=folder.parent / "outside.h5"))
    with pytest.raises(
        PackError, match=r"lies outside of the folder .*outside\.h5.*Files of other"
    ):
        HDF5Table(path)


@pytest.mark.parametrize("write", [write_virtual, write_links])
def test_files_of_the_same_folder_are_packed(folder: Path, write: Any, tmp_path: Path):
    source = HDF5Table(write(folder / "t.h5", "part.h5"))
    assert read_rows(pack(source, tmp_path / "out", shuffle=False))["images"].tolist() == list(
        range(ROWS)
    )
    (folder / "part.h5").unlink()
    with pytest.raises(PackError, match=r"a file that holds a part of it is not there: part\.h5"):
        HDF5Table(write(folder / "t2.h5", "part.h5"))


def test_links_that_lead_to_each_other_end(folder: Path):
    with h5py.File(folder / "t.h5", "w") as file:
        file["x"], file["z"] = h5py.SoftLink("/z"), h5py.SoftLink("/x")
        file["y"] = np.zeros(ROWS)
    with pytest.raises(PackError, match="'x'"):
        HDF5Table(folder / "t.h5")


def test_a_dataset_that_was_never_written_is_not_zeros(folder: Path):
    with h5py.File(folder / "t.h5", "w") as file:
        file.create_dataset("x", (ROWS, 3), "f4", chunks=(4, 3))
        file["y"] = np.zeros(ROWS)
    with pytest.raises(PackError, match=r"'x' of shape \(12, 3\) holds no data: nothing was writ"):
        HDF5Table(folder / "t.h5")


def test_more_rows_than_a_file_can_hold_are_refused_without_memory(folder: Path):
    with h5py.File(folder / "t.h5", "w") as file:
        for name in "xy":
            file.create_dataset(name, (2**40,), "u1", chunks=(2**10,))[0] = 1
    with pytest.raises(PackError, match=r"has 1,099,511,627,776 rows, which a file of .* cannot"):
        HDF5Table(folder / "t.h5")
    layout = h5py.VirtualLayout(shape=(2**40,), dtype="u1")
    layout[:] = h5py.VirtualSource("t.h5", "x", shape=(2**40,))
    with h5py.File(folder / "v.h5", "w") as file:
        for name in "xy":
            file.create_virtual_dataset(name, layout)
    with pytest.raises(PackError, match=r"has 1,099,511,627,776 rows, which a file of .* cannot"):
        HDF5Table(folder / "v.h5")


def test_a_virtual_dataset_may_grow_with_its_file(folder: Path):
    with h5py.File(folder / "part.h5", "r+") as file:
        del file["x"]
        file.create_dataset("x", data=np.arange(ROWS), maxshape=(None,), chunks=(4,))
    whole = slice(0, h5py.h5s.UNLIMITED)
    layout = h5py.VirtualLayout(shape=(ROWS,), dtype="i8", maxshape=(None,))
    layout[whole] = h5py.VirtualSource("part.h5", "x", shape=(ROWS,), maxshape=(None,))[whole]
    with h5py.File(folder / "v.h5", "w") as file:
        file.create_virtual_dataset("x", layout)
        file["y"] = np.arange(ROWS) % 3
    assert HDF5Table(folder / "v.h5")[5]["images"] == 5


def test_values_of_a_virtual_dataset_that_are_in_no_file_are_not_zeros(folder: Path):
    layout = h5py.VirtualLayout(shape=(2**40,), dtype="i8")
    layout[:ROWS] = h5py.VirtualSource("part.h5", "x", shape=(ROWS,))
    with h5py.File(folder / "v.h5", "w") as file:
        for name in "xy":
            file.create_virtual_dataset(name, layout)
    with pytest.raises(PackError, match=r"1,099,511,627,764 of its .* values are in no file: all"):
        HDF5Table(folder / "v.h5")


def write_filtered(path: Path, code: int) -> Path:
    """Writes a dataset that is compressed with a filter that h5py does not have."""
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((4,))
    properties.set_filter(code, h5py.h5z.FLAG_OPTIONAL, ())
    with h5py.File(path, "w") as file:
        space = h5py.h5s.create_simple((ROWS,))
        dataset = h5py.h5d.create(file.id, b"x", h5py.h5t.NATIVE_UINT8, space, properties)
        for start in range(0, ROWS, 4):
            dataset.write_direct_chunk((start,), bytes(4))
        file["y"] = np.arange(ROWS) % 3
    return path


def test_a_missing_filter_is_not_called_damage(folder: Path, tmp_path: Path):
    source = HDF5Table(write_filtered(folder / "t.h5", 40_000))
    with pytest.raises(PackError, match=r"the filter 40000 .*pip install hdf5plugin") as raised:
        pack(source, tmp_path / "out")
    assert "damaged" not in str(raised.value)
    assert ".. " not in str(raised.value)


def test_filters_of_hdf5plugin_are_loaded(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """In a worker process, the user's `import hdf5plugin` was not executed."""
    loaded: list[str] = []
    monkeypatch.setattr(hdf5_origin.importlib, "import_module", loaded.append)
    with h5py.File(write_filtered(folder / "t.h5", 40_000)) as file:
        assert hdf5_origin.load_filters(file["x"]) == ["40000 (unnamed)"]
        assert loaded == ["hdf5plugin"]
        assert not hdf5_origin.load_filters(file["y"])


def test_a_pipe_or_device_is_not_opened(folder: Path):
    os.mkfifo(folder / "t.h5")
    for path in (folder / "t.h5", Path("/dev/zero")):
        with pytest.raises(PackError, match="is not a file"):
            HDF5Table(path)
    with pytest.raises(PackError, match=r"refers to .*t\.h5, which cannot be read .*a named pipe"):
        HDF5Table(write_virtual(folder / "v.h5", "t.h5"))
