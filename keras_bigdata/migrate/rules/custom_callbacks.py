"""What the callbacks that a script defines find: their parameters, the data, and the history."""

from __future__ import annotations

import libcst as cst

from keras_bigdata.migrate.script import Script
from keras_bigdata.migrate.strings import edit_text, text_of

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


def _has_base(node: cst.ClassDef | None, name: str) -> bool:
    return node is not None and any(
        isinstance(base.value, cst.Name | cst.Attribute)
        and (base.value.value if isinstance(base.value, cst.Name) else base.value.attr.value)
        .lower()
        .endswith(name)
        for base in node.bases
    )
