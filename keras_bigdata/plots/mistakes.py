"""Images that a model classifies wrongly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_bigdata.arguments import checked_int
from keras_bigdata.plots.drawing import draw_images, new_axes
from keras_bigdata.shards.fields.standard_fields import IMAGES, LABELS


def mistakes(
    result: Mapping[str, Any],
    *,
    labels: str = LABELS,
    images: str = IMAGES,
    classes: Sequence[Any] | None = None,
    count: int = 24,
    columns: int = 6,
    axes: Any = None,
) -> Any:
    """Draws the images that a model is most sure of and classifies wrongly.

    Args:
        result: what `predict_rows` returned, with the columns `images` and `labels`, and with
            `"file"` to show the names of the files. Its outputs are the probabilities of the
            classes, of shape `(rows, classes)`; or of the second of two classes, `(rows, 1)` or
            `(rows,)`.
        labels: name of the column of class numbers. Defaults to `"labels"`.
        images: name of the column of images. Defaults to `"images"`.
        classes: names of the classes. Defaults to `None`: their numbers.
        count: maximum number of images. Defaults to `24`.
        columns: number of images in a row. Defaults to `6`.
        axes: `matplotlib.axes.Axes` to draw on. Defaults to `None`: those of a new figure.

    Returns:
        The `matplotlib.axes.Axes`.

    Raises:
        ValueError: if a column is missing, or the outputs are not those of one classification.
        ImportError: if matplotlib is not installed.

    Example:

    ```python
    result = predict_rows(model, ShardSequence(val, 64), columns=("images", "labels", "file"))
    plots.mistakes(result, classes=train.classes)
    ```
    """
    count, columns = checked_int(count, "count", 1), checked_int(columns, "columns", 1)
    for name in (labels, images):
        if name not in result:
            raise ValueError(
                f"The result has no column {name!r}; it has {', '.join(map(repr, result))}. Pass "
                f"columns=({images!r}, {labels!r}, 'file') to predict_rows."
            )
    truth = np.asarray(result[labels]).reshape(-1)
    predicted, probability = _predictions(result["outputs"], len(truth))
    wrong = np.flatnonzero(predicted != truth)
    wrong = wrong[np.argsort(-probability[wrong], kind="stable")]
    shown = wrong[:count]
    rows = max(1, -(-len(shown) // columns))
    axes = new_axes(axes, (1.3 * columns, 1.7 * rows + 0.3))
    files = result.get("file")
    captions = []
    for row in shown.tolist():
        caption = f"{_name(truth[row], classes)} → {_name(predicted[row], classes)}"
        if files is not None:
            caption += "\n" + str(files[row]).rpartition("/")[2]
        captions.append(caption)
    draw_images(axes, [result[images][row] for row in shown], captions, columns)
    title = f"{len(wrong):,} of {len(truth):,} rows are classified wrongly"
    if len(shown) < len(wrong):
        title += f"; the {len(shown)} that the model is most sure of"
    axes.set_title(title, loc="left", fontsize="medium", fontweight="bold")
    return axes


def _predictions(outputs: Any, rows: int) -> tuple[Any, Any]:
    if not isinstance(outputs, np.ndarray) or outputs.ndim > 2:
        raise ValueError(
            "`outputs` must be one array of the probabilities of classes, of shape "
            f"(rows, classes), (rows, 1) or (rows,). Received: {type(outputs).__name__} of shape "
            f"{getattr(outputs, 'shape', None)}"
        )
    if outputs.ndim == 1 or outputs.shape[1] == 1:
        second = outputs.reshape(rows)
        if ((second < 0) | (second > 1)).any():
            raise ValueError(
                "The outputs have one column, which is read as the probability of the second of "
                "two classes, and some are not between 0 and 1: apply the sigmoid first."
            )
        predicted = (second > 0.5).astype(np.int64)
        return predicted, np.where(predicted == 1, second, 1 - second)
    return outputs.argmax(-1), outputs.max(-1)


def _name(number: Any, classes: Sequence[Any] | None) -> str:
    if classes is not None and 0 <= number < len(classes):
        return str(classes[number])
    return str(number)
