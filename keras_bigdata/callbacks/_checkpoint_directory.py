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
from keras_bigdata.callbacks._checkpoint_file import SUFFIX, EncodedDocument
from keras_bigdata.callbacks._running_training import RunningTraining
from keras_bigdata.files import TEMPORARY_PREFIX, lock_file, temporary_target
from keras_bigdata.keras_internals.callbacks import callback_list, training_frame

_NAME = re.compile(rf"checkpoint-(\d+){re.escape(SUFFIX)}")
# The suffix of format 1, which is no longer read.
_FORMER_SUFFIX = ".zip"
_LOCK = ".lock"

# The open directories of this process: a second `fit` takes over from one that ended with an
# exception.
_open: dict[Path, CheckpointDirectory] = {}
_opening = threading.Lock()


class CheckpointDirectory:
    """Writes checkpoints in a thread while training goes on, never two at once.

    At any instant, even after a kill, the newest complete checkpoint is in the directory.

    Args:
        path: the directory; `open` creates it if it is missing.

    Attributes:
        write_seconds: processor time of the last write, in seconds.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.write_seconds = 0.0
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self._training: RunningTraining | None = None
        self._lock: int | None = None
        self._number = 0

    def open(self) -> None:
        """Creates and locks the directory, and removes leftovers of killed writers.

        Raises:
            OSError: if nothing can be written there.
            RuntimeError: if another process or another thread trains with these checkpoints.
        """
        with _opening:
            former = _open.get(self.path)
            if former is not None:
                former.check_has_ended()
                former.close()
            self._training = RunningTraining(training_frame(), callback_list())
            self._open_and_lock()

    def check_has_ended(self) -> None:
        """Checks that no other thread trains with the directory; in this thread none can.

        Raises:
            RuntimeError: if one does.
        """
        if self._training is not None and self._training.is_running_in_another_thread():
            raise RuntimeError(
                f"Another thread of this process is training with the checkpoints in {self.path}. "
                "Wait for it to end, or pass another directory."
            )

    def _open_and_lock(self) -> None:
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
        for entry in self.path.glob(f"{TEMPORARY_PREFIX}*"):
            if _NAME.fullmatch(temporary_target(entry.name) or ""):
                with contextlib.suppress(OSError):
                    entry.unlink()
        self._number = max(self._numbers(), default=0)

    def close(self) -> None:
        """Waits for the current write and unlocks the directory."""
        self.wait()
        if _open.get(self.path) is self:
            del _open[self.path]
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def read_newest(self) -> Any | None:
        """Returns the newest checkpoint that is not damaged, or `None` if there is none.

        Raises:
            ValueError: if all checkpoints are damaged, or are of a former format.
        """
        self.wait()
        errors = []
        for number in sorted(self._numbers(), reverse=True):
            try:
                document = _checkpoint_file.read(self._file(number))
            except (ValueError, OSError) as error:
                errors.append(str(error))
                continue
            for text in errors:
                warnings.warn(f"{text}. The one before it is used.", stacklevel=2)
            return document
        if errors:
            raise ValueError(
                "; ".join(errors) + f". Delete {self.path} to start the training again."
            )
        for former in sorted(self.path.glob(f"checkpoint-*{_FORMER_SUFFIX}")):
            raise ValueError(
                f"{former} is a checkpoint of format 1, which an earlier version of keras_bigdata "
                f"wrote. This version reads and writes format 2 (checkpoint-*{SUFFIX}). Finish the "
                "training with the earlier version, or pass another directory."
            )
        return None

    @property
    def is_writing(self) -> bool:
        """Whether a write is in progress."""
        return self._thread is not None and self._thread.is_alive()

    def write(self, encoded: EncodedDocument) -> None:
        """Starts to write the next checkpoint, after the current write."""
        self.wait()
        self._number += 1
        # Not a daemon thread: a program that ends with an exception finishes the file first.
        self._thread = threading.Thread(
            target=self._write, args=(self._number, encoded), name="keras_bigdata-checkpoint"
        )
        self._thread.start()

    def wait(self) -> None:
        """Waits for the current write."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def pop_error(self) -> Exception | None:
        """Returns the error of the last write, and forgets it. Its last argument is a text."""
        error, self._error = self._error, None
        if error is None:
            return None
        text = f"No checkpoint could be written to {self.path}: {str(error) or repr(error)}"
        found = OSError(error.errno, text) if isinstance(error, OSError) else RuntimeError(text)
        found.__cause__ = error
        return found

    def _write(self, number: int, encoded: EncodedDocument) -> None:
        start = time.thread_time()
        try:
            _checkpoint_file.write(self._file(number), encoded)
        except BaseException as error:  # reported by the thread that trains
            self._error = error
        else:
            for old in sorted(self._numbers())[:-2]:
                with contextlib.suppress(OSError):
                    self._file(old).unlink()
        self.write_seconds = time.thread_time() - start

    def _numbers(self) -> list[int]:
        matches = (_NAME.fullmatch(entry.name) for entry in self.path.iterdir())
        return [int(match[1]) for match in matches if match]

    def _file(self, number: int) -> Path:
        return self.path / f"checkpoint-{number:08d}{SUFFIX}"
