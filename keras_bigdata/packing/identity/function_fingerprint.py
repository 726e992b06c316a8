"""A function as JSON: its source text and the values that it holds.

Two functions with equal descriptions do the same, as far as this can be determined without
following the global names that they call or read. Descriptions can be compared across processes,
machines and versions of Python.
"""

from __future__ import annotations

import enum
import functools
import hashlib
import inspect
import json
import math
import os
import random
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import BuiltinMethodType, CellType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

import keras_bigdata
from keras_bigdata.packing.identity.function_source import code_digest, source_text
from keras_bigdata.packing.samples.samples import Array

# A larger array is represented by 64 of its rows: hashing 64 MiB takes some 40 ms.
HASHED_BYTES = 64 * 1024**2
HASHED_ROWS = 64

# A value with a longer description, in characters of JSON, is represented by a digest.
_MAX_LENGTH = 1_000
# A value nested in this many containers or objects is represented by its class.
_MAX_DEPTH = 12

# Their state changes with each number drawn, so it does not identify a call.
_GENERATORS = (np.random.Generator, np.random.BitGenerator, np.random.RandomState, random.Random)

_PACKAGE = str(Path(keras_bigdata.__file__).parent) + os.sep
_STANDARD_LIBRARY = sysconfig.get_path("stdlib") + os.sep


def describe_function(function: Any) -> Any:
    """Describes a function or callable object as JSON.

    The description has these entries, where they apply:

    - `module` and `name`;
    - `source`: a digest of the source text (see `source_text`). Without a text, `bytecode`: a
      digest that changes with the version of Python;
    - `defaults` of parameters, and `closure`: variables of enclosing functions;
    - `partial`, `arguments` and `keywords` of a `functools.partial`; `self` of a bound method;
    - `attributes` of an object, with the `source` of its class and of base classes in the same
      module; also attributes of a function;
    - `fingerprint`: the result of a method of this name. It replaces everything but the name. An
      object whose attributes change while it is used needs such a method.

    Functions and classes of this package, which do the same in every release, are represented by
    their names, as are those of installed libraries among the values.

    Raises:
        TypeError: if `fingerprint()` does not return plain JSON.
    """
    return _Describer()._function(function, outermost=True)


def digest_array(array: Array) -> str:
    """Returns a digest of the values of an array; of a large one, of 64 rows."""
    if array.nbytes > HASHED_BYTES:
        rows = np.unique(np.linspace(0, len(array) - 1, HASHED_ROWS).astype(np.int64))
        array = array[rows]
    return _digest(np.ascontiguousarray(array).tobytes())


class _Describer:
    """Describes a value and what it refers to.

    Args:
        with_modules: whether names include that of the module. Defaults to `True`.
        path: ids of the values around the next one. Defaults to an empty list.
    """

    def __init__(self, with_modules: bool = True, path: list[int] | None = None) -> None:
        self._with_modules = with_modules
        self._path = [] if path is None else path

    def _function(self, function: Any, *, outermost: bool = False) -> Any:
        has_own = callable(getattr(function, "fingerprint", None))
        if outermost and has_own and not isinstance(function, type):
            return {**self._name(function), "fingerprint": _own_fingerprint(function)}
        if isinstance(function, functools.partial):
            return {
                "partial": self._function(function.func, outermost=outermost),
                "arguments": self._items(function.args),
                "keywords": self._mapping(function.keywords),
            }
        if isinstance(function, MethodType):
            method = self._function(function.__func__, outermost=outermost)
            return {**method, "self": self._value(function.__self__)}
        if isinstance(function, FunctionType | type):
            variables = self._variables(function) if isinstance(function, FunctionType) else {}
            return {**self._name(function), **_describe_code(function, outermost), **variables}
        if hasattr(function, "__wrapped__"):  # functools.lru_cache, for example
            wrapped = self._function(function.__wrapped__, outermost=outermost)
            return {**self._name(type(function)), "wrapped": wrapped}
        if isinstance(function, BuiltinMethodType):
            owner = function.__self__
            bound = {} if isinstance(owner, ModuleType | type | None) else {"self": owner}
            return {**self._name(function), **self._mapping(bound)}
        if hasattr(function, "__qualname__") or isinstance(function, np.ufunc):
            return self._name(function)
        return self._object(function, outermost=outermost)

    def _variables(self, function: FunctionType) -> dict[str, Any]:
        code, values = function.__code__, function.__defaults__ or ()
        last = code.co_varnames[code.co_argcount - len(values) : code.co_argcount]
        cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
        variables = {
            "defaults": dict(zip(last, values, strict=True)) | (function.__kwdefaults__ or {}),
            "closure": {name: _cell_content(cell) for name, cell in cells},
            "attributes": {
                name: value for name, value in vars(function).items() if name != "__wrapped__"
            },
        }
        return {kind: self._mapping(mapping) for kind, mapping in variables.items() if mapping}

    def _object(self, value: Any, *, outermost: bool = False) -> dict[str, Any]:
        described = {**self._name(type(value)), **_describe_code(type(value), outermost)}
        state = _state(value)
        if isinstance(state, Mapping):
            return {**described, "attributes": self._mapping(state)}
        if state is not None:
            return {**described, "attributes": self._value(state)}
        # The `repr` of objects of classes written in C shows their content.
        text = repr(value)
        return described if " at 0x" in text else {**described, "repr": self._value(text)}

    def _value(self, value: Any) -> Any:
        if id(value) in self._path or len(self._path) >= _MAX_DEPTH:
            return {**self._name(type(value)), "omitted": True}
        self._path.append(id(value))
        try:
            description = self._describe(value)
            if len(_to_json(description)) > _MAX_LENGTH:
                # Without modules, because the names of modules in a digest cannot be compared, and
                # `__main__` may stand for any of them.
                anonymous = _Describer(False, self._path)._describe(value)
                digest = _digest(_to_json(anonymous).encode())
                description = {**self._name(type(value)), "digest": digest}
            return description
        finally:
            self._path.pop()

    def _describe(self, value: Any) -> Any:  # noqa: PLR0912, a branch for each kind of value
        kind = type(value)
        described: Any
        if value is None or kind in (bool, int, str) or (kind is float and math.isfinite(value)):
            return value
        if isinstance(value, enum.Enum):
            described = {**self._name(kind), "member": value.name}
        elif isinstance(value, bytes | bytearray | memoryview):
            described = {**self._name(kind), "digest": _digest(value)}
        elif isinstance(value, np.generic | np.ndarray) or hasattr(kind, "__array__"):
            described = self._array(value)
        elif isinstance(value, int | float | complex | str | range | slice | np.dtype):
            described = {**self._name(kind), "repr": repr(value)}
        elif isinstance(value, os.PathLike):
            described = {"path": str(os.fspath(value))}
        elif isinstance(value, ModuleType):
            described = {"module": value.__name__}
        elif isinstance(value, _GENERATORS):
            described = self._name(kind)
        elif isinstance(value, Mapping):
            described = self._mapping(value)
        elif isinstance(value, list | tuple):
            described = self._items(value)
        elif isinstance(value, set | frozenset):
            described = {"set": sorted(self._items(value), key=_to_json)}
        elif callable(value):
            described = self._function(value)
        else:
            described = self._object(value)
        return described

    def _items(self, items: Iterable[Any]) -> list[Any]:
        return [self._value(item) for item in items]

    def _mapping(self, mapping: Mapping[Any, Any]) -> dict[str, Any]:
        return {
            key if isinstance(key, str) else f"({_to_json(self._value(key))})": self._value(value)
            for key, value in mapping.items()
        }

    def _array(self, value: Any) -> Any:
        array = _as_array(value)
        if array is None:
            return self._object(value)
        about = {"dtype": str(array.dtype), "shape": list(array.shape)}
        if array.dtype.hasobject:
            return {**about, "values": self._items(array.ravel().tolist())}
        if array.ndim == 0:
            return {**about, "value": repr(array.item())}
        return {**about, "digest": digest_array(array)}

    def _name(self, thing: Any) -> dict[str, str]:
        named = thing if hasattr(thing, "__name__") else type(thing)
        module = getattr(named, "__module__", None) or type(thing).__module__
        name = getattr(named, "__qualname__", named.__name__)
        return {"module": module, "name": name} if self._with_modules else {"name": name}


