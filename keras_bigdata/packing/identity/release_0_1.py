"""How release 0.1 recorded `augment` in `index.json` and in the manifest of an unfinished pack.

The record is a string: `module.name`, with a digest of the bytecode if it was a function, in
`partial(...)` with the `repr` of its arguments, or the `repr` of an object that has its own. The
same function has a different record if its module was run as a script (`__main__`), and a different
digest in another version of Python.
"""

from __future__ import annotations

import functools
import re
from types import CodeType
from typing import Any, Literal, TypeAlias

from keras_bigdata.packing.augment import Augment
from keras_bigdata.packing.identity.function_source import code_digest

Match: TypeAlias = Literal["equal", "name", "different"]

MAIN_MODULES = ("__main__", "__mp_main__")

_DIGEST = "[0-9a-f]{16}"


def match_record(record: str, augment: Any) -> Match:
    """Compares a record of release 0.1 with a function.

    Args:
        record: the string in the index or manifest.
        augment: the function or callable object.

    Returns:
        `"equal"`; `"name"` if the names and arguments agree but not the bytecode, because either
        the function or the version of Python has changed; or `"different"`.
    """
    if re.fullmatch(_pattern(augment, any_bytecode=False), record):
        return "equal"
    return "name" if re.fullmatch(_pattern(augment, any_bytecode=True), record) else "different"


def _pattern(thing: Any, *, any_bytecode: bool) -> str:
    """Returns a regular expression for the records of a function, in any version of Python."""
    if isinstance(thing, functools.partial):
        parts = [_pattern(thing.func, any_bytecode=any_bytecode)]
        parts += [_value(value) for value in thing.args]
        parts += [f"{name}={_value(value)}" for name, value in thing.keywords.items()]
        return rf"partial\({', '.join(parts)}\)"
    if not hasattr(thing, "__qualname__") and _has_own_repr(thing):
        return _module(type(thing)) + re.escape(f".{_repr(thing)}")
    named = thing if hasattr(thing, "__qualname__") else type(thing)
    code = getattr(thing, "__code__", None)
    digest = ""
    if isinstance(code, CodeType):
        digest = f" {_DIGEST if any_bytecode else code_digest(code)}"
    return _module(named) + re.escape(f".{named.__qualname__}") + digest


def _value(value: Any) -> str:
    if _has_own_repr(value):
        return re.escape(repr(value))
    return _pattern(type(value), any_bytecode=True)


def _has_own_repr(thing: Any) -> bool:
    plain: Any = object.__repr__
    return type(thing).__repr__ is not plain


def _module(named: Any) -> str:
    if named.__module__ in MAIN_MODULES:
        return r"[\w.]+"
    return rf"(?:{'|'.join(map(re.escape, (named.__module__, *MAIN_MODULES)))})"


def _repr(thing: Any) -> str:
    if not isinstance(thing, Augment):
        return repr(thing)
    # In release 0.1, the `repr` had all arguments.
    transforms = "".join(f"{transform!r}, " for transform in thing.transforms)
    return (
        f"Augment({transforms}fill_mode={thing.fill_mode!r}, cval={thing.cval!r}, "
        f"images={thing.images!r}, masks={thing.masks!r})"
    )
