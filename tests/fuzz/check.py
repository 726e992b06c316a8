"""Checks that one file, of any content, is read correctly or refused."""

from __future__ import annotations

import os
import re
import sys
import time
import traceback
import tracemalloc
from collections.abc import Callable
from typing import Any

from keras_bigdata import BigDataError
from keras_bigdata.shards.pickles import (
    StoredArray,
    find_arrays,
    read_array,
    read_fields,
    read_varlen,
)
from tests.fuzz import oracle

SECONDS = 1.0  # of processor time, for a file of at most 64 KB
# Lists of small numbers may become four times as large, by design; the rest is Python's own.
MEMORY_RATIO = 8
MEMORY = 16 << 20

_armed = False
_opens = ""  # the one file that may be opened
_events: list[str] = []
_HARMLESS = frozenset(("builtins.id", "array.__new__", "object.__getattr__", "sys._getframe"))


class Finding(Exception):
    """A violation; its message names the symptom, not the file."""


class Blocked(BaseException):
    """Raised instead of an operation that reading must never do."""


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if (
        _armed
        and event not in _HARMLESS
        and not (event == "open" and (type(args[0]) is int or str(args[0]) == _opens))
    ):
        _events.append(event)
        raise Blocked(event)


def guarded(function: Callable[..., Any], *args: Any, opens: str = "") -> Any:
    """Calls a function and returns its result or one of our errors.

    Raises:
        Finding: if another exception is raised, a module is imported, an audit event is seen, or
            it takes longer than `SECONDS`.
    """
    global _armed, _opens  # noqa: PLW0603
    _opens = opens
    modules = len(sys.modules)
    _events.clear()
    start = time.process_time()
    _armed = True
    try:
        result = function(*args)
    except BigDataError as error:
        result = error
    except BaseException as error:
        _armed = False
        if isinstance(error, KeyboardInterrupt):
            raise
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{os.path.basename(last.filename)}:{last.name}"
        raise Finding(f"{type(error).__name__} in {where}: {error}"[:300]) from error
    finally:
        _armed = False
    taken = time.process_time() - start
    if _events or len(sys.modules) != modules:
        raise Finding(f"ran {_events[:3]}")
    if taken > SECONDS:
        raise Finding(f"{function.__name__} took {taken:.1f} s")
    return result


def put(fd: int, data: bytes) -> None:
    """Replaces the content of the open file."""
    os.ftruncate(fd, 0)
    os.pwrite(fd, data, 0)


def check(fd: int, data: bytes, *, measured: bool = False) -> str:
    """Reads a file in every way.

    Args:
        fd: an open file for the data, in memory.
        data: the whole file.
        measured: whether to measure the memory, which is slow. Defaults to `False`.

    Returns:
        A description of the outcome, equal for similar files.

    Raises:
        Finding: if there is a bug.
    """
    put(fd, data)
    if not measured:
        return _check(fd, data)
    tracemalloc.start()
    try:
        outcome = guarded(find_arrays, fd)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    size = max(len(data), _size_of(outcome))
    if peak > MEMORY_RATIO * size + MEMORY:
        raise Finding(f"find_arrays took {peak:,} bytes of memory for {size:,}")
    return _check(fd, data)


def _size_of(outcome: Any) -> int:
    if isinstance(outcome, BigDataError):
        return 0
    found = [field for field in outcome.fields.values() if isinstance(field, StoredArray)]
    return max((field.offset + field.nbytes for field in found), default=0)


def _check(fd: int, data: bytes) -> str:
    outcome = guarded(find_arrays, fd)
    if isinstance(outcome, BigDataError):
        return _refused(outcome)
    fields = outcome.fields
    read = guarded(read_fields, fd, list(fields))
    if isinstance(read, BigDataError):
        raise Finding(f"find_arrays accepts what read_fields refuses: {_refused(read)}")
    for name, field in fields.items():
        array = read[name]
        if type(name) is not str or array.dtype.hasobject:
            raise Finding("a field of a wrong kind")
        if isinstance(field, StoredArray):
            if field.offset < 0 or (
                not outcome.compressed and field.offset + field.nbytes > len(data)
            ):
                raise Finding("an array outside the file")
            found = guarded(read_array, fd, field)
            if isinstance(found, BigDataError):
                raise Finding(f"read_array refuses what find_arrays found: {_refused(found)}")
        else:
            found = field
        if found.dtype != array.dtype or found.shape != array.shape:
            raise Finding("find_arrays and read_fields differ")
        if not oracle.same(found, array):
            raise Finding("find_arrays and read_fields read other bytes")
        if not outcome.compressed and array.nbytes > 4 * len(data) + (4 << 20):
            raise Finding("a field far larger than the file")
    _check_varlen(fd, data, outcome)
    difference = oracle.difference(data, read, [*outcome.skipped_fields, *outcome.varlen])
    if difference:
        raise Finding(f"pickle.load differs: {difference}")
    kinds = "".join(sorted({f"{a.dtype.kind}{a.ndim}" for a in read.values()}))
    return f"fields {len(read)} {kinds} {sorted(map(template, outcome.skipped_fields.values()))}"


def _check_varlen(fd: int, data: bytes, outcome: Any) -> None:
    """Checks rows of any length: both arrays lie in the file, and are those that pickle loads."""
    for name, stored in outcome.varlen.items():
        _check_rows(fd, data, name, stored, compressed=outcome.compressed)


def _check_rows(fd: int, data: bytes, name: str, stored: Any, *, compressed: bool) -> None:
    found = guarded(read_varlen, fd, name)
    if isinstance(found, BigDataError):
        raise Finding(f"find_arrays accepts what read_varlen refuses: {_refused(found)}")
    for array, place in zip(found, (stored.values, stored.offsets), strict=True):
        if array.dtype.hasobject or array.shape != place.shape:
            raise Finding("rows of any length of a wrong kind")
        is_raw = isinstance(place, StoredArray) and not compressed
        if is_raw and (place.offset < 0 or place.offset + place.nbytes > len(data)):
            raise Finding("rows of any length outside the file")
        if not compressed and array.nbytes > 4 * len(data) + (4 << 20):
            raise Finding("rows of any length far larger than the file")
    difference = oracle.varlen_difference(data, name, *found)
    if difference:
        raise Finding(f"pickle.load differs in rows of any length: {difference}")


def _refused(error: BigDataError) -> str:
    message = str(error)
    if len(message) > 3000:
        raise Finding("a message of more than 3000 characters")
    message.encode()  # can be printed
    return f"{type(error).__name__} {template(message)}"


_VARIABLE = re.compile(r"\d+|'[^']*'|0x..|\([^)]*\)|refers to [^,]*")


def template(message: str) -> str:
    return _VARIABLE.sub("_", message[:160])


def in_memory() -> int:
    """Opens a file that lies in memory; returns its descriptor."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("fuzz")
    import tempfile

    return os.dup(tempfile.TemporaryFile().fileno())


sys.addaudithook(_audit)
