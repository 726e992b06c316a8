"""Names of constraints, regularizers and initializers that Keras 1 and 2 knew in layers.

Examples are `kernel_constraint="maxnorm"` and `kernel_regularizer="l1_l2"`, which Keras 3 refuses.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import keras

from keras_bigdata.keras_internals.legacy import copies_of, module_with_get
from keras_bigdata.legacy.patching import wrap
from keras_bigdata.old_keras.layers import CONSTRAINT_NAMES

# Module -> old name -> a function that returns the object, with the defaults of Keras 1 and 2.
_OLD_NAMES: dict[str, dict[str, Callable[[], Any]]] = {
    "constraints": {
        old: functools.partial(keras.constraints.get, new) for old, new in CONSTRAINT_NAMES.items()
    },
    "regularizers": {
        name: functools.partial(keras.regularizers.L1L2, l1=0.01, l2=0.01)
        for name in ("l1_l2", "l1l2")
    },
    "initializers": {
        name: functools.partial(keras.initializers.Constant, 0.0)
        for name in ("constant", "Constant")
    },
}


def install() -> None:
    """Makes `get` of these modules, which layers call, return the objects of the old names."""
    for name, objects in _OLD_NAMES.items():
        for module in (module_with_get(name), *copies_of(name)):
            wrap(module, "get", functools.partial(_with_old_names, objects))


def _with_old_names(objects: dict[str, Callable[[], Any]], get: Any) -> Any:
    @functools.wraps(get)
    def get_old(identifier: Any) -> Any:
        if isinstance(identifier, str) and identifier in objects:
            return objects[identifier]()
        return get(identifier)

    return get_old
