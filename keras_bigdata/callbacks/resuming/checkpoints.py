"""The checkpoints of a training: numbered files, written one at a time, the newest two kept."""

from __future__ import annotations

import contextlib
import re
import threading
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from keras_bigdata.callbacks.resuming.checkpoint_file import SUFFIX, EncodedDocument
from keras_bigdata.callbacks.resuming.checkpoint_owner import TakenOverError
from keras_bigdata.callbacks.shared.running_training import RunningTraining
from keras_bigdata.errors import StorageError
from keras_bigdata.keras_internals.callbacks import callback_list, training_frame
from keras_bigdata.storage.paths.remote_path import RemotePath

NAME = re.compile(rf"checkpoint-(\d+){re.escape(SUFFIX)}")
# The suffix of format 1, which is no longer read.
_FORMER_NAME = re.compile(r"checkpoint-.*\.zip")

# The open directories of this process: a second `fit` takes over from one that ended with an
# exception.
_open: dict[Path | RemotePath, Checkpoints] = {}
_opening = threading.Lock()


class Checkpoints(ABC):
    """Writes checkpoints in a thread while training goes on, never two at once.

    At any instant, even after a kill, the newest complete checkpoint is in the directory. A
    subclass implements the access to it.

    Args:
        path: the directory; `open` creates it if it is missing.

    Attributes:
        write_seconds: processor time of the last write, in seconds.
        has_written: whether a checkpoint was written since `open`.
    """

    def __init__(self, path: Path | RemotePath) -> None:
        self.path = path
        self.write_seconds = 0.0
        self.has_written = False
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self._training: RunningTraining | None = None
        self._number = 0

    def open(self) -> None:
        """Creates the directory and keeps other trainings out of it.

        Raises:
            OSError: if nothing can be written there.
            StorageError: if nothing can be written to the store.
            RuntimeError: if another process or another thread trains with these checkpoints.
        """
        with _opening:
            former = _open.get(self.path)
            if former is not None:
                former.check_has_ended()
                former.close()
            self._training = RunningTraining(training_frame(), callback_list())
            self._acquire()
            self.has_written = False
            _open[self.path] = self
            self._number = max(self._numbers(self._names()), default=0)

    def check_has_ended(self) -> None:
        """Checks that no other thread trains with the directory; in this thread none can.

        Raises:
            RuntimeError: if another one does.
        """
        if self._training is not None and self._training.is_running_in_another_thread():
            raise RuntimeError(
                f"Another thread of this process is training with the checkpoints in {self.path}. "
                "Wait for it to end, or pass another directory."
            )

    def close(self) -> None:
        """Waits for the current write and unlocks the directory."""
        self.wait()
        if _open.get(self.path) is self:
            del _open[self.path]
        self._release()

    def read_newest(self) -> Any | None:
        """Returns the newest checkpoint that is not damaged, or `None` if there is none.

        Raises:
            ValueError: if all checkpoints are damaged, or are of a former format.
        """
        self.wait()
        errors = []
        names = self._names()
        for number in sorted(self._numbers(names), reverse=True):
            try:
                document = self._read_file(_name(number))
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
        for former in sorted(name for name in names if _FORMER_NAME.fullmatch(name)):
            raise ValueError(
                f"{self.path / former} is a checkpoint of format 1, which an earlier version of "
                "keras_bigdata wrote. This version reads and writes format 2 "
                f"(checkpoint-*{SUFFIX}). Finish the training with the earlier version, or pass "
                "another directory."
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
            target=self._write, args=(_name(self._number), encoded), name="keras_bigdata-checkpoint"
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
        if error is None or isinstance(error, TakenOverError):
            return error
        text = f"No checkpoint could be written to {self.path}: {str(error) or repr(error)}"
        found: Exception
        if isinstance(error, OSError):
            found = OSError(error.errno, text)
        else:
            found = StorageError(text) if isinstance(error, StorageError) else RuntimeError(text)
        found.__cause__ = error
        return found

    def _write(self, name: str, encoded: EncodedDocument) -> None:
        start = time.thread_time()
        try:
            self._write_file(name, encoded)
        except BaseException as error:  # reported by the thread that trains
            self._error = error
        else:
            self.has_written = True
            with contextlib.suppress(OSError, StorageError):
                for old in sorted(self._numbers(self._names()))[:-2]:
                    self._remove_file(_name(old))
        self.write_seconds = time.thread_time() - start

    @staticmethod
    def _numbers(names: Iterable[str]) -> list[int]:
        matches = (NAME.fullmatch(name) for name in names)
        return [int(match[1]) for match in matches if match]

    # ---- Where they are

    @abstractmethod
    def _acquire(self) -> None:
        """Creates the directory and keeps other processes out of it."""

    @abstractmethod
    def _release(self) -> None:
        """Lets other processes in."""

    @abstractmethod
    def _names(self) -> list[str]:
        """Returns the names of the files in the directory."""

    @abstractmethod
    def _read_file(self, name: str) -> Any:
        """Returns the document in a file."""

    @abstractmethod
    def _write_file(self, name: str, encoded: EncodedDocument) -> None:
        """Writes a file, complete or not at all."""

    @abstractmethod
    def _remove_file(self, name: str) -> None:
        """Removes a file."""


def _name(number: int) -> str:
    return f"checkpoint-{number:08d}{SUFFIX}"
