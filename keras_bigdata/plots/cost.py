"""The time of a training on the fly and packed."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_bigdata.arguments import checked_int
from keras_bigdata.bench.cost import EpochCost
from keras_bigdata.plots.drawing import ACCENT, INK, new_axes, tidy

_DEFAULT_EPOCHS = 15


def cost(
    times: EpochCost,
    epochs: int | None = None,
    *,
    slowdown: float = 1.0,
    variants: int = 1,
    overlap: bool = False,
    unit: str = "hours",
    axes: Any = None,
) -> Any:
    """Draws the time of a training over its epochs, with data prepared on the fly and packed once.

    The epoch from which packing has taken less time is marked.

    Args:
        times: the time of one pass over the data, in its parts.
        epochs: number of epochs. Defaults to `None`: 15, or more, so that the mark is shown.
        slowdown, variants, overlap: as in `EpochCost`.
        unit: the unit of the times, for the axis. Defaults to `"hours"`.
        axes: `matplotlib.axes.Axes` to draw on. Defaults to `None`: those of a new figure.

    Returns:
        The `matplotlib.axes.Axes`.

    Raises:
        TypeError, ValueError: if an argument has a wrong type or value.
        ImportError: if matplotlib is not installed.

    Example:

    ```python
    plots.cost(EpochCost(train=1.5, read=1, decode=4, augment=2))
    ```
    """
    crossing = times.break_even(slowdown=slowdown, variants=variants, overlap=overlap)
    if epochs is None:
        epochs = max(_DEFAULT_EPOCHS, 0 if crossing is None else min(3 * crossing // 2, 1000))
    epochs = checked_int(epochs, "epochs", 1)
    axes = new_axes(axes)
    numbers = np.arange(1, epochs + 1)
    on_the_fly = [
        times.on_the_fly(n, slowdown=slowdown, overlap=overlap) for n in range(1, epochs + 1)
    ]
    packed = [times.packed(n, variants=variants, overlap=overlap) for n in range(1, epochs + 1)]
    axes.plot(numbers, on_the_fly, "--", color=ACCENT, label="on the fly")
    axes.plot(numbers, packed, "-", color=INK, label="packed once")
    if crossing is not None and crossing <= epochs:
        axes.axvline(crossing, color="0.6", linewidth=0.8, zorder=0)
        axes.annotate(
            f"packing pays off from epoch {crossing}",
            (crossing, packed[crossing - 1]),
            xytext=(8, -14),
            textcoords="offset points",
            ha="left" if crossing <= 0.6 * epochs else "right",
        )
    tidy(axes, title="Training time", x="epochs", y=unit, whole_x=True)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    return axes
