"""Exceptions about data. An invalid argument is a `ValueError` or `TypeError` instead."""

from __future__ import annotations


class BigDataError(Exception):
    """Base class of all errors about data that this package raises."""


class PackError(BigDataError):
    """A source cannot be read, or its samples cannot be written as shards."""


class WorkerError(BigDataError):
    """A worker process that reads batches ahead has died or cannot be reached."""


class ShardError(BigDataError):
    """A set of shards is incomplete, or does not hold the requested data."""


class CorruptShardError(ShardError):
    """A shard or an index is missing, cut short, damaged, or differs from the index."""


class StorageError(BigDataError):
    """A store behind a URL cannot be reached or refuses a request, or a cache cannot be used.

    No shard is at fault.
    """


class UnsafePickleError(ShardError):
    """A pickle was not read because that would run code or take far more memory than the file."""
