"""Replaces names in Keras by old ones, once each, and can take all of it back.

Every change that `install()` makes goes through here. So a second `install()` changes nothing, and
a test can leave Keras as it was.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

_MISSING = object()

# The former value of each attribute that was replaced, and the modules that were added.
_former: dict[tuple[int, str], tuple[Any, Any]] = {}
_added_modules: dict[str, ModuleType] = {}


def replace(owner: Any, name: str, value: Any) -> None:
    """Sets an attribute of a class or a module, unless it is replaced already.

    Args:
        owner: the class or the module.
        name: the name of the attribute. It need not exist.
        value: the new value.
    """
    key = (id(owner), name)
    if key not in _former:
        _former[key] = (owner, vars(owner).get(name, _MISSING))
        setattr(owner, name, value)


def wrap(owner: Any, name: str, wrapper: Callable[[Any], Any]) -> None:
    """Replaces a function by one that is made from it, unless it is replaced already.

    Args:
        owner: the class or the module.
        name: the name of the function, which may be inherited.
        wrapper: a function that takes the former function and returns the new one.
    """
    if (id(owner), name) not in _former:
        replace(owner, name, wrapper(getattr(owner, name)))


def add_name(owner: Any, name: str, value: Any) -> None:
    """Sets an attribute only where there is none."""
    if not hasattr(owner, name):
        replace(owner, name, value)


def add_module(name: str, module: ModuleType) -> ModuleType:
    """Makes a module importable under a name that is free; returns the one under that name."""
    if name not in sys.modules:
        sys.modules[name] = _added_modules[name] = module
    return sys.modules[name]


def restore_all() -> None:
    """Takes back every change, in the opposite order. For tests."""
    for (_, name), (owner, former) in reversed(_former.items()):
        if former is _MISSING:
            delattr(owner, name)
        else:
            setattr(owner, name, former)
    _former.clear()
    for name, module in _added_modules.items():
        if sys.modules.get(name) is module:
            del sys.modules[name]
    _added_modules.clear()
