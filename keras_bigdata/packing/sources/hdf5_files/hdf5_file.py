"""Datasets of an HDF5 file, row i of each for sample i, read in parts."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import h5py
import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import PackError
from keras_bigdata.files import local_path
from keras_bigdata.packing.sources.hdf5_files.hdf5_origin import check_origin, load_filters
from keras_bigdata.packing.sources.hdf5_files.hdf5_vlen import average_row_bytes, vlen_dtype

Array = npt.NDArray[Any]

# Maximum size of one read of a dataset. Rows between two requested ones are read and dropped.
READ_BYTES = 4 * 1024**2
# A chunk that does not fit is decompressed again for every read of a part of it.
CHUNK_CACHE_BYTES = 32 * 1024**2

# Maximum number of datasets that an error names.
_PREVIEW = 20


class FileVersion(NamedTuple):
    """Size and modification time, which show that a file was replaced.

    The inode is left out: hosts that share a directory may see different ones.
    """

    size: int
    mtime_ns: int


class HDF5File:
    """Some datasets of a file, checked to have the same number of rows, and read in parts.

    The file is opened once by each process. A copy that is sent to another process opens it there.

    Args:
        path: The file.
        names: The names of the datasets.

    Attributes:
        path: The absolute path.
        version: The `FileVersion` when this was created.
        rows: Number of rows.
        shapes: Name -> shape of a dataset.
        dtypes: Name -> dtype of a dataset.
        ragged: Name -> dtype of the numbers of a dataset whose rows have any length.

    Raises:
        PackError: If the file cannot be read, if a dataset does not exist, or if the datasets
            differ in their number of rows.
    """

    def __init__(self, path: str | os.PathLike[str], names: Iterable[str]) -> None:
        self.path = os.path.abspath(local_path(path, "path"))
        self._open: tuple[int, Any] | None = None
        self.version = _file_version(self.path)
        file = self.file
        datasets = {name: self._find(name, check=True) for name in names}
        rows = {len(dataset) for dataset in datasets.values()}
        if len(rows) > 1 or 0 in rows:
            problem = "differ in their number of rows" if len(rows) > 1 else "have no rows"
            shapes = ", ".join(f"{name!r} {file[name].shape}" for name in datasets)
            raise PackError(
                f"{self.path}: the datasets {problem}: {shapes}. The datasets of the file are: "
                f"{self.list_datasets()}"
            )
        self.rows = int(rows.pop())
        self.shapes: dict[str, tuple[int, ...]] = {n: each.shape for n, each in datasets.items()}
        self.dtypes: dict[str, np.dtype[Any]] = {n: each.dtype for n, each in datasets.items()}
        self.ragged: dict[str, np.dtype[Any]] = {}
        self._ragged_bytes: dict[str, int] = {}
        for name, dataset in datasets.items():
            dtype = vlen_dtype(dataset.dtype)
            if dtype is not None and dataset.ndim == 1:
                self.ragged[name] = dtype
                self._ragged_bytes[name] = average_row_bytes(dataset, dtype)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": None}

    @property
    def file(self) -> Any:
        """The open `h5py.File` of this process."""
        if self._open is None or self._open[0] != os.getpid():
            self._open = os.getpid(), _open_file(self.path, self.version)
        return self._open[1]

    def row_bytes(self, name: str) -> int:
        """Returns the bytes of one row of a dataset in memory; of any length, the average."""
        if name in self.ragged:
            return self._ragged_bytes[name]
        return self.dtypes[name].itemsize * math.prod(self.shapes[name][1:])

    def identify(self, name: str) -> list[Any]:
        """Returns name, dtype and shape of a dataset, as JSON."""
        dtype = str(self.dtypes[name])
        if name in self.ragged:
            dtype = f"any length of {self.ragged[name]}"
        return [name, dtype, list(self.shapes[name])]

    def describe(self, name: str) -> str:
        """Returns file, dataset and shape as text, for error messages."""
        return f"{self.path}: the dataset {name!r} of shape {self.shapes[name]}"

    def list_datasets(self) -> str:
        """Returns the first datasets of the file as text, for error messages."""
        listed: list[str] = []

        def visit(name: str, item: Any) -> bool | None:
            if isinstance(item, h5py.Dataset):
                listed.append(f"{name!r} {item.dtype} {item.shape}")
            return True if len(listed) > _PREVIEW else None  # True ends the visit

        self.file.visititems(visit)
        more = ["..."] if len(listed) > _PREVIEW else []
        return ", ".join([*listed[:_PREVIEW], *more]) or "none"

    def read(self, name: str, rows: npt.NDArray[np.int64]) -> Array:
        """Reads rows in any order, in the order of the file and by whole chunks.

        Args:
            name: The dataset.
            rows: Row numbers; they may repeat.

        Returns:
            Array of shape `(len(rows), ...)`; an object array of arrays if they have any length.

        Raises:
            PackError: If the rows cannot be read, or if the file was changed.
        """
        dataset = self._dataset(name)
        out = np.empty((len(rows), *self.shapes[name][1:]), self.dtypes[name])
        step = self._rows_per_read(name)
        if dataset.chunks:
            step = min(dataset.chunks[0], step)
        order = np.argsort(rows, kind="stable")
        ascending = rows[order]
        cuts = np.flatnonzero(np.diff(ascending // step)) + 1
        for places, group in zip(np.split(order, cuts), np.split(ascending, cuts), strict=True):
            if len(group):
                first, last = int(group[0]), int(group[-1])
                out[places] = self._read_slice(name, dataset, first, last + 1)[group - first]
        return out

    def blocks(self, name: str) -> Iterator[tuple[int, Array]]:
        """Reads a whole dataset in parts.

        Yields:
            Tuples `(first row, array)`.
        """
        dataset = self._dataset(name)
        step = self._rows_per_read(name)
        for first in range(0, self.rows, step):
            yield first, self._read_slice(name, dataset, first, min(first + step, self.rows))

    def decode(self, name: str, row: int, value: Any) -> str:
        """Returns a string of a dataset as `str`; h5py may return it as bytes."""
        try:
            return value.decode() if isinstance(value, bytes) else str(value)
        except UnicodeDecodeError as error:
            raise PackError(
                f"{self.describe(name)}: row {row} is not UTF-8 ({error}). Write the strings as "
                "UTF-8."
            ) from error

    def _find(self, name: str, *, check: bool = False) -> Any:
        try:
            if check:
                check_origin(self.path, self.file, name)
            item = self.file.get(name)
        except (KeyError, OSError, ValueError, RuntimeError) as error:
            raise PackError(f"{self.path}: {name!r} cannot be opened ({error}).") from error
        if not isinstance(item, h5py.Dataset):
            problem = "does not exist" if item is None else "is a group, not a dataset"
        elif not item.shape:
            problem = f"has the shape {item.shape}, and so no rows"
        else:
            return item
        raise PackError(
            f"{self.path}: the dataset {name!r} {problem}. The datasets are: {self.list_datasets()}"
        )

    def _dataset(self, name: str) -> Any:
        """Returns an open dataset, checked to have the shape and dtype that it had at first."""
        dataset = self._find(name)
        same_rows = vlen_dtype(dataset.dtype) == vlen_dtype(self.dtypes[name])
        if (dataset.shape, dataset.dtype) != (
            self.shapes[name],
            self.dtypes[name],
        ) or not same_rows:
            raise PackError(
                f"{self.describe(name)} and dtype {self.dtypes[name]} has {dataset.shape} and "
                f"{dataset.dtype} now: the file was changed. Create the HDF5Table again."
            )
        return dataset

    def _rows_per_read(self, name: str) -> int:
        return max(1, READ_BYTES // max(1, self.row_bytes(name)))

    def _read_slice(self, name: str, dataset: Any, first: int, stop: int) -> Array:
        try:
            try:
                return np.asarray(dataset[first:stop])
            except OSError:
                # In a worker process, a filter that the user's program has loaded is missing.
                if load_filters(dataset):
                    raise
                return np.asarray(dataset[first:stop])
        except (OSError, RuntimeError, ValueError) as error:
            missing = load_filters(dataset)
            remedy = "The file is damaged: restore it."
            if missing:
                remedy = (
                    f"It is compressed with the filter {', '.join(missing)}, which is not "
                    "installed here: pip install hdf5plugin, or write the file again with gzip."
                )
            raise PackError(
                f"{self.describe(name)}: rows {first} to {stop - 1} cannot be read ({error}). "
                f"{remedy}"
            ) from error


def _file_version(path: str) -> FileVersion:
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise PackError(f"{path}: there is no such file ({error.strerror}).") from error
    except OSError as error:
        raise PackError(f"{path}: the file cannot be read ({error.strerror}).") from error
    if not os.path.isfile(path):
        raise PackError(f"{path}: is not a file. An HDF5 file was expected.")
    return FileVersion(status.st_size, status.st_mtime_ns)


# One open file per process and version, closed when no source refers to it. Per process, because
# a forked process must not use the handle of its parent.
_open_files: WeakValueDictionary[tuple[int, str, FileVersion], Any] = WeakValueDictionary()
_lock = threading.Lock()


def _open_file(path: str, version: FileVersion) -> Any:
    with _lock:
        key = os.getpid(), path, version
        file = _open_files.get(key)
        if file is None:
            # Labels that were read from the old file do not belong to the rows of the new one.
            if _file_version(path) != version:
                raise PackError(
                    f"{path}: the file was changed or replaced since the HDF5Table was created. "
                    "Create the HDF5Table again."
                )
            try:
                file = h5py.File(path, "r", rdcc_nbytes=CHUNK_CACHE_BYTES)
            except OSError as error:
                raise PackError(
                    f"{path}: cannot be read as HDF5 ({error}). It is damaged, is not an HDF5 "
                    "file, or is being written by another program."
                ) from error
            _open_files[key] = file
        return file
