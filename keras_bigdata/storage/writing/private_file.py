"""A temporary local file for a transfer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from keras_bigdata.storage.writing.upload_directory import remove_upload_leftovers, upload_directory


@contextlib.contextmanager
def private_file(name: str) -> Iterator[Path]:
    """Yields the path of a file that does not exist yet, and removes it at the end of the block.

    It lies in a temporary directory of its own, since HDF5 cannot write a file that has no name.
    The directories of killed processes are removed first.

    Args:
        name: its name, whose suffix a writer may depend on.

    Yields:
        The path.

    Raises:
        OSError: if the directory cannot be created.
    """
    remove_upload_leftovers()
    with upload_directory() as directory:
        yield directory / name
