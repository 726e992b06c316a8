"""The arguments of optimizers in Keras 1 and 2."""

from __future__ import annotations

import functools
import numbers
import warnings
from typing import Any

import keras

from keras_bigdata.legacy.backend.training_updates import get_updates
from keras_bigdata.legacy.calling_script import KerasRoot, default_keras_version, keras_root
from keras_bigdata.legacy.optimizers.learning_rate import set_decay
from keras_bigdata.legacy.patching import wrap
from keras_bigdata.old_keras.optimizers import (
    EPSILON_OUTSIDE_ROOT,
    EPSILONS,
    LEARNING_RATES,
    NEW_ARGUMENTS,
    NEW_LEARNING_RATE,
    NEW_POSITIONS,
    OPTIMIZERS,
    POSITIONS,
    shared_positions,
)

_NADAM = (
    "Nadam: the momentum of Keras 3 reaches its final value within about 100 batches; in Keras 1 "
    "and 2, where `schedule_decay` determined it, within about 25,000. The first batches train "
    "differently."
)
# A greater `epsilon` was hardly ever meant, so the third argument of RMSprop may be `momentum`.
_LARGEST_USUAL_EPSILON = 1e-2


def install() -> None:
    """Makes the optimizers take the arguments of Keras 1 and 2."""
    wrap(keras.optimizers.Optimizer, "__init__", _explaining_get_updates)
    for name in OPTIMIZERS:
        wrap(getattr(keras.optimizers, name), "__init__", _with_old_arguments)


def _with_old_arguments(initialize: Any) -> Any:
    @functools.wraps(initialize)
    def initialize_with_old_arguments(self: Any, *args: Any, **kwargs: Any) -> None:
        name = next(cls.__name__ for cls in type(self).__mro__ if cls.__name__ in POSITIONS)
        is_new = bool(NEW_ARGUMENTS & kwargs.keys()) or (name == "RMSprop" and "momentum" in kwargs)
        root: KerasRoot = "" if is_new else keras_root()
        by_position = dict(zip(_position_names(name, root, args), args, strict=True))
        if "lr" in kwargs and ("learning_rate" in kwargs or args):
            raise TypeError(
                f"{name} got the learning rate twice: as `lr` and as `learning_rate` or by "
                "position."
            )
        twice = by_position.keys() & kwargs.keys()
        if twice:
            raise TypeError(f"{name} got {min(twice)!r} twice: by position and by name.")
        arguments = {**by_position, **kwargs}
        if "lr" in arguments:
            arguments["learning_rate"] = arguments.pop("lr")
        decay = arguments.pop("decay", None) or 0.0
        schedule_decay = arguments.pop("schedule_decay", None)
        if arguments.get("epsilon", 0) is None:  # `keras.backend.epsilon()`
            del arguments["epsilon"]
        if not is_new:
            _set_defaults(name, root, arguments)
            if schedule_decay is not None or (name == "Nadam" and root == "keras"):
                warnings.warn(_NADAM, stacklevel=2)
        rate = arguments.get("learning_rate")
        if isinstance(rate, numbers.Real):
            arguments["learning_rate"] = float(rate)
        initialize(self, **arguments)
        set_decay(self, float(decay))

    return initialize_with_old_arguments


def _position_names(name: str, root: KerasRoot, args: tuple[Any, ...]) -> tuple[str, ...]:
    """Returns the names of the positional arguments."""
    old, new = POSITIONS[name], NEW_POSITIONS[name]
    shared = shared_positions(name)
    names = new
    if len(args) > shared:
        first = args[shared]
        if shared == len(new) or new[shared] in ("nesterov", "amsgrad"):
            # Keras 3 has nothing or a boolean there, and Keras 2 a number.
            is_old, is_certain = not isinstance(first, bool), True
        else:
            is_old, is_certain = root == "keras", root != ""
            if name == "RMSprop" and is_old:
                is_certain = first is None or first <= _LARGEST_USUAL_EPSILON
        names = old if is_old else new
        if not is_certain:
            warnings.warn(
                f"{name}: the argument {first!r} at position {shared + 1} is taken as "
                f"`{names[shared]}`. It is `{old[shared]}` in `keras` 1 and 2 and `{new[shared]}` "
                "in tensorflow.keras and Keras 3. Pass it by name.",
                stacklevel=3,
            )
    if len(args) > len(names):
        raise TypeError(
            f"{name} takes at most {len(names)} positional arguments here: {', '.join(names)}. "
            f"Received: {len(args)}"
        )
    return tuple("learning_rate" if n == "lr" else n for n in names[: len(args)])


def _set_defaults(name: str, root: KerasRoot, arguments: dict[str, Any]) -> None:
    """Sets the default values of `keras` 1 and 2, and converts what had another meaning there."""
    if name in LEARNING_RATES and "learning_rate" not in arguments:
        old = LEARNING_RATES[name]
        if root == "keras":
            arguments["learning_rate"] = old
        if root != "tensorflow.keras":
            warnings.warn(
                f"{name}: the learning rate is {old if root else NEW_LEARNING_RATE}. The default "
                f"was {old} in `keras` 1 and 2 and is {NEW_LEARNING_RATE} in tensorflow.keras and "
                "Keras 3. Pass learning_rate= to choose.",
                stacklevel=4,
            )
    if root != "keras":
        return
    epsilon = arguments.get("epsilon", EPSILONS[default_keras_version()])
    # sqrt(v + e ** 2) is e for v = 0 and sqrt(v) for a large v, as sqrt(v) + e is.
    if "epsilon" in POSITIONS[name]:
        arguments["epsilon"] = epsilon**2 if name in EPSILON_OUTSIDE_ROOT else epsilon
    if name == "Adagrad":
        arguments["initial_accumulator_value"] = 0.0
    clipnorm = arguments.pop("clipnorm", None)
    if clipnorm:  # the norm of all gradients together
        arguments["global_clipnorm"] = clipnorm
    if not arguments.get("clipvalue", 1):
        del arguments["clipvalue"]


def _explaining_get_updates(initialize: Any) -> Any:
    @functools.wraps(initialize)
    def initialize_or_explain(self: Any, *args: Any, **kwargs: Any) -> None:
        if getattr(type(self), "get_updates", get_updates) is not get_updates:
            raise TypeError(
                f"{type(self).__name__} is an optimizer for Keras 1 or 2: it defines "
                "`get_updates(loss, params)`, which Keras 3 never calls. Write the update of one "
                "variable as `update_step(gradient, variable, learning_rate)`, create its state in "
                "`build(variables)`, and pass `learning_rate` to `super().__init__`."
            )
        initialize(self, *args, **kwargs)

    return initialize_or_explain
