"""A call of `pack`: its arguments checked, and what tells it from other calls."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Mapping
from types import CodeType
from typing import Any

from keras_bigdata.arguments import checked_bool, checked_choice, checked_int
from keras_bigdata.errors import PackError
from keras_bigdata.packing.shard_jobs import read_row

# It holds the object's address.
_PLAIN_REPR: Any = object.__repr__


def check_arguments(
    source: Any,
    *,
    shard_samples: Any,
    shuffle: Any,
    seed: Any,
    variants: Any,
    augment: Any,
    workers: Any,
    on_error: Any,
) -> None:
    """Refuses what makes no sense, before any work."""
    checked_bool(shuffle, "shuffle")
    if isinstance(source, str | os.PathLike):
        raise TypeError(
            "`source` must be a source, such as ImageTable(csv, ...) or ImageFolder(directory, "
            f"...), not a path. Received: source={source!r}"
        )
    for kinds, remedy in (
        (Mapping, "Arrays(**fields)"),
        ((tuple, list), "Arrays(x=x, labels=y)"),
    ):
        if isinstance(source, kinds):
            raise TypeError(f"`source` must be a source: {remedy}. Received: {type(source)}")
    if not hasattr(source, "__len__") or not hasattr(source, "__getitem__"):
        raise TypeError(
            "`source` must have len() and [i] -> dict of arrays. "
            f"Received: source={source!r} ({type(source).__name__})"
        )
    for name, value, least, optional in (
        ("shard_samples", shard_samples, 1, True),
        ("seed", seed, 0, False),
        ("variants", variants, 1, False),
        ("workers", workers, 1, True),
    ):
        if value is not None or not optional:
            checked_int(value, name, least)
    if augment is not None and not callable(augment):
        raise TypeError(f"`augment` must be a function. Received: augment={augment!r}")
    if variants > 1 and augment is None:
        raise ValueError(
            f"`variants={variants}` needs `augment`: without it all copies would be equal."
        )
    checked_choice(on_error, "on_error", ("raise", "skip"))


def describe_call(source: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What tells this call from others, as JSON gives it back."""
    if hasattr(source, "fingerprint"):
        about = source.fingerprint()
    else:
        about = {"kind": _name(type(source)), "rows": len(source)}
        if len(source):
            about["first_row_sha256"] = _digest(source)
    augment = arguments["augment"]
    arguments = {**arguments, "augment": None if augment is None else _name(augment)}
    try:
        call: dict[str, Any] = json.loads(json.dumps({"source": about, "arguments": arguments}))
    except (TypeError, ValueError) as error:
        raise TypeError(f"`source.fingerprint()` must give plain JSON: {error}") from error
    return call


def _digest(source: Any) -> str | None:
    try:
        sample = read_row(source, 0)
    except PackError:
        return None
    digest = hashlib.sha256()
    for name, value in sample.items():
        digest.update(f"{name} {value.dtype} {value.shape}".encode() + value.tobytes())
    return digest.hexdigest()


def _name(thing: Any) -> str:
    """A function's or class's name, with a digest of a function's own code."""
    if isinstance(thing, functools.partial):
        arguments = [_value(value) for value in thing.args]
        arguments += [f"{name}={_value(value)}" for name, value in thing.keywords.items()]
        return f"partial({', '.join([_name(thing.func), *arguments])})"
    if not hasattr(thing, "__qualname__") and type(thing).__repr__ is not _PLAIN_REPR:
        return f"{type(thing).__module__}.{thing!r}"  # what says its own arguments
    named = thing if hasattr(thing, "__qualname__") else type(thing)
    code = getattr(thing, "__code__", None)
    digest = f" {_code_digest(code)}" if isinstance(code, CodeType) else ""
    return f"{named.__module__}.{named.__qualname__}{digest}"


def _value(value: Any) -> str:
    return _name(type(value)) if type(value).__repr__ is _PLAIN_REPR else repr(value)


def _code_digest(code: CodeType) -> str:
    digest = hashlib.sha256(code.co_code + repr(code.co_names).encode())
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            digest.update(_code_digest(constant).encode())
        elif isinstance(constant, frozenset):  # in another order in each process
            digest.update(repr(sorted(map(repr, constant))).encode())
        else:
            digest.update(repr(constant).encode())
    return digest.hexdigest()[:16]
