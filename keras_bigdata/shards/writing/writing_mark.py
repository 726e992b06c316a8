"""Marks a directory while a `ShardWriter` writes to it, and keeps other writers away."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from keras_bigdata.errors import ShardError
from keras_bigdata.shards.index.unfinished import LEASES, MARK, WRITING
from keras_bigdata.storage.paths.remote_path import RemotePath
from keras_bigdata.storage.writing.lease import Lease, LeaseHeldError
from keras_bigdata.storage.writing.upload_directory import remove_upload_leftovers


class WritingMark:
    """The mark of one writer, in a directory that was empty.

    Args:
        directory: the directory; a local one is created if it is missing.
        writer: the name of the writer, which the mark behind a URL has.

    Raises:
        ShardError: if the directory is not empty, or if another process is writing there.
        StorageError: if a store cannot be reached.
    """

    def __init__(self, directory: Path | RemotePath, writer: str) -> None:
        self._directory = directory
        self._lease: Lease | None = None
        if isinstance(directory, Path):
            directory.mkdir(parents=True, exist_ok=True)
            _check_empty(directory, sorted(entry.name for entry in directory.iterdir()))
            (directory / WRITING).touch()
            return
        remove_upload_leftovers()
        leases = directory / WRITING / LEASES
        try:
            lease = Lease(leases)
        except LeaseHeldError as error:
            raise ShardError(
                f"{directory}: is being written by {error}. Wait for it, or end it first."
            ) from error
        try:
            prefix = f"{WRITING}/{LEASES}/"
            names = [name for name in directory.list_sizes() if not name.startswith(prefix)]
            _check_empty(directory, sorted(names))
            (directory / WRITING / MARK).write_bytes(json.dumps({"writer": writer}).encode())
        except BaseException:
            lease.release()
            raise
        self._lease = lease

    def check(self) -> None:
        """Checks that no other process writes to the same URL.

        Raises:
            StorageError: if one does, or if the store cannot be reached.
        """
        if self._lease is not None:
            self._lease.check()

    def remove(self) -> None:
        """Removes the mark; the index must be in place.

        Raises:
            StorageError: if another process has written there too.
        """
        if isinstance(self._directory, Path):
            (self._directory / WRITING).unlink(missing_ok=True)
            return
        assert self._lease is not None
        if not self._lease.is_conditional:
            self._lease.check()
        (self._directory / WRITING / MARK).remove()
        self.release()

    def release(self) -> None:
        """Lets other processes write there; the mark stays."""
        if self._lease is not None:
            self._lease.release()


def mark_of(directory: RemotePath) -> str | None:
    """Returns the name of the writer whose mark is behind a URL; `None` if there is no mark."""
    try:
        content = json.loads((directory / WRITING / MARK).read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:
        return ""
    with contextlib.suppress(AttributeError):
        return str(content.get("writer"))
    return ""


def _check_empty(directory: Path | RemotePath, entries: list[str]) -> None:
    if entries:
        raise ShardError(
            f"{directory}: the directory must be empty, but it holds {len(entries)} "
            f"entries: {', '.join(entries[:5])}. Pass another directory, or delete this one."
        )
