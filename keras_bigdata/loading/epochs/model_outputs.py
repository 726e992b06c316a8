"""Checks that a model has an output for each class that it is trained on."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_bigdata.representation import list_some
from keras_bigdata.shards.fields.roles import Structure
from keras_bigdata.shards.index.shard_index import ShardIndex

# The names of the loss that takes class numbers and has an output for each.
_LOSSES = ("sparse_categorical_crossentropy", "SparseCategoricalCrossentropy")


def check_outputs(model: Any, index: ShardIndex, targets: Structure | None) -> None:
    """Checks the output of a model that is trained on class numbers.

    `pack(append=True)` can add classes to a set after the model was built. Depending on the
    backend, a label without an output is an error that does not name it, or a loss that is NaN.

    Args:
        model: a compiled model; anything without an `output_shape` is not checked.
        index: the shards.
        targets: the targets that are used.

    Raises:
        ValueError: if the sparse categorical crossentropy would be computed with labels that the
            output is too short for.
    """
    classes = _count_classes(index, targets)
    outputs = _count_outputs(model)
    if classes is None or outputs is None or classes <= outputs:
        return
    names = index.classes_of(targets)
    more = f": {list_some(names[outputs:classes])}" if isinstance(names, list) else ""
    raise ValueError(
        f"{index.directory}: {targets!r} has {classes} classes, and the model has {outputs} "
        f"outputs. There is none for the last {classes - outputs}{more}. They may have been "
        "appended after the model was built: build it with "
        f"{classes} outputs, or train on a selection of the rows."
    )


def _count_classes(index: ShardIndex, targets: Structure | None) -> int | None:
    """Returns one more than the largest class number; `None` if unknown."""
    field = index.fields.get(targets) if isinstance(targets, str) else None
    if field is None or field.dtype.kind not in "iu" or field.shape not in ((), (1,)):
        return None
    if targets == index.roles.targets and index.class_counts is not None:
        return 1 + int(np.flatnonzero(index.class_counts).max(initial=-1))
    names = index.classes_of(targets)
    return len(names) if isinstance(names, list) else None


def _count_outputs(model: Any) -> int | None:
    """Returns the length of the only output, if it has one entry per class."""
    loss = getattr(model, "loss", None)
    name = loss if isinstance(loss, str) else getattr(loss, "name", getattr(loss, "__name__", None))
    if name not in _LOSSES or _ignored_class(loss) is not None:
        return None
    try:
        shape = model.output_shape
    except (AttributeError, ValueError):  # a model that is built when it is first called
        return None
    is_shape = isinstance(shape, tuple) and shape and type(shape[-1]) is int
    return shape[-1] if is_shape else None


def _ignored_class(loss: Any) -> Any:
    return loss.get_config().get("ignore_class") if hasattr(loss, "get_config") else None
