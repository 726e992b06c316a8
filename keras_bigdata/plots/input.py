"""How long training waited for its data."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_bigdata.plots.drawing import ACCENT, LIGHT, new_axes, tidy

# With more epochs, the names of the limits would cover each other.
_MAX_NAMED = 12


def input(report: Any, *, axes: Any = None) -> Any:
    """Draws the time of each epoch: that of the model, and that of waiting for data.

    Args:
        report: an `InputReport` after `fit`, or its `epochs`.
        axes: `matplotlib.axes.Axes` to draw on. Defaults to `None`: those of a new figure.

    Returns:
        The `matplotlib.axes.Axes`.

    Raises:
        ValueError: if there is no epoch.
        ImportError: if matplotlib is not installed.

    Example:

    ```python
    report = InputReport()
    model.fit(train, epochs=10, callbacks=[report])
    plots.input(report)
    ```
    """
    epochs = getattr(report, "epochs", report)
    if not epochs:
        raise ValueError("The report has no epoch: pass it to `fit` first.")
    axes = new_axes(axes)
    numbers = np.array([record["epoch"] + 1 for record in epochs])
    seconds = np.array([record["seconds"] for record in epochs])
    shares = np.array([np.nan if record["wait"] is None else record["wait"] for record in epochs])
    waiting = np.nan_to_num(shares) * seconds
    axes.bar(numbers, seconds - waiting, color=LIGHT, edgecolor="0.3", label="model", width=0.8)
    axes.bar(
        numbers,
        waiting,
        bottom=seconds - waiting,
        color=ACCENT,
        edgecolor="0.2",
        hatch="///",
        label="waiting for data",
        width=0.8,
    )
    if len(epochs) <= 20:
        for number, height, share, record in zip(numbers, seconds, shares, epochs, strict=True):
            text = "unknown" if np.isnan(share) else f"{share:.0%}"
            if record["limit"] != "model" and len(epochs) <= _MAX_NAMED:
                text += f"\n{record['limit']}"
            axes.annotate(
                text,
                (number, height),
                xytext=(0, 2),
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=8,
            )
    tidy(axes, title="Waiting for data", x="epoch", y="seconds", whole_x=True)
    axes.margins(y=0.18)
    # Above the axes, because bars and their captions may reach to the top.
    axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0.1)
    return axes
