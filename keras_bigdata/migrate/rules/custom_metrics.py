"""Metric functions of `compile`, which receive other targets than in Keras 2."""

from __future__ import annotations

import libcst as cst

from keras_bigdata.migrate import call_edits
from keras_bigdata.migrate.dotted_names import dotted_name
from keras_bigdata.migrate.script import Script
from keras_bigdata.migrate.syntax_tree import walk

_CONVERSIONS = {
    "astype",
    "batch_flatten",
    "cast",
    "expand_dims",
    "flatten",
    "ravel",
    "reshape",
    "squeeze",
    "to_float",
}
# What an expression reads of a tensor besides its numbers, and functions of all numbers.
_PROPERTIES = {"dtype", "ndim", "shape"}
_REDUCTIONS = {
    "all",
    "any",
    "dtype",
    "int_shape",
    "max",
    "mean",
    "min",
    "ndim",
    "prod",
    "shape",
    "sum",
}
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
    if parameters[:1] == ["self"]:
        parameters = parameters[1:]
    if len(parameters) < 2:
        return
    true, pred = parameters[:2]
    if not _converts(function, true, pred):
        script.note(function, _NOTE.format(name=function.name.value, true=true, pred=pred))


def _converts(function: cst.FunctionDef, true: str, pred: str) -> bool:
    """Whether a function casts or reshapes its targets, and not only its outputs or a result.

    Args:
        function: the metric.
        true: the name of its parameter for the targets.
        pred: the name of its parameter for the outputs.
    """
    true_names, pred_names = {true}, {pred}
    for node in walk(function.body):
        match node:
            case cst.Assign(value=value):
                targets = {
                    target.target.value
                    for target in node.targets
                    if isinstance(target.target, cst.Name)
                }
                used = _values_in(value)
                if used & pred_names:
                    pred_names |= targets
                elif used & true_names:
                    true_names |= targets
    return any(
        used & true_names and not used & (pred_names - true_names)
        for node in walk(function.body)
        if isinstance(node, cst.Call)
        for used in map(_values_in, _converted(node))
    )


def _converted(call: cst.Call) -> list[cst.BaseExpression]:
    """Returns what a call may cast or reshape: `y` in `K.cast(y, "int32")`, `y.astype(int)`."""
    func = call.func
    name = func.attr.value if isinstance(func, cst.Attribute) else dotted_name(func)
    if name not in _CONVERSIONS:
        return []
    found = [func.value] if isinstance(func, cst.Attribute) else []
    for keyword in ("x", "tensor", "input"):
        first = call_edits.find_argument(call, keyword, 0)
        found += [] if first is None else [first.value]
    return found


def _values_in(node: cst.CSTNode) -> set[str]:
    """Returns the names whose values an expression has, without those whose shape it reads."""
    match node:
        case cst.Name(value=name):
            return {name}
        case cst.Attribute(attr=cst.Name(value=attribute), value=owner):
            return set() if attribute in _PROPERTIES else _values_in(owner)
        case cst.Call(func=func):
            if dotted_name(func).rpartition(".")[2] in _REDUCTIONS:
                return set()
            owners = _values_in(func.value) if isinstance(func, cst.Attribute) else set()
            return owners.union(*(_values_in(arg.value) for arg in node.args))
    return set().union(*(_values_in(child) for child in node.children))


def _names_in(node: cst.CSTNode) -> list[str]:
    names = [node.value] if isinstance(node, cst.Name) else []
    return names + [name for child in node.children for name in _names_in(child)]
