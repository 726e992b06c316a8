"""The right to write below a URL, which one process has at a time.

A lease is a numbered file, `000001.json`, in a directory of its own. It names the process and when
it expires; the process renews it. The next process creates the file with the next number, after the
lease has expired or was released. Where the store creates a file only if there is none, one of two
processes that do so at once gets the lease, and the other one an error. Other stores keep the file
that was written last; in the process that wrote the other file, `check` then raises an error.

The clocks of the machines are compared: if they differ by more than a lease lasts, a lease that is
in use may be taken. In its process, `check` then raises an error too.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, replace

from keras_bigdata.errors import StorageError
from keras_bigdata.storage.paths.remote_path import RemotePath
from keras_bigdata.storage.requests.conditional_write import NoConditionalWriteError
from keras_bigdata.storage.writing.lease_holder import LeaseHolder

# Seconds until a lease expires, and between two renewals.
LIFETIME = 60.0
RENEWAL = 15.0

# Seconds by which the clocks of two machines may differ without a message.
_CLOCK_DIFFERENCE = 60.0

_NAME = re.compile(r"\d{6,}\.json")

# Times that a process tries to take a lease which others take at the same time.
_ATTEMPTS = 5


class LeaseHeldError(StorageError):
    """Another process has the lease."""


class LeaseLostError(StorageError):
    """Another process has taken the lease meanwhile."""


@dataclass(frozen=True, slots=True)
class LeaseTicket:
    """Lets the workers of a process check whether they may continue.

    Args:
        path: the file of the lease.
        owner: its owner.
    """

    path: RemotePath
    owner: str

    def may_continue(self) -> bool:
        """Returns whether the process still has the lease, and no stop was requested."""
        holder = _read(self.path)
        return holder is not None and holder.owner == self.owner and not holder.stop


class Lease:
    """A lease that this process has. It is renewed by a thread until it is released.

    Args:
        directory: the directory of the leases.

    Attributes:
        is_conditional: whether the store creates a file only if there is none.

    Raises:
        LeaseHeldError: if another process has it; the message names it.
        StorageError: if the store cannot be reached.
    """

    def __init__(self, directory: RemotePath) -> None:
        self._directory = directory
        self._holder = LeaseHolder(time.time() + LIFETIME)
        self._lock = threading.Lock()
        self._lost: LeaseLostError | None = None
        self.is_conditional = True
        former = self._take()
        self._remove(former)
        self._end = threading.Event()
        self._thread = threading.Thread(
            target=_renew_until, args=(weakref.ref(self), self._end, RENEWAL), daemon=True
        )
        self._thread.start()
        # The thread of a lease that nothing refers to any more ends.
        weakref.finalize(self, self._end.set).atexit = False

    @property
    def ticket(self) -> LeaseTicket:
        """What the workers of this process need."""
        return LeaseTicket(self._path, self._holder.owner)

    @property
    def holder(self) -> LeaseHolder:
        """This process, as other processes see it."""
        return self._holder

    def check(self) -> None:
        """Checks that this process still has the lease, and renews it.

        Raises:
            LeaseLostError: if another process has taken it; the message names both.
            StorageError: if the store cannot be reached.
        """
        with self._lock:
            self._renew()

    def request_stop(self) -> None:
        """Makes the workers of this process stop."""
        with self._lock:
            self._holder = replace(self._holder, stop=True)
            with contextlib.suppress(StorageError):
                self._renew()

    def release(self) -> None:
        """Ends the lease, so that another process can take it at once. Never raises."""
        self._end.set()
        with self._lock:
            self._remove_own()
            self._lost = self._lost or LeaseLostError(f"{self._path}: was released.")

    # ---- Called with the lock

    def _take(self) -> list[int]:
        """Creates the file; returns the numbers of leases that have ended."""
        for _ in range(_ATTEMPTS):
            ended = self._check_free(self._numbers())
            self._number = max(ended, default=0) + 1
            self._path = self._directory / f"{self._number:06d}.json"
            try:
                self._create()
            except FileExistsError:
                # Another process was faster; or the answer to a first attempt was lost.
                if _owner(_read(self._path)) != self._holder.owner:
                    continue
            try:
                # Another process may have listed the leases before one was removed.
                self._check_free([n for n in self._numbers() if n not in (self._number, *ended)])
                if _owner(holder := _read(self._path)) != self._holder.owner:
                    raise _held(self._path, holder)
            except BaseException:
                self._remove_own()
                raise
            return ended
        raise LeaseHeldError(f"{self._directory}: other processes take the lease at the same time.")

    def _create(self) -> None:
        content = self._holder.to_bytes()
        try:
            self._path.write_bytes(content, only_new=True)
        except NoConditionalWriteError:
            self.is_conditional = False
            self._path.write_bytes(content)

    def _remove_own(self) -> None:
        """Removes the file, unless another process has replaced it. Never raises."""
        with contextlib.suppress(StorageError, OSError):
            if _owner(_read(self._path)) == self._holder.owner:
                self._path.remove()

    def _numbers(self) -> list[int]:
        return lease_numbers(self._directory.list_sizes())

    def _check_free(self, numbers: list[int]) -> list[int]:
        """Returns the numbers; raises an error if the lease of one of them has not ended."""
        for number in numbers:
            path = self._directory / f"{number:06d}.json"
            try:
                content = path.read_bytes()
            except FileNotFoundError:
                continue
            holder = LeaseHolder.from_bytes(content)
            if holder is None or not holder.has_ended():
                raise _held(path, holder)
        return numbers

    def _remove(self, numbers: list[int]) -> None:
        for number in numbers:
            (self._directory / f"{number:06d}.json").remove()

    def _renew(self) -> None:
        if self._lost is not None:
            raise self._lost
        newest = max(self._numbers(), default=0)
        path = self._directory / f"{newest:06d}.json"
        holder = _read(path) if newest else None
        if _owner(holder) != self._holder.owner:
            self._lost = LeaseLostError(
                f"{self._directory}: {self._holder} had the right to write here, and "
                f"{holder or 'another process'} has it now: the lease was not renewed in time "
                "(a machine that slept, a network that failed or clocks that differ), or both "
                "began at the same time in a store that cannot exclude it. Nothing more is written "
                "by this process."
            )
            raise self._lost
        self._holder = replace(self._holder, expires=time.time() + LIFETIME)
        self._path.write_bytes(self._holder.to_bytes())


def lease_numbers(names: Mapping[str, int]) -> list[int]:
    """Returns the numbers of the leases in a listing of their directory, in order."""
    return sorted(int(name[:-5]) for name in names if _NAME.fullmatch(name))


def is_lease_name(name: str) -> bool:
    """Returns whether this is the name of the file of a lease."""
    return _NAME.fullmatch(name) is not None


def _read(path: RemotePath) -> LeaseHolder | None:
    try:
        return LeaseHolder.from_bytes(path.read_bytes())
    except FileNotFoundError:
        return None


def _owner(holder: LeaseHolder | None) -> str | None:
    return None if holder is None else holder.owner


def _held(path: RemotePath, holder: LeaseHolder | None) -> LeaseHeldError:
    if holder is None:
        return LeaseHeldError(
            f"a process whose lease {path} cannot be read. Delete that file if no process writes "
            "there"
        )
    if holder.expires > time.time() + LIFETIME + _CLOCK_DIFFERENCE:
        return LeaseHeldError(
            f"{holder}, by a clock that is ahead of the one of this machine (a lease lasts "
            f"{LIFETIME:g} s). If that process has ended, delete {path}"
        )
    return LeaseHeldError(str(holder))


def _renew_until(reference: weakref.ref[Lease], end: threading.Event, pause: float) -> None:
    while not end.wait(pause):
        lease = reference()
        if lease is None:
            return
        # The store may be reached again later; a lost lease is reported by `check`.
        with contextlib.suppress(StorageError, OSError):
            lease.check()
        del lease
