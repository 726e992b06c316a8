"""Files that lie in memory and vanish when they are closed, also by a kill."""

from __future__ import annotations

import os
import tempfile


def open_memory_file(name: str) -> int:
    """Returns the descriptor of a new, empty file without a name.

    It lies in memory where the system has such files (Linux), otherwise in the temporary directory.

    Args:
        name: shown by tools that list open files.
    """
    if hasattr(os, "memfd_create"):
        return os.memfd_create(name[:200].encode("utf-8", "replace").decode(), os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
