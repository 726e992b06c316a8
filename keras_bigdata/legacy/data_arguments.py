"""Old arguments of functions that load and prepare data, such as `nb_words`."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from keras_bigdata.keras_internals.legacy import KERAS_MODULES
from keras_bigdata.legacy.patching import add_name, wrap
from keras_bigdata.legacy.renamed_arguments import with_old_names
from keras_bigdata.old_keras.data_arguments import (
    ITERATOR_ATTRIBUTES,
    RENAMED_ARGUMENTS,
)


def install() -> None:
    """Makes the functions take the old arguments, and adds the old attributes of iterators."""
    for root in KERAS_MODULES:
        for module_name, functions in RENAMED_ARGUMENTS.items():
            module = _module(f"{root}.{module_name}")
            for name, arguments in functions.items():
                if hasattr(module, name):
                    _take_old_arguments(module, name, arguments)
        image = _module(f"{root}.preprocessing.image")
        for name, attributes in ITERATOR_ATTRIBUTES.items():
            iterator = getattr(image, name, None)
            for old, new in attributes.items():
                if iterator is not None:
                    add_name(iterator, old, property(_attribute(new)))


def _module(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _attribute(name: str) -> Any:
    return lambda self: getattr(self, name)


def _take_old_arguments(module: Any, name: str, arguments: Mapping[str, str]) -> None:
    function = getattr(module, name)
    known = inspect.signature(function).parameters
    renamed = {old: new for old, new in arguments.items() if old not in known}

    def wrapper(former: Any) -> Any:
        return with_old_names(former, name, renamed)

    if inspect.isclass(function):
        wrap(function, "__init__", wrapper)
    elif name == "to_categorical":
        wrap(module, name, lambda former: _with_dtype(wrapper(former)))
    else:
        wrap(module, name, wrapper)


def _with_dtype(to_categorical: Any) -> Any:
    """Makes `to_categorical` take the third argument of Keras 2, `dtype`."""

    @functools.wraps(to_categorical)
    def to_categorical_of_dtype(*args: Any, **kwargs: Any) -> Any:
        *first, dtype = args if len(args) == 3 else (*args, kwargs.pop("dtype", None))
        categories = to_categorical(*first, **kwargs)
        return categories if dtype is None else categories.astype(dtype)

    return to_categorical_of_dtype
