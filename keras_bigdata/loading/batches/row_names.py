"""Some rows of shards as text, for the error of a transform."""

from __future__ import annotations

import numpy as np

from keras_bigdata.shards.index.shard_index import Int64Array, ShardIndex

# Maximum number of shards, and of rows of each shard, that are named.
_MAX_NAMED_SHARDS, _MAX_NAMED_ROWS = 6, 8


def rows_as_text(index: ShardIndex, shards: Int64Array, rows: Int64Array) -> str:
    """Returns the paths of shards and the numbers of some of their rows.

    Args:
        index: the shards.
        shards: int64 array, the shard of each row.
        rows: int64 array of equal length, the row in that shard.
    """
    found = np.unique(shards).tolist()
    parts = []
    for shard in found[:_MAX_NAMED_SHARDS]:
        here = rows[shards == shard].tolist()
        more = f" and {len(here) - _MAX_NAMED_ROWS} more" if len(here) > _MAX_NAMED_ROWS else ""
        listed = ", ".join(map(str, here[:_MAX_NAMED_ROWS]))
        parts.append(f"{index.path(shard)} (rows {listed}{more})")
    more = (
        f"; and {len(found) - _MAX_NAMED_SHARDS} more shards"
        if len(found) > _MAX_NAMED_SHARDS
        else ""
    )
    return f"{'; '.join(parts)}{more}"
