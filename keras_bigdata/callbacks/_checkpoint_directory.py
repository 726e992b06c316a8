"""The checkpoints of a directory: numbered files, written one at a time, the newest two kept."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import threading
import time
import warnings
from pathlib import Path
from typing import Any

from keras_bigdata.callbacks import _checkpoint_file
from keras_bigdata.callbacks._checkpoint_file import Encoded
from keras_bigdata.files import TEMPORARY_PREFIX, lock_file

_NAME = re.compile(r"checkpoint-(\d+)\.zip")
_LOCK = ".lock"

# Directories that this process writes to: a second fit takes over from one that died.
_open: dict[Path, CheckpointDirectory] = {}


class CheckpointDirectory:
    """Writes checkpoints in a thread beside training, never two at once.

    At any instant, a kill included, the newest complete checkpoint is there.

    Args:
        path: the directory; made by `open` if it is missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.write_seconds = 0.0  # of a processor, by the last write
        self._thread: threading.Thread | None = None
        self._error: OSError | None = None
        self._lock: int | None = None
        self._number = 0

    def open(self) -> None:
        """Makes the directory ready and keeps other processes out.

        Raises:
            OSError: if nothing can be written there.
            RuntimeError: if another process trains with it.
        """
        former = _open.pop(self.path, None)
        if former is not None:
            former.close()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.path):
                pass
            self._lock = lock_file(self.path / _LOCK)
        except BlockingIOError as error:
            raise RuntimeError(
                f"Another process is training with the checkpoints in {self.path}: "
                f"{error.strerror}. Wait for it to end, or pass another directory. This process is "
                f"{os.getpid()}."
            ) from None
        except OSError as error:
            raise OSError(
                error.errno, f"Checkpoints cannot be written to {self.path}: {error.strerror}"
            ) from error
        _open[self.path] = self
        for entry in self.path.glob(f"{TEMPORARY_PREFIX}*-checkpoint-*.zip"):
            with contextlib.suppress(OSError):
                entry.unlink()
        self._number = max(self._numbers(), default=0)

    def close(self) -> None:
        """Ends the write under way and lets other processes in."""
        self.wait()
        if _open.get(self.path) is self:
            del _open[self.path]
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def newest(self) -> Any | None:
        """The newest checkpoint that is whole, or `None` if there is none.

        Raises:
            ValueError: if there are checkpoints and none is whole.
        """
        self.wait()
        errors = []
        for number in sorted(self._numbers(), reverse=True):
            try:
                found = _checkpoint_file.read(self._file(number))
            except (ValueError, OSError) as error:
                errors.append(str(error))
                continue
            for text in errors:
                warnings.warn(f"{text}. The one before it is used.", stacklevel=2)
            return found
        if errors:
            raise ValueError(
                "; ".join(errors) + f". Delete {self.path} to begin the training anew."
            )
        return None

    @property
    def busy(self) -> bool:
        """Whether a write is under way."""
        return self._thread is not None and self._thread.is_alive()

    def write(self, encoded: Encoded) -> None:
        """Begins to write the next checkpoint, after the one under way."""
        self.wait()
        self._number += 1
        # Not a daemon: a program that ends with an exception first finishes the file.
        self._thread = threading.Thread(
            target=self._write, args=(self._number, encoded), name="keras_bigdata-checkpoint"
        )
        self._thread.start()

    def wait(self) -> None:
        """Waits for the write under way."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def error(self) -> OSError | None:
        """What the last write failed with, once."""
        error, self._error = self._error, None
        return error

    def _write(self, number: int, encoded: Encoded) -> None:
        began = time.thread_time()
        try:
            _checkpoint_file.write(self._file(number), encoded)
        except OSError as error:
            self._error = error
        else:
            for old in sorted(self._numbers())[:-2]:
                with contextlib.suppress(OSError):
                    self._file(old).unlink()
        self.write_seconds = time.thread_time() - began

    def _numbers(self) -> list[int]:
        found = (_NAME.fullmatch(entry.name) for entry in self.path.iterdir())
        return [int(match[1]) for match in found if match]

    def _file(self, number: int) -> Path:
        return self.path / f"checkpoint-{number:08d}.zip"


# With no period given: the share of the time that checkpoints take, and the least period.
_SHARE = 0.01
_LEAST_SECONDS = 10.0


class Pace:
    """Times checkpoints by a period, or by what they cost.

    Args:
        every: seconds from one to the next; `None` for a hundred times what the last one cost,
            and at least 10 seconds.
    """

    def __init__(self, every: float | None) -> None:
        self._every = every
        self._last: float | None = None
        self._cost = 0.0

    @property
    def begun(self) -> bool:
        """Whether there was a checkpoint yet."""
        return self._last is not None

    def done(self, cost: float = 0.0) -> None:
        """There is a checkpoint now.

        Args:
            cost: seconds that training had to wait for it.
        """
        self._last = time.monotonic()
        self._cost = cost

    def is_due(self, beside: float) -> bool:
        """Whether the next one is due.

        Args:
            beside: processor seconds that writing took beside training, which may have had to
                share the processor.
        """
        if self._last is None:
            return True
        every = self._every
        if every is None:
            every = max(_LEAST_SECONDS, (self._cost + beside) / _SHARE)
        return time.monotonic() - self._last >= every
