"""Arguments of `fit`, `evaluate`, `predict` that Keras 3 no longer takes."""

from __future__ import annotations

import libcst as cst

from keras_bigdata.migrate import call_edits
from keras_bigdata.migrate.script import Script

# `model.fit(generator, workers=4)` as TensorFlow 2 had it.
_THREADS = {"workers", "use_multiprocessing", "max_queue_size"}
_FUNCTIONS = {
    "fit": "fit_generator",
    "evaluate": "evaluate_generator",
    "predict": "predict_generator",
}
# What the functions of `keras_bigdata.legacy` take beside the generator.
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
    """Has the calls rewritten, or leaves them to a person."""
    if not script.uses_keras:
        return
    for call in script.calls:
        _compile(script, call)
        if not isinstance(call.func, cst.Attribute) or call.func.attr.value not in _FUNCTIONS:
            continue
        if script.qualified(call.func):
            continue
        names = call_edits.keyword_names(call)
        if "nb_epoch" in names and "epochs" not in names:
            script.edit(call, lambda new: call_edits.renamed(new, {"nb_epoch": "epochs"}))
        if "show_accuracy" in names:
            script.note(call, 'show_accuracy: pass metrics=["accuracy"] to `compile` instead.')
        if names & _THREADS:
            _with_threads(script, call)
        else:
            _whole_steps(script, call)


def _compile(script: Script, call: cst.Call) -> None:
    """`compile(optimizer, loss, metrics)`: the third position is `loss_weights` today."""
    if not isinstance(call.func, cst.Attribute) or call.func.attr.value != "compile":
        return
    given = call_edits.positional(call)
    if len(given) != 3 or "metrics" in call_edits.keyword_names(call) or call_edits.has_stars(call):
        return
    metrics = script.value_of(given[2].value)
    if isinstance(metrics, cst.List | cst.Tuple) and any(
        isinstance(element.value, cst.SimpleString) for element in metrics.elements
    ):
        script.edit(call, lambda new: call_edits.with_keywords(new, {2: "metrics"}))
    else:
        script.note(
            call, "compile: the third argument by position was `metrics` and is `loss_weights`."
        )


def _with_threads(script: Script, call: cst.Call) -> None:
    assert isinstance(call.func, cst.Attribute)
    method = call.func.attr.value
    names = call_edits.keyword_names(call)
    others = sorted(names - _THREADS - _KEYWORDS[method] - {"x", "nb_epoch"})
    given = len(call_edits.positional(call)) + ("x" in names)
    if others or given != 1 or call_edits.has_stars(call) or call_edits.has_stars(call, "**"):
        gone = ", ".join(sorted(names & _THREADS))
        what = f"; {', '.join(others)} would have no place there" if others else ""
        script.note(
            call,
            f"{method} no longer takes {gone}: remove them, or call "
            f"keras_bigdata.legacy.{_FUNCTIONS[method]}, which does{what}.",
        )
        return
    module = script.new_imports.want("keras_bigdata", "legacy")
    function = f"{module}.{_FUNCTIONS[method]}"
    indent = script.indent(call)
    column = script.column(call) + len(script.code(call.func)) + 1 - indent
    new_column = script.column(call) + len(function) + 1 - indent
    # `evaluate` and `predict` show progress unless told not to, their old forms do not.
    loud = method != "fit" and "verbose" not in names

    def edit(new: cst.Call) -> cst.Call:
        new = call_edits.renamed(new, {"x": "generator"})
        if loud:
            new = call_edits.with_keyword(new, "verbose", "1")
        return call_edits.as_function(new, function, column, new_column)

    script.edit(call, edit)


def _whole_steps(script: Script, call: cst.Call) -> None:
    for name in _STEPS:
        arg = call_edits.argument(call, name)
        if arg is None:
            continue
        value = script.value_of(arg.value)
        ceil = isinstance(value, cst.Call) and script.qualified(value.func) == "numpy.ceil"
        if ceil or (
            isinstance(value, cst.BinaryOperation) and isinstance(value.operator, cst.Divide)
        ):
            script.note(
                arg,
                f"{name} must be an int today, and {script.code(arg.value)} is a float: decide "
                "whether the last, smaller batch counts.",
            )
