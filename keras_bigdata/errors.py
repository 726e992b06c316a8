"""The errors that keras_bigdata raises about data. Bad arguments are ValueError or TypeError."""

from __future__ import annotations


class BigDataError(Exception):
    """Base class of every error about data that this package raises."""


class PackError(BigDataError):
    """A source could not be read, or its samples could not be written as shards."""


class WorkerError(BigDataError):
    """A worker process of the read-ahead died or could not be reached."""


class ShardError(BigDataError):
    """A set of shards does not hold what was asked of it."""


class CorruptShardError(ShardError):
    """A shard or an index is missing, cut short, or not what the index says."""


class UnsafePickleError(ShardError):
    """A pickle would have to run code to be read, and was not read."""
