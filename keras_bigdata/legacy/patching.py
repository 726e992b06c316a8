"""Replaces attributes of Keras, once each, and can undo all replacements.

Every change that `install()` makes goes through here. So a second `install()` changes nothing, and
a test can restore Keras.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

_MISSING = object()

# The former value of each attribute that was replaced, and the modules that were added.
_former: dict[tuple[int, str], tuple[Any, Any]] = {}
_wrapped: set[tuple[int, str, str]] = set()
_added_modules: dict[str, ModuleType] = {}
_replaced_modules: dict[str, ModuleType] = {}


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
    """Replaces a function by one that is made from it, once for each wrapper.

    Several topics may wrap the same function. The one that comes last is the outermost.

    Args:
        owner: the class or the module.
        name: the name of the function, which may be inherited.
        wrapper: a named function, or a partial of one, that takes the former function and returns
            the new one.
    """
    function = getattr(wrapper, "func", wrapper)  # of a `functools.partial`
    key = (id(owner), name, f"{function.__module__}.{function.__qualname__}")
    if key in _wrapped:
        return
    _wrapped.add(key)
    new = wrapper(getattr(owner, name))
    if (id(owner), name) in _former:
        setattr(owner, name, new)
    else:
        replace(owner, name, new)


def defining_class(owner: type, name: str) -> type:
    """Returns the class that defines a method of a class.

    Keras compares methods with those of the class that defines them: it does not compile a loaded
    model if `keras.Model.compile` is not the method of its base class.
    """
    return next(cls for cls in owner.__mro__ if name in vars(cls))


def add_name(owner: Any, name: str, value: Any) -> None:
    """Sets an attribute only where there is none."""
    if not hasattr(owner, name):
        replace(owner, name, value)


def add_module(name: str, module: ModuleType) -> ModuleType:
    """Makes a module importable under a name that is free. Returns the module with that name."""
    if name not in sys.modules:
        sys.modules[name] = _added_modules[name] = module
    return sys.modules[name]


def replace_module(name: str, module: ModuleType) -> None:
    """Makes a module importable under a name, in place of the module with that name, if any."""
    if name not in _added_modules:
        former = sys.modules.get(name)
        if former is not None and former is not module:
            _replaced_modules[name] = former
        sys.modules[name] = _added_modules[name] = module


def restore_all() -> None:
    """Undoes every change, in reverse order. For tests."""
    for (_, name), (owner, former) in reversed(_former.items()):
        if former is _MISSING:
            delattr(owner, name)
        else:
            setattr(owner, name, former)
    _former.clear()
    _wrapped.clear()
    for name, module in _added_modules.items():
        if sys.modules.get(name) is module:
            del sys.modules[name]
    _added_modules.clear()
    sys.modules.update(_replaced_modules)
    _replaced_modules.clear()
