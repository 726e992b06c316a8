"""Wrappers of constructors whose signatures Keras can inspect."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any


def wraps_constructor(initialize: Any) -> Callable[[Any], Any]:
    """Returns a decorator like `functools.wraps`, for a wrapper of a layer's `__init__`.

    Keras reads the arguments of a constructor with `inspect.getfullargspec`, which does not follow
    `__wrapped__` but uses an explicit `__signature__`.

    Args:
        initialize: the constructor that the wrapper calls.
    """

    def decorate(wrapper: Any) -> Any:
        wrapped: Any = functools.wraps(initialize)(wrapper)
        wrapped.__signature__ = inspect.signature(initialize)
        return wrapped

    return decorate
