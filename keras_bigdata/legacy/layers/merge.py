"""`merge` and `Merge` of Keras 1."""

from __future__ import annotations

import inspect
from typing import Any

import keras
from keras import ops

from keras_bigdata.legacy.layers.merged_masks import mask_of_all, mask_of_concatenation

_MODES = ("sum", "mul", "concat", "ave", "cos", "dot", "max")


def merge(  # noqa: PLR0917 - the order of Keras 1
    inputs: Any,
    mode: Any = "sum",
    concat_axis: int = -1,
    dot_axes: Any = -1,
    output_shape: Any = None,
    output_mask: Any = None,
    arguments: Any = None,
    name: str | None = None,
) -> Any:
    """Merges tensors, as `merge` of Keras 1.

    Args:
        inputs: a list of two tensors or more.
        mode: `"sum"`, `"mul"`, `"concat"`, `"ave"`, `"cos"`, `"dot"`, `"max"`, or a function of
            the list that returns a tensor. Defaults to `"sum"`.
        concat_axis: the axis of `"concat"`. Defaults to `-1`.
        dot_axes: the axis, or the two axes, of `"dot"` and `"cos"`. Defaults to `-1`.
        output_shape: the shape of the result of a function without the batch, or a function of the
            list of shapes. Defaults to `None`: it is inferred.
        output_mask: a mask, or a function of the list of masks. Defaults to `None`.
        arguments: keyword arguments for a function. Defaults to `None`.
        name: the name of the layer. Defaults to `None`.

    Raises:
        ValueError: if `mode` is unknown.

    Example:

    ```python
    from keras_bigdata.legacy.layers import merge

    inputs = [keras.Input((8,)), keras.Input((8,))]
    outputs = merge(inputs, mode="concat")  # (None, 16)
    ```
    """
    layer = Merge(
        mode=mode,
        concat_axis=concat_axis,
        dot_axes=dot_axes,
        output_shape=output_shape,
        output_mask=output_mask,
        arguments=arguments,
        name=name,
    )
    return layer(list(inputs))


