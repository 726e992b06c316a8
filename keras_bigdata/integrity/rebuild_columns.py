"""Finds the metadata columns of shards whose index is lost."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from keras_bigdata.shards.fields.entries import TEXT_CODEC
from keras_bigdata.shards.fields.metadata_columns import ROW
from keras_bigdata.shards.index.shard_index import Field, ShardIndex, ShardInfo
from keras_bigdata.shards.opening.layout import Layout, read_layout


def separate_columns(
    directory: Path,
    fields: Mapping[str, Field],
    infos: Sequence[ShardInfo],
    like: ShardIndex | None,
    texts: Collection[str],
) -> tuple[dict[str, Field], dict[str, Field], list[ShardInfo]]:
    """Separates metadata columns from fields.

    `row` and texts are always metadata columns of packed shards. Columns of numbers look like
    fields, unless `like` has them as columns.

    Args:
        directory: directory of the shards.
        fields: the arrays that were found in all shards.
        infos: the shards.
        like: the index of another set with the same columns, or `None`.
        texts: names of the columns of texts.

    Returns:
        `(fields, columns, infos)`: the shards with the byte offsets of the columns.
    """
    layouts = [read_layout(directory / info.name) for info in infos]
    known = {ROW: Field(ROW, np.dtype(np.int64), ()), **(like.columns if like is not None else {})}
    numbers = [
        name
        for name, column in known.items()
        if column.codec is None
        and all(
            layout.arrays.get(name, ())[:2] == (column.dtype, (info.samples,))
            for layout, info in zip(layouts, infos, strict=True)
        )
    ]
    columns_of_texts = [
        name
        for name in layouts[0].varlen
        if name in texts
        and all(_has_texts(layout, name, info) for layout, info in zip(layouts, infos, strict=True))
    ]
    columns = {
        **{name: known[name] for name in numbers},
        **{name: Field(name, np.dtype(np.str_), (), TEXT_CODEC) for name in columns_of_texts},
    }
    found = [
        replace(
            info,
            offsets={
                **info.offsets,
                **{name: layout.arrays[name][2] for name in numbers},
                **{name: layout.varlen[name][0][2] for name in columns_of_texts},
            },
            row_offsets={
                **info.row_offsets,
                **{name: layout.varlen[name][1][2] for name in columns_of_texts},
            },
        )
        for layout, info in zip(layouts, infos, strict=True)
    ]
    return {name: each for name, each in fields.items() if name not in columns}, columns, found


def _has_texts(layout: Layout, name: str, info: ShardInfo) -> bool:
    """Returns whether a shard has a column of texts with one entry per row."""
    if name not in layout.varlen:
        return False
    values, offsets = layout.varlen[name]
    return values[0] == np.uint8 and offsets[:2] == (np.dtype(np.int64), (info.samples + 1,))
