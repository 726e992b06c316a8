"""The checkpoints of a training in several processes: one file for all, written by the first."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

from keras_bigdata.callbacks.resuming import checkpoint_file
from keras_bigdata.callbacks.resuming.checkpoints import Checkpoints
from keras_bigdata.keras_internals.processes import Processes

# What may differ between processes: the generators of Python and NumPy, and the states of
# callbacks, such as a CSVLogger that only the first process has.
_OWN = ("random", "callbacks")

# Seconds after which the processes agree again whether a checkpoint is due. To agree, they wait for
# each other; in between they only count batches.
_SECONDS_BETWEEN_AGREEMENTS = 1.0
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
        self._batches_until_agreement = 0
        self._agreed_at = time.monotonic()

    def open(self) -> None:
        """Opens the directory; see `Checkpoints.open`."""
        self.processes.from_first(self._files.open)

    def close(self) -> None:
        """Waits for the current write and unlocks the directory."""
        if self.processes.is_first:
            self._files.close()

    def read_newest(self) -> Any | None:
        """Returns the newest checkpoint, with the values of this process."""
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
            data = checkpoint_file.to_bytes(checkpoint_file.encode(found["document"]))
        data = self.processes.broadcast(data)
        return _of_process(checkpoint_file.from_bytes(data), self.processes)

    def write(self, document: dict[str, Any]) -> None:
        """Copies a document, and starts to write it."""
        processes = self.processes
        if processes.size > 1:
            document = {**document, "processes": processes.size}
            own = checkpoint_file.encode({key: document[key] for key in _OWN})
            digests = processes.gather(checkpoint_file.digest(own))
            if any(digest != digests[0] for digest in digests):
                document["of processes"] = processes.gather(checkpoint_file.to_bytes(own))
        if processes.is_first:
            self._files.write(checkpoint_file.encode(document))

    def is_due(self, is_due_here: Callable[[], bool]) -> bool:
        """Returns whether to write a checkpoint now: in all processes or in none.

        Args:
            is_due_here: returns it in the first process.
        """
        if self.processes.size == 1:
            return is_due_here()
        self._batches += 1
        if self._batches < self._batches_until_agreement:
            return False
        answer = self.processes.from_first(
            lambda: {"due": is_due_here(), "batches": self._batches_to_wait()}
        )
        self._batches_until_agreement = answer["batches"]
        self._batches = 0
        return bool(answer["due"])

    def _batches_to_wait(self) -> int:
        now = time.monotonic()
        seconds, self._agreed_at = now - self._agreed_at, now
        per_batch = seconds / max(1, self._batches)
        return max(1, min(_MAX_BATCHES, int(_SECONDS_BETWEEN_AGREEMENTS / max(per_batch, 1e-6))))


def _of_process(document: Any | None, processes: Processes) -> Any | None:
    """Returns a document with the values of this process."""
    if document is None:
        return None
    gathered = document.pop("of processes", None)
    saved = document.pop("processes", 1)
    if gathered is None:
        return document
    if saved == processes.size:
        return {**document, **checkpoint_file.from_bytes(gathered[processes.rank])}
    if processes.is_first:
        warnings.warn(
            f"The checkpoint was written by {saved} processes, whose random generators or "
            f"callbacks differed, and {processes.size} continue. All of them continue with those "
            "of the first one.",
            stacklevel=2,
        )
    return document
