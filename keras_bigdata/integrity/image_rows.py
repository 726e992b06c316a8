"""Checks the headers of encoded images, without decoding them."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import CorruptShardError
from keras_bigdata.images.header import ImageHeader, read_header
from keras_bigdata.integrity.row_names import RowName, describe_row, name_rows
from keras_bigdata.shards.fields.entries import FILE_CODEC
from keras_bigdata.shards.index.shard_index import ShardIndex
from keras_bigdata.shards.reading.read_column import read_ragged
from keras_bigdata.storage.cache.open_copy import OpenCopy

_DEPTH = 8


def check_image_rows(
    index: ShardIndex,
    shard: int,
    name: str,
    trust: bool = False,
    file: OpenCopy | None = None,
) -> None:
    """Checks that each row of a field of encoded images begins as such an image.

    Args:
        index: the index.
        shard: number of the shard.
        name: name of the field.
        trust: as in `open_shards`. Defaults to `False`.
        file: an open copy of the remote shard. Defaults to `None`.

    Raises:
        CorruptShardError: if the shard cannot be read, or if a row is not an image of the format
            and size of the field; the message names the row.
    """
    field = index.fields[name]
    expected = None
    if field.codec != FILE_CODEC:
        height, width, channels = field.row_shape
        expected = ImageHeader(str(field.codec), height, width, channels, _DEPTH)
    rows = read_ragged(index, shard, name, trust=trust, file=file)
    for row, header in enumerate(row_headers(rows.values, rows.offsets)):
        if header is None or (expected is not None and header != expected):
            found = "bytes that are not an image" if header is None else header
            raise CorruptShardError(
                f"{index.path(shard)}: {_describe(index, shard, row, trust)} of {name!r} is "
                f"{found}, expected {expected or 'an image'}. Restore the file, or write it again."
            )


def row_headers(
    values: npt.NDArray[Any], offsets: npt.NDArray[Any]
) -> Iterator[ImageHeader | None]:
    """Yields the header of each row, or `None` for a row that is not an image."""
    content = np.ascontiguousarray(values, np.uint8).data
    for start, stop in itertools.pairwise(offsets.tolist()):
        yield read_header(content[start:stop])


def _describe(index: ShardIndex, shard: int, row: int, trust: bool) -> str:
    name: RowName = None
    with contextlib.suppress(CorruptShardError):
        name = name_rows(index, [(shard, row)], trust)[0]
    return describe_row(row, name)
