"""Converts a path or URL that a user passes to a `pathlib.Path` or a `RemotePath`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

import numpy.typing as npt

from keras_bigdata.checksum import crc32
from keras_bigdata.files import local_path
from keras_bigdata.storage.paths.joined_places import JoinedPlaces
from keras_bigdata.storage.paths.remote_path import CacheSettings, RemotePath
from keras_bigdata.storage.urls.storage_options import StorageOptions
from keras_bigdata.storage.urls.url import LOCAL_SCHEMES, checked_url, is_remote, scheme_of

# Where a set of shards lies.
Place: TypeAlias = Path | RemotePath | JoinedPlaces


def as_place(
    value: Any, argument: str, storage_options: Mapping[str, Any] | None = None
) -> Path | RemotePath:
    """Returns a path on this machine or a URL as an object with which files are opened.

    Args:
        value: a path, a URL, or a `RemotePath`, which is returned unchanged.
        argument: name of the argument, for the messages.
        storage_options: the options of the driver of a URL. Defaults to `None`.

    Raises:
        TypeError: if it is neither a string nor a path object.
        ValueError: if it is empty, not a valid URL, or has options but is not a URL.
    """
    if isinstance(value, RemotePath):
        return value
    text = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if isinstance(text, str) and is_remote(text):
        if isinstance(value, os.PathLike):
            raise ValueError(
                f"`{argument}` is a URL in a path object, which makes one slash of two. Pass it "
                f"as a string. Received: {argument}={value!r}"
            )
        return RemotePath(checked_url(text, argument), StorageOptions(storage_options))
    if isinstance(text, str) and scheme_of(text) in LOCAL_SCHEMES and "://" in text:
        parts = urlsplit(text)
        if parts.netloc not in ("", "localhost"):
            raise ValueError(
                f"`{argument}` names a file of another machine ({parts.netloc!r}). Three slashes "
                f"follow 'file:' for one of this machine. Received: {argument}={text!r}"
            )
        value = unquote(parts.path)
    StorageOptions(storage_options)
    return local_path(value, argument)


def urls_of(place: Place) -> tuple[RemotePath, ...]:
    """Returns the directories of a set that are behind URLs; an empty tuple without any."""
    if isinstance(place, JoinedPlaces):
        return place.remote
    return (place,) if isinstance(place, RemotePath) else ()


def cache_of(place: Place) -> CacheSettings | None:
    """Returns the cache of a set; that of the first URL if several sets are joined."""
    urls = urls_of(place)
    return urls[0].cache if urls else None


def local_place(place: Place, what: str) -> Path:
    """Returns the place of a set that must lie on this machine.

    Args:
        place: the place.
        what: what needs it there, for the message, such as `"repair"`.

    Raises:
        ValueError: if it is behind a URL.
    """
    if isinstance(place, Path):
        return place
    raise ValueError(
        f"{place}: {what} works on directories of this machine. Copy the set to a local directory, "
        "and copy the result back."
    )


def check_options_used(
    value: Any, *places: Place | None, argument: str = "storage_options"
) -> None:
    """Checks that an argument for URLs is passed together with a URL.

    Args:
        value: the value of the argument; `None` if it is not passed.
        places: the places that the call receives; `None` for an argument that is not passed.
        argument: its name, for the message. Defaults to `"storage_options"`.

    Raises:
        ValueError: if it is passed, and all places are on this machine.
    """
    local = [place for place in places if isinstance(place, Path)]
    if value is not None and len(local) == len([each for each in places if each]):
        raise ValueError(
            f"{', '.join(map(str, local))}: `{argument}` is for URLs, and "
            f"{'this is a path' if len(local) == 1 else 'these are paths'} on this machine. Leave "
            "it out, or pass a URL."
        )


def absolute_place(
    value: Any, argument: str, storage_options: Mapping[str, Any] | None = None
) -> Path | RemotePath:
    """Does the same as `as_place`, and makes a local path absolute.

    The working directory may change before the place is used.
    """
    place = as_place(value, argument, storage_options)
    return place if isinstance(place, RemotePath) else Path(os.path.abspath(place))


def of_set(place: Place, checksums: npt.NDArray[Any]) -> Place:
    """Returns the place of a set with a version that follows from the checksums of its shards.

    After a remote set was packed again, its files are then not taken for those of the former set.
    """
    if not isinstance(place, RemotePath):
        return place
    return replace(place, set_version=crc32(checksums.tobytes()))
