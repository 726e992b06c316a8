"""Arguments of `fit`, `evaluate`, `predict` and `train_on_batch` that Keras 3 does not take."""

from __future__ import annotations

import libcst as cst

from keras_bigdata.migrate import call_edits
from keras_bigdata.migrate.script import Script
from keras_bigdata.old_keras.generator_arguments import NEW_METHODS, STEP_COUNTS
from keras_bigdata.old_keras.method_arguments import QUEUE_ARGUMENTS, SHARED_ARGUMENTS

# Arguments of TensorFlow 2, as in `model.fit(generator, workers=4)`, also under older names.
_QUEUE_ARGUMENTS = set(QUEUE_ARGUMENTS)
_FUNCTIONS = {method: function for function, method in NEW_METHODS.items()}


def plan(script: Script) -> None:
    """Changes calls of these methods, or notes what to change."""
    if not script.uses_keras:
        return
    for call in script.calls:
        if not isinstance(call.func, cst.Attribute):
            continue
        if call.func.attr.value in ("fit", "train_on_batch"):
            _note_class_weights(script, call)
        if call.func.attr.value not in _FUNCTIONS or script.written_name(call.func):
            continue
        names = call_edits.keyword_names(call)
        if "nb_epoch" in names and "epochs" not in names:
            script.edit(call, lambda new: call_edits.rename_keywords(new, {"nb_epoch": "epochs"}))
        if "show_accuracy" in names:
            if _computes_accuracy(script):
                script.edit(call, lambda new: call_edits.remove_keyword(new, "show_accuracy"))
            else:
                script.note(
                    call,
                    'show_accuracy was removed: pass metrics=["accuracy"] to `compile` instead.',
                )
        if names & _QUEUE_ARGUMENTS:
            _plan_queue_arguments(script, call)
        else:
            _note_float_steps(script, call)


def _plan_queue_arguments(script: Script, call: cst.Call) -> None:
    """Replaces the method by the function of `keras_bigdata.legacy` that takes the arguments."""
    assert isinstance(call.func, cst.Attribute)
    method = call.func.attr.value
    names = call_edits.keyword_names(call)
    unsupported = sorted(names - _QUEUE_ARGUMENTS - SHARED_ARGUMENTS[method] - {"x", "nb_epoch"})
    num_data = len(call_edits.positional_args(call)) + ("x" in names)
    has_starred = call_edits.has_starred(call) or call_edits.has_starred(call, "**")
    if _has_targets(script, call):
        # They had no effect on arrays.
        for name in sorted(names & _QUEUE_ARGUMENTS):
            script.edit(call, call_edits.remover(name))
        return
    if unsupported or num_data != 1 or has_starred:
        removed = ", ".join(sorted(names & _QUEUE_ARGUMENTS))
        but = f", but not {', '.join(unsupported)}" if unsupported else ""
        script.note(
            call,
            f"{method} no longer takes {removed}: remove them, or call "
            f"keras_bigdata.legacy.{_FUNCTIONS[method]}, which takes them{but}.",
        )
        return
    module = script.new_imports.require("keras_bigdata", "legacy")
    function = f"{module}.{_FUNCTIONS[method]}"
    column = script.argument_column(call)
    new_column = script.column(call) + len(function) + 1 - script.indent(call)
    # `evaluate` and `predict` show a progress bar by default, their old forms do not.
    needs_verbose = method != "fit" and "verbose" not in names

    def edit(new: cst.Call) -> cst.Call:
        new = call_edits.rename_keywords(new, {"x": "generator"})
        if needs_verbose:
            new = call_edits.append_keyword(new, "verbose", "1")
        return call_edits.method_to_function(new, function, column, new_column)

    script.edit(call, edit)


def _computes_accuracy(script: Script) -> bool:
    """Whether every call of `compile` in the file has the metric."""
    metrics = [
        call_edits.find_argument(call, "metrics", 2)
        for call in script.calls
        if script.method_of(call) == "compile"
    ]
    return bool(metrics) and all(arg is not None and "acc" in script.code(arg) for arg in metrics)


def _has_targets(script: Script, call: cst.Call) -> bool:
    """Whether a call of `fit` or `evaluate` has targets, so that the data are arrays."""
    assert isinstance(call.func, cst.Attribute)
    if call.func.attr.value == "predict":
        return False
    y = call_edits.find_argument(call, "y", 1)
    return y is not None and script.code(y.value) != "None"


def _note_float_steps(script: Script, call: cst.Call) -> None:
    for name in STEP_COUNTS:
        arg = call_edits.find_argument(call, name)
        if arg is None:
            continue
        value = script.value_of(arg.value)
        is_ceil = isinstance(value, cst.Call) and script.written_name(value.func) == "numpy.ceil"
        if is_ceil or (
            isinstance(value, cst.BinaryOperation) and isinstance(value.operator, cst.Divide)
        ):
            script.note(
                arg,
                f"{name} must be an int in Keras 3, and {script.code(arg.value)} is a float: "
                "decide whether to count the last, smaller batch.",
            )


def _note_class_weights(script: Script, call: cst.Call) -> None:
    """Notes class weights of several outputs."""
    arg = call_edits.find_argument(call, "class_weight")
    value = None if arg is None else script.value_of(arg.value)
    is_list = isinstance(value, cst.List | cst.Tuple)
    is_nested = isinstance(value, cst.Dict) and any(
        isinstance(element.value, cst.Dict) for element in value.elements
    )
    if is_list or is_nested:
        script.note(
            call,
            "class_weight: Keras 3 takes one dict of class to weight, for a model with one output. "
            "For several outputs pass sample_weight, a list of one array of weights for each "
            "output; for one output, pass its dict (Keras 1 and 2 ignored any other list).",
        )
