"""The metadata columns of the rows that are packed: `row`, `file`, and the kept columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_bigdata.errors import PackError
from keras_bigdata.packing.samples.samples import Array
from keras_bigdata.packing.sources.base import Source
from keras_bigdata.shards.fields.metadata_columns import FILE, ROW, as_column


def columns_of_rows(source: Any, rows: Sequence[int], positions: Sequence[int]) -> dict[str, Array]:
    """Returns the metadata columns of some rows of a source.

    Args:
        source: the source, or a part of it that holds the rows.
        rows: row numbers in the source that is packed.
        positions: row numbers in `source`.

    Returns:
        Name -> array with one number or text per row. `row` counts the rows of the source before
        any `select` or `split`; for other objects than the sources of this package, those of the
        object that is packed.

    Raises:
        PackError: if a column does not hold one number or one text per row.
    """
    numbers = np.asarray(rows, np.int64)
    columns: dict[str, Any] = {}
    if isinstance(source, Source):
        chosen = np.asarray(positions, np.int64)
        numbers = source.row_numbers(chosen)
        columns = dict(source.row_columns(chosen))
    elif hasattr(source, "file"):
        files = [source.file(position) for position in positions]
        # `file` may return None for rows without one.
        columns = {FILE: ["" if file is None else str(file) for file in files]}
    try:
        return {ROW: numbers, **{name: as_column(each, name) for name, each in columns.items()}}
    except ValueError as error:
        raise PackError(f"the source: {error}") from error
