"""The entries of an index: `Field`, an array of all shards, and `ShardInfo`, one shard."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from keras_bigdata.representation import format_bytes, format_count, html_table, shorten

# How a row is stored if it is not an array of the field's dtype and shape: as a text, or as the
# content of an image file. Rows of numbers of any length have no codec.
TEXT_CODEC = "utf-8"
FILE_CODEC = "file"
IMAGE_CODECS = ("jpeg", "png", FILE_CODEC)


@dataclass(frozen=True, slots=True, repr=False)
class Field:
    """A named array of the samples.

    Args:
        name: the key in the pickled dict.
        dtype: NumPy dtype, in native byte order, of the rows of a batch.
        shape: shape of one row of a batch, without the first dimension. `None` stands for a
            dimension that differs from row to row: the first one of rows of numbers of any length,
            or height and width of image files that are stored as they are.
        codec: how a row is stored if it is not stored as such an array: `"utf-8"` for texts;
            `"jpeg"`, `"png"` or `"file"` (any format) for images, which are decoded when they are
            read. Such rows, and rows of any length, are stored as values and offsets (see
            `varlen.py`). Defaults to `None`.
        padding: the number that fills rows of any length in a batch. Defaults to `0`.

    Example:

    ```python
    index = pack(Arrays(x=x, labels=y), "shards/train")
    index.fields["x"]  # Field('x': float64 (rows, 4))
    index.fields["x"].row_bytes  # 32
    ```
    """

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | None, ...]
    codec: str | None = None
    padding: float = 0

    @property
    def is_varlen(self) -> bool:
        """Whether rows are stored as values and offsets, because their size varies."""
        return self.codec is not None or None in self.shape

    @property
    def is_ragged(self) -> bool:
        """Whether rows are numbers of any length, which are padded in a batch."""
        return self.codec is None and None in self.shape

    @property
    def is_encoded(self) -> bool:
        """Whether rows are images that have to be decoded."""
        return self.codec in IMAGE_CODECS

    @property
    def row_shape(self) -> tuple[int, ...]:
        """The shape of a row, where it is the same for all rows."""
        if None in self.shape:
            raise ValueError(f"the rows of {self} differ in shape")
        return self.shape  # type: ignore[return-value]

    @property
    def row_bytes(self) -> int:
        """Bytes of one row of a batch; 0 if its length varies."""
        return 0 if None in self.shape else self.dtype.itemsize * math.prod(self.row_shape)

    @property
    def stored_row_bytes(self) -> int:
        """Bytes of one row in the file; 0 if they vary."""
        return 0 if self.is_varlen else self.row_bytes

    @property
    def value_dtype(self) -> np.dtype[Any]:
        """Dtype of the values of a varlen field: bytes if it has a codec."""
        return self.dtype if self.codec is None else np.dtype(np.uint8)

    @property
    def value_shape(self) -> tuple[int, ...]:
        """Shape of one value of a varlen field."""
        return () if self.codec is not None else self.shape[1:]  # type: ignore[return-value]

    def __str__(self) -> str:
        sizes = ("any" if size is None else str(size) for size in self.shape)
        rows = ", ".join(("rows", *sizes))
        kind = "text" if self.codec == TEXT_CODEC else self.dtype
        stored = f", stored as {self.codec}" if self.is_encoded else ""
        padded = f", padded with {self.padding}" if self.padding else ""
        return f"{self.name!r}: {kind} ({rows}){stored}{padded}"

    def __repr__(self) -> str:
        return f"Field({shorten(self)})"

    def _repr_html_(self) -> str:
        size = format_bytes(self.row_bytes) if self.row_bytes else "varies"
        return html_table(
            "Field",
            {
                "name": self.name,
                "dtype": self.dtype,
                "shape of a row": str(self.shape),
                "size of a row": size,
                **({"stored as": self.codec} if self.codec else {}),
                **({"padded with": self.padding} if self.is_ragged else {}),
            },
        )


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
        row_offsets: per field or column of variable length, the byte position of the offsets of its
            rows; that of its values is in `offsets`. Defaults to `{}`.
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
