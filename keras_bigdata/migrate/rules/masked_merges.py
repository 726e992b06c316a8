"""Layers that merge inputs with masks, whose masks Keras 3 combines otherwise."""

from __future__ import annotations

import libcst as cst

from keras_bigdata.migrate import call_edits
from keras_bigdata.migrate.script import Script

_CONCATENATIONS = {"concatenate", "Concatenate"}
_MERGES = _CONCATENATIONS | {
    *("add", "average", "maximum", "minimum", "multiply", "subtract"),
    *("Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract"),
}
_CONCATENATED = (
    "a step of the result was masked if it was masked in any input, and is now masked only if it "
    "is masked in all of them (an input without a mask is not masked anywhere)"
)
_MERGED = (
    "the mask of the result was the AND of the masks of those inputs that have one. Now it is "
    "their OR, and there is none if one input has none"
)


def plan(script: Script) -> None:
    """Notes the first call of each kind if the program has masks."""
    if not any(_makes_mask(one, call) for one in script.program for call in one.calls):
        return
    noted = set()
    for call in script.calls:
        name = script.keras_name(call.func)
        is_layer = script.full_name(call.func).startswith("keras.layers.")
        if name not in _MERGES or not is_layer or name.lower() in noted:
            continue
        noted.add(name.lower())
        script.note(
            call,
            f"SILENT CHANGE if an input of {name} has a mask (mask_zero=True or Masking): in Keras "
            f"1 and 2, {_CONCATENATED if name in _CONCATENATIONS else _MERGED}. For the former, "
            "pass the mask to the layer that reads it, such as LSTM(8)(merged, "
            "mask=keras.ops.logical_and(embedding_a.compute_mask(a), "
            "embedding_b.compute_mask(b))), or mask=embedding_a.compute_mask(a) if only that input "
            "has one.",
        )


def _makes_mask(script: Script, call: cst.Call) -> bool:
    name = script.keras_name(call.func)
    if name == "Masking":
        return True
    argument = call_edits.find_argument(call, "mask_zero")
    return name == "Embedding" and argument is not None and script.code(argument.value) != "False"
