"""Sizes and modification times of the files of a source, recorded in constant space and compared.

Files are put into at most 4,096 groups of neighbors. A digest of the sizes and one of the times is
recorded for each group: 43 KB in `index.json` for a million files, and the changed group is known.
"""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keras_bigdata.packing.sources.map_files import map_files

# Up to this number of files, each file is a group.
MAX_GROUPS = 4_096

_DIGEST_BYTES = 4

# Sizes and times of a file, or of the files in a folder; empty if it cannot be read.
_Status = tuple[bytes, bytes]
_UNKNOWN: _Status = (b"", b"")


@dataclass(frozen=True, slots=True)
class FileChanges:
    """How the files of a source differ from those that were recorded.

    Args:
        edited: the files that have another size or, if only some of all files have it, another
            time, as text; empty if there are none.
        touched: the files, as text, if all have another time and the same size, as after a copy;
            otherwise empty.
    """

    edited: str = ""
    touched: str = ""


def record_files(paths: Sequence[str]) -> dict[str, Any] | None:
    """Returns the record of files, as JSON; `None` if there are none.

    Args:
        paths: files, and folders whose files count.
    """
    if not paths:
        return None
    groups = list(_digest_groups(_read_status(paths), _group_size(len(paths))))
    return {
        "count": len(paths),
        "sizes": _encode([sizes for sizes, _ in groups]),
        "times": _encode([times for _, times in groups]),
    }


def compare_files(recorded: Any, paths: Sequence[str]) -> FileChanges:
    """Compares files with their record.

    Files that do not exist any more are not compared: a finished pack does not need them.

    Args:
        recorded: the result of `record_files`, possibly of another release or on another machine.
        paths: the same files, in the same order.
    """
    if not isinstance(recorded, Mapping) or recorded.get("count") != len(paths) or not paths:
        return FileChanges()
    size = _group_size(len(paths))
    sizes, times = _decode(recorded.get("sizes")), _decode(recorded.get("times"))
    now = list(_digest_groups(_read_status(paths), size))
    if not len(sizes) == len(times) == len(now):
        return FileChanges()
    known = [group for group, digests in enumerate(now) if digests is not _UNKNOWN]
    resized = [group for group in known if now[group][0] != sizes[group]]
    retimed = [group for group in known if now[group][1] != times[group]]
    if resized:
        return FileChanges(edited=_describe(resized, paths, size))
    if retimed and len(retimed) == len(known):
        return FileChanges(touched=_describe(retimed, paths, size))
    if not retimed:
        return FileChanges()
    changed = _describe(retimed, paths, size)
    return FileChanges(edited=f"{changed} (same size, another modification time)")


def _group_size(count: int) -> int:
    return -(-count // MAX_GROUPS)


def _digest_groups(status: Sequence[_Status], size: int) -> Iterator[_Status]:
    for start in range(0, len(status), size):
        group = status[start : start + size]
        if _UNKNOWN in group:
            yield _UNKNOWN
        else:
            yield _digest(sizes for sizes, _ in group), _digest(times for _, times in group)


def _read_status(paths: Sequence[str]) -> list[_Status]:
    return map_files(_status, paths)


def _status(path: str) -> _Status:
    try:
        found = os.stat(path)
        if not stat.S_ISDIR(found.st_mode):
            return b"%d" % found.st_size, b"%d" % found.st_mtime_ns
        with os.scandir(path) as entries:
            files = [(entry.name, entry.stat()) for entry in entries if entry.is_file()]
    except (OSError, ValueError):  # the name has a NUL
        return _UNKNOWN
    files.sort()
    return (
        repr([(name, entry.st_size) for name, entry in files]).encode(),
        repr([(name, entry.st_mtime_ns) for name, entry in files]).encode(),
    )


def _digest(parts: Iterator[bytes]) -> bytes:
    return hashlib.sha256(b"\n".join(parts)).digest()[:_DIGEST_BYTES]


def _encode(digests: Sequence[bytes]) -> str:
    return base64.b64encode(
        b"".join(digest.ljust(_DIGEST_BYTES, b"\0") for digest in digests)
    ).decode()


def _decode(text: Any) -> list[bytes]:
    try:
        content = base64.b64decode(text, validate=True)
    except (TypeError, ValueError):
        return []
    return [
        content[start : start + _DIGEST_BYTES] for start in range(0, len(content), _DIGEST_BYTES)
    ]


def _describe(groups: Sequence[int], paths: Sequence[str], size: int) -> str:
    """Returns how many files differ and the first one, such as `"3 of 1,200, such as a.jpg"`."""
    first = paths[groups[0] * size]
    if size == 1:
        return f"{len(groups):,} of {len(paths):,}, such as {first}"
    last = paths[min(groups[0] * size + size, len(paths)) - 1]
    return (
        f"at least {len(groups):,} of {len(paths):,}, one of them among the {size:,} files from "
        f"{first} to {last}"
    )
