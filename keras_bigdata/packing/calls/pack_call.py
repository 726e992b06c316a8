"""Decides whether a call of `pack` is done already, may be appended, or is refused."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keras_bigdata.errors import CorruptShardError, PackError, StorageError
from keras_bigdata.packing.calls.pack_records import PackRecord, pack_records, written_names
from keras_bigdata.packing.identity.fingerprint import Fingerprint
from keras_bigdata.packing.state.pack_state import (
    PackTarget,
    clear_finished,
    has_state,
    load_index,
    lock_pack,
    missing_shards,
)
from keras_bigdata.progress import Verbose, note
from keras_bigdata.shards.index.shard_index import Field, ShardIndex
from keras_bigdata.shards.opening.removed_shards import removed_shards
from keras_bigdata.storage.paths.place import Place


@dataclass(frozen=True, slots=True, eq=False)
class PackCall:
    """A call of `pack`.

    Args:
        fingerprint: its identity.
        append: whether it may add its shards to a packed directory.
        skip: whether it leaves out rows that cannot be read.
        verbose: see `checked_verbose`.
    """

    fingerprint: Fingerprint
    append: bool
    skip: bool
    verbose: Verbose

    def find_packed(self, target: PackTarget) -> ShardIndex | None:
        """Returns the index of a directory that the same call has packed; `None` if there is none.

        Raises:
            PackError: if the directory was packed by another call, which this one may not be
                appended to, or if rows or shards were left out.
            CorruptShardError: if a shard is missing or of a wrong size.
        """
        index = load_index(target)
        if index is None:
            return None
        packed = self.match(index)
        if packed is not None and has_state(target):
            # Killed between writing the index and the end; or another process is appending.
            finished: set[str] = set()
            errors = (PackError, OSError, StorageError)
            with contextlib.suppress(*errors), lock_pack(target, finished):
                self.load_former(target, finished)
        return packed

    def appended_fields(self, target: PackTarget) -> Mapping[str, Field] | None:
        """Returns the fields of the set that this call appends to; `None` if there is none."""
        index = load_index(target) if self.append else None
        return None if index is None else index.fields

    def load_former(self, target: PackTarget, finished: set[str]) -> ShardIndex | None:
        """Returns the index of a target that is locked; `None` if it is not packed.

        The state of a pack that has written its index is removed.

        Args:
            target: the directory or URL.
            finished: receives the names of the files of the set.
        """
        index = load_index(target)
        if index is None:
            return None
        finished |= written_names(index)
        clear_finished(target, [0, *(record.number for record in pack_records(index))])
        return index

    def match(self, index: ShardIndex) -> ShardIndex | None:
        """Returns the index of a set that the same call has written.

        Returns:
            `None` if it has not, and this call may be appended.

        Raises:
            PackError, CorruptShardError: as `find_packed`.
        """
        records = pack_records(index)
        if not self.append:
            self._check_first(index, records)
            return self._checked(index, _first_content(index, self.fingerprint), "is packed")
        if not records:
            raise PackError(
                f"{index.directory}: cannot be appended to: its index does not name a source (it "
                f"was written by {index.provenance.get('by', 'a ShardWriter')!r}). Pack into "
                "another directory; Shards([...]) joins both to one set."
            )
        for record in records:
            content = record.content if record.number else _first_content(index, self.fingerprint)
            content = _with_continued_classes(content, self.fingerprint, index.classes)
            if not self.fingerprint.changes_since(content):
                edited = self.fingerprint.file_changes_since(content).edited
                if edited:
                    raise PackError(
                        f"{index.directory}: the same rows are packed already, and files changed "
                        f"since: {edited}. They can be new rows, or corrections of packed ones, "
                        "which would then be there twice. Give new files other names; for "
                        "corrections, delete the directory to pack again."
                    )
                done = "was appended" if record.number else "is packed"
                return self._checked(index, content, done)
            self._check_other_rows(index, content)
        return None

    def _check_first(self, index: ShardIndex, records: list[PackRecord]) -> None:
        """Checks that this call has packed a set to which nothing was appended."""
        directory = index.directory
        recorded = _first_content(index, self.fingerprint)
        changes = self._describe_changes(directory, recorded)
        if changes:
            is_appended = any(
                not self.fingerprint.changes_since(record.content) for record in records[1:]
            )
            hint = "This call was appended to it: pass append=True. " if is_appended else ""
            raise PackError(
                f"{directory}: holds the shards of another call. {changes}. {hint}Pass another "
                "directory, or delete this one to pack again."
            )
        if len(records) > 1:
            raise PackError(
                f"{directory}: this call packed it, and {len(records) - 1} more were appended "
                "since, so that it holds more rows than the call packs. Pass append=True to get "
                "the index of all rows, or pack into another directory."
            )

    def _check_other_rows(self, index: ShardIndex, recorded: Mapping[str, Any]) -> None:
        """Checks that the rows of this call are not those of a pack with other arguments."""
        if self.fingerprint.content["source"] == recorded.get("source"):
            raise PackError(
                f"{index.directory}: the same rows are packed already, by another call. "
                f"{self.fingerprint.changes_since(recorded)}. Appended, they would be there "
                "twice. Repeat the former call to get the index, or pass only rows that are new. "
                "If the sources differ, give them a method fingerprint() whose result differs."
            )

    def _checked(self, index: ShardIndex, recorded: Mapping[str, Any], done: str) -> ShardIndex:
        """Returns the index if all rows and shards of this call are there."""
        directory = index.directory
        removed = removed_shards(index)
        if removed:
            raise PackError(
                f"{directory}: {len(removed)} of its shards were left out by `repair`. Write them "
                f"again with keras_bigdata.repair({str(directory)!r}, source=...), or delete the "
                "directory to pack again."
            )
        skipped = recorded.get("skipped")
        if skipped and not self.skip:
            raise PackError(
                f'{directory}: was packed with on_error="skip", and {len(skipped)} rows were left '
                "out. Pass it again, or delete the directory to pack again."
            )
        for shard in missing_shards(index)[:1]:
            raise CorruptShardError(
                f"{index.path(shard)}: is missing or does not have the {index.sizes[shard]} bytes "
                "that the index records. Write it again with "
                f"keras_bigdata.repair({str(directory)!r}, source=...), or "
                f"delete {directory} to pack again."
            )
        note(f"{directory}: {done} already; nothing to do.", self.verbose)
        if not self.fingerprint.is_certain(recorded):
            note(
                f"{directory}: was packed by an earlier version of keras_bigdata, which recorded "
                "the bytecode of `augment`. The bytecode is different now, because the function or "
                "the version of Python has changed. If you have changed the function, delete the "
                "directory to pack again.",
                self.verbose,
            )
        return index

    def _describe_changes(self, directory: Place, recorded: Mapping[str, Any]) -> str:
        """Returns how this call differs from one that was recorded; empty if it is the same.

        Prints a note if all files have other times and the same sizes, as after a copy.
        """
        changes = self.fingerprint.changes_since(recorded)
        files = self.fingerprint.file_changes_since(recorded)
        if files.edited:
            return "; ".join(filter(None, [changes, f"files changed: {files.edited}"]))
        if files.touched and not changes:
            note(
                f"{directory}: all files have other modification times than when they were packed, "
                f"and the same sizes, as after a copy ({files.touched}). If they were edited, "
                "delete the directory to pack again.",
                self.verbose,
            )
        return changes


def _first_content(index: ShardIndex, fingerprint: Fingerprint) -> dict[str, Any]:
    """Returns the record of the first pack in an index."""
    recorded = dict(index.provenance)
    if fingerprint.content["roles"] is not None:
        # Release 0.1 did not record the roles of the source; they are those of the index.
        recorded.setdefault("roles", index.roles.to_json())
    return recorded


def _with_continued_classes(
    recorded: Mapping[str, Any], fingerprint: Fingerprint, known: Any
) -> Mapping[str, Any]:
    """Returns a record with the classes of a call that took them from the set later.

    A source that was created with `classes` of the set has more of them after another source was
    appended. Its rows are the same.
    """
    ours, theirs = fingerprint.content["source"], recorded.get("source")
    if not isinstance(ours, Mapping) or not isinstance(theirs, Mapping):
        return recorded
    now, before = ours.get("classes"), theirs.get("classes")
    if not (isinstance(now, list) and isinstance(before, list) and isinstance(known, list)):
        return recorded
    if now[: len(before)] != before or known[: len(now)] != now:
        return recorded
    return {**recorded, "source": {**theirs, "classes": now}}
