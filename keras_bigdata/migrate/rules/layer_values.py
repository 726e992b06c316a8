"""Edits of the values of layer arguments of Keras 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import libcst as cst

from keras_bigdata.migrate import call_edits
from keras_bigdata.migrate.script import Script
from keras_bigdata.old_keras.layers import DATA_FORMATS, OldLayer

UNKNOWN: Any = object()
_CLASSES_OF_MODES = {1: "SampleNormalization", 2: "BatchStatisticsNormalization"}
_FORGET_BIASES = {"one": "True", "zero": "False"}


def value_of(script: Script, node: cst.BaseExpression) -> Any:
    """Returns the number or string that an expression is known to be.

    Returns `()` for any tuple or list, and `UNKNOWN` for other expressions.
    """
    node = script.value_of(node)
    if isinstance(node, cst.Integer | cst.Float | cst.SimpleString):
        return node.evaluated_value
    if isinstance(node, cst.Tuple | cst.List):
        return ()
    return UNKNOWN


def argument(call: cst.Call, name: str, named: Mapping[int, str]) -> cst.Arg | None:
    """Returns an argument by its name, or by the position that is going to have that name."""
    for position, one in named.items():
        if one == name:
            return call.args[position]
    return call_edits.find_argument(call, name)


def unconverted_arguments(
    script: Script, call: cst.Call, layer: OldLayer, named: Mapping[int, str]
) -> set[str]:
    """Returns the arguments that have no certain equivalent, and adds a note on each.

    They keep their names, which Keras 3 refuses.
    """
    notes = {}
    for name in ("border_mode", "dim_ordering", "mode", "forget_bias_init"):
        arg = argument(call, name, named)
        if arg is not None:
            message = _note(layer.target, name, value_of(script, arg.value), script.code(arg.value))
            if message:
                notes[name] = message
    for name in ("output_shape", "init", "inner_init"):
        arg = argument(call, name, named)
        if arg is not None and name == "output_shape" and name in layer.removed:
            notes[name] = (
                "the size of the result follows from the input, the kernel, strides and padding. "
                "Remove output_shape; if the size differs, pass output_padding"
            )
        elif arg is not None and isinstance(script.value_of(arg.value), cst.Lambda):
            notes[name] = (
                "an initializer is called with shape and dtype. Write lambda shape, dtype=None: ..."
            )
    for name, message in notes.items():
        script.note(call, f"{script.code(call.func)}: {name} is not changed: {message}.")
    return set(notes)


def _note(layer: str, name: str, value: Any, code: str) -> str:
    if name == "border_mode" and value == "full":
        return "Keras 3 has no 'full'. Pad with the size of the kernel minus 1, then use 'valid'"
    if name == "dim_ordering" and not (isinstance(value, str) and value in DATA_FORMATS):
        return f"write data_format={{'th': 'channels_first', 'tf': 'channels_last'}}[{code}]"
    if name == "mode" and layer == "BatchNormalization" and value not in (0, *_CLASSES_OF_MODES):
        return (
            "Keras 3 has no modes. Use SampleNormalization (mode 1) or "
            "BatchStatisticsNormalization (mode 2) of keras_bigdata.legacy.layers"
        )
    if name == "forget_bias_init" and not (isinstance(value, str) and value in _FORGET_BIASES):
        return "Keras 3 has unit_forget_bias, which is True or False"
    return ""


def conversions(
    script: Script, call: cst.Call, layer: str, keywords: set[str], named: Mapping[int, str]
) -> list[call_edits.CallEdit]:
    """Returns the edits of values and of arguments that Keras 3 does not have."""
    steps: list[call_edits.CallEdit] = []
    for name in sorted(keywords):
        arg = argument(call, name, named)
        if arg is None:
            continue
        value = value_of(script, arg.value)
        if name == "dim_ordering" and isinstance(value, str) and value in DATA_FORMATS:
            new = DATA_FORMATS[value]
            steps.append(
                call_edits.remover(name) if new is None else _setter(name, name, repr(new))
            )
        elif name in ("inner_activation", "activation") and value == "hard_sigmoid":
            steps.append(_setter(name, name, _hard_sigmoid(script)))
        elif name == "activity_regularizer" and script.code(arg.value) != "None":
            local = script.new_imports.require("keras_bigdata.legacy.layers", "SummedOverBatch")
            code = script.code(arg.value)
            if not code.startswith(f"{local}("):
                steps.append(_wrapper(name, local))
        elif name == "forget_bias_init" and isinstance(value, str) and value in _FORGET_BIASES:
            steps.append(_setter(name, "unit_forget_bias", _FORGET_BIASES[value]))
        elif (name, layer) in (("mode", "BatchNormalization"), ("dropout", "Embedding")):
            if value == 0 or value in _CLASSES_OF_MODES:
                steps.append(call_edits.remover(name))
            own_class = "DropoutEmbedding" if name == "dropout" else _CLASSES_OF_MODES.get(value)
            if value != 0 and own_class:
                local = script.new_imports.require("keras_bigdata.legacy.layers", own_class)
                steps.append(_caller(local))
        elif name == "init" and layer.startswith("Separable"):
            code = script.code(arg.value)
            steps.append(_setter(name, "depthwise_initializer", code))
            steps.append(call_edits.appender("pointwise_initializer", code))
    return steps


def default(script: Script, key: str, value: Any) -> list[call_edits.CallEdit]:
    """Returns the edits that pass a default value of Keras 1, if the call has to keep it."""
    if value == "hard_sigmoid":
        return [call_edits.appender(key, _hard_sigmoid(script))]
    return [call_edits.appender(key, repr(value))] if key == "reset_after" else []


def _hard_sigmoid(script: Script) -> str:
    # `hard_sigmoid` of Keras 3 has another slope.
    return script.new_imports.require("keras_bigdata.legacy.layers", "hard_sigmoid")


def _setter(old: str, new: str, code: str) -> call_edits.CallEdit:
    """Returns an edit that replaces the name and the value of a keyword argument."""
    return lambda call: replace_keyword(call, old, new, code)


def _caller(function: str) -> call_edits.CallEdit:
    """Returns an edit that calls another class with the same arguments."""
    return lambda call: call.with_changes(func=cst.Name(function))


def _wrapper(keyword: str, function: str) -> call_edits.CallEdit:
    """Returns an edit that passes the value of a keyword argument through a function."""

    def wrap(arg: cst.Arg) -> cst.Arg:
        if arg.keyword is None or arg.keyword.value != keyword:
            return arg
        return arg.with_changes(value=cst.Call(cst.Name(function), [cst.Arg(arg.value)]))

    return lambda call: call.with_changes(args=[wrap(arg) for arg in call.args])


def replace_keyword(call: cst.Call, old: str, new: str, code: str) -> cst.Call:
    """Replaces the name and the value of a keyword argument."""
    return call.with_changes(
        args=[
            arg.with_changes(keyword=cst.Name(new), value=cst.parse_expression(code))
            if arg.keyword is not None and arg.keyword.value == old
            else arg
            for arg in call.args
        ]
    )


def join_positional(call: cst.Call, start: int, stop: int) -> cst.Call:
    """Makes one tuple of the positional arguments from `start` to before `stop`."""
    args = list(call.args)
    stop = min(stop, len(args))
    joined = [arg for arg in args[start:stop] if arg.keyword is None]
    stop = start + len(joined)
    value = cst.Tuple([cst.Element(arg.value) for arg in joined])
    args[start:stop] = [joined[-1].with_changes(value=value)]
    return call.with_changes(args=args)


def join_keywords(call: cst.Call, names: Sequence[str], new: str) -> cst.Call:
    """Makes one tuple of several keyword arguments, in place of the first."""
    values = [call_edits.find_argument(call, name) for name in names]
    value = cst.Tuple([cst.Element(arg.value) for arg in values if arg is not None])
    for name in names[1:]:
        call = call_edits.remove_keyword(call, name)
    return call.with_changes(
        args=[
            arg.with_changes(keyword=cst.Name(new), value=value)
            if arg.keyword is not None and arg.keyword.value == names[0]
            else arg
            for arg in call.args
        ]
    )
