"""Checks that the values of an HDF5 dataset come from the folder of its file only.

A file may refer to others: by external links, by virtual datasets, and by external storage, which
takes the bytes of any file for values. An HDF5 file from another origin must not be able to put
such bytes into shards.
"""

from __future__ import annotations

import contextlib
import glob
import importlib
import os
import re
from collections.abc import Iterator, Sequence
from typing import Any

import h5py

from keras_bigdata.errors import PackError
from keras_bigdata.files import check_regular_file

# Files of a virtual dataset that are numbered: "part-%b.h5".
_NUMBER = re.compile(r"%\d*b")

# Links that refer to links.
_MAX_DEPTH = 16

# Compression makes the data at most some thousand times smaller. With more rows than that, the
# memory for their labels alone would be out of all proportion to the file.
_MAX_ROWS_PER_BYTE = 10_000


def check_origin(path: str, file: Any, name: str) -> None:
    """Refuses a dataset with values outside of the folder of its file, or without any.

    Args:
        path: The absolute path of the file.
        file: The open `h5py.File`.
        name: The name of a dataset.

    Raises:
        PackError: If the dataset lies in external storage; if a link or a virtual dataset leads
            out of the folder, or to a file or dataset that is not there, whose rows HDF5 would
            read as zeros; or if nothing was ever written to it.
    """
    _Origin(path, name).check(path, file, name, 0)


def load_filters(dataset: Any) -> list[str]:
    """Loads the filters that a dataset is compressed with from the package `hdf5plugin`.

    Returns:
        The filters that are not available, as text.
    """
    missing = _missing_filters(dataset)
    if missing:
        with contextlib.suppress(ImportError):
            importlib.import_module("hdf5plugin")
            missing = _missing_filters(dataset)
    return missing


class _Origin:
    """Follows a dataset to the files that hold its values."""

    def __init__(self, path: str, name: str) -> None:
        self._folder = os.path.dirname(path)
        self._where = f"{path}: the dataset {name!r}"
        self._seen: set[tuple[str, str]] = set()

    def check(self, path: str, file: Any, name: str, depth: int) -> None:
        if (path, name) in self._seen or depth > _MAX_DEPTH:
            return
        self._seen.add((path, name))
        self._check_links(path, file, name, depth)
        dataset = file.get(name)
        if not isinstance(dataset, h5py.Dataset):
            if depth:
                raise PackError(
                    f"{self._where} refers to {name!r} of {path}, which is not a dataset there."
                )
            return  # the caller describes it
        if dataset.external:
            raise PackError(
                f"{self._where} lies in external storage ({dataset.external[0][0]}), the bytes of "
                "any file, which are not packed. Copy the dataset into an HDF5 file of its own, "
                "with h5repack for example, if you know where the file comes from."
            )
        if dataset.is_virtual:
            parts = dataset.virtual_sources()
            self._check_mapping(dataset, parts)
            for part in {(part.file_name, part.dset_name) for part in parts}:
                self._check_part(path, file, *part, depth)
        elif dataset.size and not dataset.id.get_storage_size():
            raise PackError(
                f"{self._where} of shape {dataset.shape} holds no data: nothing was written to it"
                f"{f' ({name!r} of {path})' if depth else ''}, and all its values would be "
                f"{dataset.fillvalue!r}. Write its rows, or pass another dataset."
            )
        elif dataset.shape and len(dataset) > _MAX_ROWS_PER_BYTE * os.path.getsize(path):
            raise PackError(
                f"{self._where} has {len(dataset):,} rows, which a file of "
                f"{os.path.getsize(path):,} bytes cannot hold. It is damaged, or most of the rows "
                "were never written."
            )

    def _check_mapping(self, dataset: Any, parts: Sequence[Any]) -> None:
        """Refuses a virtual dataset with values that are in no file."""
        try:
            mapped = sum(part.vspace.get_select_npoints() for part in parts)
        except RuntimeError:  # an unlimited selection: the size follows from the files
            return
        if mapped < dataset.size:
            raise PackError(
                f"{self._where} is virtual, and {dataset.size - mapped:,} of its {dataset.size:,} "
                f"values are in no file: all of them would be {dataset.fillvalue!r}. Copy the "
                "values that exist into a dataset."
            )

    def _check_part(self, path: str, file: Any, part: str, name: str, depth: int) -> None:
        if _NUMBER.search(name):
            return
        if part == ".":
            self.check(path, file, name, depth + 1)
            return
        for candidate in self._resolve(path, part, "is virtual, and"):
            with self._open(candidate) as other:
                self.check(candidate, other, name, depth + 1)

    def _check_links(self, path: str, file: Any, name: str, depth: int) -> None:
        """Checks the links on the way to a dataset before HDF5 follows them."""
        group: Any = file
        parts = [part for part in name.split("/") if part not in ("", ".")]
        for position, part in enumerate(parts):
            link = group.get(part, getlink=True) if isinstance(group, h5py.Group) else None
            rest = parts[position + 1 :]
            if isinstance(link, h5py.SoftLink):
                target = link.path
                if not target.startswith("/"):
                    target = f"{group.name.rstrip('/')}/{target}"
                self.check(path, file, "/".join([target, *rest]), depth + 1)
                return
            if isinstance(link, h5py.ExternalLink):
                for candidate in self._resolve(path, link.filename, "is a link, and"):
                    with self._open(candidate) as other:
                        self.check(candidate, other, "/".join([link.path, *rest]), depth + 1)
                return
            if link is None:
                return
            group = group[part]

    def _resolve(self, path: str, name: str, what: str) -> Iterator[str]:
        """Yields the files that a name in a file stands for."""
        place = os.path.normpath(os.path.join(os.path.dirname(path), name))
        inside = os.path.relpath(place, self._folder).split(os.sep)[0] != os.pardir
        if not inside:
            raise PackError(
                f"{self._where} {what} a part of it lies outside of the folder {self._folder}: "
                f"{name}. Files of other folders are not packed: move the files into one folder, "
                "or copy the values into one dataset, if you know where the file comes from."
            )
        if os.environ.get("HDF5_VDS_PREFIX") and "virtual" in what:
            return  # the user has named the folder
        found = [place]
        if _NUMBER.search(name):
            found = sorted(glob.glob("*".join(map(glob.escape, _NUMBER.split(place)))))
        if not found or not all(map(os.path.exists, found)):
            raise PackError(
                f"{self._where} {what} a file that holds a part of it is not there: {name}"
            )
        yield from found

    def _open(self, path: str) -> Any:
        try:
            check_regular_file(path)
            return h5py.File(path, "r")
        except OSError as error:
            raise PackError(
                f"{self._where} refers to {path}, which cannot be read ({error})."
            ) from error


def _missing_filters(dataset: Any) -> list[str]:
    properties = dataset.id.get_create_plist()
    filters = [properties.get_filter(number) for number in range(properties.get_nfilters())]
    return [
        f"{code} ({bytes(name).decode('utf-8', 'replace') or 'unnamed'})"
        for code, _, _, name in filters
        if not h5py.h5z.filter_avail(code)
    ]
