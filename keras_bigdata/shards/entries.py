"""The entries of an index: `Field`, an array of all shards, and `ShardInfo`, one shard."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from keras_bigdata.representation import format_bytes, format_count, html_table, shorten


@dataclass(frozen=True, slots=True, repr=False)
class Field:
    """A named array of the samples.

    Args:
        name: the key in the pickled dict.
        dtype: NumPy dtype, in native byte order.
        shape: shape of one row, without the first dimension.
        codec: how rows of variable length are stored: `"utf-8"` for texts (see `varlen.py`).
            Defaults to `None`: all rows have the same shape.

    Example:

    ```python
    index = pack(Arrays(x=x, labels=y), "shards/train")
    index.fields["x"]  # Field('x': float64 (rows, 4))
    index.fields["x"].row_bytes  # 32
    ```
    """

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    codec: str | None = None

    @property
    def row_bytes(self) -> int:
        """Bytes of one row; 0 if its length varies."""
        return self.dtype.itemsize * math.prod(self.shape)

    def __str__(self) -> str:
        rows = ", ".join(("rows", *map(str, self.shape)))
        kind = self.dtype if self.codec is None else "text"
        return f"{self.name!r}: {kind} ({rows})"

    def __repr__(self) -> str:
        return f"Field({shorten(self)})"

    def _repr_html_(self) -> str:
        rows = {"name": self.name, "dtype": self.dtype, "shape of a row": str(self.shape)}
        return html_table("Field", {**rows, "size of a row": format_bytes(self.row_bytes)})


def format_fields(fields: Mapping[str, Field]) -> str:
    """Returns fields as text, for messages: names, dtypes and shapes."""
    return ", ".join(map(str, fields.values()))


@dataclass(frozen=True, slots=True, repr=False)
class ShardInfo:
    """The entry of one shard in an index.

    Args:
        name: path relative to the index's directory, with `/`.
        samples: number of rows.
        bytes: size of the file.
        offsets: per field, the byte position of its first row, or -1 if the shard has to be
            decoded whole.
        checksum: CRC-32 of the whole file; `None` if unknown. Defaults to `None`.
        variant: number of the augmented copy of the data that it belongs to. Defaults to `0`.
        row_offsets: per column of variable length, the byte position of the offsets of its rows;
            that of its values is in `offsets`. Defaults to `{}`.
        source: number of the pack that wrote it: 0, and one more for each that was appended.
            Defaults to `0`.

    Example:

    ```python
    index = pack(Arrays(x=x, labels=y), "shards/train")
    index[0]  # ShardInfo('shard-00000.pkl': 20 rows, 1.1 KB)
    ```
    """

    name: str
    samples: int
    bytes: int
    offsets: Mapping[str, int]
    checksum: int | None = None
    variant: int = 0
    row_offsets: Mapping[str, int] = field(default_factory=dict)
    source: int = 0

    def __repr__(self) -> str:
        variant = f", variant {self.variant}" if self.variant else ""
        rows = format_count(self.samples, "row")
        return f"ShardInfo({shorten(self.name)!r}: {rows}, {format_bytes(self.bytes)}{variant})"

    def _repr_html_(self) -> str:
        return html_table(
            "ShardInfo",
            {
                "name": self.name,
                "rows": f"{self.samples:,}",
                "size": f"{self.bytes:,} bytes",
                "variant": self.variant,
                "CRC-32": None if self.checksum is None else f"{self.checksum:08x}",
                "offsets": self.offsets,
            },
        )
