"""Which stores can be written to: those whose files are whole or absent."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_bigdata.storage.paths.place import as_place, check_options_used
from keras_bigdata.storage.paths.remote_path import RemotePath

# Their drivers upload a file as a whole, or in parts that become a file with the last request.
WRITABLE = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "memory")

_REASONS = {
    "hf": "there each file would be a commit of its own. Write to a local directory and upload it "
    "as one commit: huggingface_hub.upload_folder(...)",
    "http": "web servers are only read. Write to a local directory and copy it to the server",
}
_REASONS["https"] = _REASONS["http"]


# Why other schemes are refused for single files, such as checkpoints.
_FILE_REASONS = {
    "http": "a web server cannot be written",
    "https": "a web server cannot be written",
    "hf": "each file that is written there is a commit of the repository, which keeps all of them",
}


def writable_place(
    value: Any, argument: str, storage_options: Mapping[str, Any] | None = None
) -> Path | RemotePath:
    """Returns the place of a set that is to be written.

    Args:
        value: a path or a URL.
        argument: name of the argument, for the messages.
        storage_options: the options of the driver of a URL. Defaults to `None`.

    Raises:
        TypeError, ValueError: as `as_place`; also if the store cannot be written to.
    """
    place = as_place(value, argument, storage_options)
    if isinstance(place, RemotePath):
        check_writable(place, argument)
    check_options_used(storage_options, place)
    return place


def check_writable(place: RemotePath, argument: str) -> None:
    """Checks that a store writes files that are whole or absent.

    Args:
        place: the directory that is to be written.
        argument: name of the argument, for the message.

    Raises:
        ValueError: if it does not, or if that is unknown.
    """
    if place.scheme in WRITABLE:
        return
    reason = _REASONS.get(
        place.scheme,
        f"it is unknown whether the driver of {place.scheme}:// writes files whole or not at all. "
        "Write to a local directory and copy it there, the file index.json last",
    )
    raise ValueError(
        f"`{argument}`: shards cannot be written to this URL: {reason}. Shards are written to "
        f"local directories, s3://, gs:// and az://. Received: {argument}={place.url!r}"
    )


def output_place(
    value: Any, argument: str, storage_options: Mapping[str, Any] | None = None
) -> Path | RemotePath:
    """Returns the place of files that are replaced as a whole, on this machine or in a store.

    Args:
        value: a path or a URL.
        argument: name of the argument, for the messages.
        storage_options: the options of the driver of a URL. Defaults to `None`.

    Raises:
        TypeError: if it is neither a string nor a path object.
        ValueError: if it is not valid, if the store cannot replace a file atomically, or if there
            are options but no URL.
    """
    place = as_place(value, argument, storage_options)
    if isinstance(place, Path):
        check_options_used(storage_options, place)
        return place
    if place.scheme not in WRITABLE:
        reason = _FILE_REASONS.get(
            place.scheme, "it is not known that a file there is either complete or absent"
        )
        raise ValueError(
            f"`{argument}` cannot be written to {place.scheme}://: {reason}. Pass a path on this "
            f"machine, or a URL of {', '.join(f'{each}://' for each in WRITABLE)}. "
            f"Received: {argument}={place.url!r}"
        )
    return place
