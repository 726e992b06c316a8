"""How a `tf.data.Dataset` was made from others."""

from __future__ import annotations

import re
from typing import Any

# Transformations that deliver one batch for each that they read, in the same order.
_ONE_TO_ONE = ("map", "parallelmap", "prefetch", "options", "restructured")


def read_datasets(dataset: Any) -> list[Any]:
    """Returns the datasets that a dataset reads, such as the one before `map`.

    Finds: the method `_inputs` of `tf.data.Dataset`.

    Seen in: TensorFlow 2.21.

    Upstream: none filed. A dataset has no public way to what it was made of.

    Without it: an empty list. `ResumeTraining` then refuses `as_dataset()` with a function
    mapped over it, and names what to pass.
    """
    inputs = getattr(dataset, "_inputs", None)
    return list(inputs()) if callable(inputs) else []


def changed_batches(dataset: Any) -> str | None:
    """Returns how a dataset changes the number or the order of the batches that it reads.

    Finds: the name of the class, such as `_ParallelMapDataset`, and its attribute `_deterministic`.

    Seen in: TensorFlow 2.21.

    Upstream: none filed.

    Without it: every transformation counts as one that changes the batches.

    Returns:
        The name of the transformation, or `None` if it delivers one batch for each, in order.
    """
    name = _name(dataset)
    if name not in _ONE_TO_ONE:
        return name
    if getattr(dataset, "_deterministic", None) == "false":
        return "map(deterministic=False)"
    return None


def computed_batches(dataset: Any) -> str | None:
    """Returns how a dataset computes batches from those that it reads.

    Finds: the name of the class, as `changed_batches`, and the module of the function that `map`
    received, by its attribute `_map_func._func`.

    Seen in: TensorFlow 2.21.

    Upstream: none filed.

    Without it: every transformation counts as one that computes, including the one with which Keras
    multiplies class weights. `InputReport` then says that the waiting is not known.

    Returns:
        The name of the transformation, or `None` if it computes nothing that takes time.
    """
    name = _name(dataset)
    function = getattr(getattr(dataset, "_map_func", None), "_func", None)
    by_keras = str(getattr(function, "__module__", "")).startswith("keras.")
    return None if name in ("prefetch", "options", "restructured") or by_keras else name


def _name(dataset: Any) -> str:
    return re.sub(r"^_|Dataset(V\d)?$", "", type(dataset).__name__).lower()
