"""Determines whether code was written for Keras 1 or for Keras 2.

The same position in a call may be a number of samples in Keras 1 and of batches in Keras 2.
"""

from __future__ import annotations

import re
from typing import Literal

import libcst as cst

from keras_bigdata.migrate import call_edits
from keras_bigdata.migrate.dotted_names import dotted_name
from keras_bigdata.migrate.script import Script
from keras_bigdata.old_keras.generator_arguments import (
    ONLY_KERAS_1,
    ONLY_KERAS_2,
    SAMPLE_COUNTS,
    STEP_COUNTS,
)
from keras_bigdata.old_keras.locations import canonical_name

# `""` if it is unknown, `"both"` if there are signs of both.
KerasVersion = Literal["", "1", "2", "both"]

# Signs in the rest of a program. Those that migration changes (`nb_epoch` to `epochs`, names of
# layer arguments) cannot make a second run decide a call that the first run has left: the first
# run leaves a call for lack of a version only if there is no sign at all.
_KERAS_1_SIGNS = SAMPLE_COUNTS | {
    "U_regularizer",
    "W_constraint",
    "W_regularizer",
    "atrous_rate",
    "b_constraint",
    "b_regularizer",
    "border_mode",
    "consume_less",
    "dim_ordering",
    "dropout_U",
    "dropout_W",
    "filter_length",
    "forget_bias_init",
    "inner_activation",
    "inner_init",
    "nb_col",
    "nb_filter",
    "nb_row",
    "pool_length",
    "subsample",
    "subsample_length",
}
# Arguments that other libraries have too: they count in calls of Keras only.
_KERAS_1_LAYER_SIGNS = {"bias", "init", "output_dim", "p", "sigma"}
_KERAS_1_LAYERS = re.compile(
    r"(Atrous)?Convolution[123]D(Transpose)?|Deconvolution[23]D|SeparableConvolution2D|Highway|"
    r"MaxoutDense|Merge|TimeDistributedDense"
)
_KERAS_2_SIGNS = {
    "data_format",
    "kernel_initializer",
    "kernel_regularizer",
    "kernel_size",
    "recurrent_dropout",
}
# Arguments that Keras 1 had too, except in these layers.
_KERAS_2_LAYER_SIGNS = {
    "padding": re.compile(r"(Separable|Depthwise)?Conv\w*|\w+Pooling[123]D|LocallyConnected[12]D"),
    "strides": re.compile(r"(Separable|Depthwise)?Conv\w*|LocallyConnected[12]D"),
}
_CONVOLUTIONS = re.compile(r"(Separable)?Conv(olution)?[123]D(Transpose)?")
_KERAS_2_LAYERS = re.compile(r"Conv[123]D(Transpose)?|SeparableConv2D")


def imports_keras_package(script: Script) -> bool:
    """Whether the script imports the package `keras`, and not only `tensorflow.keras`."""
    return any(
        script.code(node.module).split(".")[0] == "keras"
        for node in script.all(cst.ImportFrom)
        if node.module is not None and not node.relative
    ) or any(
        script.code(alias.name).split(".")[0] == "keras"
        for node in script.all(cst.Import)
        for alias in node.names
    )


def version_of_call(call: cst.Call) -> KerasVersion:
    """Returns the version of Keras that the argument names of a generator call belong to."""
    names = call_edits.keyword_names(call)
    is_keras_1 = bool(names & ONLY_KERAS_1)
    is_keras_2 = bool(names & ONLY_KERAS_2)
    if is_keras_1 and is_keras_2:
        # Keras 2 took the old names of renamed arguments too. If only these are old, the call was
        # written for Keras 2.
        has_other_meaning = names & SAMPLE_COUNTS or len(call_edits.positional_args(call)) >= 2
        return "both" if has_other_meaning else "2"
    if is_keras_1:
        return "1"
    return "2" if is_keras_2 else ""


def version_of_script(script: Script) -> KerasVersion:
    """Returns the version that the program of a script was written for, or `""`.

    Keras 2 took the arguments of Keras 1 too, so an argument that only Keras 2 had decides. Without
    one, arguments that only Keras 1 had decide. Files that were migrated before look like Keras 2:
    only the file itself can show that it is of Keras 2.
    """
    if any(_is_keras_2_call(script, call) for call in script.calls):
        return "2"
    if any(_is_keras_1_call(one, call) for one in script.program for call in one.calls):
        return "1"
    # Keras 1.2 had these names too, as other names of its layers.
    if any(_KERAS_2_LAYERS.fullmatch(name) for name in script.imported_names):
        return "2"
    if any("epochs" in call_edits.keyword_names(call) for call in _fit_calls(script)):
        return "2"
    if any("nb_epoch" in call_edits.keyword_names(call) for call in _fit_calls(script)):
        return "1"
    return ""


def has_signs_of_both(script: Script) -> bool:
    """Whether a script has signs of both versions: those of Keras 2 decide."""
    return any(_is_keras_2_call(script, call) for call in script.calls) and any(
        _is_keras_1_call(one, call) for one in script.program for call in one.calls
    )


def _fit_calls(script: Script) -> list[cst.Call]:
    """Returns the calls of methods called `fit`, if Keras is used."""
    return [
        call
        for call in script.calls
        if isinstance(call.func, cst.Attribute)
        and call.func.attr.value == "fit"
        and not script.written_name(call.func)
        and script.uses_keras
    ]


def _is_keras_1_call(script: Script, call: cst.Call) -> bool:
    keywords = call_edits.keyword_names(call)
    if keywords & _KERAS_1_SIGNS:
        return True
    name = script.keras_name(call.func)
    return bool(
        _KERAS_1_LAYERS.fullmatch(name)
        or (name and name != "Embedding" and keywords & _KERAS_1_LAYER_SIGNS)
    )


def _is_keras_2_call(script: Script, call: cst.Call) -> bool:
    # `tf` may come from `from keras.callbacks import *`.
    name = script.written_name(call.func) or ".".join(script.attribute_of_star_name(call.func))
    if name.startswith("tensorflow.") and canonical_name(name).startswith("keras."):
        # The import rule moves names of `keras.preprocessing` to `tensorflow.keras`.
        return not canonical_name(name).startswith("keras.preprocessing.")
    keywords = call_edits.keyword_names(call)
    if keywords & _KERAS_2_SIGNS:
        return True
    function = dotted_name(call.func).rpartition(".")[2]
    for name, layers in _KERAS_2_LAYER_SIGNS.items():
        if name in keywords and layers.fullmatch(function):
            return True
    kernel_size = call_edits.find_argument(call, "", 1)
    if (
        kernel_size is not None
        and isinstance(kernel_size.value, cst.Tuple)
        and _CONVOLUTIONS.fullmatch(script.keras_name(call.func))
    ):
        return True  # Keras 1 took the sides of the kernel as separate arguments
    return any(
        arg.keyword is not None
        and arg.keyword.value in STEP_COUNTS
        # The generator rule removes these values when it uses Keras's own `fit`.
        and not re.match(r"len\(|None$", script.code(arg.value))
        for arg in call.args
    )
