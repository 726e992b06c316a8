"""The state of an unfinished pack, in a directory (`local_pack`) or behind a URL (`remote_pack`).

Each function takes the directory as a path, or a `RemotePack`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Container, Mapping, Sequence, Set
from contextlib import AbstractContextManager
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

from keras_bigdata.packing.identity.fingerprint import Fingerprint
from keras_bigdata.packing.state import local_pack
from keras_bigdata.packing.state.remote_pack import RemotePack
from keras_bigdata.packing.state.shard_record import ShardRecord
from keras_bigdata.shards.index.shard_index import INDEX_NAME, ShardIndex
from keras_bigdata.shards.index.unfinished import UNFINISHED
from keras_bigdata.storage.paths.remote_path import RemotePath

# Where a pack writes to.
PackTarget: TypeAlias = Path | RemotePack


def pack_target(place: Path | RemotePath) -> PackTarget:
    """Returns the target of a pack into a directory or URL."""
    return RemotePack(place) if isinstance(place, RemotePath) else place


def place_of(target: PackTarget) -> Path | RemotePath:
    """Returns the directory or URL of a target."""
    return target if isinstance(target, Path) else target.place


def load_index(target: PackTarget) -> ShardIndex | None:
    """Returns the index of a target; `None` if there is none.

    Raises:
        ShardError, StorageError: if it cannot be read.
    """
    place = place_of(target)
    return ShardIndex.load(place) if (place / INDEX_NAME).exists() else None


def has_state(target: PackTarget) -> bool:
    """Returns whether there is the state of a pack."""
    if isinstance(target, Path):
        return (target / UNFINISHED).exists()
    return bool((target.place / UNFINISHED).list_sizes())


def lock_pack(target: PackTarget, finished: Set[str] = frozenset()) -> AbstractContextManager[None]:
    """Keeps other packs away while a block runs, as `lock_pack` of `local_pack` does."""
    if isinstance(target, Path):
        return local_pack.lock_pack(target, finished)
    return target.lock(finished)


def begin_pack(
    target: PackTarget,
    fingerprint: Fingerprint,
    number: int = 0,
    finished: Set[str] = frozenset(),
    stored: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Writes the manifest of a new pack, or checks that of a pack that is to be continued.

    Args:
        target: where the shards are written; it must be locked.
        fingerprint: the identity of the pack.
        number: the number of the pack, as in `ShardInfo.source`. Defaults to `0`.
        finished: the names of the index and the shards of the set that is appended to. Other files
            may lie next to them. Defaults to none.
        stored: the record of the stored forms, as `DecidedForms.record`. Defaults to `{}`.

    Raises:
        PackError: if the target holds something else, such as an unfinished pack with another
            fingerprint.
    """
    if isinstance(target, Path):
        local_pack.begin_pack(target, fingerprint, number, finished, stored)
    else:
        target.begin(fingerprint, number, finished, stored)


def recorded_forms(target: PackTarget, fingerprint: Fingerprint) -> Any:
    """Returns the record of the stored forms in an unfinished pack of the same call, or `None`."""
    if isinstance(target, Path):
        return local_pack.recorded_forms(target, fingerprint)
    return target.recorded_forms(fingerprint)


def clear_finished(target: PackTarget, numbers: Container[int]) -> None:
    """Removes the records of a pack that ended between writing the index and removing its state.

    Args:
        target: where the shards are written; it must be locked.
        numbers: the numbers of the packs that the index records.
    """
    if isinstance(target, Path):
        local_pack.clear_finished(target, numbers)
    else:
        target.clear_finished(numbers)


def check_lease(target: PackTarget) -> None:
    """Checks that no other process packs into the same URL.

    Raises:
        StorageError: if one does; the message names both. Also if a store cannot be reached.
    """
    if isinstance(target, RemotePack):
        target.check_lease()


def save_index(target: PackTarget, index: ShardIndex) -> None:
    """Writes the index, unless another process has begun to pack into the same URL.

    Raises:
        StorageError: if one has, or if a store cannot be reached.
        OSError: if a file cannot be written.
    """
    check_lease(target)
    index.save()


def finish_pack(target: PackTarget) -> None:
    """Removes the state; the index must be in place."""
    if isinstance(target, Path):
        local_pack.finish_pack(target)
    else:
        target.finish()


def remove_pack(target: PackTarget) -> None:
    """Removes the files of a pack; a directory too, unless it holds something else.

    Raises:
        OSError: if a file cannot be removed, or if something else stays in a directory.
        StorageError: if a file in a store cannot be removed.
    """
    if isinstance(target, Path):
        local_pack.remove_pack(target)
    else:
        target.remove()


def request_stop(target: PackTarget) -> None:
    """Makes all workers, on any machine, stop before the next shard."""
    if isinstance(target, Path):
        local_pack.request_stop(target)
    else:
        target.request_stop()


def clear_stop(target: PackTarget) -> None:
    """Cancels `request_stop`, before shards are written again. A lease ends by itself."""
    if isinstance(target, Path):
        local_pack.clear_stop(target)


def is_stop_requested(target: PackTarget) -> bool:
    """Returns whether `request_stop` was called since the pack began."""
    if isinstance(target, Path):
        return local_pack.is_stop_requested(target)
    return target.is_stop_requested()


def known_record(target: PackTarget, number: int) -> ShardRecord | None:
    """Returns the record of a shard that was in a store when the pack began.

    Those of a directory are read by the workers.
    """
    return None if isinstance(target, Path) else target.known_record(number)


def read_record(
    target: PackTarget, number: int, files: Sequence[str], known: ShardRecord | None
) -> ShardRecord | None:
    """Returns the record of a shard that needs not be written again, or `None`.

    Args:
        target: where the shards are written.
        number: number of the shard.
        files: the files that the rows of the shard are read from.
        known: the result of `known_record`.
    """
    if isinstance(target, Path):
        return local_pack.read_record(target, number, files)
    return known if known is not None and known.has_same_files(files) else None


def write_record(target: PackTarget, record: ShardRecord) -> None:
    """Records that a shard is done; its files must be in place."""
    if isinstance(target, Path):
        local_pack.write_record(target, record)
    else:
        target.write_record(record)


def missing_shards(index: ShardIndex) -> list[int]:
    """Returns the shards that are missing or do not have the size that the index records.

    Behind a URL the files are listed once.
    """
    if isinstance(index.directory, RemotePath):
        found = index.directory.list_sizes()
        return [
            shard for shard, name in enumerate(index.names) if found.get(name) != index.sizes[shard]
        ]
    missing = []
    for shard, size in enumerate(index.sizes):
        path = index.path(shard)
        assert isinstance(path, Path)
        actual = None
        with contextlib.suppress(FileNotFoundError):
            actual = path.stat().st_size
        if actual != size:
            missing.append(shard)
    return missing
