"""Checks that a cache has room for what is read at one time."""

from __future__ import annotations

from keras_bigdata.storage.paths.remote_path import CacheSettings


def check_cache_bytes(
    cache: CacheSettings | None,
    needed: int,
    what: str = "the shards of two windows, the current one and the next",
) -> None:
    """Checks that the limit of a cache is not smaller than what is used at one time.

    Args:
        cache: the cache; nothing is checked if it is `None` or has no limit.
        needed: bytes that are used at one time.
        what: what takes these bytes, for the message. Defaults to two windows.

    Raises:
        ValueError: if the limit is smaller.
    """
    if cache is None or cache.max_bytes is None or cache.max_bytes >= needed:
        return
    raise ValueError(
        f"`cache_bytes` is too small: {what}, take {needed:,} bytes. Pass at least that, read "
        "fewer shards at one time (`window_shards`), or pass no `cache`: the shards in use are "
        f"then held in memory. Received: cache_bytes={cache.max_bytes:,}"
    )
