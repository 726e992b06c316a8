"""Shapes of tensors as TensorFlow 1 had them: `x.get_shape().as_list()`, `x.shape[1].value`."""

from __future__ import annotations

import libcst as cst

from keras_bigdata.migrate.script import Script


def plan(script: Script) -> None:
    """Changes them to expressions for tuples, which the shapes of Keras 3 are."""
    if not script.uses_keras:
        return
    own = {node.name.value for node in script.all(cst.FunctionDef)}
    for node in script.nodes:
        match node:
            case cst.Call(func=cst.Attribute(attr=cst.Name("as_list"), value=value), args=[]):
                if _is_shape(value, own):
                    script.edit(node, _to_list)
            case cst.Call(func=cst.Attribute(attr=cst.Name("get_shape")), args=[]):
                if "get_shape" not in own:
                    script.edit(node, _to_shape)
            case cst.Attribute(attr=cst.Name("ndims"), value=value) if _is_shape(value, own):
                script.edit(node, _to_length)
            case cst.Attribute(attr=cst.Name("value"), value=cst.Subscript(value=value)):
                if _is_shape(value, own):
                    script.edit(node, lambda new: new.value)


def _is_shape(node: cst.BaseExpression, own: set[str]) -> bool:
    """Whether an expression is `x.shape` or `x.get_shape()`.

    Args:
        node: the expression.
        own: the names of the functions of the script.
    """
    match node:
        case cst.Attribute(attr=cst.Name("shape")):
            return True
        case cst.Call(func=cst.Attribute(attr=cst.Name("get_shape")), args=[]):
            return "get_shape" not in own
    return False


def _to_shape(call: cst.Call) -> cst.BaseExpression:
    return cst.ensure_type(call.func, cst.Attribute).with_changes(attr=cst.Name("shape"))


def _to_list(call: cst.Call) -> cst.BaseExpression:
    shape = cst.ensure_type(call.func, cst.Attribute).value
    return cst.Call(cst.Name("list"), [cst.Arg(shape)])


def _to_length(node: cst.Attribute) -> cst.BaseExpression:
    return cst.Call(cst.Name("len"), [cst.Arg(node.value)])
