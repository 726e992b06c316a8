"""Saves and restores the states of Keras's callbacks and of those with `state_dict`."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from keras_bigdata.files import atomic_path
from keras_bigdata.keras_internals.callbacks import (
    callback_attributes,
    csv_columns,
    set_csv_columns,
)

_CSVLogger = keras.callbacks.CSVLogger

# The attributes of a callback that has no state.
_BASE_ATTRIBUTES = frozenset(vars(keras.callbacks.Callback()))


def check_version(callback: Any, state: Mapping[str, Any], version: int) -> None:
    """Checks the version of a state that a callback of this package receives.

    Raises:
        ValueError: if the version is different or missing.
    """
    if state.get("version") != version:
        raise ValueError(
            f"The state belongs to another version of {type(callback).__name__}: 'version' is "
            f"{state.get('version')!r} in the state and {version!r} here."
        )


def read(callbacks: Sequence[Any]) -> list[dict[str, Any]]:
    """Returns the states of some callbacks, in their order."""
    return [{"class": type(c).__name__, "state": _read_one(c)} for c in callbacks]


def restore(callbacks: Sequence[Any], saved: list[dict[str, Any]]) -> None:
    """Restores the states. Callbacks are matched by their class and their order."""
    remaining = list(saved)
    added = []
    for callback in callbacks:
        name = type(callback).__name__
        entry = next((entry for entry in remaining if entry["class"] == name), None)
        if entry is None:
            added.append(name)
            continue
        remaining.remove(entry)
        _restore_one(callback, entry["state"])
    removed = [entry["class"] for entry in remaining]
    if added or removed:
        warnings.warn(
            "The list of callbacks differs from that of the checkpoint, so the training is not the "
            f"same as before. Added, without a saved state: {added or 'none'}. "
            f"Removed: {removed or 'none'}.",
            stacklevel=2,
        )


def unknown_classes(callbacks: Sequence[Any]) -> list[str]:
    """Returns the names of the classes whose state, if they have any, is not saved."""
    return sorted({type(c).__name__ for c in callbacks if not _is_known(c)})


def _is_known(callback: Any) -> bool:
    if _has_state_dict(callback) or set(vars(callback)) <= _BASE_ATTRIBUTES:
        return True
    if type(callback) is _CSVLogger:
        return _is_local(callback)
    # A subclass may have additional state, even if its base class declares that it has none.
    kind = type(callback)
    return vars(kind).get("_has_state") is False or callback_attributes(kind) is not None


def _has_state_dict(callback: Any) -> bool:
    return all(
        callable(getattr(callback, name, None)) for name in ("state_dict", "load_state_dict")
    )


def _read_one(callback: Any) -> Any:
    if _has_state_dict(callback):
        return callback.state_dict()
    if isinstance(callback, _CSVLogger) and _is_local(callback):
        return read_csv_logger(callback)
    names = _attributes(callback)
    return {name: getattr(callback, name) for name in names if hasattr(callback, name)}


def _restore_one(callback: Any, state: Any) -> None:
    if _has_state_dict(callback):
        callback.load_state_dict(state)
    elif isinstance(callback, _CSVLogger) and _is_local(callback):
        restore_csv_logger(callback, state)
    else:
        for name in _attributes(callback):
            if name in state:
                setattr(callback, name, state[name])


def _attributes(callback: Any) -> tuple[str, ...]:
    """Returns the names of the attributes of a Keras callback, or of an instance of a subclass."""
    known = map(callback_attributes, type(callback).__mro__)
    return next((names for names in known if names is not None), ())


def read_csv_logger(logger: Any) -> dict[str, Any]:
    """Returns the content of a CSVLogger's file, and its columns."""
    path = Path(logger.filename)
    return {"content": path.read_bytes() if path.exists() else b"", "keys": csv_columns(logger)}


def restore_csv_logger(logger: Any, state: dict[str, Any]) -> None:
    """Restores the file of a CSVLogger, which then appends to it.

    The file is closed and opened by the logger's own hooks: with `append=True` it writes a header
    only if the file is empty.
    """
    _CSVLogger.on_train_end(logger)
    path = Path(os.path.realpath(logger.filename))
    with atomic_path(path) as temporary:
        temporary.write_bytes(state["content"])
    append, logger.append = logger.append, True
    try:
        _CSVLogger.on_train_begin(logger)
    finally:
        logger.append = append
    set_csv_columns(logger, state["keys"])


def _is_local(logger: Any) -> bool:
    """Returns whether the file is on this machine."""
    return "://" not in logger.filename
