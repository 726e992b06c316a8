"""Datasets of an HDF5 file: one row of each belongs together."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import h5py
import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import PackError
from keras_bigdata.packing.sources.labels import Label, clean_labels, is_missing
from keras_bigdata.packing.sources.tokens import words

Array = npt.NDArray[Any]

# One read of a dataset; what lies between two wanted rows is read along and thrown away.
READ_BYTES = 4 * 1024**2
# A chunk that does not fit is decompressed again for every read of a part of it.
CHUNK_CACHE_BYTES = 32 * 1024**2

# Datasets that an error names.
_SHOWN = 20


class HDF5File:
    """Some datasets of a file, checked to have equally many rows, and read in parts.

    Opened once by each process; copies that are sent to another process open it there.

    Args:
        path: the file.
        names: of the datasets.

    Raises:
        PackError: if the file cannot be read, or the datasets are not there or do not fit
            together.
    """

    def __init__(self, path: str | os.PathLike[str], names: Iterable[str]) -> None:
        self.path = os.path.abspath(path)
        self._open: tuple[int, Any] | None = None
        self.version = _version(self.path)
        file = self.file
        found = {name: self._find(name) for name in names}
        rows = {len(dataset) for dataset in found.values()}
        if len(rows) > 1 or 0 in rows:
            problem = "differ in their number of rows" if len(rows) > 1 else "have no rows"
            shapes = ", ".join(f"{name!r} {file[name].shape}" for name in found)
            raise PackError(
                f"{self.path}: the datasets {problem}: {shapes}. The datasets of the file are: "
                f"{self.listed()}"
            )
        for name, dataset in found.items():
            _check_virtual(self.path, name, dataset)
        self.rows = int(rows.pop())
        self.shapes: dict[str, tuple[int, ...]] = {n: each.shape for n, each in found.items()}
        self.dtypes: dict[str, np.dtype[Any]] = {n: each.dtype for n, each in found.items()}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": None}

    @property
    def file(self) -> Any:
        """The open `h5py.File` of this process."""
        if self._open is None or self._open[0] != os.getpid():
            self._open = os.getpid(), _handle(self.path, self.version)
        return self._open[1]

    def row_bytes(self, name: str) -> int:
        """Bytes of one row of a dataset in memory."""
        return self.dtypes[name].itemsize * math.prod(self.shapes[name][1:])

    def about(self, name: str) -> str:
        """File, dataset and shape, for errors."""
        return f"{self.path}: the dataset {name!r} of shape {self.shapes[name]}"

    def listed(self) -> str:
        """The datasets that there are, for errors."""
        found: list[str] = []

        def note(name: str, item: Any) -> bool | None:
            if isinstance(item, h5py.Dataset):
                found.append(f"{name!r} {item.dtype} {item.shape}")
            return True if len(found) > _SHOWN else None  # enough

        self.file.visititems(note)
        more = ["..."] if len(found) > _SHOWN else []
        return ", ".join([*found[:_SHOWN], *more]) or "none"

    def read(self, name: str, rows: npt.NDArray[np.int64]) -> Array:
        """Rows in any order, read in the order of the file and by whole chunks."""
        dataset = self._dataset(name)
        out = np.empty((len(rows), *self.shapes[name][1:]), self.dtypes[name])
        step = self._step(name)
        if dataset.chunks:
            step = min(dataset.chunks[0], step)
        order = np.argsort(rows, kind="stable")
        rising = rows[order]
        cuts = np.flatnonzero(np.diff(rising // step)) + 1
        for places, group in zip(np.split(order, cuts), np.split(rising, cuts), strict=True):
            if len(group):
                first, last = int(group[0]), int(group[-1])
                out[places] = self._stretch(name, dataset, first, last + 1)[group - first]
        return out

    def blocks(self, name: str) -> Iterator[tuple[int, Array]]:
        """A dataset in parts, each with the number of its first row."""
        dataset = self._dataset(name)
        step = self._step(name)
        for first in range(0, self.rows, step):
            yield first, self._stretch(name, dataset, first, min(first + step, self.rows))

    def text(self, name: str, row: int, value: Any) -> str:
        """A string of a dataset, which HDF5 may keep as bytes."""
        try:
            return value.decode() if isinstance(value, bytes) else str(value)
        except UnicodeDecodeError as error:
            raise PackError(
                f"{self.about(name)}: row {row} is no UTF-8 ({error}). Write the strings as UTF-8."
            ) from error

    def _find(self, name: str) -> Any:
        try:
            found = self.file.get(name)
        except (KeyError, OSError, ValueError) as error:
            raise PackError(f"{self.path}: {name!r} cannot be opened ({error}).") from error
        if not isinstance(found, h5py.Dataset):
            problem = "is not there" if found is None else "is a group, not a dataset"
        elif not found.shape:
            problem = f"has the shape {found.shape}, and so no rows"
        else:
            return found
        raise PackError(
            f"{self.path}: the dataset {name!r} {problem}. The datasets are: {self.listed()}"
        )

    def _dataset(self, name: str) -> Any:
        dataset = self._find(name)
        if (dataset.shape, dataset.dtype) != (self.shapes[name], self.dtypes[name]):
            raise PackError(
                f"{self.about(name)} and dtype {self.dtypes[name]} has {dataset.shape} and "
                f"{dataset.dtype} now: the file was changed. Make the HDF5Table again."
            )
        return dataset

    def _step(self, name: str) -> int:
        return max(1, READ_BYTES // max(1, self.row_bytes(name)))

    def _stretch(self, name: str, dataset: Any, first: int, stop: int) -> Array:
        try:
            return np.asarray(dataset[first:stop])
        except (OSError, RuntimeError, ValueError) as error:
            raise PackError(
                f"{self.about(name)}: rows {first} to {stop - 1} cannot be read ({error}). The "
                "file is damaged: restore it."
            ) from error


def is_text(dtype: np.dtype[Any]) -> bool:
    """Whether a dataset of this dtype holds strings."""
    return h5py.check_string_dtype(dtype) is not None


class Version(NamedTuple):
    """What tells a file from one that was put in its place. Not its inode, which hosts that share
    a directory may see differently."""

    size: int
    changed: int


def _version(path: str) -> Version:
    try:
        status = os.stat(path)
    except OSError as error:
        raise PackError(f"{path}: there is no such file ({error.strerror}).") from error
    if not os.path.isfile(path):
        raise PackError(f"{path}: is no file. An HDF5 file was expected.")
    return Version(status.st_size, status.st_mtime_ns)


def _check_virtual(path: str, name: str, dataset: Any) -> None:
    """Parts of a virtual dataset whose files are missing would be read as zeros."""
    if not dataset.is_virtual or os.environ.get("HDF5_VDS_PREFIX"):
        return
    for source in dataset.virtual_sources():
        file = source.file_name
        places = [os.path.join(os.path.dirname(path), file), file]
        if file != "." and "%" not in file and not any(map(os.path.exists, places)):
            raise PackError(
                f"{path}: the dataset {name!r} is virtual, and a file that it is made of is not "
                f"there: {file}"
            )


# One handle a process for each file, closed when no source refers to it. By process, because a
# forked one must not use the handle of its parent.
_handles: WeakValueDictionary[tuple[int, str, Version], Any] = WeakValueDictionary()
_lock = threading.Lock()


def _handle(path: str, version: Version) -> Any:
    with _lock:
        key = os.getpid(), path, version
        file = _handles.get(key)
        if file is None:
            # Labels that were read from the one do not belong to the pictures of the other.
            if _version(path) != version:
                raise PackError(
                    f"{path}: the file was changed or replaced since the HDF5Table was made. Make "
                    "the HDF5Table again."
                )
            try:
                file = h5py.File(path, "r", rdcc_nbytes=CHUNK_CACHE_BYTES)
            except OSError as error:
                raise PackError(
                    f"{path}: cannot be read as HDF5 ({error}). It is damaged, no HDF5 file, or "
                    "another program is writing it."
                ) from error
            _handles[key] = file
        return file


def read_labels(file: HDF5File, name: str) -> tuple[list[Label | None], npt.NDArray[np.int64]]:
    """The labels that differ, and for each row the position of its own among them.

    Args:
        file: the open file.
        name: a dataset of one label a row.

    Raises:
        PackError: if they are no labels, or numbers with fractions.
    """
    codes: dict[Any, int] = {}
    coded = np.empty(file.rows, np.int64)
    for first, block in file.blocks(name):
        if not is_text(block.dtype) and block.dtype.kind not in "biuf":
            raise PackError(f"{file.about(name)} holds {block.dtype}, which are no labels.")
        values = block.reshape(-1)
        if is_text(block.dtype):
            found = [file.text(name, first + row, value) for row, value in enumerate(values)]
            here = [codes.setdefault(value, len(codes)) for value in found]
            coded[first : first + len(here)] = here
        else:
            unique, inverse = np.unique(values, return_inverse=True)
            table = [codes.setdefault(value, len(codes)) for value in unique.tolist()]
            coded[first : first + len(values)] = np.asarray(table)[inverse.reshape(-1)]
    for value in codes:
        if isinstance(value, float) and not value.is_integer() and not is_missing(value):
            raise PackError(
                f"{file.about(name)} holds numbers with fractions, such as {value!r}, and "
                f"so no classes. For regression: HDF5Table(path, label=None, "
                f"columns={{'target': {name!r}}}, targets='target')."
            )
    return clean_labels(list(codes), f"{file.path}, dataset {name!r}"), coded


class Texts(Collection[list[str]]):
    """The words of each row of a dataset of texts, read anew by each pass."""

    def __init__(self, file: HDF5File, name: str) -> None:
        self.file = file
        self.name = name
        if not is_text(file.dtypes[name]) or math.prod(file.shapes[name][1:]) != 1:
            raise PackError(
                f"{file.about(name)} holds {file.dtypes[name]}, not one text a row. The datasets "
                f"are: {file.listed()}"
            )

    def __len__(self) -> int:
        return self.file.rows

    def __contains__(self, text: object) -> bool:
        return any(text == other for other in self)

    def __iter__(self) -> Iterator[list[str]]:
        for first, block in self.file.blocks(self.name):
            for row, value in enumerate(block.reshape(-1)):
                yield words(self.file.text(self.name, first + row, value))
