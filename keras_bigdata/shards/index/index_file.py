"""Reads and writes `index.json`: its format, its version, and the messages of its errors."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from keras_bigdata.errors import CorruptShardError, ShardError
from keras_bigdata.files import atomic_path
from keras_bigdata.shards.index.missing_index import missing_index_error
from keras_bigdata.storage.paths.place import Place
from keras_bigdata.storage.paths.remote_path import RemotePath

INDEX_NAME = "index.json"

FORMAT = "keras_bigdata"

# Format of the file. 1: columns are lists. 2: columns may be runs, and there are metadata columns.
# Every later release reads all of them.
VERSION = 2
READ_VERSIONS = (1, 2)


def write_index_file(directory: Place, content: Mapping[str, Any]) -> None:
    """Writes `index.json` into a directory, atomically.

    Args:
        directory: the directory of the shards.
        content: everything but format and version.
    """
    whole = {"format": FORMAT, "version": VERSION, **content}
    text = json.dumps(whole, separators=(",", ":"))
    path = directory / INDEX_NAME
    if isinstance(path, RemotePath):
        path.write_bytes(text.encode())
        return
    with atomic_path(path) as temporary:
        Path(temporary).write_text(text, "utf-8")


def read_index_file(directory: Place) -> dict[str, Any]:
    """Returns the content of the `index.json` of a directory, of a version that is known.

    Raises:
        CorruptShardError: if the file is missing, or is not an index.
        ShardError: if a newer release wrote it, if it may not be read, or if the writer of a set
            behind a URL has not finished.
    """
    path = directory / INDEX_NAME
    try:
        # Decoded first: from bytes, json would guess the encoding and import it.
        content = json.loads(path.read_bytes().decode("utf-8"))
    except PermissionError as error:  # it is not lost, and must not be written again
        raise ShardError(f"{path}: the index may not be read ({error.strerror}).") from error
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(path, RemotePath) and isinstance(error, FileNotFoundError):
            raise missing_index_error(path) from error
        raise CorruptShardError(
            f"{path}: the index cannot be read ({excerpt(error)}). {_how_to_restore(path)}"
        ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise CorruptShardError(
            f"{path}: is not an index of keras_bigdata. Move it, or pass a list of the shards."
        )
    version = content.get("version")
    if type(version) is not int or version not in READ_VERSIONS:
        writer = content.get("writer")
        release = f"keras_bigdata {excerpt(writer)}" if writer else "a release that matches"
        raise ShardError(
            f"{path}: the index has version {excerpt(repr(version))}; this release reads versions "
            f"{' and '.join(map(str, READ_VERSIONS))}. Install {release}, or pack the data again."
        )
    return content


@contextlib.contextmanager
def damage_reported(directory: Place) -> Iterator[None]:
    """Raises `CorruptShardError` in place of the errors that damaged values of an index raise."""
    try:
        yield
    except (
        KeyError, TypeError, ValueError, OverflowError, AttributeError, RecursionError
    ) as error:  # fmt: skip
        raise CorruptShardError(
            f"{directory / INDEX_NAME}: the index is damaged ({type(error).__name__}: "
            f"{excerpt(error)}). {_how_to_restore(directory)}"
        ) from error


def _how_to_restore(place: Place) -> str:
    if isinstance(place, Path):
        return (
            "Restore it, or delete it and pass `inputs` and `targets`: the shards are then scanned "
            "instead."
        )
    return "Upload it again: a set behind a URL is not read without its index."


def excerpt(reason: object) -> str:
    """Returns the beginning of a reason, which may quote the content of the file."""
    return str(reason)[:300].encode("utf-8", "backslashreplace").decode()
