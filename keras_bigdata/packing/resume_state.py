"""The state of a pack that has not ended: what lets the same call go on after a kill.

`<directory>/.packing/manifest.json` says which call made the directory, `shard-00007.json` that
shard 7 is written, in all variants. The directory goes when the index is complete.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from keras_bigdata.errors import PackError
from keras_bigdata.files import TEMPORARY_PREFIX, atomic_path, file_checksum, lock_file
from keras_bigdata.shards.index import INDEX_NAME, UNFINISHED, ShardInfo

_LOCK = "lock"
_MANIFEST = "manifest.json"
_STOP = "stop"
SHARD_NAME = re.compile(r"shard-\d{5,}(\.v\d+)?\.pkl")


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of one shard that is done.

    Args:
        number: position among the shards.
        shards: one entry a variant; none if every row was left out.
        skipped: rows left out: `{"row": 7, "file": "a.jpg" or None, "error": "..."}`.
        counts: rows of each class, or `None` if the targets are no classes.
    """

    number: int
    shards: list[ShardInfo]
    skipped: list[dict[str, Any]]
    counts: list[int] | None


def write_record(directory: Path, record: Record) -> None:
    """Notes that a shard is done; its files must be in place."""
    # Not synced: a record that a kill has cut short is no JSON, and the shard is made again.
    content = {
        "shards": [asdict(info) for info in record.shards],
        "skipped": record.skipped,
        "counts": record.counts,  # thousands where there are many classes: not copied by `asdict`
    }
    _record_path(directory, record.number).write_text(json.dumps(content), "utf-8")


def read_record(directory: Path, number: int) -> Record | None:
    """The record of a shard whose files are there and unharmed, else `None`."""
    try:
        content = json.loads(_record_path(directory, number).read_bytes())
        shards = [ShardInfo(**entry) for entry in content["shards"]]
        record = Record(number, shards, content["skipped"], content["counts"])
        return record if all(_is_whole(directory, info) for info in shards) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


@contextlib.contextmanager
def claim(directory: Path) -> Iterator[None]:
    """Makes the directory and keeps other packs out of it for the length of the block."""
    state = directory / UNFINISHED
    made = not directory.exists()
    state.mkdir(parents=True, exist_ok=True)
    descriptor = lock_directory(directory, state / _LOCK)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            sweep(directory)
            if not _progress(directory):
                shutil.rmtree(state)
            if made:
                directory.rmdir()  # fails, as it should, unless it is empty
        os.close(descriptor)


def begin(directory: Path, call: Mapping[str, Any]) -> None:
    """Starts or continues: refuses a directory that is not from the same call.

    Raises:
        PackError: if the directory holds something else.
    """
    others = [
        entry.name
        for entry in directory.iterdir()
        if not (
            entry.name == UNFINISHED
            or entry.name.startswith(TEMPORARY_PREFIX)
            or SHARD_NAME.fullmatch(entry.name)
        )
    ]
    manifest = directory / UNFINISHED / _MANIFEST
    progress = _progress(directory)
    if others or (progress and not manifest.exists()):
        names = sorted(others or progress)
        raise PackError(
            f"{directory}: the directory holds something else: {', '.join(names[:5])}"
            f"{', ...' if len(names) > 5 else ''}. Name an empty or a new one."
        )
    if progress:
        try:
            before = json.loads(manifest.read_bytes())
        except (OSError, ValueError) as error:
            raise PackError(f"{manifest}: cannot be read ({error}). Delete {directory}.") from error
        changes = differences(before, call)
        if changes:
            raise PackError(
                f"{directory}: holds an unfinished pack of another call. {changes}. Repeat that "
                "call to continue, or name another directory, or delete this one to start over."
            )
    sweep(directory)
    (directory / UNFINISHED / _STOP).unlink(missing_ok=True)
    with atomic_path(manifest) as temporary:
        temporary.write_text(json.dumps(call), "utf-8")


def stop(directory: Path) -> None:
    """Asks all workers, wherever they run, to begin no further shard."""
    with contextlib.suppress(OSError):
        (directory / UNFINISHED / _STOP).touch()


def is_stopped(directory: Path) -> bool:
    """Whether `stop` was called since the pack began."""
    return (directory / UNFINISHED / _STOP).exists()


def finish(directory: Path) -> None:
    """Removes the state; the index must be in place."""
    shutil.rmtree(directory / UNFINISHED, ignore_errors=True)


def sweep(directory: Path) -> None:
    """Removes temporary files of writers that were killed."""
    for folder in (directory, directory / UNFINISHED):
        for entry in folder.glob(f"{TEMPORARY_PREFIX}*"):
            entry.unlink(missing_ok=True)


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The items in which two calls differ, with both values; empty if there are none."""
    old, new = dict(_items(before)), dict(_items(now))
    return "; ".join(
        f"{name} was {_short(old.get(name))} and is {_short(new.get(name))}"
        for name in dict.fromkeys([*old, *new])
        if old.get(name) != new.get(name)
    )


def _items(call: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in call.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}.{key}", entry) for key, entry in value.items())
        else:
            yield name, value


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _record_path(directory: Path, number: int) -> Path:
    return directory / UNFINISHED / f"shard-{number:05d}.json"


def _progress(directory: Path) -> list[str]:
    """Names of what an unfinished pack has reached: shards, their records, an index."""
    return [
        entry.name
        for folder in (directory, directory / UNFINISHED)
        if folder.exists()
        for entry in folder.iterdir()
        if entry.name.startswith("shard-") or entry.name == INDEX_NAME
    ]


def _is_whole(directory: Path, info: ShardInfo) -> bool:
    path = directory / info.name
    return path.stat().st_size == info.bytes and file_checksum(path) == info.checksum


def lock_directory(directory: Path, path: Path) -> int:
    """Locks a directory by a file in it; returns the descriptor that holds the lock.

    Raises:
        PackError: if another process is writing there.
    """
    try:
        return lock_file(path)
    except BlockingIOError as error:
        raise PackError(
            f"{directory}: is being packed by {error.strerror}. Wait for it, or end it first."
        ) from error
