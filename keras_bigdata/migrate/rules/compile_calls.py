"""Arguments of `compile` that have moved or were removed."""

from __future__ import annotations

import libcst as cst

from keras_bigdata.migrate import call_edits
from keras_bigdata.migrate.script import Script
from keras_bigdata.old_keras.method_arguments import COMPILE_POSITIONS, IGNORED_COMPILE_ARGUMENTS


def plan(script: Script) -> None:
    """Changes calls of `compile`, or notes what to change."""
    if not script.uses_keras:
        return
    calls = [call for call in script.calls if script.method_of(call) == "compile"]
    for call in calls:
        _plan_positions(script, call)
        _plan_removed(script, call)
        _note_outputs(script, call)
    _note_kept_metrics(script, calls)


def _note_kept_metrics(script: Script, calls: list[cst.Call]) -> None:
    """Notes a `compile` without metrics of a model that was compiled with some."""
    had_metrics: set[str] = set()
    for call in calls:
        assert isinstance(call.func, cst.Attribute)
        model = script.code(call.func.value)
        passed = call_edits.keyword_names(call) & {"metrics", "weighted_metrics"}
        if passed or len(call_edits.positional_args(call)) > 2 or call_edits.has_starred(call):
            had_metrics.add(model)
        elif model in had_metrics:
            script.note(
                call,
                f"SILENT CHANGE: without metrics, Keras 3 keeps those of the {model}.compile "
                "before, and evaluate returns a list. For none, write metrics=[].",
            )


def _plan_positions(script: Script, call: cst.Call) -> None:
    """Names the arguments after the loss: `metrics` was the third, which is now `loss_weights`."""
    args = call_edits.positional_args(call)
    if len(args) < 3 or "metrics" in call_edits.keyword_names(call) or call_edits.has_starred(call):
        return
    is_old = _are_metrics(script, args[2].value)
    if is_old and (len(args) == 3 or (len(args) == 4 and _are_numbers(args[3].value))):
        names = {number: COMPILE_POSITIONS[number] for number in range(2, len(args))}
        script.edit(call, lambda new: call_edits.name_positional_args(new, names))
    else:
        script.note(
            call,
            "compile: the third positional argument was `metrics` and is now `loss_weights`. "
            "Pass it by name.",
        )


def _plan_removed(script: Script, call: cst.Call) -> None:
    for name in IGNORED_COMPILE_ARGUMENTS:
        if name in call_edits.keyword_names(call):
            script.edit(call, call_edits.remover(name))
    if "target_tensors" in call_edits.keyword_names(call):
        script.note(call, "compile: target_tensors was removed; pass the targets to `fit` as `y`.")


def _note_outputs(script: Script, call: cst.Call) -> None:
    """Notes metrics and weights that Keras 3 distributes over the outputs in another way."""
    loss = call_edits.find_argument(call, "loss", 1)
    weights = call_edits.find_argument(call, "loss_weights")
    metrics = call_edits.find_argument(call, "metrics")
    args = call_edits.positional_args(call)
    if metrics is None and len(args) > 2 and _are_metrics(script, args[2].value):
        metrics = args[2]
    loss_value = None if loss is None else script.value_of(loss.value)
    weights_value = None if weights is None else script.value_of(weights.value)
    count = max(_count(loss_value), _count(weights_value))
    if count > 1 and isinstance(loss_value, cst.SimpleString):
        losses = ", ".join([script.code(loss_value)] * count)
        script.note(
            call,
            "compile: with one loss and several loss_weights, Keras 3 weights every output by the "
            f"first value of a dict, and refuses a list. Write loss=[{losses}], or one loss for "
            "each output in a dict.",
        )
    if count > 1 and metrics is not None:
        value = script.value_of(metrics.value)
        if isinstance(value, cst.List | cst.Tuple) and _is_flat(value):
            each = f"[{', '.join(script.code(one.value) for one in value.elements)}]"
            script.note(
                call,
                "compile: one list of metrics was for every output, and is now one entry for each "
                f"output. Write metrics=[{', '.join([each] * count)}].",
            )


def _are_metrics(script: Script, node: cst.BaseExpression) -> bool:
    metrics = script.value_of(node)
    return isinstance(metrics, cst.List | cst.Tuple) and any(
        isinstance(element.value, cst.SimpleString) for element in metrics.elements
    )


def _are_numbers(node: cst.BaseExpression) -> bool:
    if isinstance(node, cst.Dict):
        values = [e.value for e in node.elements if isinstance(e, cst.DictElement)]
    elif isinstance(node, cst.List | cst.Tuple):
        values = [element.value for element in node.elements]
    else:
        return False
    return bool(values) and all(isinstance(value, cst.Integer | cst.Float) for value in values)


def _count(node: cst.BaseExpression | None) -> int:
    return len(node.elements) if isinstance(node, cst.List | cst.Tuple | cst.Dict) else 0


def _is_flat(metrics: cst.List | cst.Tuple) -> bool:
    nested = cst.List | cst.Tuple | cst.Dict
    return bool(metrics.elements) and not any(
        isinstance(element.value, nested) for element in metrics.elements
    )
