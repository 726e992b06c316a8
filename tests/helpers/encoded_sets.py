"""Sets of small images that are stored in several forms, and sets of rows of any length."""

from __future__ import annotations

import functools
import io
from pathlib import Path
from typing import Any

import numpy as np
import skimage.data
from PIL import Image

from keras_bigdata import ShardIndex, ShardWriter, pack
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
    output = io.BytesIO()
    Image.fromarray(image).save(output, ("JPEG", "PNG", "WEBP")[row % 3])
    return output.getvalue()


class Images:
    """A source whose images are stored as pixels (`None`), "jpeg", "png" or "file"."""

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


def pack_images(directory: Path, codec: str | None, rows: int = ROWS) -> ShardIndex:
    return pack(Images(codec, rows), directory, shard_samples=12, workers=1, verbose=0)


def ragged_rows(rows: int, longest: int = 40, seed: int = 0) -> list[np.ndarray[Any, Any]]:
    """Tokens from 1 on: realistic lengths, many short rows and a few long ones."""
    rng = np.random.default_rng(seed)
    lengths = np.minimum(rng.lognormal(2, 0.8, rows).astype(int), longest)
    return [rng.integers(1, 50, length).astype(np.int32) for length in lengths]


def write_ragged(directory: Path, rows: list[Any], shard_rows: int = 50) -> Path:
    """Shards of rows of any length, with their numbers as target."""
    with ShardWriter(directory, inputs="texts", targets="id") as writer:
        for start in range(0, len(rows), shard_rows):
            part = rows[start : start + shard_rows]
            writer.write({"texts": part, "id": np.arange(start, start + len(part))})
    return directory
