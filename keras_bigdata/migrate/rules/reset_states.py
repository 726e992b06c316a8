"""`reset_states`, which metrics and models of Keras 3 do not have."""

from __future__ import annotations

import libcst as cst

from keras_bigdata.migrate.script import Script


def plan(script: Script) -> None:
    """Changes it to `reset_state` where the object is a metric, or notes what to write."""
    if not script.uses_keras:
        return
    own = {node.name.value for node in script.all(cst.FunctionDef)}
    for call in script.calls:
        if script.method_of(call) != "reset_states" or "reset_states" in own or call.args:
            continue
        assert isinstance(call.func, cst.Attribute)
        owner = call.func.value
        kinds = {_kind(script, value) for value in _values(script, owner)}
        if kinds == {"metrics"}:
            script.edit(call.func, lambda new: new.with_changes(attr=cst.Name("reset_state")))
        elif kinds != {"layers"}:
            name = script.code(owner)
            script.note(
                call,
                f"{name}.reset_states: a metric of Keras 3 has {name}.reset_state(), and a model "
                f'has neither: for layer in {name}.layers: getattr(layer, "reset_state", lambda: '
                "None)(). keras_bigdata.legacy.install() keeps reset_states of models.",
            )


def _values(script: Script, owner: cst.BaseExpression) -> list[cst.BaseExpression]:
    """Returns the values of a name, or those that the script assigns to `self.name`."""
    if not isinstance(owner, cst.Attribute):
        return [script.value_of(owner)]
    code = script.code(owner)
    return [
        node.value
        for node in script.all(cst.Assign)
        if any(script.code(target.target) == code for target in node.targets)
    ]


def _kind(script: Script, value: cst.BaseExpression) -> str:
    """Returns the module of Keras whose class a value is made of: `metrics`, or `""`."""
    name = script.full_name(value.func) if isinstance(value, cst.Call) else ""
    return name.split(".")[1] if name.count(".") == 2 and name.startswith("keras.") else ""
