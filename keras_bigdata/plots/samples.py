"""A contact sheet of a set."""

from __future__ import annotations

from typing import Any

from keras_bigdata.arguments import checked_int
from keras_bigdata.plots.drawing import draw_images, new_axes
from keras_bigdata.plots.sample_images import read_samples


def samples(
    shards: Any, count: int = 24, *, field: str | None = None, columns: int = 6, axes: Any = None
) -> Any:
    """Draws images of a set with their labels and file names.

    The rows lie at equal distances in the set, so the same ones are shown every time.

    Args:
        shards: a directory of shards, its URL, or a `Shards`.
        count: number of images. Defaults to `24`.
        field: name of the field of images. Defaults to `None`: the first one.
        columns: number of images in a row. Defaults to `6`.
        axes: `matplotlib.axes.Axes` to draw on. Defaults to `None`: those of a new figure.

    Returns:
        The `matplotlib.axes.Axes`.

    Raises:
        ShardError: if the set has no images.
        ImportError: if matplotlib is not installed.

    Example:

    ```python
    plots.samples("shards/train")
    ```
    """
    count, columns = checked_int(count, "count", 1), checked_int(columns, "columns", 1)
    found = read_samples(shards, count, field)
    rows = -(-len(found.images) // columns)
    axes = new_axes(axes, (1.3 * columns, 1.6 * rows))
    draw_images(axes, found.images, found.captions, columns)
    return axes
