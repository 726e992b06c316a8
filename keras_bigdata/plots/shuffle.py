"""How well an order mixes the rows of a set, against the size of the window."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_bigdata.bench.shuffle_quality import ShuffleQuality
from keras_bigdata.plots.drawing import ACCENT, INK, new_axes, tidy

_POINTS = 200


def shuffle(quality: ShuffleQuality, *, axes: Any = None) -> Any:
    """Draws how many shards the rows of a batch are in, against the size of the window.

    The order in use, a full shuffle, and the smallest window that comes close to it are marked.

    Args:
        quality: what `shuffle_quality` returned.
        axes: `matplotlib.axes.Axes` to draw on. Defaults to `None`: those of a new figure.

    Returns:
        The `matplotlib.axes.Axes`.

    Raises:
        TypeError: if `quality` is something else.
        ImportError: if matplotlib is not installed.

    Example:

    ```python
    from keras_bigdata.bench.shuffle_quality import shuffle_quality

    plots.shuffle(shuffle_quality("shards/train", 64))
    ```
    """
    if not isinstance(quality, ShuffleQuality):
        raise TypeError(
            "`quality` must be what shuffle_quality(shards, batch_size) returned. Received: "
            f"{type(quality).__name__}"
        )
    axes = new_axes(axes)
    windows = np.unique(np.geomspace(1, quality.shards, _POINTS).round().astype(np.int64))
    expected = [quality.expected_shards(int(window)) for window in windows]
    axes.plot(windows, expected, "-", color=INK, label="windows of this size")
    full = quality.full_shards_per_batch
    axes.axhline(full, linestyle="--", color="0.3", linewidth=1, label="full shuffle")
    place = quality.shards if quality.shuffle == "global" else quality.window_shards
    name = "None" if quality.shuffle is None else f'"{quality.shuffle}"'
    axes.plot(
        place,
        quality.shards_per_batch,
        "o",
        color=ACCENT,
        markersize=9,
        markeredgecolor="0.2",
        label=f"shuffle={name}",
    )
    enough = quality.sufficient_window
    axes.axvline(enough, linestyle=":", color="0.3", linewidth=1, label=f"80%: {enough:,} shards")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.xaxis.set_minor_formatter(lambda value, _: "")
    title = f"Shards of which a batch of {quality.batch_size} has rows"
    tidy(axes, title=title, x="shards in a window", y="shards per batch")
    axes.set_ylim(0, 1.12 * max(full, quality.shards_per_batch))
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(0.01, 0.87))
    return axes
