"""Model code that has another form in Keras 3. Almost all of it is noted and not changed."""

from __future__ import annotations

import libcst as cst

from keras_bigdata.migrate import call_edits
from keras_bigdata.migrate.script import Script
from keras_bigdata.old_keras.locations import is_public_name

_REMOVED = "no longer an argument"
# Arguments of layers in Keras 1, and their names in most layers of Keras 3.
_LAYER_ARGUMENTS = {
    "W_constraint": "kernel_constraint",
    "W_regularizer": "kernel_regularizer",
    "U_regularizer": "recurrent_regularizer",
    "atrous_rate": "dilation_rate",
    "b_constraint": "bias_constraint",
    "b_regularizer": "bias_regularizer",
    "batch_input_shape": "a keras.Input(batch_shape=...)",
    "bias": "use_bias",
    "border_mode": "padding",
    "consume_less": _REMOVED,
    "dim_ordering": "data_format",
    "dropout_U": "recurrent_dropout",
    "dropout_W": "dropout",
    "filter_length": "kernel_size",
    "forget_bias_init": "unit_forget_bias",
    "init": "kernel_initializer",
    "inner_activation": "recurrent_activation",
    "inner_init": "recurrent_initializer",
    "nb_col": "kernel_size",
    "nb_filter": "filters",
    "nb_row": "kernel_size",
    "output_dim": "units (output_dim in Embedding)",
    "output_shape": f"{_REMOVED} except in Lambda",
    "p": "rate",
    "pool_length": "pool_size",
    "sigma": "stddev",
    "stride": "strides",
    "subsample": "strides",
    "subsample_length": "strides",
}
# Layers that still have an argument of that name.
_UNCHANGED_ARGUMENTS = {
    "Embedding": {"output_dim"},
    "Lambda": {"output_shape"},
}
_LAYERS_WITH_MODE = {"BatchNormalization", "Cropping2D", "Reshape", "ZeroPadding2D"}
_CONVOLUTIONS = {
    "AtrousConvolution2D",
    "Conv2D",
    "Conv2DTranspose",
    "Conv3D",
    "Convolution2D",
    "Convolution3D",
    "SeparableConv2D",
    "SeparableConvolution2D",
}
# Methods of models that were removed, and what to use instead.
_REMOVED_METHODS = {
    "predict_classes": "np.argmax(model.predict(x), axis=-1), or > 0.5 for one output",
    "predict_proba": "model.predict",
    "to_yaml": "model.to_json",
    "predict_on_generator": "model.predict",
}
# Functions that `keras.backend` still has, and those whose import is noted.
_BACKEND_FUNCTIONS = {
    "backend",
    "clear_session",
    "epsilon",
    "floatx",
    "get_session",
    "get_uid",
    "image_data_format",
    "image_dim_ordering",
    "is_keras_tensor",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "set_image_dim_ordering",
    "set_session",
}


def plan(script: Script) -> None:
    """Notes what the user has to look at, and renames `Model(input=, output=)`."""
    for call in script.calls:
        name = script.full_name(call.func)
        if name.startswith("keras."):
            _plan_keras_call(script, call, name)
        elif isinstance(call.func, cst.Attribute) and script.uses_keras:
            _note_method(script, call)
    _note_backend(script)
    for node in script.all(cst.ClassDef):
        _note_iterator_class(script, node)


def _plan_keras_call(script: Script, call: cst.Call, full_name: str) -> None:
    name = full_name.rpartition(".")[2]
    keywords = call_edits.keyword_names(call)
    if name == "Model" and keywords & {"input", "output"}:
        script.edit(
            call,
            lambda new: call_edits.rename_keywords(new, {"input": "inputs", "output": "outputs"}),
        )
    if not is_public_name("keras.layers", name) and name not in _CONVOLUTIONS:
        return
    old_names = sorted(keywords & (set(_LAYER_ARGUMENTS) - _UNCHANGED_ARGUMENTS.get(name, set())))
    if name in _LAYERS_WITH_MODE and "mode" in keywords:
        old_names.append("mode")
    if old_names:
        new_names = "; ".join(
            f"{old} is {_LAYER_ARGUMENTS.get(old, _REMOVED)}" for old in old_names
        )
        script.note(call, f"{name}: has arguments of Keras 1. In Keras 3, {new_names}.")
    args = call_edits.positional_args(call)
    if name in _CONVOLUTIONS and len(args) > 2:
        script.note(
            call,
            f"{name}: the third positional argument ({script.code(args[2].value)}) is `strides` in "
            "Keras 3. If it was the second side of the kernel, write the kernel size as a tuple.",
        )


def _note_backend(script: Script) -> None:
    """Adds one note for all removed functions of the backend: there may be hundreds of calls."""
    removed: dict[str, cst.Call] = {}
    for call in script.calls:
        module, _, name = script.full_name(call.func).partition("keras.backend.")
        is_tensorflow = script.written_name(call.func).startswith("tensorflow.keras.")
        if name and not module and name not in _BACKEND_FUNCTIONS and not is_tensorflow:
            removed.setdefault(name, call)
    if removed:
        first = min(removed.values(), key=script.line)
        script.note(
            first,
            f"keras.backend no longer has {', '.join(sorted(removed))}. keras.ops has most of "
            "these functions; tensorflow.keras.backend still has them, on TensorFlow only.",
        )


def _note_method(script: Script, call: cst.Call) -> None:
    assert isinstance(call.func, cst.Attribute)
    name = call.func.attr.value
    if name in _REMOVED_METHODS and not script.written_name(call.func):
        script.note(call, f"{name} was removed: use {_REMOVED_METHODS[name]}.")
    if name == "train_on_batch" and call_edits.find_argument(call, "reset_metrics") is not None:
        script.note(
            call,
            "train_on_batch: Keras 3 resets the metrics in every call and has no `reset_metrics`; "
            "remove it.",
        )
    if name == "compile" and call_edits.keyword_names(call) & {"class_mode", "sample_weight_mode"}:
        script.note(call, "compile: class_mode and sample_weight_mode were removed.")


def _note_iterator_class(script: Script, node: cst.ClassDef) -> None:
    """Notes an iterator that was written for Python 2, where `next` was called."""
    names = set()
    for part in node.body.body:
        if isinstance(part, cst.FunctionDef):
            names.add(part.name.value)
        elif isinstance(part, cst.SimpleStatementLine):
            for statement in part.body:
                if isinstance(statement, cst.Assign):
                    names |= {script.code(target.target) for target in statement.targets}
    if {"__iter__", "next"} <= names and "__next__" not in names and not node.bases:
        script.note(
            node,
            f"class {node.name.value}: Python 3 calls __next__, but the class defines only `next`.",
        )
