"""Arguments of `compile`, `fit`, `evaluate` and `predict` that Keras 3 no longer takes."""

from __future__ import annotations

import libcst as cst

from keras_bigdata.migrate import call_edits
from keras_bigdata.migrate.script import Script

# Arguments of TensorFlow 2, as in `model.fit(generator, workers=4)`.
_QUEUE_ARGUMENTS = {"workers", "use_multiprocessing", "max_queue_size"}
_FUNCTIONS = {
    "fit": "fit_generator",
    "evaluate": "evaluate_generator",
    "predict": "predict_generator",
}
# The other arguments that the functions of `keras_bigdata.legacy` take.
_KEYWORDS = {
    "fit": {
        "steps_per_epoch",
        "epochs",
        "verbose",
        "callbacks",
        "validation_data",
        "validation_steps",
        "validation_freq",
        "class_weight",
        "shuffle",
        "initial_epoch",
    },
    "evaluate": {"steps", "callbacks", "verbose"},
    "predict": {"steps", "callbacks", "verbose"},
}
_STEPS = ("steps_per_epoch", "validation_steps", "steps")


def plan(script: Script) -> None:
    """Changes calls of `compile`, `fit`, `evaluate` and `predict`, or notes what to change."""
    if not script.uses_keras:
        return
    for call in script.calls:
        _plan_compile(script, call)
        if not isinstance(call.func, cst.Attribute) or call.func.attr.value not in _FUNCTIONS:
            continue
        if script.written_name(call.func):
            continue
        names = call_edits.keyword_names(call)
        if "nb_epoch" in names and "epochs" not in names:
            script.edit(call, lambda new: call_edits.rename_keywords(new, {"nb_epoch": "epochs"}))
        if "show_accuracy" in names:
            script.note(
                call,
                'show_accuracy was removed: pass metrics=["accuracy"] to `compile` instead.',
            )
        if names & _QUEUE_ARGUMENTS:
            _plan_queue_arguments(script, call)
        else:
            _note_float_steps(script, call)


def _plan_compile(script: Script, call: cst.Call) -> None:
    """Names the third argument of `compile(optimizer, loss, metrics)`, now `loss_weights`."""
    if not isinstance(call.func, cst.Attribute) or call.func.attr.value != "compile":
        return
    args = call_edits.positional_args(call)
    if (
        len(args) != 3
        or "metrics" in call_edits.keyword_names(call)
        or call_edits.has_starred(call)
    ):
        return
    metrics = script.value_of(args[2].value)
    if isinstance(metrics, cst.List | cst.Tuple) and any(
        isinstance(element.value, cst.SimpleString) for element in metrics.elements
    ):
        script.edit(call, lambda new: call_edits.name_positional_args(new, {2: "metrics"}))
    else:
        script.note(
            call,
            "compile: the third positional argument was `metrics` and is now `loss_weights`. "
            "Pass it by name.",
        )


def _plan_queue_arguments(script: Script, call: cst.Call) -> None:
    """Replaces the method by the function of `keras_bigdata.legacy` that takes the arguments."""
    assert isinstance(call.func, cst.Attribute)
    method = call.func.attr.value
    names = call_edits.keyword_names(call)
    unsupported = sorted(names - _QUEUE_ARGUMENTS - _KEYWORDS[method] - {"x", "nb_epoch"})
    num_data = len(call_edits.positional_args(call)) + ("x" in names)
    has_starred = call_edits.has_starred(call) or call_edits.has_starred(call, "**")
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


def _note_float_steps(script: Script, call: cst.Call) -> None:
    for name in _STEPS:
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
