"""The state of an unfinished pack into a URL, from which the same call continues.

It mirrors that of a directory: `<url>/.packing/manifest.json` holds the fingerprint of the call,
and `<url>/.packing/shard-00007.json` records that shard 7 is uploaded in all variants. In
`<url>/.packing/lease` are the leases of the process that packs. All are removed when the index is
complete. The files are listed once, when the pack begins; no request is sent for a single shard.
"""

from __future__ import annotations

import contextlib
from collections.abc import Container, Iterator, Mapping, Set
from typing import Any

from keras_bigdata.errors import PackError, StorageError
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
from keras_bigdata.shards.index.shard_index import INDEX_NAME
from keras_bigdata.shards.index.shard_names import shard_number
from keras_bigdata.shards.index.unfinished import LEASES, UNFINISHED
from keras_bigdata.storage.copies.small_files import read_files, remove_files
from keras_bigdata.storage.paths.remote_path import RemotePath
from keras_bigdata.storage.writing.lease import (
    Lease,
    LeaseHeldError,
    LeaseLostError,
    LeaseTicket,
    is_lease_name,
)
from keras_bigdata.storage.writing.upload_directory import remove_upload_leftovers


class RemotePack:
    """A pack into a URL. Its workers receive a copy without the lease.

    Args:
        place: the directory of the shards.
        ticket: the ticket of the lease, in a worker. Defaults to `None`: in the process that packs.
    """

    def __init__(self, place: RemotePath, ticket: LeaseTicket | None = None) -> None:
        self.place = place
        self._state = place / UNFINISHED
        self._lease: Lease | None = None
        self._ticket = ticket
        self._sizes: dict[str, int] = {}  # of the files when the pack began
        self._records: dict[int, ShardRecord] | None = None  # of shards uploaded before
        self._is_finished = False

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.place, self._ticket)

    def __str__(self) -> str:
        return str(self.place)

    # ---- In the process that packs

    @contextlib.contextmanager
    def lock(self, finished: Set[str]) -> Iterator[None]:
        """Keeps other packs away while the block runs, as `lock_pack` does in a directory.

        Raises:
            PackError: if another process is writing there.
            StorageError: if the store cannot be reached.
        """
        remove_upload_leftovers()
        try:
            lease = self._lease = Lease(self._state / LEASES)
        except LeaseHeldError as error:
            raise PackError(
                f"{self}: is being packed by {error}. Wait for it, or end it first. (After a kill "
                "the same call continues when that time has passed, by the clock of this machine.)"
            ) from error
        try:
            self._ticket = lease.ticket
            self._sizes = self.place.list_sizes()
            try:
                yield
            finally:
                # An error of the block is not replaced.
                with contextlib.suppress(StorageError):
                    self._remove_unless_unfinished(finished)
        finally:
            self._lease = None
            lease.release()

    def begin(
        self, fingerprint: Fingerprint, number: int, finished: Set[str], stored: Mapping[str, Any]
    ) -> None:
        """Writes the manifest of a new pack, or checks that of one that is to be continued.

        Raises:
            PackError: if something else is there, such as an unfinished pack of another call.
        """
        written = _written_names(self._sizes) - finished
        content = self._read_manifest() if self._has(MANIFEST) else None
        check_content(
            self.place,
            foreign=[] if finished else _foreign_names(self._sizes),
            written=written,
            is_append=bool(finished),
            has_manifest=content is not None,
        )
        if written and content is not None:
            check_manifest(self.place, content, fingerprint, stored)
        text = manifest_text(fingerprint, number, stored)
        (self._state / MANIFEST).write_bytes(text.encode())

    def known_record(self, number: int) -> ShardRecord | None:
        """Returns the record of a shard that was uploaded before this call, or `None`."""
        if self._records is None:
            self._records = self._read_records()
        return self._records.get(number)

    def recorded_forms(self, fingerprint: Fingerprint) -> Any:
        """Returns the record of the stored forms in an unfinished pack of the same call."""
        content = self._read_manifest()
        return None if content is None else forms_in_manifest(content, fingerprint)

    def clear_finished(self, numbers: Container[int]) -> None:
        """Removes the records of a pack that ended between writing the index and removing them."""
        content = self._read_manifest() if self._has(MANIFEST) else None
        if content is None or is_finished(content, numbers):
            self._remove_state(self._sizes)
            self._sizes = {name: n for name, n in self._sizes.items() if not _is_state(name)}

    def check_lease(self) -> None:
        """Checks that no other process packs there.

        Raises:
            StorageError: if one does, or if the store cannot be reached.
        """
        assert self._lease is not None
        self._lease.check()

    def finish(self) -> None:
        """Removes the state; the index must be in place.

        Raises:
            StorageError: if another process has packed there at the same time, in a store that
                cannot exclude it.
        """
        assert self._lease is not None
        try:
            self._lease.check()
            self._remove_state(self.place.list_sizes())
            self._is_finished = True
        except LeaseLostError:
            if not self._lease.is_conditional:
                raise
        except StorageError:
            pass  # the next call removes it

    def remove(self) -> None:
        """Removes all shards and the state; other files stay.

        Raises:
            StorageError: if a file cannot be removed.
        """
        sizes = self.place.list_sizes()
        names = [name for name in sizes if shard_number(name) is not None]
        remove_files([self.place / name for name in names])
        self._remove_state(sizes)

    def request_stop(self) -> None:
        """Makes all workers stop before the next shard."""
        if self._lease is not None:
            self._lease.request_stop()

    # ---- In the workers

    def is_stop_requested(self) -> bool:
        """Returns whether the workers must stop, also because another process packs there."""
        return self._ticket is not None and not self._ticket.may_continue()

    def write_record(self, record: ShardRecord) -> None:
        """Records that a shard is uploaded."""
        path = self._state / record_name(record.number)
        path.write_bytes(record.to_json().encode())

    # ---- The files of the state

    def _has(self, name: str) -> bool:
        return f"{UNFINISHED}/{name}" in self._sizes

    def _read_manifest(self) -> bytes | None:
        try:
            return (self._state / MANIFEST).read_bytes()
        except FileNotFoundError:
            return None

    def _read_records(self) -> dict[int, ShardRecord]:
        """Returns the records of the shards that are there with their sizes."""
        names = [name.rpartition("/")[2] for name in _state_names(self._sizes)]
        numbers = [number for name in names if (number := record_number(name)) is not None]
        contents = read_files([self._state / record_name(number) for number in numbers])
        records = {}
        for number, content in zip(numbers, contents, strict=True):
            record = None if content is None else ShardRecord.from_json(number, content)
            if record is not None and all(
                self._sizes.get(info.name) == info.bytes for info in record.shards
            ):
                records[number] = record
        return records

    def _remove_unless_unfinished(self, finished: Set[str]) -> None:
        """Removes the state unless there is something to continue from."""
        if self._is_finished:
            return
        assert self._lease is not None
        self._lease.check()  # the state of another process stays
        sizes = self.place.list_sizes()
        if not _written_names(sizes) - finished:
            self._remove_state(sizes)

    def _remove_state(self, sizes: Mapping[str, int]) -> None:
        """Removes records and manifest, and leases that ended before that of this process.

        The manifest is removed last: records without one would not be recognized.
        """
        manifest = f"{UNFINISHED}/{MANIFEST}"
        own = "" if self._ticket is None else f"{UNFINISHED}/{LEASES}/{self._ticket.path.name}"
        names = [
            name
            for name in _state_names(sizes)
            if name != manifest and (LEASES not in name or (len(name), name) < (len(own), own))
        ]
        remove_files([self.place / name for name in names])
        if manifest in sizes:
            (self.place / manifest).remove()


def _state_names(sizes: Mapping[str, int]) -> list[str]:
    """Returns the names of the files of the state: manifest, records, leases."""
    return [name for name in sizes if _is_state(name)]


def _is_state(name: str) -> bool:
    folder, _, file = name.rpartition("/")
    if folder == UNFINISHED:
        return file == MANIFEST or record_number(file) is not None
    return folder == f"{UNFINISHED}/{LEASES}" and is_lease_name(file)


def _foreign_names(sizes: Mapping[str, int]) -> list[str]:
    """Returns the names of files that a pack did not write."""
    return [
        name
        for name in sizes
        if name != INDEX_NAME and shard_number(name) is None and not _is_state(name)
    ]


def _written_names(sizes: Mapping[str, int]) -> set[str]:
    """Returns the names of the files of a pack: shards, records, an index."""
    written = set()
    for name in sizes:
        folder, _, file = name.rpartition("/")
        if folder in ("", UNFINISHED) and (file.startswith("shard-") or name == INDEX_NAME):
            written.add(file)
    return written
