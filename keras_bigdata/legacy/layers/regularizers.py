"""Regularizers as Keras 1 and 2 had them: `l1l2`, `l2(l=)`, `WeightRegularizer`, `l1_l2()`."""

from __future__ import annotations

import functools
import warnings
from typing import Any

import keras

from keras_bigdata.keras_internals.legacy import copies_of
from keras_bigdata.legacy.layers.values import SummedOverBatch
from keras_bigdata.legacy.patching import add_name, replace, wrap


def install() -> None:
    """Adds the names to all copies of `keras.regularizers`, and `l` to `l1` and `l2`."""
    for module in copies_of("regularizers"):
        add_name(module, "l1l2", _l1l2)
        add_name(module, "activity_l1l2", _activity_l1l2)
        for name in ("WeightRegularizer", "L1L2Regularizer"):
            add_name(module, name, keras.regularizers.L1L2)
        add_name(module, "ActivityRegularizer", _activity_regularizer)
        add_name(module, "activity_l1", _activity_l1)
        add_name(module, "activity_l2", _activity_l2)
        add_name(module, "EigenvalueRegularizer", _refuse_eigenvalues)
        replace(module, "l1_l2", _l1_l2)
    wrap(keras.regularizers.L1, "__init__", functools.partial(_with_l, "l1"))
    wrap(keras.regularizers.L2, "__init__", functools.partial(_with_l, "l2"))


def _l1l2(l1: float = 0.01, l2: float = 0.01) -> Any:
    """Returns a regularizer with the defaults of Keras 1."""
    return keras.regularizers.L1L2(l1=l1, l2=l2)


def _activity_l1(l: float = 0.01) -> Any:  # noqa: E741 - the name in Keras 1
    """Returns a regularizer of activities whose loss is summed over the batch."""
    return SummedOverBatch(keras.regularizers.L1(l))


def _activity_l2(l: float = 0.01) -> Any:  # noqa: E741
    """Returns a regularizer of activities whose loss is summed over the batch."""
    return SummedOverBatch(keras.regularizers.L2(l))


def _activity_l1l2(l1: float = 0.01, l2: float = 0.01) -> Any:
    """Returns a regularizer of activities whose loss is summed over the batch."""
    return SummedOverBatch(_l1l2(l1, l2))


def _activity_regularizer(l1: float = 0.0, l2: float = 0.0) -> Any:
    """Returns a regularizer of activities whose loss is summed over the batch."""
    return SummedOverBatch(_l1l2(l1, l2))


def _l1_l2(*args: Any, **kwargs: Any) -> Any:
    """Returns a regularizer; warns where Keras 1 and 2 had another default."""
    given = dict(zip(("l1", "l2"), args, strict=False)) | kwargs
    missing = [name for name in ("l1", "l2") if name not in given]
    if missing:
        warnings.warn(
            f"l1_l2: {' and '.join(missing)} has the default 0 in Keras 3, and had 0.01 in Keras 1 "
            "and 2. The value of Keras 3 is used. Pass both, such as l1_l2(l1=0.01, l2=0.01).",
            stacklevel=2,
        )
    return keras.regularizers.L1L2(*args, **kwargs)


def _refuse_eigenvalues(*args: Any, **kwargs: Any) -> Any:
    raise NotImplementedError(
        "EigenvalueRegularizer was removed from Keras. Write a function of the weights and pass "
        "it as `kernel_regularizer`; keras.ops.eigh has the eigenvalues."
    )


def _with_l(name: str, initialize: Any) -> Any:
    @functools.wraps(initialize)
    def initialize_with_l(self: Any, *args: Any, **kwargs: Any) -> None:
        if "l" in kwargs:
            if args or name in kwargs:
                raise TypeError(f"{name} got the factor twice: as `l` and as `{name}`.")
            kwargs[name] = kwargs.pop("l")
        initialize(self, *args, **kwargs)

    return initialize_with_l
