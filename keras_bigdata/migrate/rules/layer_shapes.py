"""`layer.output_shape` and `layer.input_shape`, which layers of Keras 3 do not have."""

from __future__ import annotations

import libcst as cst

from keras_bigdata.migrate.script import Script
from keras_bigdata.migrate.syntax_tree import walk

_SHAPES = {"output_shape": "output", "input_shape": "input"}
# Names in `keras.layers` that are not layers with one input: their `input_shape` is noted.
_OTHER = {"Input", "InputLayer", "InputSpec"}
_MERGES = {"Add", "Average", "Concatenate", "Dot", "Maximum", "Minimum", "Multiply", "Subtract"}


def plan(script: Script) -> None:
    """Changes them to `layer.output.shape`, or notes it where the object may be a layer.

    Models of Keras 3 have both.
    """
    if not script.uses_keras:
        return
    own = {node.name.value for node in script.all(cst.FunctionDef)} | {
        target.target.attr.value
        for node in script.all(cst.Assign)
        for target in node.targets
        if isinstance(target.target, cst.Attribute)
    }
    items = _items_of_layers(script)
    for node in script.all(cst.Attribute):
        name = node.attr.value
        if name not in _SHAPES or script.written_name(node):
            continue
        parent = script.parent(node)
        if _is_layer(node.value) or (name not in own and _is_certainly_layer(script, node)):
            script.edit(node, _to_shape)
        elif name in own or (isinstance(parent, cst.Call) and parent.func is node):
            continue
        elif _may_be_layer(script, node.value, items):
            layer, tensor = script.code(node.value), _SHAPES[name]
            script.note(
                node,
                f"{script.code(node)}: layers of Keras 3 have no {name}. Write "
                f"{layer}.{tensor}.shape, or [one.shape for one in {layer}.{tensor}] for a layer "
                f"with several {tensor}s.",
            )


def _to_shape(attribute: cst.Attribute) -> cst.BaseExpression:
    tensor = cst.Attribute(attribute.value, cst.Name(_SHAPES[attribute.attr.value]))
    return cst.Attribute(tensor, cst.Name("shape"), lpar=attribute.lpar, rpar=attribute.rpar)


def _is_layer(node: cst.BaseExpression) -> bool:
    """Whether a node is `model.layers[i]` or `model.get_layer(...)`."""
    if isinstance(node, cst.Subscript):
        return isinstance(node.value, cst.Attribute) and node.value.attr.value == "layers"
    return (
        isinstance(node, cst.Call)
        and isinstance(node.func, cst.Attribute)
        and node.func.attr.value == "get_layer"
    )


def _is_certainly_layer(script: Script, node: cst.Attribute) -> bool:
    """Whether the owner of a shape is a name that is assigned once, to a layer of Keras."""
    value = script.value_of(node.value)
    if value is node.value:
        return False
    if _is_layer(value):
        return True
    name = _class_in_layers(script, value)
    has_one = name not in _MERGES or node.attr.value == "output_shape"
    return name[:1].isupper() and name not in _OTHER and has_one


def _class_in_layers(script: Script, value: cst.BaseExpression) -> str:
    name = script.full_name(value.func) if isinstance(value, cst.Call) else ""
    return name.rpartition(".")[2] if name.startswith("keras.layers.") else ""


def _items_of_layers(script: Script) -> set[str]:
    """Returns the names of loops over layers: `layer` in `for layer in model.layers`."""
    loops: list[cst.For | cst.CompFor] = [*script.all(cst.For), *script.all(cst.CompFor)]
    return {
        name.value
        for loop in loops
        if any(
            isinstance(node, cst.Attribute) and node.attr.value == "layers"
            for node in walk(loop.iter)
        )
        for name in walk(loop.target)
        if isinstance(name, cst.Name)
    }


def _may_be_layer(script: Script, node: cst.BaseExpression, items: set[str]) -> bool:
    if isinstance(node, cst.Name) and node.value in items:
        return True
    value = script.value_of(node)
    if isinstance(value, cst.Call) and script.full_name(value.func).startswith("keras."):
        return _class_in_layers(script, value) in _MERGES
    last = node.attr if isinstance(node, cst.Attribute) else node
    return isinstance(last, cst.Name) and "layer" in last.value.lower()
