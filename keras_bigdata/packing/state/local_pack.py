"""The state of an unfinished pack into a directory, from which the same call continues.

`<directory>/.packing/manifest.json` holds the fingerprint of the call; `shard-00007.json` records
that shard 7 is written in all variants. `.packing` is removed when the index is complete.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Container, Iterator, Mapping, Sequence, Set
from pathlib import Path
from types import MappingProxyType
from typing import Any

from keras_bigdata.checksum import file_checksum
from keras_bigdata.errors import PackError
from keras_bigdata.file_locks import lock_file
from keras_bigdata.files import TEMPORARY_PREFIX, atomic_path, temporary_target
from keras_bigdata.packing.identity.fingerprint import Fingerprint
from keras_bigdata.packing.state.manifest import (
    MANIFEST,
    check_content,
    check_manifest,
    forms_in_manifest,
    is_finished,
    manifest_text,
    record_name,
    record_number,
)
from keras_bigdata.packing.state.shard_record import ShardRecord
from keras_bigdata.shards.index.shard_index import INDEX_NAME, ShardInfo
from keras_bigdata.shards.index.shard_names import shard_number
from keras_bigdata.shards.index.unfinished import UNFINISHED

_LOCK = "lock"
_STOP = "stop"
_RUN = "run"


def write_record(directory: Path, record: ShardRecord) -> None:
    """Records that a shard is done; its files must be in place."""
    # The file is not synced: a record that a kill has cut short is not JSON, and the shard is
    # written again.
    _record_path(directory, record.number).write_text(record.to_json(), "utf-8")


def read_record(directory: Path, number: int, files: Sequence[str] = ()) -> ShardRecord | None:
    """Returns the record of a shard that needs not be written again, or `None`.

    Args:
        directory: the directory of the shards.
        number: number of the shard in the directory.
        files: the files that the rows of the shard are read from. Defaults to `()`.

    Returns:
        `None` unless the files of the shard exist and are undamaged, and those of its rows are the
        same as when it was written: a user may have replaced some to correct them.
    """
    try:
        record = ShardRecord.from_json(number, _record_path(directory, number).read_bytes())
        if record is None or not all(_is_whole(directory, info) for info in record.shards):
            return None
        return record if record.has_same_files(files) else None
    except (OSError, ValueError, TypeError):
        return None


@contextlib.contextmanager
def lock_pack(directory: Path, finished: Set[str] = frozenset()) -> Iterator[None]:
    """Creates the directory and locks it against other packs while the block runs.

    If the block leaves neither a shard nor an index, everything that was created here is removed.
    Other files in the directory are not removed.

    Args:
        directory: the directory of the shards.
        finished: the names of the index and the shards of a set that is finished, and may be
            appended to; they do not count. The block may add them. Defaults to none.

    Raises:
        PackError: if another process is writing there.
    """
    state = directory / UNFINISHED
    is_new = not directory.exists()
    state.mkdir(parents=True, exist_ok=True)
    descriptor = lock_directory(directory, state / _LOCK)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            if not _foreign_names(directory):
                remove_temporary_files(directory)
            unfinished = _written_names(directory) - finished
            if state.exists() and not (unfinished and _has_state(state)):
                _remove_state(state)
            if is_new:
                directory.rmdir()  # fails, as intended, unless it is empty
        os.close(descriptor)


def begin_pack(
    directory: Path,
    fingerprint: Fingerprint,
    number: int = 0,
    finished: Set[str] = frozenset(),
    stored: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Writes the manifest of a new pack, or checks that of a pack that is to be continued.

    Args:
        directory: the directory of the shards; it must be locked.
        fingerprint: the identity of the pack.
        number: the number of the pack, as in `ShardInfo.source`. Defaults to `0`.
        finished: the names of the index and the shards of the set that is appended to. Other files
            may lie next to them. Defaults to none.
        stored: the record of the stored forms, as `DecidedForms.record`. Defaults to `{}`.

    Raises:
        PackError: if the directory holds something else, such as an unfinished pack with another
            fingerprint.
    """
    manifest = directory / UNFINISHED / MANIFEST
    written = _written_names(directory) - finished
    check_content(
        directory,
        foreign=[] if finished else _foreign_names(directory),
        written=written,
        is_append=bool(finished),
        has_manifest=manifest.exists(),
    )
    if written:
        try:
            content = manifest.read_bytes()
        except OSError as error:
            raise PackError(f"{manifest}: cannot be read ({error}). Delete {directory}.") from error
        check_manifest(directory, content, fingerprint, stored)
    remove_temporary_files(directory)
    clear_stop(directory)
    with atomic_path(manifest) as temporary:
        temporary.write_text(manifest_text(fingerprint, number, stored), "utf-8")


def recorded_forms(directory: Path, fingerprint: Fingerprint) -> Any:
    """Returns the record of the stored forms in an unfinished pack of the same call, or `None`.

    Args:
        directory: the directory of the shards, which need not exist.
        fingerprint: the identity of the pack.
    """
    try:
        content = (directory / UNFINISHED / MANIFEST).read_bytes()
    except OSError:
        return None
    return forms_in_manifest(content, fingerprint)


