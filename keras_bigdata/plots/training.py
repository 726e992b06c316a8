"""Curves of the scores of a training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_bigdata.plots.drawing import LINE_COLORS, LINE_STYLES, new_axes, tidy
from keras_bigdata.plots.score_direction import direction_of_score


def training(history: Any, monitor: str = "loss", *, mode: str = "auto", axes: Any = None) -> Any:
    """Draws a score over the epochs, for training and for each validation set.

    The best epoch is marked: of `val_` + `monitor` if it is there, otherwise of the training score.

    Args:
        history: what `fit` returned, its `history`, or an `InputReport`.
        monitor: name of the score, without `val_`. Defaults to `"loss"`. The results of
            `WeightedValidation` for its sets, such as `val_clean_loss`, are drawn too.
        mode: `"min"`, `"max"`, or `"auto"`: the name of the score decides, and no epoch is marked
            if it is not known. Defaults to `"auto"`.
        axes: `matplotlib.axes.Axes` to draw on. Defaults to `None`: those of a new figure.

    Returns:
        The `matplotlib.axes.Axes`.

    Raises:
        ValueError: if the score is not in the history, or `mode` is unknown.
        ImportError: if matplotlib is not installed.

    Example:

    ```python
    history = model.fit(train, epochs=10, callbacks=[WeightedValidation("shards/val")])
    plots.training(history, "accuracy")
    ```
    """
    if mode not in ("auto", "min", "max"):
        raise ValueError(f'`mode` must be "auto", "min" or "max". Received: mode={mode!r}')
    scores = _scores(history)
    names = [name for name in (monitor, f"val_{monitor}") if name in scores]
    names += sorted(
        name
        for name in scores
        if name.startswith("val_") and name.endswith(f"_{monitor}") and name not in names
    )
    if not names:
        raise ValueError(
            f"{monitor!r} is not in the history. It has: {', '.join(sorted(scores)) or 'nothing'}."
        )
    axes = new_axes(axes)
    epochs = np.arange(1, len(scores[names[0]]) + 1)
    for number, name in enumerate(names):
        label = "training" if name == monitor else _set_name(name, monitor)
        style = LINE_STYLES[number % len(LINE_STYLES)]
        color = LINE_COLORS[number % len(LINE_COLORS)]
        marker = "o" if len(epochs) < 3 else None
        axes.plot(
            epochs[: len(scores[name])],
            scores[name],
            linestyle=style,
            color=color,
            marker=marker,
            label=label,
        )
    chosen = f"val_{monitor}" if f"val_{monitor}" in names else names[0]
    direction = direction_of_score(monitor) if mode == "auto" else mode
    if direction is not None:
        _mark_best(axes, scores[chosen], direction)
    tidy(axes, title=monitor, x="epoch", y=monitor, whole_x=True)
    axes.legend(frameon=False)
    return axes


def _scores(history: Any) -> dict[str, list[float]]:
    epochs = getattr(history, "epochs", None)
    if epochs is not None:  # an `InputReport`
        names = {name for record in epochs for name in record["logs"]}
        return {
            name: [_number(record["logs"].get(name)) for record in epochs] for name in sorted(names)
        }
    found = getattr(history, "history", history)
    if not isinstance(found, Mapping):
        raise ValueError(
            "`history` must be what `fit` returned, its `history`, or an InputReport. "
            f"Received: {type(history).__name__}"
        )
    return {name: [_number(value) for value in values] for name, values in found.items()}


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)


def _set_name(name: str, monitor: str) -> str:
    middle = name.removeprefix("val_").removesuffix(monitor).rstrip("_")
    return f"validation, {middle}" if middle else "validation"


def _mark_best(axes: Any, values: list[float], direction: str) -> None:
    array = np.array(values, float)
    if np.isnan(array).all():
        return
    best = int(np.nanargmin(array) if direction == "min" else np.nanargmax(array))
    axes.axvline(best + 1, color="0.6", linewidth=0.8, zorder=0)
    axes.plot(best + 1, array[best], marker="o", markersize=8, markerfacecolor="none", color="0.2")
    axes.annotate(
        f"best: {array[best]:.4g} in epoch {best + 1}",
        # Above the axes, at the right end of the line of the title: next to its mark it would
        # cover curves.
        (1, 1),
        xycoords="axes fraction",
        xytext=(0, 6),
        textcoords="offset points",
        ha="right",
        va="bottom",
        fontsize=9,
    )
