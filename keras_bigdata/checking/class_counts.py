"""How many rows each class has, counted in the shards."""

from __future__ import annotations

from keras_bigdata.checking.columns import read_columns
from keras_bigdata.errors import ShardError
from keras_bigdata.progress import track
from keras_bigdata.shards.index import ShardIndex
from keras_bigdata.shards.writer import add_counts, count_classes


def counted_classes(index: ShardIndex) -> list[int] | None:
    """Rows of each class in the first variant; `None` if the targets are no class numbers.

    Raises:
        ShardError: if a shard cannot be read, or a label is beyond the classes.
    """
    target = index.roles.targets
    if not isinstance(target, str) or index.fields[target].shape != ():
        return None
    shards = [shard for shard in range(len(index)) if not index.variant[shard]]
    counts = []
    for shard in track(shards, len(shards), "Counting classes"):
        columns = read_columns(index.path(shard), [target])
        counts.append(count_classes(columns, index.roles))
    try:
        return add_counts(counts, index.classes)
    except ShardError as error:
        raise ShardError(
            f"{index.directory}: {error} These classes belong to other data."
        ) from error
