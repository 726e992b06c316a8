"""New axes, and what all plots have in common."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

# Dark enough on white and light enough on black. In print, lines differ by their styles.
INK = "#1f4e79"
ACCENT = "#c8641e"
LIGHT = "#b8c7d6"
LINE_STYLES = ("-", "--", ":", "-.", (0, (5, 1)), (0, (3, 1, 1, 1, 1, 1)))
LINE_COLORS = (INK, ACCENT, "#4a7d35", "#7a4f9e", "#8a6d1b", "#555555")

_THUMBNAIL_GAP = 0.12


def new_axes(axes: Any, size: tuple[float, float] = (7.0, 4.0)) -> Any:
    """Returns the axes, or those of a new figure.

    Args:
        axes: `matplotlib.axes.Axes`, or `None`.
        size: width and height of a new figure in inches. Defaults to `(7.0, 4.0)`.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    if axes is not None:
        return axes
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError(
            "Plots need matplotlib: pip install 'keras_bigdata[plot]' (or: pip install matplotlib)."
        ) from error
    return pyplot.subplots(figsize=size, layout="constrained")[1]


def tidy(axes: Any, *, title: str, x: str, y: str, whole_x: bool = False) -> None:
    """Writes the title and the names of the axes, and removes lines that show no data.

    Args:
        axes: the axes.
        title, x, y: the texts.
        whole_x: whether only whole numbers belong below the x axis. Defaults to `False`.
    """
    axes.set_title(title, loc="left", fontsize="medium", fontweight="bold")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="0.85", linewidth=0.6)
    axes.set_axisbelow(True)
    if whole_x:
        from matplotlib.ticker import MaxNLocator

        axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def draw_images(axes: Any, images: Sequence[Any], captions: Sequence[str], columns: int) -> None:
    """Draws images in a grid on one pair of axes, each with a caption below it.

    Args:
        axes: the axes.
        images: arrays of shape `(height, width)`, `(height, width, 1)` or `(height, width, 3)`:
            uint8, other integers, or floats. What is not uint8 is stretched to its own range.
        captions: a text for each image; lines after the second are not shown.
        columns: number of images in a row.
    """
    lines = 2 if any("\n" in caption for caption in captions) else 1
    height = 1 + 0.14 * lines + _THUMBNAIL_GAP
    for number, (image, caption) in enumerate(zip(images, captions, strict=True)):
        row, column = divmod(number, columns)
        left, top = column * (1 + _THUMBNAIL_GAP), -row * height
        shown = to_uint8(np.asarray(image))
        scale = 1 / max(shown.shape[:2])
        half_height, half_width = 0.5 * scale * shown.shape[0], 0.5 * scale * shown.shape[1]
        x, y = left + 0.5, top - 0.5
        axes.imshow(
            shown,
            extent=(x - half_width, x + half_width, y - half_height, y + half_height),
            cmap="gray",
            vmin=0,
            vmax=255,
            interpolation="nearest" if max(shown.shape[:2]) < 64 else "antialiased",
        )
        text = "\n".join(cut_line(line) for line in caption.split("\n")[:2])
        axes.text(x, top - 1.03, text, ha="center", va="top", fontsize=8, linespacing=1.1)
    rows = max(1, math.ceil(len(images) / columns))
    axes.set_xlim(-0.02, columns * (1 + _THUMBNAIL_GAP))
    axes.set_ylim(-rows * height, 0.05)
    axes.set_aspect("equal")
    axes.set_axis_off()


def cut_line(line: str, limit: int = 18) -> str:
    """Returns a line, shortened in its middle if it has more characters than `limit`."""
    if len(line) <= limit:
        return line
    end = max(1, limit // 2)
    return f"{line[: max(0, limit - 1 - end)]}…{line[-end:]}"


def to_uint8(image: Any) -> Any:
    """Returns an image as uint8, of shape `(height, width)` or `(height, width, 3)`.

    What is not uint8 is stretched to its own range.

    Args:
        image: array of shape `(height, width)`, `(height, width, 1)` or `(height, width, 3)`.
    """
    if image.ndim == 3 and image.shape[-1] == 1:
        image = image[..., 0]
    if image.dtype == np.uint8:
        return image
    values = image.astype(np.float64)
    low, high = np.nanmin(values), np.nanmax(values)
    return np.round(255 * (values - low) / max(high - low, 1e-12)).astype(np.uint8)