def clear_finished(directory: Path, numbers: Container[int]) -> None:
    """Removes the records of a pack that ended between writing the index and removing its state.

    Those of an unfinished pack stay, and so does the lock.

    Args:
        directory: the directory of the shards; it must be locked.
        numbers: the numbers of the packs that the index records.
    """
    state = directory / UNFINISHED
    manifest = state / MANIFEST
    try:
        is_over = is_finished(manifest.read_bytes(), numbers)
    except FileNotFoundError:
        is_over = True
    except OSError:
        return
    if is_over:
        # The manifest is removed last: records without one would not be recognized.
        for entry in state.glob("shard-*.json"):
            entry.unlink(missing_ok=True)
        manifest.unlink(missing_ok=True)


def finish_pack(directory: Path) -> None:
    """Removes the state; the index must be in place."""
    with contextlib.suppress(OSError):
        _remove_state(directory / UNFINISHED)


def remove_pack(directory: Path) -> None:
    """Removes the files of a pack; the directory too, unless it holds something else.

    Raises:
        OSError: if a file cannot be removed, or if something else stays there.
    """
    for entry in directory.iterdir():
        if shard_number(entry.name) is not None or is_temporary_file(entry.name):
            entry.unlink(missing_ok=True)
    if (directory / UNFINISHED).exists():
        _remove_state(directory / UNFINISHED)
    directory.rmdir()


def request_stop(directory: Path) -> None:
    """Makes all workers, on any machine, stop before the next shard."""
    with contextlib.suppress(OSError):
        (directory / UNFINISHED / _STOP).touch()


def clear_stop(directory: Path) -> None:
    """Cancels `request_stop`, before shards are written again."""
    (directory / UNFINISHED / _STOP).unlink(missing_ok=True)


def is_stop_requested(directory: Path) -> bool:
    """Returns whether `request_stop` was called since `clear_stop`."""
    return (directory / UNFINISHED / _STOP).exists()


def write_run(directory: Path, token: str) -> None:
    """Names the call that packs on a cluster; workers of any other call stop."""
    with atomic_path(directory / UNFINISHED / _RUN) as temporary:
        temporary.write_text(token, "utf-8")


def read_run(directory: Path) -> str | None:
    """Returns the call that packs on a cluster, or `None` if this machine does not see it."""
    try:
        return (directory / UNFINISHED / _RUN).read_text("utf-8")
    except OSError:
        return None


def remove_temporary_files(directory: Path) -> None:
    """Removes temporary files that killed processes left."""
    for folder in (directory, directory / UNFINISHED):
        for entry in folder.glob(f"{TEMPORARY_PREFIX}*"):
            if is_temporary_file(entry.name):
                entry.unlink(missing_ok=True)


def is_temporary_file(name: str) -> bool:
    """Returns whether a name is one of those under which the files of a pack are written."""
    target = temporary_target(name)
    return target in (INDEX_NAME, MANIFEST, _RUN) or shard_number(target or "") is not None


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


def _foreign_names(directory: Path) -> list[str]:
    """Returns the names of files that a pack did not write, also in the directory of its state."""
    foreign = [
        entry.name
        for entry in directory.iterdir()
        if entry.name != UNFINISHED
        and not is_temporary_file(entry.name)
        and entry.name != INDEX_NAME
        and shard_number(entry.name) is None
    ]
    state = directory / UNFINISHED
    if state.is_dir():
        foreign += [
            f"{UNFINISHED}/{entry.name}" for entry in state.iterdir() if not _is_state(entry.name)
        ]
    return foreign


def _is_state(name: str) -> bool:
    return (
        name in (_LOCK, MANIFEST, _STOP, _RUN)
        or record_number(name) is not None
        or is_temporary_file(name)
    )


def _has_state(state: Path) -> bool:
    """Returns whether there is anything to continue from."""
    return any(
        entry.name == MANIFEST or record_number(entry.name) is not None for entry in state.iterdir()
    )


def _remove_state(state: Path) -> None:
    """Removes the state; other files that lie in its directory stay."""
    for entry in state.iterdir():
        if _is_state(entry.name):
            entry.unlink(missing_ok=True)
    state.rmdir()


def _written_names(directory: Path) -> set[str]:
    """Returns the names of the files of a pack: shards, records, an index."""
    return {
        entry.name
        for folder in (directory, directory / UNFINISHED)
        if folder.exists()
        for entry in folder.iterdir()
        if entry.name.startswith("shard-") or entry.name == INDEX_NAME
    }


def _record_path(directory: Path, number: int) -> Path:
    return directory / UNFINISHED / record_name(number)


def _is_whole(directory: Path, info: ShardInfo) -> bool:
    path = directory / info.name
    return path.stat().st_size == info.bytes and file_checksum(path) == info.checksum
