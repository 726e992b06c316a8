"""Sets the options with which the files of a remote set are read: driver and cache."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from keras_bigdata.arguments import checked_int
from keras_bigdata.files import local_path
from keras_bigdata.shards.index.shard_index import ShardIndex
from keras_bigdata.storage.paths.joined_places import JoinedPlaces
from keras_bigdata.storage.paths.place import Place, check_options_used
from keras_bigdata.storage.paths.remote_path import CacheSettings
from keras_bigdata.storage.urls.storage_options import StorageOptions


def cache_settings(
    cache: str | os.PathLike[str] | None, cache_bytes: int | None
) -> CacheSettings | None:
    """Checks the arguments `cache` and `cache_bytes`.

    Returns:
        `None` without a cache.

    Raises:
        TypeError, ValueError: if one of them is wrong, or if there is a size but no directory.
    """
    if cache_bytes is not None:
        cache_bytes = checked_int(cache_bytes, "cache_bytes", 1)
        if cache is None:
            raise ValueError(
                "`cache_bytes` is the size of a cache, and there is none: pass its directory as "
                f"`cache`. Received: cache=None, cache_bytes={cache_bytes}"
            )
    if cache is None:
        return None
    return CacheSettings(os.path.abspath(local_path(cache, "cache")), cache_bytes)


def with_remote_options(
    index: ShardIndex, cache: CacheSettings | None, storage_options: Mapping[str, Any] | None
) -> ShardIndex:
    """Returns an index whose remote files are read with other options.

    Args:
        index: the index.
        cache: where copies are kept; `None` to leave it as it is.
        storage_options: options of the drivers; `None` to leave them as they are.

    Raises:
        ValueError: if there are options, and no file is behind a URL.
    """
    if cache is None and storage_options is None:
        return index
    check_options_used(cache, index.directory, argument="cache")
    check_options_used(storage_options, index.directory)
    return replace(index, directory=_with_options(index.directory, cache, storage_options))


def _with_options(
    place: Place, cache: CacheSettings | None, storage_options: Mapping[str, Any] | None
) -> Place:
    if isinstance(place, JoinedPlaces):
        parts = tuple(_with_options(part, cache, storage_options) for part in place.remote)
        return replace(place, remote=parts)  # type: ignore[arg-type]
    if isinstance(place, Path):
        return place
    if cache is not None:
        place = place.with_cache(cache)
    if storage_options is not None:
        place = replace(place, options=StorageOptions(storage_options))
    return place
