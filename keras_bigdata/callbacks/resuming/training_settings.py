"""The settings of a training: those of its optimizer and loss, and the class weights of `fit`."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_bigdata.callbacks.resuming.loss_arguments import arguments_of
from keras_bigdata.keras_internals.callbacks import fit_input

# The settings that were seen last while an optimizer trained: a scheduler may have changed them
# since the last checkpoint of a `fit` that an exception has ended.
_last_seen: weakref.WeakKeyDictionary[Any, dict[str, Any]] = weakref.WeakKeyDictionary()

_OPTIMIZER = "class of {}"
_LEARNING_RATE = "learning_rate of {}"
_CLASS_WEIGHT = "class_weight of `fit`"
_LOSS_ARGUMENTS = "arguments of the loss"


def read_settings(model: Any) -> dict[str, Any]:
    """Returns the settings of the optimizers, the loss and `fit` by name, as plain values."""
    settings: dict[str, Any] = {}
    for name, optimizer in optimizers_of(model).items():
        settings[_OPTIMIZER.format(name)] = _class_name(optimizer)
        for key, value in _config(optimizer).items():
            settings[f"{key} of {name}"] = value
    loss = getattr(model, "loss", None)
    settings["loss"] = _plain(keras.tree.map_structure(_known_loss, loss))
    settings[_LOSS_ARGUMENTS] = arguments_of(keras.tree.map_structure(_known_loss, loss))
    settings["loss_weights"] = _plain(_compile_config(model).get("loss_weights"))
    received = fit_input()
    if received is not None:
        settings[_CLASS_WEIGHT] = _plain(received.class_weight)
    return settings


def remember_settings(model: Any) -> None:
    """Remembers the present settings of a model while it trains."""
    if model.optimizer is not None:
        _last_seen[model.optimizer] = read_settings(model)


def changed_settings(document: Mapping[str, Any], model: Any) -> dict[str, tuple[Any, Any]]:
    """Returns the settings that differ from those with which a recorded training began.

    A value that the training itself has set does not count as different, such as a learning rate
    that a scheduler has set.

    Args:
        document: a checkpoint. Those of earlier versions have no settings: nothing differs.
        model: the model, before the checkpoint is restored.

    Returns:
        name -> (value in the checkpoint, value here).
    """
    first = document.get("settings")
    if first is None:
        return {}
    here = read_settings(model)
    if _LOSS_ARGUMENTS not in first or first.get("loss") != here["loss"]:
        # A checkpoint of an earlier version; or another loss, which has other arguments.
        first = {**first, _LOSS_ARGUMENTS: here[_LOSS_ARGUMENTS]}
    if _CLASS_WEIGHT not in first or _CLASS_WEIGHT not in here:
        # An earlier version, or a `fit` whose arguments are not seen.
        first = {**first, _CLASS_WEIGHT: here.get(_CLASS_WEIGHT)}
    trained = [document.get("settings_now", {}), _last_seen.get(model.optimizer, {})]
    missing = object()
    return {
        name: (first.get(name), here.get(name))
        for name in dict.fromkeys([*first, *here])
        if first.get(name) != here.get(name)
        and all(known.get(name, missing) != here.get(name) for known in trained)
    }


def first_settings(
    document: Mapping[str, Any], here: dict[str, Any], changed: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns the settings that a resumed training stores as those with which it began.

    Args:
        document: its checkpoint.
        here: the settings as compiled.
        changed: those that are taken from `here`.
    """
    if document.get("settings") is None:
        return here
    kept = {name: v for name, v in document["settings"].items() if name not in changed}
    return {**kept, **{name: value for name, value in here.items() if name in changed}}


def describe_changes(changed: Mapping[str, tuple[Any, Any]]) -> str:
    """Returns a text that lists the settings that differ, with both values."""
    has_same_arguments = not any(name.startswith(_OPTIMIZER.format("")) for name in changed)
    return ", ".join(
        f"{name} is {_show(saved)} in the checkpoint and {_show(here)} here"
        for name, (saved, here) in changed.items()
        # Another class has other arguments.
        if has_same_arguments or None not in (saved, here)
    )


def _show(value: Any) -> str:
    # A learning rate of 0.01 is 0.009999999776482582 in a float32 variable.
    return f"{value:.6g}" if isinstance(value, float) else repr(value)


def keeps_learning_rate(name: str, changed: Mapping[str, Any]) -> bool:
    """Returns whether the learning rate of an optimizer is taken from the checkpoint."""
    return _LEARNING_RATE.format(name) not in changed and not is_new_class(name, changed)


def is_new_class(name: str, changed: Mapping[str, Any]) -> bool:
    """Returns whether an optimizer has another class than in the checkpoint."""
    return _OPTIMIZER.format(name) in changed


def optimizers_of(model: Any) -> dict[str, Any]:
    """Returns the optimizers of a model by name; `optimizer` is that of `compile`.

    A model with a custom `train_step` may have others as attributes.
    """
    found = {} if model.optimizer is None else {"optimizer": model.optimizer}
    for name, value in vars(model).items():
        if isinstance(value, keras.optimizers.Optimizer) and value is not model.optimizer:
            found[name] = value
    return found


def _class_name(optimizer: Any) -> str:
    inner = getattr(optimizer, "inner_optimizer", None)
    name = type(optimizer).__name__
    return name if inner is None else f"{name}({_class_name(inner)})"


def _config(optimizer: Any) -> dict[str, Any]:
    """Returns the arguments of an optimizer, and of the one inside, without its name."""
    inner = getattr(optimizer, "inner_optimizer", None)
    try:
        config = {**optimizer.get_config(), **({} if inner is None else _config(inner))}
    except NotImplementedError:  # a custom learning rate without `get_config`
        return {}
    for name in ("name", "inner_optimizer"):
        config.pop(name, None)
    return {name: _plain(value) for name, value in config.items()}


def _compile_config(model: Any) -> dict[str, Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras warns of lambdas, which it does not store
            return model.get_compile_config() or {}
    except Exception:  # it cannot be serialized; the reasons are many
        return {}


def _plain(value: Any) -> Any:
    """Returns a value that a checkpoint can hold and that compares equal in another process."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, keras.Loss):
        return {"class": type(value).__name__, **_loss_config(value)}
    return getattr(value, "__qualname__", type(value).__name__)


def _known_loss(loss: Any) -> Any:
    """Returns the loss of Keras that a text stands for: "mse" and "MSE" are one."""
    if not isinstance(loss, str):
        return loss
    try:
        return keras.losses.get(loss)
    except ValueError:
        return loss


def _loss_config(loss: Any) -> dict[str, Any]:
    try:
        config = loss.get_config()
    except Exception:  # a custom loss may fail in any way
        return {}
    return {key: _plain(value) for key, value in config.items() if key != "name"}
