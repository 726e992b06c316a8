"""Model code that reads otherwise today: none of it is changed, a person has to look."""

from __future__ import annotations

import libcst as cst

from keras_bigdata.migrate import call_edits
from keras_bigdata.migrate.keras_names import is_public
from keras_bigdata.migrate.script import Script

# Arguments of layers in Keras 1, and what they are called in most layers today.
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
    "consume_less": "nothing",
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
    "output_shape": "nothing, or output_shape in Lambda",
    "p": "rate",
    "pool_length": "pool_size",
    "sigma": "stddev",
    "stride": "strides",
    "subsample": "strides",
    "subsample_length": "strides",
}
# Layers that have an argument of that name to this day.
_STILL = {
    "Embedding": {"output_dim"},
    "Lambda": {"output_shape"},
}
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
_METHODS = {
    "predict_classes": "np.argmax(model.predict(x), axis=-1), or > 0.5 for one output",
    "predict_proba": "model.predict",
    "to_yaml": "model.to_json",
    "predict_on_generator": "model.predict",
}


def plan(script: Script) -> None:
    """Notes what a person has to look at; renames `Model(input=, output=)`."""
    for call in script.calls:
        name = script.name_of(call.func)
        if name.startswith("keras."):
            _call(script, call, name)
        elif isinstance(call.func, cst.Attribute) and script.uses_keras:
            _method(script, call)
    _backend(script)
    for node in script.all(cst.ClassDef):
        _iterator_class(script, node)


def _call(script: Script, call: cst.Call, full: str) -> None:
    name = full.rpartition(".")[2]
    given = call_edits.keyword_names(call)
    if name == "Model" and given & {"input", "output"}:
        script.edit(
            call, lambda new: call_edits.renamed(new, {"input": "inputs", "output": "outputs"})
        )
    if not is_public("keras.layers", name) and name not in _CONVOLUTIONS:
        return
    found = sorted(given & (set(_LAYER_ARGUMENTS) - _STILL.get(name, set())))
    if name in ("Reshape", "ZeroPadding2D", "Cropping2D", "BatchNormalization") and "mode" in given:
        found.append("mode")
    if found:
        today = "; ".join(f"{old} is {_LAYER_ARGUMENTS.get(old, 'nothing')}" for old in found)
        script.note(call, f"{name}: arguments of Keras 1. Today {today}.")
    if name in _CONVOLUTIONS and len(call_edits.positional(call)) > 2:
        third = script.code(call_edits.positional(call)[2].value)
        script.note(
            call,
            f"{name}: the third argument by position ({third}) is `strides` today. If it was the "
            "second side of the kernel, write the kernel as a tuple.",
        )


def _backend(script: Script) -> None:
    """One note for all uses: there may be hundreds."""
    gone: dict[str, cst.Call] = {}
    for call in script.calls:
        module, _, name = script.name_of(call.func).partition("keras.backend.")
        if name and not module and not _in_backend(name) and not _of_tensorflow(script, call):
            gone.setdefault(name, call)
    if gone:
        first = min(gone.values(), key=script.line)
        script.note(
            first,
            f"keras.backend has lost {', '.join(sorted(gone))}. keras.ops has most of it; "
            "tensorflow.keras.backend has it still, on TensorFlow alone.",
        )


def _of_tensorflow(script: Script, call: cst.Call) -> bool:
    return script.qualified(call.func).startswith("tensorflow.keras.")


def _in_backend(name: str) -> bool:
    return name in {
        "clear_session",
        "epsilon",
        "floatx",
        "get_uid",
        "image_data_format",
        "image_dim_ordering",  # noted with its import
        "is_keras_tensor",
        "set_epsilon",
        "set_floatx",
        "set_image_data_format",
        "set_image_dim_ordering",
        "backend",
        "get_session",
        "set_session",
    }


def _method(script: Script, call: cst.Call) -> None:
    assert isinstance(call.func, cst.Attribute)
    name = call.func.attr.value
    if name in _METHODS and not script.qualified(call.func):
        script.note(call, f"{name} is gone: use {_METHODS[name]}.")
    if name == "train_on_batch" and call_edits.argument(call, "reset_metrics") is not None:
        script.note(
            call, "train_on_batch resets its metrics at each call today; there is no argument."
        )
    if name == "compile" and call_edits.keyword_names(call) & {"class_mode", "sample_weight_mode"}:
        script.note(call, "compile: class_mode and sample_weight_mode are gone.")


def _iterator_class(script: Script, node: cst.ClassDef) -> None:
    """An iterator for Python 2: Python 3 looks for `__next__`."""
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
            node, f"class {node.name.value}: Python 3 calls __next__, and it has `next` only."
        )