def _describe_code(thing: FunctionType | type, outermost: bool) -> dict[str, str]:
    """Returns digests of a function's or class's code, or nothing if its name stands for it."""
    parts: list[Any] = [thing]
    functions: list[Any] = [thing]
    if isinstance(thing, FunctionType):
        file = thing.__code__.co_filename
    else:
        file = getattr(sys.modules.get(thing.__module__), "__file__", None) or ""
        parts = [base for base in thing.__mro__ if base.__module__ == thing.__module__]
        functions = [function for part in parts for function in _methods(part)]
    if file.startswith(_PACKAGE) or (not outermost and _is_library(file)):
        return {}
    texts = [source_text(part) for part in parts]
    if all(text is not None for text in texts):
        return {"source": _digest("\n".join(map(str, texts)).encode())}
    if not functions:
        return {}
    digests = [code_digest(function.__code__) for function in functions]
    digest = digests[0] if len(digests) == 1 else _digest("\n".join(digests).encode())
    return {"bytecode": f"{sys.implementation.cache_tag} {digest}"}


def _methods(cls: type) -> Iterator[FunctionType]:
    for member in vars(cls).values():
        functions = (member.fget, member.fset) if isinstance(member, property) else (member,)
        for wrapper in functions:
            function = getattr(wrapper, "__func__", wrapper)
            if callable(function) and isinstance(method := inspect.unwrap(function), FunctionType):
                yield method


def _is_library(file: str) -> bool:
    return file.startswith((_STANDARD_LIBRARY, "<frozen")) or not {
        "site-packages",
        "dist-packages",
    }.isdisjoint(Path(file).parts)


def _own_fingerprint(function: Any) -> Any:
    try:
        return json.loads(json.dumps(function.fingerprint()))
    except (TypeError, ValueError) as error:
        raise TypeError(f"`augment.fingerprint()` must return plain JSON: {error}") from error


def _state(value: Any) -> Any:
    """Returns the attributes of an object, as it would be pickled; `None` if there are none."""
    try:
        state = value.__getstate__()
    except Exception:
        return None
    if isinstance(state, tuple) and len(state) == 2 and isinstance(state[1], dict):
        return {**(state[0] or {}), **state[1]}  # with the values of `__slots__`
    return state


def _cell_content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # the variable is not assigned yet
        return None


def _as_array(value: Any) -> Array | None:
    try:
        if not isinstance(value, np.ndarray) and getattr(value, "nbytes", 0) > HASHED_BYTES:
            return None  # a data set of an HDF5 file, for example, would be read whole
        if hasattr(value, "detach"):  # PyTorch
            value = value.detach().cpu()
        array = np.asarray(value)
    except Exception:
        return None
    return None if array.ndim == 0 and array.dtype.hasobject else array


def _to_json(description: Any) -> str:
    return json.dumps(description, sort_keys=True)


def _digest(content: bytes | bytearray | memoryview) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()[:16]}"
