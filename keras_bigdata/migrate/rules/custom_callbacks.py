"""What the callbacks that a script defines find: their parameters, the data, and the history."""

from __future__ import annotations

import re

import libcst as cst

from keras_bigdata.migrate.keras_version import imports_keras_package
from keras_bigdata.migrate.script import Script
from keras_bigdata.migrate.strings import edit_text, text_of
from keras_bigdata.migrate.syntax_tree import walk

_BATCH_METHOD = re.compile("on_(train_|test_|predict_)?batch_(begin|end)")
_OLD_PARAMS = {
    "nb_sample": "the number of rows that the script knows",
    "samples": "the number of rows that the script knows",
    "metrics": "the keys of `logs`",
    "batch_size": "the batch size that the script passes to fit",
    "do_validation": "whether `logs` has keys that begin with 'val_'",
}


def plan(script: Script) -> None:
    """Renames keys of `params` and `history`, and notes what is not there any more."""
    for attribute in script.all(cst.Attribute):
        _note_validation_data(script, attribute)
    for subscript in script.all(cst.Subscript):
        _plan_key(script, subscript)
    for function in script.all(cst.FunctionDef):
        if _BATCH_METHOD.fullmatch(function.name.value):
            _note_batch_logs(script, function)


def _note_validation_data(script: Script, node: cst.Attribute) -> None:
    if node.attr.value != "validation_data":
        return
    owner = script.code(node.value)
    if owner in ("self", "self.model") and _has_base(script.class_of(node), "callback"):
        script.note(
            node,
            f"{owner}.validation_data: Keras 3 does not set it. Give the callback the arrays: "
            "def __init__(self, validation_data): super().__init__(); "
            "self.validation_data = validation_data. It was a list [inputs, targets, sample "
            "weights].",
        )


def _plan_key(script: Script, node: cst.Subscript) -> None:
    index = node.slice[0].slice if len(node.slice) == 1 else None
    if not isinstance(index, cst.Index) or not isinstance(index.value, cst.SimpleString):
        return
    key, owner = text_of(index.value), node.value
    attribute = owner.attr.value if isinstance(owner, cst.Attribute) else ""
    if attribute == "history" and key == "lr":
        edit_text(script, index.value, lambda _: "learning_rate")
    elif attribute == "params" and _has_base(script.class_of(node), "callback"):
        if key == "nb_epoch":
            edit_text(script, index.value, lambda _: "epochs")
        elif key in _OLD_PARAMS:
            script.note(node, f"params['{key}'] is not in Keras 3: use {_OLD_PARAMS[key]}.")


def _note_batch_logs(script: Script, function: cst.FunctionDef) -> None:
    """Notes `logs["size"]` and `logs["batch"]` in a method that is called for each batch."""
    parameters = [parameter.name.value for parameter in function.params.params]
    if len(parameters) != 3 or not _has_base(script.class_of(function), "callback"):
        return
    _, batch, logs = parameters
    is_old = imports_keras_package(script)
    instead = {
        "size": "use the batch size that the script passes to fit; the last batch may be smaller",
        "batch": f"write {batch}",
    }
    for node in walk(function.body):
        match node:
            case cst.Subscript(
                value=cst.Name(value=owner),
                slice=[cst.SubscriptElement(slice=cst.Index(value=key))],
            ):
                pass
            case cst.Call(
                func=cst.Attribute(value=cst.Name(value=owner), attr=cst.Name(value="get" | "pop")),
                args=[cst.Arg(value=key), *_],
            ):
                pass
            case _:
                continue
        name = text_of(key) if isinstance(key, cst.SimpleString) else ""
        if owner != logs:
            continue
        if name in instead:
            script.note(node, f"{logs}[{name!r}] is not in Keras 3: {instead[name]}.")
        elif name == "loss" and function.name.value.endswith("batch_end") and is_old:
            script.note(
                node,
                f"SILENT CHANGE: {logs}['loss'] in {function.name.value} was the loss of the batch "
                "in `keras` 1 and 2. In Keras 3 it is the mean since the begin of the epoch. "
                "keras_bigdata.legacy.install() keeps the former.",
            )


def _has_base(node: cst.ClassDef | None, name: str) -> bool:
    return node is not None and any(
        isinstance(base.value, cst.Name | cst.Attribute)
        and (base.value.value if isinstance(base.value, cst.Name) else base.value.attr.value)
        .lower()
        .endswith(name)
        for base in node.bases
    )
