"""Recognizes a directory whose writer has not finished, and creates the error for it."""

from __future__ import annotations

import os
from collections.abc import Container
from typing import NamedTuple

from keras_bigdata.errors import ShardError
from keras_bigdata.storage.paths.remote_path import RemotePath

# Directory in which `pack` keeps its state until the index is written.
UNFINISHED = ".packing"

# File that marks a directory of a `ShardWriter` until the index is written. Behind a URL it is a
# directory, with the file `MARK` and the leases.
WRITING = ".writing"

MARK = "writer.json"

# Behind a URL: where the leases of the processes that write are, in `UNFINISHED` and in `WRITING`.
LEASES = "lease"


class Unfinished(NamedTuple):
    """A writer that was stopped, or is still running.

    Attributes:
        writer: what wrote the directory.
        remedy: a sentence that says what to do.
    """

    writer: str
    remedy: str


_STATES = {
    UNFINISHED: Unfinished("`pack`", "Make the same call again; it continues from there."),
    WRITING: Unfinished("a `ShardWriter`", "Delete the directory and write it again."),
}


def find_unfinished(entries: Container[str]) -> Unfinished | None:
    """Returns the writer that has not finished, or `None`.

    Args:
        entries: the names of the files and folders of a directory.
    """
    return next((state for name, state in _STATES.items() if name in entries), None)


def unfinished_error(
    directory: str | os.PathLike[str] | RemotePath, unfinished: Unfinished
) -> ShardError:
    """Returns the error for a directory that is read before its writer has finished."""
    return ShardError(
        f"{directory}: is not complete: {unfinished.writer} was stopped, or is still running. "
        f"{unfinished.remedy}"
    )
