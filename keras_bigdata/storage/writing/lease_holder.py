"""The process that has a lease: who it is, until when, and whether it has ended."""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

# The end of the year 9999.
_LATEST = 253_402_300_799


@dataclass(frozen=True, slots=True)
class LeaseHolder:
    """The content of a lease.

    Args:
        expires: when the lease ends, in seconds since 1970, by the clock of the machine that wrote
            it.
        stop: whether the workers of the process are to stop. Defaults to `False`.
        owner: a random number in hexadecimal digits. Defaults to a new one.
        host: name of the machine. Defaults to this one.
        pid: id of the process. Defaults to this one.
        machine: a text that differs between machines, between their starts and between containers,
            with the start time of the process; empty if that is unknown. Defaults to that of this
            process.
    """

    expires: float
    stop: bool = False
    owner: str = field(default_factory=lambda: secrets.token_hex(8))
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)
    machine: str = field(default_factory=lambda: _describe_process(os.getpid()))

    @classmethod
    def from_bytes(cls, content: bytes) -> LeaseHolder | None:
        """Returns the holder from the content of a file; `None` if it is not that of a lease."""
        try:
            holder = cls(**json.loads(content.decode("utf-8")))
            numbers = type(holder.expires) in (int, float) and type(holder.pid) is int
            numbers = numbers and 0 <= holder.expires <= _LATEST
            texts = (holder.owner, holder.host, holder.machine)
            valid = numbers and type(holder.stop) is bool and all(type(t) is str for t in texts)
        except (ValueError, TypeError):
            return None
        return holder if valid else None

    def to_bytes(self) -> bytes:
        """Returns the content of the file."""
        return json.dumps(asdict(self)).encode()

    def has_ended(self) -> bool:
        """Returns whether the lease has expired, or its process has ended.

        For a process of another machine or container, only the former is known.
        """
        return time.time() > self.expires or self._process_has_ended()

    def __str__(self) -> str:
        until = datetime.fromtimestamp(self.expires, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        return f"process {self.pid} on {self.host} (until {until})"

    def _process_has_ended(self) -> bool:
        if not self.machine or self.host != socket.gethostname():
            return False
        ours = _describe_process(os.getpid())
        if self.machine.rpartition(" ")[0] != ours.rpartition(" ")[0]:
            return False
        return _describe_process(self.pid) != self.machine


def _describe_process(pid: int) -> str:
    """Returns the start of the machine, the namespace of process ids, and the start of a process.

    The text is empty where the system does not have them, and ends without the last one if there is
    no such process.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""
    try:
        # After the name of the program, which may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        state, start = fields[0], fields[19]
    except (OSError, IndexError):
        return f"{boot} {namespace} "
    # In these states a process has ended, and its parent has not read its exit status yet.
    return f"{boot} {namespace} {'' if state in 'ZX' else start}"
