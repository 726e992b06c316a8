"""Methods and attributes of layers that a script defines."""

from __future__ import annotations

import libcst as cst

from keras_bigdata.migrate import call_edits
from keras_bigdata.migrate.script import Script
from keras_bigdata.migrate.strings import text_of
from keras_bigdata.old_keras.keras_2_layers import ADD_WEIGHT_1, ADD_WEIGHT_2


def plan(script: Script) -> None:
    """Changes `add_weight` and `get_output_shape_for`, and notes weights that are assigned."""
    for call in script.calls:
        is_method = isinstance(call.func, cst.Attribute) and call.func.attr.value == "add_weight"
        if is_method and script.uses_keras:
            _plan_add_weight(script, call)
    own = {function.name.value for function in script.all(cst.FunctionDef)}
    for call in script.calls if script.uses_keras else ():
        method = script.method_of(call)
        if method in own:
            continue
        if method == "add_loss" and not call_edits.has_starred(call):
            _plan_add_loss(script, call)
        elif method == "add_metric":
            _note_add_metric(script, call)
    for node in script.all(cst.Assign):
        for target in node.targets:
            _note_trainable_weights(script, target.target)
    for function in script.all(cst.FunctionDef):
        _plan_output_shape(script, function)


def _plan_add_weight(script: Script, call: cst.Call) -> None:
    args = call_edits.positional_args(call)
    if call_edits.has_starred(call) or not args:
        return
    if isinstance(args[0].value, cst.SimpleString):
        names: tuple[str, ...] = ADD_WEIGHT_2
    elif len(args) > 2 and not isinstance(args[2].value, cst.SimpleString):
        script.note(
            call,
            "add_weight: the third positional argument was `name` in Keras 1 and is `dtype` in "
            f"Keras 3. If it is the name, write name={script.code(args[2].value)}.",
        )
        return
    elif len(args) > 2 and isinstance(args[2].value, cst.SimpleString):
        if text_of(args[2].value).startswith(("float", "int", "bool", "uint")):
            return
        names = ADD_WEIGHT_1
    else:
        return
    if len(args) <= len(names):
        positions = dict(enumerate(names[: len(args)]))
        script.edit(call, lambda new: call_edits.name_positional_args(new, positions))


def _plan_add_loss(script: Script, call: cst.Call) -> None:
    """Removes `inputs`, and renames `losses`, which was the first argument in Keras 1 and 2."""
    inputs = call_edits.find_argument(call, "inputs", 1)
    if inputs is not None and inputs.keyword is None:
        script.edit(call, lambda new: call_edits.name_positional_args(new, {1: "inputs"}))
    if inputs is not None:
        script.edit(call, call_edits.remover("inputs"))
    if "losses" in call_edits.keyword_names(call):
        script.edit(call, lambda new: call_edits.rename_keywords(new, {"losses": "loss"}))


def _note_add_metric(script: Script, call: cst.Call) -> None:
    name = call_edits.find_argument(call, "name", 1)
    text = "'...'" if name is None else script.code(name.value)
    script.note(
        call,
        "add_metric: Keras 3 refuses it. In the `__init__` of a layer write self.mean = "
        f"keras.metrics.Mean(name={text}), and self.mean.update_state(value) in its `call`; Keras "
        "logs it. Or call keras_bigdata.legacy.install() at the top of the script, which keeps "
        "add_metric.",
    )


def _note_trainable_weights(script: Script, target: cst.BaseExpression) -> None:
    if not isinstance(target, cst.Attribute) or not script.uses_keras:
        return
    if target.attr.value in ("trainable_weights", "non_trainable_weights"):
        owner = script.code(target.value)
        script.note(
            target,
            f"{target.attr.value} cannot be assigned in Keras 3. Create each weight with "
            f"{owner}.add_weight(name=..., shape=..., initializer=..., trainable=...), which adds "
            "it to the layer, and remove the assignment.",
        )


def _plan_output_shape(script: Script, node: cst.FunctionDef) -> None:
    if node.name.value == "get_output_shape_for" and script.class_of(node) is not None:
        script.edit(node, lambda new: new.with_changes(name=cst.Name("compute_output_shape")))
