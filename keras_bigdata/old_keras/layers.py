"""The arguments of layers in Keras 1, and what they are in Keras 3."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any


def _split(text: str) -> frozenset[str]:
    return frozenset(text.split())


INITIALIZERS = _split(
    "uniform normal lecun_uniform glorot_normal glorot_uniform he_normal he_uniform orthogonal "
    "identity zero one"
)
DATA_FORMATS = {"th": "channels_first", "tf": "channels_last", "default": None}
CONSTRAINT_NAMES = {
    "maxnorm": "max_norm",
    "nonneg": "non_neg",
    "unitnorm": "unit_norm",
}

# Arguments that had no effect on the result.
WITHOUT_EFFECT = frozenset({"consume_less", "input_dtype"})

_RENAMED = {
    "W_constraint": "kernel_constraint",
    "W_regularizer": "kernel_regularizer",
    "U_regularizer": "recurrent_regularizer",
    "atrous_rate": "dilation_rate",
    "b_constraint": "bias_constraint",
    "b_regularizer": "bias_regularizer",
    "bias": "use_bias",
    "border_mode": "padding",
    "dim_ordering": "data_format",
    "dropout_U": "recurrent_dropout",
    "dropout_W": "dropout",
    "filter_length": "kernel_size",
    "init": "kernel_initializer",
    "inner_activation": "recurrent_activation",
    "inner_init": "recurrent_initializer",
    "length": "size",
    "nb_filter": "filters",
    "output_dim": "units",
    "p": "rate",
    "pool_length": "pool_size",
    "sigma": "stddev",
    "stride": "strides",
    "subsample": "strides",
    "subsample_length": "strides",
}
# Values at a position that show Keras 1: Keras 3 does not take them there.
_OLD_VALUES = {
    "init": INITIALIZERS,
    "inner_init": INITIALIZERS,
    "dim_ordering": frozenset(DATA_FORMATS),
}
# Arguments that no layer of Keras 1 had.
_ONLY_NEW = _split(
    "bias_initializer data_format dilation_rate filters groups implementation kernel_initializer "
    "kernel_size recurrent_activation reset_after return_state unit_forget_bias units use_bias"
)


@dataclass(frozen=True, slots=True)
class OldLayer:
    """A layer of Keras 1.

    Attributes:
        target: the name of its class in Keras 3, or in `keras_bigdata.legacy.layers`.
        positions: its arguments in Keras 1, in their order.
        renamed: the arguments that have another name in Keras 3, with that name.
        kernel: the arguments that are one argument `kernel_size` in Keras 3.
        removed: the other arguments that Keras 3 does not have.
        is_old_name: whether only scripts for Keras 1 use this name of the class.
        is_built_here: whether the class is one of `keras_bigdata.legacy.layers`.
        only_old: the keyword arguments that Keras 3 does not have.
        only_new: the keyword arguments that Keras 1 did not have.
    """

    target: str
    positions: tuple[str, ...]
    renamed: Mapping[str, str]
    kernel: tuple[str, ...] = ()
    removed: frozenset[str] = frozenset()
    is_old_name: bool = False
    is_built_here: bool = False
    only_old: frozenset[str] = field(init=False)
    only_new: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        old = frozenset({*self.renamed, *self.kernel, *self.removed}) | WITHOUT_EFFECT
        new = {*self.renamed.values(), *(("kernel_size",) if self.kernel else ())}
        object.__setattr__(self, "only_old", old)
        object.__setattr__(self, "only_new", frozenset((new | _ONLY_NEW) - {*self.positions}))

    def is_keras_1(
        self, positional: Collection[Any], keywords: Collection[str], hint: bool
    ) -> bool:
        """Whether a call uses the arguments of Keras 1.

        Args:
            positional: the values of positional arguments; any object for an unknown value.
            keywords: the names of keyword arguments.
            hint: whether the rest of the script is known to be written for Keras 1.
        """
        if self.only_old & set(keywords):
            return True
        for name, value in zip(self.positions, positional, strict=False):
            if isinstance(value, str) and value in _OLD_VALUES.get(name, ()):
                # The third argument of `Embedding` is the same in Keras 3.
                return self.renamed.get(name) != "embeddings_initializer"
            if name == "epsilon" and isinstance(value, float):
                return True
        return hint and not self.only_new & set(keywords)

    def has_kernel_sides(self, positional: Collection[Any]) -> bool:
        """Whether positional arguments are the sides of a kernel, or a kernel size and strides."""
        values = list(positional)[1 : 1 + len(self.kernel)]
        return len(values) >= 2 and all(is_integer(value) for value in values)


def is_integer(value: Any) -> bool:
    """Whether a value is an integer, such as the side of a kernel."""
    return isinstance(value, int) and not isinstance(value, bool)


def _layer(
    target: str,
    positions: str,
    *,
    kernel: str = "",
    removed: str = "",
    is_old_name: bool = False,
    is_built_here: bool = False,
    **renamed: str,
) -> OldLayer:
    names = tuple(positions.split())
    all_renamed = {name: _RENAMED[name] for name in names if name in _RENAMED}
    all_renamed |= renamed
    for name in (*kernel.split(), *removed.split()):
        all_renamed.pop(name, None)
    return OldLayer(
        target,
        names,
        {old: new for old, new in all_renamed.items() if old != new},
        tuple(kernel.split()),
        frozenset(removed.split()),
        is_old_name,
        is_built_here,
    )


_START = "init activation weights border_mode"
_END = "W_regularizer b_regularizer activity_regularizer W_constraint b_constraint bias"
_DENSE = f"init activation weights {_END}"
_SIDES = "nb_row nb_col"
_DIMS = "kernel_dim1 kernel_dim2 kernel_dim3"
_CONV_1D = f"nb_filter filter_length {_START} subsample_length"
_CONV_2D = f"nb_filter {_SIDES} {_START} subsample"
_GATES = "W_regularizer U_regularizer b_regularizer dropout_W dropout_U"

LAYERS: dict[str, OldLayer] = {
    "Dense": _layer("Dense", f"output_dim {_DENSE} input_dim"),
    "Dropout": _layer("Dropout", "p noise_shape seed"),
    "SpatialDropout1D": _layer("SpatialDropout1D", "p"),
    "SpatialDropout2D": _layer("SpatialDropout2D", "p dim_ordering"),
    "SpatialDropout3D": _layer("SpatialDropout3D", "p dim_ordering"),
    "GaussianNoise": _layer("GaussianNoise", "sigma"),
    "GaussianDropout": _layer("GaussianDropout", "p"),
    "UpSampling1D": _layer("UpSampling1D", "length"),
    "UpSampling2D": _layer("UpSampling2D", "size dim_ordering"),
    "UpSampling3D": _layer("UpSampling3D", "size dim_ordering"),
    "ZeroPadding1D": _layer("ZeroPadding1D", "padding"),
    "ZeroPadding2D": _layer("ZeroPadding2D", "padding dim_ordering"),
    "ZeroPadding3D": _layer("ZeroPadding3D", "padding dim_ordering"),
    "Cropping1D": _layer("Cropping1D", "cropping"),
    "Cropping2D": _layer("Cropping2D", "cropping dim_ordering"),
    "Cropping3D": _layer("Cropping3D", "cropping dim_ordering"),
    "PReLU": _layer("PReLU", "init weights shared_axes", init="alpha_initializer"),
    "BatchNormalization": _layer(
        "BatchNormalization",
        "epsilon mode axis momentum weights beta_init gamma_init gamma_regularizer "
        "beta_regularizer",
        removed="mode",
        beta_init="beta_initializer",
        gamma_init="gamma_initializer",
    ),
    "Embedding": _layer(
        "Embedding",
        "input_dim output_dim init input_length W_regularizer activity_regularizer W_constraint "
        "mask_zero weights dropout",
        removed="dropout",
        output_dim="output_dim",
        init="embeddings_initializer",
        W_regularizer="embeddings_regularizer",
        W_constraint="embeddings_constraint",
    ),
    "SimpleRNN": _layer("SimpleRNN", f"output_dim init inner_init activation {_GATES}"),
    "GRU": _layer("GRU", f"output_dim init inner_init activation inner_activation {_GATES}"),
    "LSTM": _layer(
        "LSTM",
        "output_dim init inner_init forget_bias_init activation inner_activation " + _GATES,
        removed="forget_bias_init",
    ),
    "ConvLSTM2D": _layer(
        "ConvLSTM2D",
        f"nb_filter {_SIDES} init inner_init forget_bias_init activation inner_activation "
        f"dim_ordering border_mode subsample {_GATES}",
        kernel=_SIDES,
        removed="forget_bias_init",
    ),
    **{
        f"{kind}Pooling1D": _layer(f"{kind}Pooling1D", "pool_length stride border_mode")
        for kind in ("Max", "Average")
    },
    **{
        f"{kind}Pooling{rank}D": _layer(
            f"{kind}Pooling{rank}D", "pool_size strides border_mode dim_ordering"
        )
        for kind in ("Max", "Average")
        for rank in (2, 3)
    },
    **{
        f"Global{kind}Pooling{rank}D": _layer(f"Global{kind}Pooling{rank}D", "dim_ordering")
        for kind in ("Max", "Average")
        for rank in (2, 3)
    },
    **{
        name: _layer(
            "Conv1D", f"{_CONV_1D} {_END} input_dim input_length", is_old_name=name != "Conv1D"
        )
        for name in ("Conv1D", "Convolution1D")
    },
    **{
        name: _layer(
            "Conv2D",
            f"{_CONV_2D} dim_ordering {_END}",
            kernel=_SIDES,
            is_old_name=name != "Conv2D",
        )
        for name in ("Conv2D", "Convolution2D")
    },
    **{
        name: _layer(
            "Conv3D",
            f"nb_filter {_DIMS} {_START} subsample dim_ordering {_END}",
            kernel=_DIMS,
            is_old_name=name != "Conv3D",
        )
        for name in ("Conv3D", "Convolution3D")
    },
    **{
        name: _layer(
            "SeparableConv2D",
            f"{_CONV_2D} depth_multiplier dim_ordering depthwise_regularizer "
            "pointwise_regularizer b_regularizer activity_regularizer depthwise_constraint "
            "pointwise_constraint b_constraint bias",
            kernel=_SIDES,
            removed="init",
            is_old_name=name != "SeparableConv2D",
        )
        for name in ("SeparableConv2D", "SeparableConvolution2D")
    },
    **{
        name: _layer(
            "Conv1D", f"{_CONV_1D} atrous_rate {_END} input_dim input_length", is_old_name=True
        )
        for name in ("AtrousConv1D", "AtrousConvolution1D")
    },
    **{
        name: _layer(
            "Conv2D",
            f"{_CONV_2D} atrous_rate dim_ordering {_END}",
            kernel=_SIDES,
            is_old_name=True,
        )
        for name in ("AtrousConv2D", "AtrousConvolution2D")
    },
    **{
        name: _layer(
            "Conv2DTranspose",
            f"nb_filter {_SIDES} output_shape {_START} subsample dim_ordering {_END}",
            kernel=_SIDES,
            removed="output_shape",
            is_old_name=True,
        )
        for name in ("Deconv2D", "Deconvolution2D")
    },
    **{
        name: _layer(
            "Conv3DTranspose",
            "filters kernel_size strides padding output_padding data_format",
            is_old_name=True,
        )
        for name in ("Deconv3D", "Deconvolution3D")  # of Keras 2
    },
    # In Keras 2 this name had the arguments of Keras 2 and took the others too.
    "Conv2DTranspose": _layer(
        "Conv2DTranspose",
        f"nb_filter {_SIDES} output_shape {_START} subsample dim_ordering {_END}",
        kernel=_SIDES,
        removed="output_shape",
    ),
    "LocallyConnected1D": _layer(
        "LocallyConnected1D",
        f"{_CONV_1D} {_END} input_dim input_length",
        is_built_here=True,
    ),
    "LocallyConnected2D": _layer(
        "LocallyConnected2D",
        f"{_CONV_2D} dim_ordering {_END}",
        kernel=_SIDES,
        is_built_here=True,
    ),
    "TimeDistributedDense": _layer(
        "Dense", f"output_dim {_DENSE} input_dim input_length", is_old_name=True
    ),
    "MaxoutDense": _layer(
        "MaxoutDense",
        f"output_dim nb_feature init weights {_END} input_dim",
        is_old_name=True,
        is_built_here=True,
    ),
    "Highway": _layer(
        "Highway",
        f"init activation weights {_END} input_dim",
        removed="transform_bias",
        is_old_name=True,
        is_built_here=True,
    ),
}

# Layers whose arguments `input_length` and `input_dim` together are the shape of the input.
SEQUENCE_LAYERS = _split("Conv1D LocallyConnected1D SimpleRNN GRU LSTM TimeDistributedDense")

# Default values of Keras 1 that differ from those of Keras 3, by the names of arguments in Keras 3.
# Initializers and activations have their names in Keras 1.
DEFAULTS: dict[str, dict[str, Any]] = {
    "GRU": {
        "recurrent_activation": "hard_sigmoid",
        "recurrent_initializer": "orthogonal",
        "reset_after": False,
    },
    "LSTM": {"recurrent_activation": "hard_sigmoid", "recurrent_initializer": "orthogonal"},
    "SimpleRNN": {"recurrent_initializer": "orthogonal"},
    "ConvLSTM2D": {"recurrent_activation": "hard_sigmoid", "recurrent_initializer": "orthogonal"},
}
