"""Names rows of shards by where they come from: their file, or their number in the source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from keras_bigdata.representation import shorten
from keras_bigdata.shards.fields.metadata_columns import FILE, ROW
from keras_bigdata.shards.index.shard_index import ShardIndex
from keras_bigdata.shards.reading.read_column import read_column

# The file of a row, its number in the source, or `None` if the shards record neither.
RowName: TypeAlias = str | int | None


def name_rows(
    index: ShardIndex, places: Sequence[tuple[int, int]], trust: bool = False
) -> list[RowName]:
    """Returns the file of each row, as the source names it; otherwise its number in the source.

    One column is read of each shard that has one of the rows.

    Args:
        index: the shards.
        places: numbers of a shard and of a row in it.
        trust: as in `open_shards`. Defaults to `False`.

    Returns:
        A list with a name for each place: the entry of the column `file`; without it, or if it is
        empty, that of the column `row`; `None` if the shards have neither.

    Raises:
        CorruptShardError: if a shard cannot be read.
    """
    names: list[RowName] = [None] * len(places)
    for column in (FILE, ROW):
        if column not in index.columns:
            continue
        unnamed = [number for number, name in enumerate(names) if name is None]
        for shard in sorted({places[number][0] for number in unnamed}):
            values = read_column(index, shard, column, trust=trust).tolist()
            for number in unnamed:
                if places[number][0] == shard:
                    # Rows without a file have an empty text.
                    value = values[places[number][1]]
                    names[number] = None if value == "" else value
    return names


def describe_row(row: int, name: RowName) -> str:
    """Returns the number of a row in its shard, with its name: `row 3 (cat/7.png)`."""
    if name is None:
        return f"row {row}"
    if isinstance(name, int):
        return f"row {row} (row {name} of the source)"
    return f"row {row} ({shorten(name if name.isprintable() else repr(name))})"
