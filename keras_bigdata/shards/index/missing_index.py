"""The error for a URL without an index. It names the files found there and the remedy."""

from __future__ import annotations

from keras_bigdata.errors import CorruptShardError, ShardError, StorageError
from keras_bigdata.representation import list_some
from keras_bigdata.shards.index.unfinished import find_unfinished, unfinished_error
from keras_bigdata.storage.paths.listed_sizes import has_listing
from keras_bigdata.storage.paths.remote_path import RemotePath

_LISTED = 3


def missing_index_error(path: RemotePath) -> ShardError:
    """Returns the error for an index that does not exist.

    Args:
        path: the index.
    """
    directory = path.parent
    if not has_listing(path):
        return CorruptShardError(f"{path}: there is no such file. Check the URL.")
    try:
        names = sorted(directory.list_sizes())
    except StorageError:  # the index may be read, and the listing not
        return CorruptShardError(f"{path}: there is no such file. Check the URL.")
    if not names:
        return CorruptShardError(
            f"{path}: there is no such file, nor any other at {directory}. Check the URL."
        )
    unfinished = find_unfinished({name.partition("/")[0] for name in names})
    if unfinished is not None:
        return unfinished_error(str(directory), unfinished)
    return CorruptShardError(
        f"{path}: the directory has no index.json, and pickles without an index are read on this "
        f"machine only: at a URL, all of them would have to be read first. It holds "
        f"{list_some(names, _LISTED)}. Pack the data to a URL (`pack`). If these are shards whose "
        f"index is lost, `keras-bigdata repair {directory}` creates it again; or copy them to a "
        "local directory. If sets lie in directories below it, name one of them."
    )
