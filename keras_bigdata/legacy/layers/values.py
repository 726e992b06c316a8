"""Values of layer arguments of Keras 1: initializers, activations, constraints, data formats."""

from __future__ import annotations

import inspect
from typing import Any

import keras

from keras_bigdata.old_keras.layers import CONSTRAINT_NAMES, DATA_FORMATS


@keras.saving.register_keras_serializable("keras_bigdata")  # type: ignore[untyped-decorator]
def hard_sigmoid(x: Any) -> Any:
    """Returns `0.2 * x + 0.5`, clipped to 0 and 1, as Keras 1 and 2 computed it.

    Keras 3 computes `x / 6 + 0.5`.

    Args:
        x: a tensor of any shape.

    Returns:
        A tensor of the same shape and dtype.

    Example:

    ```python
    from keras_bigdata.legacy.layers import hard_sigmoid

    hard_sigmoid(keras.ops.convert_to_tensor([-3.0, 0.0, 1.0]))  # 0, 0.5, 0.7
    ```
    """
    x = keras.ops.convert_to_tensor(x)
    return keras.ops.clip(0.2 * x + 0.5, 0.0, 1.0)


@keras.saving.register_keras_serializable("keras_bigdata")
class OldInitializer(keras.initializers.Initializer):
    """An initializer that calls a function of the shape, as Keras 1 did.

    Args:
        function: called with a shape, and with `name=None` if it takes `name`. It returns a
            variable, a tensor or an array.

    Example:

    ```python
    from keras_bigdata.legacy.layers import OldInitializer

    layer = keras.layers.Dense(4, kernel_initializer=OldInitializer(keras.ops.ones))
    ```
    """

    def __init__(self, function: Any) -> None:
        self.function = function

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        """Returns the values of a variable."""
        value = self.function(tuple(shape), **({"name": None} if self._takes_name() else {}))
        return keras.ops.cast(getattr(value, "value", value), dtype or keras.config.floatx())

    def _takes_name(self) -> bool:
        try:
            parameters = inspect.signature(self.function).parameters.values()
        except ValueError:  # some functions in C have no signature
            return False
        return any(one.name == "name" or one.kind is one.VAR_KEYWORD for one in parameters)

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration."""
        return {"function": self.function}


@keras.saving.register_keras_serializable("keras_bigdata")
class SummedOverBatch(keras.regularizers.Regularizer):
    """A regularizer of activities whose loss is summed over the batch, as in Keras 1.

    Keras 3 divides the loss of `activity_regularizer` by the number of rows; this regularizer
    multiplies its loss by the same number.

    Args:
        regularizer: a regularizer, or the name of one.

    Example:

    ```python
    from keras_bigdata.legacy.layers import SummedOverBatch

    layer = keras.layers.Dense(4, activity_regularizer=SummedOverBatch("l2"))
    ```
    """

    def __init__(self, regularizer: Any) -> None:
        self.regularizer = keras.regularizers.get(regularizer)

    def __call__(self, x: Any) -> Any:
        """Returns the loss of the activities of a batch, times the number of rows."""
        loss = self.regularizer(x)
        return loss * keras.ops.cast(keras.ops.shape(x)[0], loss.dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration."""
        return {"regularizer": keras.regularizers.serialize(self.regularizer)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SummedOverBatch:
        """Returns a regularizer from a configuration."""
        return cls(keras.regularizers.deserialize(config["regularizer"]))


def convert(name: str, value: Any) -> Any:
    """Returns the value that Keras 3 takes for an argument.

    Args:
        name: the name of the argument in Keras 3.
        value: the value as Keras 1 took it.

    Raises:
        ValueError: if Keras 3 has no such value.
    """
    if name.endswith("initializer"):
        return _convert_initializer(value)
    if name.endswith("activation"):
        return hard_sigmoid if isinstance(value, str) and value == "hard_sigmoid" else value
    if name == "activity_regularizer":
        is_averaged = value is not None and not isinstance(value, SummedOverBatch)
        return SummedOverBatch(value) if is_averaged else value
    if name.endswith("constraint"):
        return CONSTRAINT_NAMES.get(value, value) if isinstance(value, str) else value
    if name == "data_format":
        return DATA_FORMATS.get(value, value)
    if name == "padding" and isinstance(value, str) and value == "full":
        raise ValueError(
            "border_mode='full' was supported by Theano only. For the same result, add "
            "ZeroPadding2D((rows of the kernel - 1, columns of the kernel - 1)) before a "
            "convolution with border_mode='valid'."
        )
    return value


def _convert_initializer(value: Any) -> Any:
    if isinstance(value, str) and value == "orthogonal":
        return keras.initializers.Orthogonal(gain=1.1)
    if not callable(value) or isinstance(value, type | keras.initializers.Initializer):
        return value
    try:
        parameters = inspect.signature(value).parameters
    except ValueError:
        return value
    return value if "dtype" in parameters else OldInitializer(value)


def convert_padding(layer: str, value: Any) -> Any:
    """Returns the `padding` of a padding layer as Keras 3 takes it.

    Args:
        layer: the name of the class.
        value: the padding, which Keras 1 also took as a dict or as four numbers.

    Raises:
        ValueError: if a dict has an unknown key.
    """
    if layer == "ZeroPadding2D" and isinstance(value, tuple | list) and len(value) == 4:
        top, bottom, left, right = value
        return ((top, bottom), (left, right))
    if not isinstance(value, dict):
        return value
    names = ("top_pad", "bottom_pad", "left_pad", "right_pad")[-2 if layer[-2:] == "1D" else 0 :]
    if not set(value) <= set(names):
        raise ValueError(f"`padding` must be a dict with some of {names}. Received: {value!r}")
    pads = tuple(value.get(name, 0) for name in names)
    return pads if len(pads) == 2 else (pads[:2], pads[2:])
