"""What callbacks remember: those of Keras, those with `state_dict`, and which are neither."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from keras_bigdata.callbacks.weighted_validation import WeightedValidation
from keras_bigdata.files import atomic_path

_callbacks = keras.callbacks

# The attributes that change while training. What follows from the arguments is not among them.
_ATTRIBUTES: dict[type, tuple[str, ...]] = {
    _callbacks.EarlyStopping: ("best", "best_epoch", "best_weights", "stopped_epoch", "wait"),
    _callbacks.History: ("epoch", "history"),
    _callbacks.LearningRateScheduler: (),
    _callbacks.ModelCheckpoint: (
        "best",
        "_batches_seen_since_last_saving",
        "_last_batch_seen",
        "_current_epoch",
    ),
    _callbacks.ProgbarLogger: (),
    _callbacks.ReduceLROnPlateau: ("best", "cooldown_counter", "wait"),
    _callbacks.RemoteMonitor: (),
    _callbacks.SwapEMAWeights: ("_ema_weights_in_model",),
    _callbacks.TerminateOnNaN: (),
    WeightedValidation: (),
}

# What a callback has that remembers nothing.
_BARE = frozenset(vars(_callbacks.Callback()))


def read(callbacks: Sequence[Any]) -> list[dict[str, Any]]:
    """The states of some callbacks, in their order."""
    return [{"class": type(c).__name__, "state": _state_of(c)} for c in callbacks]


def restore(callbacks: Sequence[Any], saved: list[dict[str, Any]]) -> None:
    """Sets the states. Callbacks are told apart by their class and their order."""
    left = list(saved)
    new = []
    for callback in callbacks:
        name = type(callback).__name__
        found = next((entry for entry in left if entry["class"] == name), None)
        if found is None:
            new.append(name)
            continue
        left.remove(found)
        _restore_one(callback, found["state"])
    gone = [entry["class"] for entry in left]
    if new or gone:
        warnings.warn(
            "The list of callbacks is not that of the checkpoint, so the training is not the same "
            f"as before. New, and beginning now: {new or 'none'}. Gone: {gone or 'none'}.",
            stacklevel=2,
        )


def unknown(callbacks: Sequence[Any]) -> list[str]:
    """The classes of callbacks whose state, if they have any, is not saved."""
    return sorted({type(c).__name__ for c in callbacks if not _is_known(c)})


def _is_known(callback: Any) -> bool:
    if _has_state_dict(callback) or set(vars(callback)) <= _BARE:
        return True
    if type(callback) is _callbacks.CSVLogger:
        return _is_local_csv(callback)
    return type(callback) in _ATTRIBUTES


def _has_state_dict(callback: Any) -> bool:
    return all(
        callable(getattr(callback, name, None)) for name in ("state_dict", "load_state_dict")
    )


def _state_of(callback: Any) -> Any:
    if _has_state_dict(callback):
        return callback.state_dict()
    if isinstance(callback, _callbacks.CSVLogger) and _is_local_csv(callback):
        return _read_csv(callback)
    return {
        name: getattr(callback, name) for name in _attributes(callback) if hasattr(callback, name)
    }


def _restore_one(callback: Any, state: Any) -> None:
    if _has_state_dict(callback):
        callback.load_state_dict(state)
    elif isinstance(callback, _callbacks.CSVLogger) and _is_local_csv(callback):
        _restore_csv(callback, state)
    else:
        for name in _attributes(callback):
            if name in state:
                setattr(callback, name, state[name])


def _attributes(callback: Any) -> tuple[str, ...]:
    """Of a subclass of Keras's, what it has from there."""
    for kind, names in _ATTRIBUTES.items():
        if isinstance(callback, kind):
            return names
    return ()


def _read_csv(logger: Any) -> dict[str, Any]:
    """What the logger has written, and what it knows of its columns."""
    path = Path(logger.filename)
    return {
        "content": path.read_bytes() if path.exists() else b"",
        "keys": logger.keys,
        "append_header": bool(logger.append_header and logger.writer is None),
    }


def _restore_csv(logger: Any, state: dict[str, Any]) -> None:
    """Puts the file back and has the logger go on after it."""
    is_open = logger.csv_file is not None and not logger.csv_file.closed
    if is_open:
        logger.csv_file.close()
    path = Path(os.path.realpath(logger.filename))
    with atomic_path(path) as temporary:
        temporary.write_bytes(state["content"])
    if is_open:
        logger.csv_file = open(path, "a")  # noqa: SIM115
    logger.writer = None
    logger.keys = state["keys"]
    logger.append_header = state["append_header"]


def _is_local_csv(logger: Any) -> bool:
    """Whether the file is one of this machine."""
    return "://" not in logger.filename
