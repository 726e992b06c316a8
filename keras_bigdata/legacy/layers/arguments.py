"""Calls of layers with the arguments of Keras 1, as calls of Keras 3."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from keras_bigdata.legacy.calling_script import (
    default_keras_version,
    is_for_keras_1_or_2,
    keras_root,
)
from keras_bigdata.legacy.layers import values
from keras_bigdata.legacy.layers.numpy_integers import as_integers
from keras_bigdata.old_keras.layers import (
    DEFAULTS,
    LAYERS,
    SEQUENCE_LAYERS,
    WITHOUT_EFFECT,
    OldLayer,
)

# The arguments that Keras 3 requires, with the default value that Keras 1 and 2 had.
_FORMER_DEFAULTS: dict[str, dict[str, Any]] = {
    "AveragePooling1D": {"pool_size": 2},
    "AveragePooling2D": {"pool_size": (2, 2)},
    "AveragePooling3D": {"pool_size": (2, 2, 2)},
}
# Arguments of a converted call that are not Keras's: `constructors` applies them.
EMBEDDING_DROPOUT = "keras_1_dropout"
NORMALIZATION_MODE = "keras_1_mode"
OUTPUT_SHAPE = "keras_1_output_shape"

# Whether a call of Keras 1 was seen, and whether the warning about recurrent layers was given.
_seen = {"keras_1": False, "warned": False}

_FORGET_BIASES = {"one": True, "ones": True, "zero": False, "zeros": False}


def forget_calls() -> None:
    """Resets whether calls of Keras 1 were seen."""
    _seen.update(keras_1=False, warned=False)


def convert_call(
    name: str, args: Sequence[Any], kwargs: dict[str, Any], *, is_old_name: bool = False
) -> tuple[Sequence[Any], dict[str, Any]]:
    """Returns the arguments of a call as Keras 3 takes them.

    A call that has no argument of Keras 1 is returned as it is, except for arguments that Keras 3
    refuses.

    Args:
        name: the name of the class, such as `Conv2D` or `Convolution2D`.
        args: the positional arguments.
        kwargs: the keyword arguments.
        is_old_name: whether the class was called by a name that only Keras 1 had.

    Returns:
        The positional and the keyword arguments.

    Raises:
        TypeError: if an argument is passed twice, or if the call has arguments of Keras 1 and of
            Keras 3 that contradict each other.
        ValueError: if Keras 3 has no equivalent.
    """
    layer = LAYERS[name]
    args = [as_integers(value) for value in args]
    kwargs = {key: as_integers(value) for key, value in kwargs.items()}
    hint = is_old_name or default_keras_version() == 1
    is_keras_1 = layer.is_keras_1(args, kwargs, hint)
    if layer.kernel and layer.has_kernel_sides(args):
        # `keras` read two sides in Keras 2 too; only `tensorflow.keras` read strides.
        by_script = not is_keras_1 and is_for_keras_1_or_2()
        by_script = by_script and layer.is_keras_1(args, kwargs, True)
        _check_kernel_sides(name, layer, (args, kwargs), is_keras_1, by_script)
        is_keras_1 = is_keras_1 or by_script
    if is_keras_1:
        _seen["keras_1"] = True
        args, kwargs = _convert_keras_1(name, layer, args, kwargs)
    else:
        _warn_of_recurrent_defaults(name, args, kwargs)
    if not args:
        for key, default in _FORMER_DEFAULTS.get(name, {}).items():
            kwargs.setdefault(key, default)
    if name.startswith("ZeroPadding"):
        args = [values.convert_padding(name, value) for value in args[:1]] + list(args[1:])
        if "padding" in kwargs:
            kwargs["padding"] = values.convert_padding(name, kwargs["padding"])
    if name in SEQUENCE_LAYERS or layer.target in SEQUENCE_LAYERS:
        _set_sequence_shape(kwargs)
    if "batch_size" in kwargs and "input_shape" in kwargs:
        kwargs["batch_input_shape"] = (kwargs.pop("batch_size"), *kwargs.pop("input_shape"))
    if name == "Embedding" and (is_keras_1 or kwargs.get("input_length") is not None):
        length = kwargs.pop("input_length", None)
        if not {"input_shape", "batch_input_shape"} & set(kwargs):
            lengths = tuple(length) if isinstance(length, tuple | list) else (length,)
            kwargs["batch_input_shape"] = (None, *lengths)
    return args, kwargs


def _check_kernel_sides(
    name: str,
    layer: OldLayer,
    call: tuple[Sequence[Any], dict[str, Any]],
    is_keras_1: bool,
    by_script: bool,
) -> None:
    args, kwargs = call
    new_arguments = sorted(layer.only_new & set(kwargs))
    sides = tuple(args[1 : 1 + len(layer.kernel)])
    as_keras_3 = ", ".join(
        f"{key}={value}"
        for key, value in zip(("kernel_size", "strides", "padding"), sides, strict=False)
    )
    readings = (
        f"{name}({args[0]!r}, {', '.join(map(str, sides))}): in Keras 1 the kernel is {sides}; in "
        f"Keras 3 these are {as_keras_3}. Write kernel_size={sides}, or {as_keras_3}."
    )
    if by_script:
        warnings.warn(
            f"{readings} It is read as in Keras 1 and 2, because other lines of the script are "
            "written for them.",
            stacklevel=4,
        )
    elif not is_keras_1:
        warnings.warn(
            f"{readings} It is read as in Keras 3; `keras_bigdata.legacy.install(keras=1)` (or "
            "`--keras 1`) reads it as in Keras 1.",
            stacklevel=4,
        )
    elif new_arguments:
        raise TypeError(
            f"{readings} The call also has arguments that Keras 1 did not have: "
            f"{', '.join(new_arguments)}."
        )


def _warn_of_recurrent_defaults(name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
    """Warns once of a call such as `LSTM(32)` in a program that has calls of Keras 1.

    The call itself does not show the version that it was written for.
    """
    has_default = "recurrent_activation" in DEFAULTS.get(name, {}) and len(args) < 3
    if _seen["warned"] or not _seen["keras_1"] or not has_default:
        return
    if keras_root() == "keras":  # then it has the defaults of Keras 1 and 2 (`gates`)
        return
    if "recurrent_activation" not in kwargs:
        _seen["warned"] = True
        warnings.warn(
            f"{name}: the program has calls of Keras 1, but this one shows no version. It has the "
            "defaults of Keras 3: the gates use `sigmoid`, and GRU has reset_after=True. In Keras "
            "1 they used hard_sigmoid, and reset_after was False. To get these, call "
            "`keras_bigdata.legacy.install(keras=1)` (or pass `--keras 1`).",
            stacklevel=4,
        )


def _convert_keras_1(
    name: str, layer: OldLayer, args: Sequence[Any], kwargs: dict[str, Any]
) -> tuple[Sequence[Any], dict[str, Any]]:
    # Keras 2 took `Conv2D(8, (3, 3), border_mode="same")` too.
    has_kernel_size = len(args) > 1 and not (
        layer.has_kernel_sides(args) or set(layer.kernel) & set(kwargs)
    )
    if layer.kernel and has_kernel_size:
        rest: Sequence[Any] = args
        bound: dict[str, Any] = {}
    else:
        rest, bound = (), _name_positions(name, layer, args)
    for key, value in kwargs.items():
        if key in bound:
            raise TypeError(f"{name} got `{key}` by position and by name.")
        bound[key] = value
    if layer.kernel:
        _join_kernel(name, layer, bound)
    for old, new in layer.renamed.items():
        if old in bound:
            if new in bound:
                raise TypeError(f"{name} got the same argument as `{old}` and as `{new}`.")
            bound[new] = bound.pop(old)
    for key in WITHOUT_EFFECT & set(bound):
        del bound[key]
    _convert_removed(name, layer, bound)
    if name in DEFAULTS:
        bound = DEFAULTS[name] | bound
    return rest, {key: values.convert(key, value) for key, value in bound.items()}


def _name_positions(name: str, layer: OldLayer, args: Sequence[Any]) -> dict[str, Any]:
    if len(args) > len(layer.positions):
        raise TypeError(
            f"{name} of Keras 1 took at most {len(layer.positions)} positional arguments: "
            f"{', '.join(layer.positions)}. Received {len(args)}."
        )
    return dict(zip(layer.positions, args, strict=False))


def _join_kernel(name: str, layer: OldLayer, bound: dict[str, Any]) -> None:
    sides = [side for side in layer.kernel if side in bound]
    if not sides:
        return
    missing = [side for side in layer.kernel if side not in bound]
    if missing or "kernel_size" in bound:
        raise TypeError(
            f"{name} got {', '.join(sides)} "
            + (f"without {', '.join(missing)}." if missing else "and `kernel_size`.")
        )
    bound["kernel_size"] = tuple(bound.pop(side) for side in layer.kernel)


def _convert_removed(name: str, layer: OldLayer, bound: dict[str, Any]) -> None:
    """Converts the arguments that are not one argument under another name in Keras 3."""
    if name.startswith("Separable") and "init" in bound:
        bound["depthwise_initializer"] = bound["pointwise_initializer"] = bound.pop("init")
    if "forget_bias_init" in bound:
        value = bound.pop("forget_bias_init")
        if not isinstance(value, str) or value not in _FORGET_BIASES:
            raise ValueError(
                f"{name}: forget_bias_init={value!r} has no equivalent in Keras 3. Pass 'one' or "
                "'zero', or set the bias with `set_weights` after the layer is built."
            )
        bound["unit_forget_bias"] = _FORGET_BIASES[value]
    if name == "Embedding":
        rate = bound.pop("dropout", 0.0)
        if rate:
            bound[EMBEDDING_DROPOUT] = rate
    if name == "BatchNormalization":
        mode = bound.pop("mode", 0)
        if mode not in (0, 1, 2):
            raise ValueError(f"BatchNormalization: `mode` must be 0, 1 or 2. Received: {mode!r}")
        if mode:
            bound[NORMALIZATION_MODE] = mode
    if "output_shape" in layer.removed and "output_shape" in bound:
        bound[OUTPUT_SHAPE] = bound.pop("output_shape")
    bound.pop("transform_bias", None)


def _set_sequence_shape(kwargs: dict[str, Any]) -> None:
    """Replaces `input_dim` and `input_length`, which Keras 3 takes for a shape of one dimension."""
    length = kwargs.pop("input_length", None)
    if kwargs.get("input_dim") is not None:
        kwargs["input_shape"] = (length, kwargs.pop("input_dim"))