@keras.saving.register_keras_serializable("keras_bigdata")
class Merge(keras.Layer):
    """Merges tensors or, as the first layer of a `Sequential`, the outputs of models.

    With `layers`, the inputs are those of all the models, in their order:
    `model.fit([left_x, right_x], y)`.

    Args:
        layers: models whose outputs are merged. Defaults to `None`: the layer is called with a
            list of tensors.
        mode, concat_axis, dot_axes, output_shape, output_mask, arguments: as in `merge`.
        node_indices, tensor_indices: `None`; other values are refused.
        name: the name of the layer. Defaults to `None`.
        **kwargs: the arguments of `keras.Layer`.

    Raises:
        TypeError: if an element of `layers` is not a model.
        ValueError: if `mode` is unknown.

    Example:

    ```python
    from keras_bigdata.legacy.layers import Merge

    left = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8)])
    right = keras.Sequential([keras.Input((5,)), keras.layers.Dense(8)])
    both = keras.Sequential([Merge([left, right], mode="sum"), keras.layers.Dense(1)])
    ```
    """

    def __init__(  # noqa: PLR0917 - the order of Keras 1
        self,
        layers: Any = None,
        mode: Any = "sum",
        concat_axis: int = -1,
        dot_axes: Any = -1,
        output_shape: Any = None,
        output_mask: Any = None,
        arguments: Any = None,
        node_indices: Any = None,
        tensor_indices: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        if not callable(mode) and mode not in _MODES:
            raise ValueError(
                f"Merge: `mode` must be one of {_MODES} or a function. Received: {mode!r}"
            )
        if any(node_indices or ()) or any(tensor_indices or ()):
            raise ValueError("Merge: use `merge` with the tensors instead of node_indices.")
        for layer in layers or ():
            if not isinstance(layer, keras.Model | Merge):
                raise TypeError(
                    "Merge: `layers` must be models, such as Sequential. Received a "
                    f"{type(layer).__name__}. Merge its output: merge([tensor, ...], mode=...)."
                )
        self.branches = list(layers or ())
        self.mode = mode
        self.concat_axis = concat_axis
        self.dot_axes = dot_axes
        self.merged_shape = output_shape
        self.output_mask = output_mask
        self.arguments = dict(arguments or {})
        self.supports_masking = True

    @property
    def layers(self) -> list[Any]:
        """The models, as scripts read them: `model.layers[0].layers[0].get_weights()`."""
        return list(self.branches)

    def build(self, input_shape: Any) -> None:
        """Does nothing: the models are built when they are called."""

    def call(self, inputs: Any, mask: Any = None, training: Any = None) -> Any:
        """Returns the merged outputs of the models, or the merged inputs."""
        tensors = list(inputs)
        if self.branches:
            tensors = self._call_branches(tensors, training)
        if callable(self.mode):
            arguments = dict(self.arguments)
            if "mask" in inspect.signature(self.mode).parameters:
                arguments["mask"] = mask
            return self.mode(tensors, **arguments)
        if self.mode in ("sum", "ave"):
            total = sum(tensors[1:], start=tensors[0])
            return total / len(tensors) if self.mode == "ave" else total
        if self.mode == "concat":
            return ops.concatenate(tensors, axis=self.concat_axis)
        if self.mode in ("mul", "max"):
            join = ops.multiply if self.mode == "mul" else ops.maximum
            result = tensors[0]
            for tensor in tensors[1:]:
                result = join(result, tensor)
            return result
        return self._dot(tensors)

    def _call_branches(self, tensors: list[Any], training: Any) -> list[Any]:
        sources = input_sources(self)
        if len(tensors) != len(sources):
            raise ValueError(
                f"{self.name}: the models have {len(sources)} inputs, but {len(tensors)} are given."
            )
        tensor_of = dict(zip(sources, tensors, strict=True))
        outputs = []
        for branch in self.branches:
            taken = [tensor_of[source] for source in input_sources(branch)]
            outputs.append(branch(taken[0] if len(taken) == 1 else taken, training=training))
        return outputs

    def _dot(self, tensors: list[Any]) -> Any:
        if len(tensors) != 2:
            raise ValueError(f"Merge: mode {self.mode!r} takes two tensors, not {len(tensors)}.")
        left, right = tensors
        axes = self.dot_axes
        if isinstance(axes, int):
            axes = (axes, axes)
        axes = (axes[0] % len(left.shape), axes[1] % len(right.shape))
        product = _batch_dot(left, right, axes)
        if self.mode == "dot":
            return product
        squares = _batch_dot(left, left, (axes[0],) * 2) * _batch_dot(right, right, (axes[1],) * 2)
        norm = ops.maximum(ops.sqrt(squares), keras.config.epsilon())
        return ops.expand_dims(product / norm, 1)

    def compute_output_spec(self, inputs: Any, mask: Any = None, training: Any = None) -> Any:
        """Returns the shape of the outputs: `output_shape`, or the inferred shape."""
        if not callable(self.mode) or self.merged_shape is None:
            return super().compute_output_spec(inputs, mask=mask, training=training)
        if callable(self.merged_shape):
            shape = tuple(self.merged_shape([tuple(one.shape) for one in inputs]))
        else:
            shape = (inputs[0].shape[0], *self.merged_shape)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Returns the mask of the outputs, as Keras 1 computed it."""
        if callable(self.mode):
            return self.output_mask(mask) if callable(self.output_mask) else self.output_mask
        if not mask or self.branches or self.mode in ("cos", "dot"):
            return None
        if self.mode != "concat":
            return mask_of_all(mask)
        return mask_of_concatenation(inputs, mask, self.concat_axis)

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration."""
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "layers": [serialize(branch) for branch in self.branches] or None,
            "mode": self.mode if isinstance(self.mode, str) else serialize(self.mode),
            "concat_axis": self.concat_axis,
            "dot_axes": self.dot_axes,
            "output_shape": serialize(self.merged_shape),
            "output_mask": serialize(self.output_mask),
            "arguments": self.arguments,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Merge:
        """Returns a layer from a configuration."""
        config = dict(config)
        for key in ("mode", "output_shape", "output_mask"):
            if isinstance(config[key], dict | list):
                config[key] = keras.saving.deserialize_keras_object(config[key])
        if config["layers"]:
            config["layers"] = [
                keras.saving.deserialize_keras_object(one) for one in config["layers"]
            ]
        return cls(**config)


def input_sources(branch: Any) -> list[int]:
    """Returns identities of the inputs of a model, each once, in their order.

    The inputs of a model that is in several branches are passed once, as in Keras 1.

    Args:
        branch: a model, which may begin with a `Merge`, or a `Merge`.
    """
    first = branch.layers[0] if isinstance(branch, keras.Sequential) and branch.layers else None
    merge_layer = branch if isinstance(branch, Merge) else first
    if isinstance(merge_layer, Merge) and merge_layer.branches:
        sources = [one for inner in merge_layer.branches for one in input_sources(inner)]
        return list(dict.fromkeys(sources))
    return [id(branch)] if isinstance(branch, keras.Sequential) else list(map(id, branch.inputs))


def _batch_dot(left: Any, right: Any, axes: tuple[int, int]) -> Any:
    """Returns the sum of the products over one axis each, with at least two dimensions."""
    letters = "bcdefgh"
    left_letters = ["a", *letters[: len(left.shape) - 1]]
    right_letters = ["a", *letters[::-1][: len(right.shape) - 1]]
    left_letters[axes[0]] = right_letters[axes[1]] = "z"
    result = [one for one in left_letters + right_letters[1:] if one != "z"]
    equation = f"{''.join(left_letters)},{''.join(right_letters)}->{''.join(result)}"
    product = ops.einsum(equation, left, right)
    return ops.expand_dims(product, -1) if len(result) == 1 else product
