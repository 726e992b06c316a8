"""Compares pickles that have no index with each other."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from keras_bigdata.checksum import file_checksum
from keras_bigdata.errors import BigDataError
from keras_bigdata.integrity.report import Fault
from keras_bigdata.shards.fields.varlen import check_offsets
from keras_bigdata.shards.opening.layout import Layout, has_rows, read_layout
from keras_bigdata.shards.opening.one_set import find_second_reading
from keras_bigdata.shards.pickles import read_varlen

# Name, dtype and row shape of each field.
_Fields: TypeAlias = "tuple[tuple[str, np.dtype[Any], tuple[int | None, ...]], ...]"


class UnindexedPickle:
    """A pickle and the arrays in it, or the reason why it cannot be read.

    Args:
        path: path of the file.
        trust: as in `open_shards`.

    Attributes:
        error: why the pickle cannot be read; `None` if it can be read.
        checksum: CRC-32 of the file; `None` if it cannot be read.
        arrays: name -> `(dtype, shape, offset)`.
        layout: the layout of the pickle; `None` if it cannot be read.
        nbytes: bytes that were read.
    """

    def __init__(self, path: Path, trust: bool) -> None:
        self.path = path
        self.error: str | None = None
        self.checksum: int | None = None
        self.arrays: dict[str, tuple[np.dtype[Any], tuple[int, ...], int]] = {}
        self.layout: Layout | None = None
        self.nbytes = 0
        try:
            # Without an index there is no checksum to compare with, but the whole file is read to
            # find bytes that the disk cannot read.
            self.checksum = file_checksum(path)
            self.nbytes = os.path.getsize(path)
            self.layout = read_layout(path, trust)
            self.arrays = self.layout.arrays
            self._check_offsets(self.layout, trust)
        except OSError as error:
            self.error = f"it cannot be read ({error.strerror})"
        except BigDataError as error:
            self.error = str(error).removeprefix(f"{path}: ")

    def fields(self, used: Sequence[str]) -> _Fields:
        """Returns the arrays with rows, and rows of any length; only those in `used`, if any."""
        found: dict[str, tuple[np.dtype[Any], tuple[int | None, ...]]] = {
            name: (dtype, shape[1:]) for name, (dtype, shape, _) in self.arrays.items() if shape
        }
        varlen = self.layout.varlen if self.layout is not None else {}
        for name, places in varlen.items():
            if has_rows(places):
                (dtype, shape, _), _ = places
                found[name] = dtype, (None, *shape[1:])
        return tuple(
            (name, *entry) for name, entry in sorted(found.items()) if not used or name in used
        )

    def row_counts(self, names: Iterable[str]) -> list[int]:
        """Returns the number of rows of each of some fields."""
        assert self.layout is not None
        varlen = self.layout.varlen
        return [
            varlen[name][1][1][0] - 1 if name in varlen else self.arrays[name][1][0]
            for name in names
        ]

    def _check_offsets(self, layout: Layout, trust: bool) -> None:
        """Checks that the offsets of rows of any length divide the values into rows."""
        for name, places in layout.varlen.items():
            if not has_rows(places):
                continue
            values, offsets = read_varlen(self.path, name, trust)
            check_offsets(offsets, len(offsets) - 1, len(values), f"{self.path}: {name!r}")


def check_pickles(
    pickles: Sequence[UnindexedPickle], used: Sequence[str], remedy: str
) -> tuple[list[Fault], int]:
    """Finds pickles that cannot be read, or that differ from most of the others.

    Args:
        pickles: the pickles.
        used: fields that must agree; if empty, all fields that most pickles have.
        remedy: the remedy that a fault names.

    Returns:
        The faults, and the number of rows in the pickles without a fault.
    """
    faults: list[Fault] = []
    counts = Counter(pickle.fields(used) for pickle in pickles if pickle.error is None)
    usual = counts.most_common(1)[0][0] if counts else ()
    usual_names = [name for name, _, _ in usual]
    rows = 0
    for pickle in pickles:
        if pickle.error is not None:
            expected, found = "a pickle of arrays", pickle.error.rstrip(".")
        else:
            fields = pickle.fields(used)
            differing = [field for field in usual if field not in fields]
            missing = [name for name in used if name not in usual_names]
            lengths = (
                {}
                if differing
                else dict(zip(usual_names, pickle.row_counts(usual_names), strict=True))
            )
            if missing or not usual:
                expected, found = f"fields {missing or 'with rows'}", _format_fields(fields)
            elif differing:
                expected = f"{_format_fields(differing)} as in most files"
                found = _format_fields(fields)
            elif len(set(lengths.values())) > 1:
                expected, found = "the same number of rows in each field", str(lengths)
            else:
                rows += next(iter(lengths.values()))
                continue
        faults.append(Fault(str(pickle.path), "structure", expected, found, remedy))
    return faults, rows


def _format_fields(fields: Iterable[tuple[str, Any, tuple[int | None, ...]]]) -> str:
    texts = []
    for name, dtype, shape in fields:
        sizes = str(shape)[1:-1].replace("None", "any")
        texts.append(f"{name!r} {dtype} (rows, {sizes})")
    return ", ".join(texts) or "none"


def find_other_reading(
    directory: Path, pickles: Iterable[UnindexedPickle], used: Sequence[str]
) -> tuple[str, str] | None:
    """Finds a second way in which the pickles of a directory can be read.

    Args:
        directory: the directory.
        pickles: the pickles in it; those that cannot be read are left out.
        used: as in `open_shards`.

    Returns:
        A file or directory, and why it can be read in two ways; `None` if there is only one way.
    """
    layouts = {
        pickle.path.relative_to(directory).as_posix(): pickle.layout
        for pickle in pickles
        if pickle.layout is not None
    }
    if not layouts:
        return None
    return find_second_reading(
        directory, list(layouts), list(layouts.values()), used=used, listed=False
    )
