"""How many rows each class has."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_bigdata.errors import ShardError
from keras_bigdata.plots.drawing import LIGHT, new_axes, tidy
from keras_bigdata.shards.shards import Shards

_MAX_SHOWN = 40


def classes(shards: Any, field: str | None = None, *, axes: Any = None) -> Any:
    """Draws how many rows each class has.

    Args:
        shards: a directory of shards, its URL, or a `Shards`, whose selected rows are counted.
        field: name of the field of class numbers. Defaults to `None`: the target.
        axes: `matplotlib.axes.Axes` to draw on. Defaults to `None`: those of a new figure.

    Returns:
        The `matplotlib.axes.Axes`.

    Raises:
        ShardError: if the field does not hold class numbers.
        ImportError: if matplotlib is not installed.

    Example:

    ```python
    plots.classes("shards/train")
    ```
    """
    shards = shards if isinstance(shards, Shards) else Shards(shards)
    field = shards.index.roles.targets if field is None else field
    if not isinstance(field, str):
        raise ShardError(
            f"The targets of {shards!r} are several fields or none: {field!r}. Pass the name of "
            "one as `field`."
        )
    labels = shards.columns(field)[field]
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise ShardError(
            f"Field {field!r} has dtype {labels.dtype} and shape {labels.shape}, and class numbers "
            "are integers, one per row."
        )
    numbers, counts = np.unique(labels, return_counts=True)
    names = shards.index.classes_of(field)
    order = np.argsort(counts)[::-1]
    shown = order[:_MAX_SHOWN]
    axes = new_axes(axes, (7.0, max(2.0, 0.28 * len(shown) + 1)))
    texts = [str(names[n]) if names and n < len(names) else str(n) for n in numbers[shown].tolist()]
    places = np.arange(len(shown))[::-1]
    axes.barh(places, counts[shown], color=LIGHT, edgecolor="0.3")
    for place, count in zip(places, counts[shown].tolist(), strict=True):
        axes.annotate(
            f"{count:,} ({count / counts.sum():.1%})",
            (count, place),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    axes.set_yticks(places, texts)
    left_out = len(order) - len(shown)
    title = f"Rows of each class of {field!r}"
    if left_out:
        title += f" ({left_out:,} smaller classes are not shown)"
    tidy(axes, title=title, x="rows", y="")
    axes.grid(visible=False)
    axes.margins(x=0.15)
    return axes
