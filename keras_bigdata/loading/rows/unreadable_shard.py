"""`UnreadableShardError`: the error about a shard that was indexed and now fails."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from keras_bigdata.errors import CorruptShardError, ShardError
from keras_bigdata.file_descriptors import TooManyOpenFilesError


class UnreadableShardError(CorruptShardError):
    """A `CorruptShardError` with the number of the shard."""

    def __init__(self, message: str, shard: int) -> None:
        super().__init__(message, shard)
        self.shard = shard

    def __str__(self) -> str:
        return str(self.args[0])


@contextlib.contextmanager
def shard_errors(shard: int) -> Iterator[None]:
    """Adds the number of the shard to errors: a file that was indexed and now fails is corrupt."""
    try:
        yield
    except (UnreadableShardError, TooManyOpenFilesError):
        raise
    except ShardError as error:
        raise UnreadableShardError(str(error), shard) from error
