"""Metric functions of `compile`, which receive other targets than in Keras 2."""

from __future__ import annotations

import libcst as cst

from keras_bigdata.migrate import call_edits
from keras_bigdata.migrate.script import Script

_NOTE = (
    "{name}: Keras 3 passes the targets to a metric function unchanged; Keras 2 cast them to the "
    "dtype of the outputs and reshaped (rows,) to (rows, 1). With outputs of the "
    "shape (rows, 1) and targets (rows,) the product is (rows, rows), without an error. Begin the "
    "function with {true} = keras.ops.cast(keras.ops.reshape({true}, keras.ops.shape({pred})), "
    "{pred}.dtype), or pass targets of that shape and dtype."
)


def plan(script: Script) -> None:
    """Notes metric functions that do not convert their targets, where they are defined."""
    functions = {node.name.value: node for node in script.all(cst.FunctionDef)}
    noted = set()
    for call in script.calls:
        if script.method_of(call) != "compile":
            continue
        metrics = call_edits.find_argument(call, "metrics", 2)
        for name in _names_in(metrics.value) if metrics is not None and script.uses_keras else ():
            if name in functions and name not in noted:
                noted.add(name)
                _note(script, functions[name])


def _note(script: Script, function: cst.FunctionDef) -> None:
    parameters = [parameter.name.value for parameter in function.params.params]
    if (
        len(parameters) < 2
        or "reshape" in script.code(function)
        or "cast(" in script.code(function)
    ):
        return
    true, pred = parameters[:2]
    script.note(function, _NOTE.format(name=function.name.value, true=true, pred=pred))


def _names_in(node: cst.CSTNode) -> list[str]:
    names = [node.value] if isinstance(node, cst.Name) else []
    return names + [name for child in node.children for name in _names_in(child)]
