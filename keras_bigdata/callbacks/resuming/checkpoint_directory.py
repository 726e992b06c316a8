"""The checkpoints of a directory on this machine, which a file lock guards."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Any

from keras_bigdata.callbacks.resuming import checkpoint_file
from keras_bigdata.callbacks.resuming.checkpoint_file import EncodedDocument
from keras_bigdata.callbacks.resuming.checkpoints import NAME, Checkpoints
from keras_bigdata.file_locks import lock_file
from keras_bigdata.files import TEMPORARY_PREFIX, temporary_target

_LOCK = ".lock"


class CheckpointDirectory(Checkpoints):
    """Checkpoints that are files of a directory.

    Args:
        path: the directory; `open` creates it if it is missing.
    """

    path: Path

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._lock: int | None = None

    def _acquire(self) -> None:
        """Creates and locks the directory, and removes leftovers of killed writers."""
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
        for entry in self.path.glob(f"{TEMPORARY_PREFIX}*"):
            if NAME.fullmatch(temporary_target(entry.name) or ""):
                with contextlib.suppress(OSError):
                    entry.unlink()

    def _release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _names(self) -> list[str]:
        return os.listdir(self.path)

    def _read_file(self, name: str) -> Any:
        return checkpoint_file.read(self.path / name)

    def _write_file(self, name: str, encoded: EncodedDocument) -> None:
        checkpoint_file.write(self.path / name, encoded)

    def _remove_file(self, name: str) -> None:
        with contextlib.suppress(OSError):
            (self.path / name).unlink()
