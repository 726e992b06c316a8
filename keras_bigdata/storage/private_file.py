"""A temporary local file for a transfer, of which a killed process leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def private_file(name: str) -> Iterator[Path]:
    """Makes an empty file that is removed at the end of the block.

    On Linux it has no name on the disk, so that its space is free again even after SIGKILL: the
    path is a symbolic link to the open file. A killed process leaves that link, in an own
    directory below the temporary one. On other systems it leaves the file.

    Args:
        name: its name, whose suffix a writer may depend on.

    Yields:
        The path, which can be written and read by its name, but not renamed.

    Raises:
        OSError: if it cannot be made.
    """
    with tempfile.TemporaryDirectory(prefix="keras_bigdata-") as directory:
        path = Path(directory) / name
        if not os.path.isdir("/proc/self/fd"):
            path.touch()
            yield path
            return
        with tempfile.TemporaryFile() as file:
            path.symlink_to(f"/proc/self/fd/{file.fileno()}")
            yield path
