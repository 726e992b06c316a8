"""What a generator yields, made into what this model is trained on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras_bigdata.legacy.batches import Batch, in_output_order, training_batch
from keras_bigdata.legacy.class_weights import weighting


def conversion(model: Any, class_weight: Any) -> Callable[[Any], Batch]:
    """A function that copies a batch, orders its outputs and weighs its classes.

    Args:
        model: the model that the batches are for.
        class_weight: as `fit_generator` takes it.

    Raises:
        ValueError: if `class_weight` cannot be understood.
    """
    names = list(getattr(model, "output_names", None) or ())
    as_dict = isinstance(getattr(model, "output", None), dict) if names else True
    weigh = weighting(class_weight, names)

    def convert(raw: Any) -> Batch:
        batch = training_batch(raw)
        if not as_dict:
            batch = in_output_order(batch, names)
        return batch if weigh is None else weigh(batch)

    return convert
