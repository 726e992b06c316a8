"""Pickles without an index: against each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from keras_bigdata.errors import BigDataError
from keras_bigdata.files import file_checksum
from keras_bigdata.integrity.report import Fault
from keras_bigdata.shards.scan import layout

# Of each field its dtype and row shape.
_Fields: TypeAlias = "tuple[tuple[str, np.dtype[Any], tuple[int, ...]], ...]"


class BareFile:
    """What one pickle holds, or what is wrong with it.

    Args:
        path: of the file.
        trust: load pickles that would have to run code.
    """

    def __init__(self, path: Path, trust: bool) -> None:
        self.path = path
        self.error: str | None = None
        self.checksum: int | None = None
        self.arrays: dict[str, tuple[np.dtype[Any], tuple[int, ...], int]] = {}
        self.nbytes = 0
        try:
            # Read whole even though there is nothing to compare with: for what the disk refuses.
            self.checksum = file_checksum(path)
            found = layout(path, trust)
            self.nbytes, self.arrays = found.bytes, found.arrays
        except OSError as error:
            self.error = f"it cannot be read ({error.strerror})"
        except BigDataError as error:
            self.error = str(error)

    def fields(self, used: Sequence[str]) -> _Fields:
        """Arrays with rows, as dtypes and row shapes; only those used if any are named."""
        return tuple(
            (name, dtype, shape[1:])
            for name, (dtype, shape, _) in sorted(self.arrays.items())
            if shape and (not used or name in used)
        )

    def rows(self, fields: Iterable[str]) -> list[int]:
        """Rows of each of some fields."""
        return [self.arrays[name][1][0] for name in fields]


def check_bare(
    files: Sequence[BareFile], used: Sequence[str], remedy: str
) -> tuple[list[Fault], int]:
    """What does not fit: files that cannot be read, and those unlike most others.

    Args:
        files: the files.
        used: fields that have to be alike; all that most files have, if empty.
        remedy: what a fault says is to be done.

    Returns:
        The faults, and the rows in files without one.
    """
    faults: list[Fault] = []
    kinds = Counter(one.fields(used) for one in files if one.error is None)
    usual = kinds.most_common(1)[0][0] if kinds else ()
    rows = 0
    for one in files:
        expected: str
        if one.error is not None:
            expected, found = "a pickle of arrays", one.error.rstrip(".")
        else:
            mine = one.fields(used)
            wanted = {name: rest for name, *rest in usual}
            differing = [field for field in usual if field not in mine]
            missing = [name for name in used if name not in wanted]
            lengths = {} if differing else dict(zip(wanted, one.rows(wanted), strict=True))
            if missing or not usual:
                expected, found = f"fields {missing or 'with rows'}", _told(mine)
            elif differing:
                expected, found = f"{_told(differing)} as in most files", _told(mine)
            elif len(set(lengths.values())) > 1:
                expected, found = "equally many rows in each field", str(lengths)
            else:
                rows += next(iter(lengths.values()))
                continue
        faults.append(Fault(str(one.path), "structure", expected, found, remedy))
    return faults, rows


def _told(fields: Iterable[tuple[str, Any, tuple[int, ...]]]) -> str:
    return (
        ", ".join(f"{name!r} {dtype} (rows, {str(shape)[1:-1]})" for name, dtype, shape in fields)
        or "none"
    )
