"""Generators that Keras 3's own methods take as they are."""

from __future__ import annotations

import libcst as cst

from keras_bigdata.migrate import layout
from keras_bigdata.migrate.script import Script

# Not `flow`: with several inputs it yields lists, which TensorFlow's `fit` refuses, and how many
# inputs there are stands in no argument.
_METHODS = ("flow_from_directory", "flow_from_dataframe")


def knows_its_length(script: Script, node: cst.BaseExpression) -> bool:
    """Whether a node is surely an iterator of `ImageDataGenerator` with one input and target."""
    call = script.value_of(node)
    if not isinstance(call, cst.Call) or not isinstance(call.func, cst.Attribute):
        return False
    if call.func.attr.value not in _METHODS or layout.has_stars(call, "**"):
        return False
    mode = layout.argument(call, "class_mode")
    if mode is not None and (
        not isinstance(mode.value, cst.SimpleString) or mode.value.evaluated_value == "multi_output"
    ):
        return False
    maker = script.value_of(call.func.value)
    return (
        isinstance(maker, cst.Call)
        and script.name_of(maker.func) == "keras.preprocessing.image.ImageDataGenerator"
    )


def length_of(script: Script, steps: cst.BaseExpression, generator: cst.BaseExpression) -> bool:
    """Whether steps are written as `len(generator)`, or are `None`."""
    if script.code(steps) == "None":
        return True
    return isinstance(generator, cst.Name) and script.code(steps) == f"len({generator.value})"
