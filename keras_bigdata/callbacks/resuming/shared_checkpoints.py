"""The checkpoints of a training in several processes: one file for all, written by the first."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

from keras_bigdata.callbacks.resuming import checkpoint_file as _checkpoint_file
from keras_bigdata.callbacks.resuming.checkpoints import Checkpoints
from keras_bigdata.keras_internals.processes import Processes

# What may differ between processes: the generators of Python and NumPy, and the states of
# callbacks, such as a CSVLogger that only the first process has.
_OWN = ("random", "callbacks")

# Seconds between two times at which the processes agree whether a checkpoint is due. Each makes
# them wait for each other; between them they count batches.
_SECONDS_BETWEEN_QUESTIONS = 1.0
_MAX_BATCHES = 10_000


class SharedCheckpoints:
    """Reads and writes the checkpoints of a directory for all processes that train together.

    The first process reads and writes the files; the directory need not exist on other machines. A
    checkpoint is one file: the state that all processes share, and what differs between them, if
    anything does. So it is complete or absent.

    Args:
        files: the directory.
        processes: the processes.

    Attributes:
        processes: the processes.
    """

    def __init__(self, files: Checkpoints, processes: Processes) -> None:
        self.processes = processes
        self._files = files
        self._batches = 0
        self._question = 0
        self._asked_at = time.monotonic()

    def open(self) -> None:
        """Opens the directory; see `Checkpoints.open`."""
        self.processes.from_first(self._files.open)

    def close(self) -> None:
        """Waits for the current write and unlocks the directory."""
        if self.processes.is_first:
            self._files.close()

    def wait(self) -> None:
        """Waits for the current write."""
        self._files.wait()

    def read_newest(self) -> Any | None:
        """Returns the newest checkpoint, with what belongs to this process."""
        if self.processes.size == 1:
            return _of_process(self._files.read_newest(), self.processes)
        found: dict[str, Any] = {}

        def read() -> bool:
            found["document"] = self._files.read_newest()
            return found["document"] is not None

        if not self.processes.from_first(read):
            return None
        data = b""
        if self.processes.is_first:
            data = _checkpoint_file.to_bytes(_checkpoint_file.encode(found["document"]))
        data = self.processes.broadcast(data)
        return _of_process(_checkpoint_file.from_bytes(data), self.processes)

    def write(self, document: dict[str, Any]) -> None:
        """Copies a document, and starts to write it."""
        processes = self.processes
        if processes.size > 1:
            document = {**document, "processes": processes.size}
            own = _checkpoint_file.encode({key: document[key] for key in _OWN})
            digests = processes.gather(_checkpoint_file.digest(own))
            if any(digest != digests[0] for digest in digests):
                document["of processes"] = processes.gather(_checkpoint_file.to_bytes(own))
        if processes.is_first:
            self._files.write(_checkpoint_file.encode(document))

    def is_due(self, is_due_here: Callable[[], bool]) -> bool:
        """Returns whether to write a checkpoint now: in all processes or in none.

        Args:
            is_due_here: decides it in the first process.
        """
        if self.processes.size == 1:
            return is_due_here()
        self._batches += 1
        if self._batches < self._question:
            return False
        answer = self.processes.from_first(
            lambda: {"due": is_due_here(), "batches": self._batches_to_wait()}
        )
        self._question = answer["batches"]
        self._batches = 0
        return bool(answer["due"])

    def _batches_to_wait(self) -> int:
        now = time.monotonic()
        seconds, self._asked_at = now - self._asked_at, now
        per_batch = seconds / max(1, self._batches)
        return max(1, min(_MAX_BATCHES, int(_SECONDS_BETWEEN_QUESTIONS / max(per_batch, 1e-6))))


def _of_process(document: Any | None, processes: Processes) -> Any | None:
    """Returns a document with what belongs to one process."""
    if document is None:
        return None
    gathered = document.pop("of processes", None)
    saved = document.pop("processes", 1)
    if gathered is None:
        return document
    if saved == processes.size:
        return {**document, **_checkpoint_file.from_bytes(gathered[processes.rank])}
    if processes.is_first:
        warnings.warn(
            f"The checkpoint was written by {saved} processes, whose random generators or "
            f"callbacks differed, and {processes.size} continue. All of them continue with those "
            "of the first one.",
            stacklevel=2,
        )
    return document
