"""Small sets of rows of any length and of encoded images."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from keras_bigdata import ShardIndex, ShardWriter
from keras_bigdata.packing.samples.stored_form import StoredForm


def ragged_rows(start: int, stop: int) -> list[np.ndarray]:
    """Rows of 0 to 6 numbers that name their row."""
    return [np.arange(row, row + row % 7, dtype=np.int32) for row in range(start, stop)]


def write_ragged(directory: Path, sizes: Sequence[int] = (5, 4)) -> ShardIndex:
    """Writes `t`, rows of any length, and `y`."""
    start = 0
    with ShardWriter(directory, inputs="t", targets="y") as writer:
        for size in sizes:
            rows = ragged_rows(start, start + size)
            files = [f"texts/{row}.txt" for row in range(start, start + size)]
            labels = np.arange(start, start + size) % 2
            writer.write({"t": rows, "y": labels}, columns={"file": files})
            start += size
    return ShardIndex.load(directory)


class EncodedImages:
    """A source of images of one size, `images`, with `labels` and their `file`.

    Args:
        codec: `"jpeg"`, `"png"` or `"file"`.
        rows: number of rows.
        first: number of the first image.
        options: of the `StoredForm`.
    """

    def __init__(self, codec: str, rows: int = 20, first: int = 0, **options: Any) -> None:
        self._codec, self._rows, self._first = codec, rows, first
        self._size = options.pop("size", 12)
        row_bytes = 600 if codec == "file" else None
        self.roles = {"inputs": "images", "targets": "labels"}
        self.stored_forms = {"images": StoredForm(codec, row_bytes=row_bytes, **options)}

    def __len__(self) -> int:
        return self._rows

    def file(self, row: int) -> str:
        return f"{self._first + row}.jpg"

    def __getitem__(self, row: int) -> dict[str, Any]:
        size = self._size + (row % 3 if self._codec == "file" else 0)
        rng = np.random.default_rng(self._first + row)
        images = rng.integers(0, 256, (size, 12, 3), np.uint8)
        if self._codec == "file":
            images = np.frombuffer(encoded(images, ("JPEG", "PNG", "BMP")[row % 3]), np.uint8)
        return {"images": images, "labels": np.int32((self._first + row) % 3)}


class RaggedNumbers:
    """A source of rows of any length, `t`, with `labels`."""

    def __init__(self, rows: int = 20, **options: Any) -> None:
        self._rows = rows
        self.roles = {"inputs": "t", "targets": "labels"}
        self.stored_forms = {"t": StoredForm(None, row_bytes=12, **options)}

    def __len__(self) -> int:
        return self._rows

    def __getitem__(self, row: int) -> dict[str, Any]:
        return {"t": np.arange(row, row + row % 7, dtype=np.int32), "labels": np.int32(row % 3)}


def encoded(pixels: np.ndarray, format: str) -> bytes:
    """Returns the content of an image file."""
    output = io.BytesIO()
    Image.fromarray(pixels).save(output, format)
    return output.getvalue()


def as_values(rows: Sequence[Any], dtype: Any = None, offsets: Any = np.int64) -> dict[str, Any]:
    """Returns rows as they are pickled: values and offsets."""
    return {
        "values": np.concatenate(rows).astype(dtype or rows[0].dtype),
        "offsets": np.cumsum([0, *map(len, rows)]).astype(offsets),
    }
