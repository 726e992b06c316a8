"""The owner of the checkpoints behind a URL: a small file names the process of the training."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
from pathlib import Path
from typing import Any

from keras_bigdata.errors import StorageError
from keras_bigdata.storage.paths.remote_path import RemotePath

_NAME = "running.json"


class TakenOverError(RuntimeError):
    """Another training has begun with the same checkpoints."""


class CheckpointOwner:
    """Lets only the training that began last write checkpoints.

    A store has no locks that a killed process releases. So a training that begins takes the
    checkpoints over, at once and on any machine, unless the former process is on the same machine
    and still runs. The former training finds that before its next checkpoint, and ends. This needs
    neither clocks that agree nor a lease that must expire before a killed training goes on.

    Args:
        directory: the directory of the checkpoints.
    """

    def __init__(self, directory: RemotePath) -> None:
        self._directory = directory
        self._path = directory / _NAME
        self._owner = ""

    def claim(self) -> None:
        """Takes the checkpoints over.

        Raises:
            RuntimeError: if another process of this machine trains with them.
            StorageError: if nothing can be written there.
        """
        former = self._read()
        if former is not None and _is_running(former):
            raise RuntimeError(
                f"Another process is training with the checkpoints in {self._directory}: "
                f"{former.get('process')}. Wait for it to end, or pass another directory. This "
                f"process is {os.getpid()}."
            )
        owner = secrets.token_hex(8)
        entry = {
            "owner": owner,
            "process": f"process {os.getpid()} on {socket.gethostname()}",
            "pid": os.getpid(),
            "machine": _machine(),
            "started": _start_time(os.getpid()),
        }
        self._path.write_bytes(json.dumps(entry).encode())
        self._owner = owner

    def check(self) -> None:
        """Checks that no other training has taken the checkpoints over.

        Raises:
            TakenOverError: if another one has.
            StorageError: if the owner cannot be read.
        """
        entry = self._read()
        if entry is not None and entry.get("owner") == self._owner:
            return
        other = entry.get("process", "unknown") if entry else "it has ended or was removed"
        raise TakenOverError(
            f"Another training has taken over the checkpoints in {self._directory} ({other}). This "
            "one ends, and its last checkpoints are left to the other. Pass another directory to "
            "train both."
        )

    def release(self) -> None:
        """Ends the ownership, if it is still this training's. Errors are ignored."""
        with contextlib.suppress(StorageError):
            entry = self._read()
            if self._owner and entry is not None and entry.get("owner") == self._owner:
                self._path.remove()
        self._owner = ""

    def _read(self) -> dict[str, Any] | None:
        try:
            entry = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError:
            return {}
        return entry if isinstance(entry, dict) else {}


def _is_running(entry: dict[str, Any]) -> bool:
    """Returns whether the process of an entry is another one that runs on this machine."""
    machine, pid = _machine(), entry.get("pid")
    if machine is None or entry.get("machine") != machine or pid == os.getpid():
        return False
    started = _start_time(pid) if isinstance(pid, int) else None
    return started is not None and started == entry.get("started")


def _machine() -> str | None:
    """Returns an identifier of the running system and its process numbers; `None` if unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        # A container has process numbers of its own.
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return None


def _start_time(pid: int) -> int | None:
    """Returns when a process started, in ticks since boot; `None` if it is not known to run."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in ("Z", "X") else int(fields[19])
