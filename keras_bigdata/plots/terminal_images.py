"""Images as colored characters of a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from keras_bigdata.plots.drawing import cut_line, to_uint8

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

# The upper half of a character cell, in the color of the text; the lower half is the background.
_HALF_BLOCK = "\u2580"


def image_grid(
    images: Sequence[Any], captions: Sequence[str], width: int, *, cell: int = 20
) -> Table:
    """Returns a grid of images with captions that fits a terminal.

    Args:
        images: arrays as `to_uint8` takes them.
        captions: a text for each image.
        width: number of characters in a line of the terminal.
        cell: number of characters in a line of an image. Defaults to `20`.
    """
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    cell = max(1, min(cell, width))
    columns = max(1, (width + 2) // (cell + 2))
    grid = Table.grid(padding=(0, 2))
    cells = []
    for image, caption in zip(images, captions, strict=True):
        lines = [Text(cut_line(line, cell)) for line in caption.split("\n")]
        cells.append(Group(image_text(image, cell), *lines, Text("")))
    for first in range(0, len(cells), columns):
        grid.add_row(*cells[first : first + columns])
    return grid


def image_text(image: Any, width: int) -> Text:
    """Returns an image of some characters in width, with two pixels in each character.

    Args:
        image: array as `to_uint8` takes it.
        width: number of characters in a line; also the largest number of pixels in height.
    """
    from rich.text import Text

    pixels = to_uint8(np.asarray(image))
    scale = width / max(pixels.shape[:2])
    size = [max(1, round(scale * side)) for side in pixels.shape[1::-1]]
    size[1] += size[1] % 2  # two pixels in each character
    small = np.asarray(Image.fromarray(pixels).convert("RGB").resize(size, Image.Resampling.BOX))
    text = Text(no_wrap=True)
    for row in range(0, len(small), 2):
        if row:
            text.append("\n")
        for upper, lower in zip(small[row].tolist(), small[row + 1].tolist(), strict=True):
            text.append(_HALF_BLOCK, f"{_hex(upper)} on {_hex(lower)}")
    return text


def _hex(color: Sequence[int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)
