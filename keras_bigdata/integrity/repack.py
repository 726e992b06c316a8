"""Writes shards again from the source that they were packed from."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from keras_bigdata.errors import PackError, StorageError
from keras_bigdata.images.open_image import quiet_pillow
from keras_bigdata.packing.append import extend_names
from keras_bigdata.packing.calls.pack_records import PackRecord, pack_records
from keras_bigdata.packing.calls.request import PackRequest
from keras_bigdata.packing.forms.decided_forms import STORED
from keras_bigdata.packing.planning.plan import PackPlan
from keras_bigdata.packing.state.pack_state import clear_stop, lock_pack, pack_target, remove_pack
from keras_bigdata.packing.workers.parallel import write_shards
from keras_bigdata.representation import list_some
from keras_bigdata.shards.index.shard_index import ShardIndex, ShardInfo
from keras_bigdata.shards.index.shard_names import shard_number
from keras_bigdata.storage.paths.joined_places import JoinedPlaces
from keras_bigdata.storage.paths.remote_path import RemotePath
from keras_bigdata.storage.writing.writable import check_writable

# Folder in which shards are written. They are moved to their places if they are the same as before.
_STAGE = ".repairing"

# Arguments of `pack` that the index records, besides `augment`.
_RECORDED = ("shard_samples", "shuffle", "seed", "variants")

# Maximum number of shards that a message lists.
_LISTED = 5


class Repacker:
    """Writes shards of a packed set again.

    Args:
        index: the index of the set.
        source, augment: as they were passed to `pack`.

    Raises:
        PackError: if the index does not record how the set was packed, or if it was packed from
            another source or with another `augment`. If rows were appended, each shard is written
            from its own source.
    """

    def __init__(self, index: ShardIndex, source: Any, augment: Callable[..., Any] | None) -> None:
        self._index = index
        assert not isinstance(index.directory, JoinedPlaces)
        if isinstance(index.directory, RemotePath):
            check_writable(index.directory, "directory")
        self._directory = index.directory
        self._stage = self._directory / _STAGE
        self._target = pack_target(self._stage)
        records = pack_records(index) or [PackRecord(0, 0, index.provenance)]
        differences = []
        with quiet_pillow():
            for record in records:
                arguments = _recorded_arguments(index, record)
                self._request = PackRequest(source, **arguments, augment=augment)
                changes = self._request.fingerprint.changes_since(record.content)
                if not changes:
                    self._record = record
                    return
                differences.append(f"{record.describe()}: {changes}")
        if len(records) == 1:
            raise PackError(
                f"{index.directory}: was packed from another source. {changes}. Pass the same "
                "source and the same `augment`."
            )
        raise PackError(
            f"{index.directory}: was packed from {len(records)} other sources. "
            f"{'. '.join(differences)}. Pass one of them and the same `augment`."
        )

    def own_shards(self, lost: Sequence[ShardInfo]) -> tuple[list[ShardInfo], list[str]]:
        """Separates the shards of this source from those of others.

        Args:
            lost: the shards that are to be written again.

        Returns:
            `(own, others)`: the shards of this source, and one sentence about each other source.
        """
        own = [info for info in lost if info.source == self._record.number]
        others = []
        for record in pack_records(self._index):
            names = [info.name for info in lost if info.source == record.number]
            if names and record.number != self._record.number:
                others.append(
                    f"{list_some(names, _LISTED)}: needs {record.describe()}. Call `repair` again "
                    "with it"
                )
        return own, others

    def write(
        self, expected: Sequence[ShardInfo], workers: int | None
    ) -> dict[str, Path | RemotePath]:
        """Writes some shards into a separate folder, and compares them with the index.

        Behind a URL, that folder is in the store too, so that workers on any machine can write.

        Args:
            expected: the shards, as the index has (or had) them.
            workers: as for `pack`.

        Returns:
            Shard name -> the new file, which is the same in every byte.

        Raises:
            PackError: if a row cannot be read, or if the source now returns different data.
        """
        directory, stage, target = self._directory, self._stage, self._target
        record = self._record
        skip = bool(record.content.get("skipped"))
        numbers = sorted({_number(info.name) - record.first_shard for info in expected})
        with quiet_pillow(), lock_pack(target):
            clear_stop(target)  # of a call that was interrupted
            self._request.decide_forms(directory, record.content.get(STORED), self._index.fields)
            plan = PackPlan.make(self._request, skip=skip, with_columns=bool(self._index.columns))
            if record.number:
                _, _, renumbering = extend_names(self._index, plan)
                plan = replace(
                    plan,
                    number=record.number,
                    first_shard=record.first_shard,
                    renumbering=renumbering,
                )
            if numbers[0] < 0 or numbers[-1] >= len(plan.shards):
                names = list_some([info.name for info in expected], _LISTED)
                raise PackError(
                    f"{directory}: the index records that {names} were written from "
                    f"{record.describe()}, which has {len(plan.shards)} shards from number "
                    f"{record.first_shard}. Restore the index from a copy."
                )
            records = write_shards(
                plan, self._request.source, target, skip=skip, workers=workers, numbers=numbers
            )
        written = {info.name: info for record in records for info in record.shards}
        different = [info.name for info in expected if written.get(info.name) != info]
        if different:
            self.clear()
            raise PackError(
                f"{directory}: the source now returns different data than when it was packed, for "
                f"{list_some(different, _LISTED)}. Its files or the programs that read them have "
                "changed. Nothing was replaced: restore the shards from a copy, "
                "continue without them, or pack the source again."
            )
        return {info.name: stage / info.name for info in expected}

    def put_in_place(self, name: str, file: Path | RemotePath) -> None:
        """Moves a new file to its place in the set, atomically.

        Args:
            name: name of the shard.
            file: the file, as `write` returns it.
        """
        place = self._directory / name
        if isinstance(file, RemotePath) and isinstance(place, RemotePath):
            file.copy_to(place)
            file.remove()
        elif isinstance(file, Path) and isinstance(place, Path):
            os.replace(file, place)

    def clear(self) -> None:
        """Removes the folder that `write` used, with other variants of the shards."""
        with contextlib.suppress(OSError, StorageError):
            remove_pack(self._target)


def _recorded_arguments(index: ShardIndex, record: PackRecord) -> dict[str, Any]:
    arguments = record.content.get("arguments")
    if not isinstance(arguments, Mapping) or not record.content.get("source"):
        raise PackError(
            f"{index.directory}: the index does not name a source (it was written by "
            f"{index.provenance.get('by', 'a ShardWriter')!r}), so no shard can be written "
            "again from one. Restore the shards from a copy, or write the set again."
        )
    missing = [name for name in _RECORDED if name not in arguments]
    if missing:
        raise PackError(
            f"{index.directory}: the index does not record the argument {missing[0]!r} of `pack`, "
            "so no shard can be written again. Restore the shards from a copy, or pack the set "
            "again."
        )
    return {name: arguments[name] for name in _RECORDED}


def _number(name: str) -> int:
    number = shard_number(name)
    if number is None:
        raise PackError(f"{name}: is not the name of a packed shard, so its rows are unknown.")
    return number[0]
