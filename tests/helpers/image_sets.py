"""Sources and sets of small images that are stored in several forms."""

from __future__ import annotations

import functools
import io
from pathlib import Path
from typing import Any

import numpy as np
import skimage.data
from PIL import Image

from keras_bigdata import ShardIndex, pack
from keras_bigdata.packing.samples.stored_form import StoredForm
from keras_bigdata.shards.fields.roles import Roles

ROWS, SIZE = 90, (24, 32)


@functools.cache
def photograph() -> np.ndarray[Any, Any]:
    return skimage.data.chelsea()


def pixels_of(row: int) -> np.ndarray[Any, Any]:
    """Part of a photograph, another one for each row."""
    top, left = 2 * row, 3 * row
    return np.ascontiguousarray(photograph()[top : top + SIZE[0], left : left + SIZE[1]])


def file_of(row: int) -> bytes:
    """A file of another size and format for each row."""
    image = photograph()[row : row + 60 + row, row : row + 150 - row]
    return encoded(image, ("JPEG", "PNG", "WEBP")[row % 3])


class Photographs:
    """A source of parts of a photograph as `images`, with `labels` and `id`.

    Args:
        codec: `None` for pixels, `"jpeg"`, `"png"` or `"file"`.
        rows: number of rows.
    """

    roles = Roles("images", ("labels", "id"))

    def __init__(self, codec: str | None, rows: int = ROWS) -> None:
        self.codec, self.rows = codec, rows
        self.stored_forms = {} if codec is None else {"images": StoredForm(codec, row_bytes=5_000)}

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, row: int) -> dict[str, Any]:
        is_file = self.codec == "file"
        images = np.frombuffer(file_of(row), np.uint8) if is_file else pixels_of(row)
        return {"images": images, "labels": row % 3, "id": row}

    def file(self, row: int) -> str:
        return f"cat/{row}.png"


def pack_photographs(directory: Path, codec: str | None, rows: int = ROWS) -> ShardIndex:
    return pack(Photographs(codec, rows), directory, shard_samples=12, workers=1, verbose=0)


class EncodedImages:
    """A source of random images of one size, `images`, with `labels` and their `file`.

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


def encoded(pixels: np.ndarray, format: str) -> bytes:
    """Returns the content of an image file."""
    output = io.BytesIO()
    Image.fromarray(pixels).save(output, format)
    return output.getvalue()
