"""Which classes a model was trained on: warns of a set that numbers them differently."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Mapping
from typing import Any

from keras_bigdata.keras_internals.fit import is_called_by_fit
from keras_bigdata.loading.batches.batch_loader import LoaderConfig
from keras_bigdata.shards.fields.roles import Roles
from keras_bigdata.shards.reading.different_classes import different_classes

Sources = Mapping[str, tuple[LoaderConfig, Roles]]

# Model -> the sets of its last `fit`, and the differences that were warned of.
_trained: weakref.WeakKeyDictionary[Any, tuple[list[Any], set[str]]] = weakref.WeakKeyDictionary()


def compare_classes(model: Any, sources: Sources) -> None:
    """Remembers the sets that a model is trained on, or compares those that it is evaluated on.

    Args:
        model: the model whose `fit` or `evaluate` begins to read the sets; `None` if it is unknown.
        sources: the sets.
    """
    if model is None:
        return
    read = [(config.index, roles.targets) for config, roles in sources.values()]
    if is_called_by_fit():
        _trained[model] = (read, set())
        return
    trained, warned = _trained.get(model, ([], set()))
    for index, targets in read:
        for first, first_targets in trained:
            difference = different_classes(first, index, first_targets, targets)
            if difference is None or difference in warned:
                continue
            warned.add(difference)
            warnings.warn(
                "The model is evaluated on a set that does not number its classes or words as "
                f"its training data: {difference}. Its scores are wrong unless a `transform` "
                f"makes the numbers equal. Pack it again with classes=ShardIndex.load("
                f"{str(first.directory)!r}) (and the same `vocabulary`).",
                stacklevel=6,
            )
