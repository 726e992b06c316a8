"""A disk that is slow or returns errors, in place of the functions with which training reads files.

Worker processes have it too if they run `through_faulty_disk`, which reads the errors from a file.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import threading
import time
from pathlib import Path

from keras_bigdata.loading.rows import open_files

VARIABLE = "TEST_FAULTY_DISK"


class FaultyDisk:
    """Replaces `open_to_read` and `read_into` until `remove` is called."""

    def __init__(self):
        self.faults = {}  # file name -> errno
        self.opens = []
        self.reads = 0
        self.delay = 0.0
        self.most_open = 0
        self._of = {}
        self._lock = threading.Lock()
        self._stale = set()
        self._real = open_files.open_to_read, open_files.read_into
        open_files.open_to_read, open_files.read_into = self._open, self._read

    def remove(self):
        open_files.open_to_read, open_files.read_into = self._real

    def fail(self, name, number):
        """Makes every read of a file fail with an error number from now on."""
        self.faults[name] = number

    def go_stale(self):
        """Makes reads of the descriptors that are open now fail with ESTALE; new ones work."""
        with self._lock:
            self._stale = set(self._of)

    def _open(self, path):
        fd = self._real[0](path)
        with self._lock:
            self._of[fd] = os.path.basename(path)
            self._stale.discard(fd)
            self.opens.append(os.path.basename(path))
        return fd

    def _read(self, fd, places, offset):
        self.reads += 1
        time.sleep(self.delay)
        number = errno.ESTALE if fd in self._stale else self.faults.get(self._of.get(fd))
        if number:
            raise OSError(number, os.strerror(number))
        return self._real[1](fd, places, offset)


_of_this_process = []


def through_faulty_disk(batch, rng):
    """Returns the batch unchanged, and makes the disk of its worker process fail."""
    if VARIABLE in os.environ:
        if not _of_this_process:
            _of_this_process.append(FaultyDisk())
        with contextlib.suppress(FileNotFoundError):
            faults = json.loads(Path(os.environ[VARIABLE]).read_text())
            _of_this_process[0].faults.update(faults)
    return batch
