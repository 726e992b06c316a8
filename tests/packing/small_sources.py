"""Small sources for `pack`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from keras_bigdata import ImageTable


class Numbers:
    """A source with nothing but length and rows."""

    def __init__(self, rows: int = 20) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, row: int) -> dict[str, Any]:
        return {"x": np.array([row, row * row], np.float32), "labels": row % 3}


def add_noise(sample: dict[str, np.ndarray], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Changes the sample in place, as users do."""
    sample["x"] += rng.normal(size=2).astype(np.float32)
    return sample


def open_table(photos: Path, **options: Any) -> ImageTable:
    """Returns the table of the fixture `photos`."""
    options = {"size": (16, 16), **options}
    return ImageTable(photos / "labels.csv", image="file", text="caption", label="label", **options)


def break_photos(photos: Path) -> None:
    """Removes photo 10, replaces 21 by a web page and truncates 30."""
    (photos / "10.jpg").unlink()
    (photos / "21.png").write_text("<html>404</html>")
    whole = (photos / "30.jpg").read_bytes()
    (photos / "30.jpg").write_bytes(whole[:-200])
