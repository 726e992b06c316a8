"""`Model(input=, output=)`, also in the constructors of subclasses."""

from __future__ import annotations

import libcst as cst

from keras_bigdata.migrate import call_edits
from keras_bigdata.migrate.script import Script
from keras_bigdata.old_keras.method_arguments import RENAMED_MODEL_ARGUMENTS


def plan(script: Script) -> None:
    """Renames the arguments in calls of `Model` and of its constructor."""
    for call in script.calls:
        if not call_edits.keyword_names(call) & RENAMED_MODEL_ARGUMENTS.keys():
            continue
        if script.keras_name(call.func) == "Model" or _is_base_constructor(script, call):
            script.edit(call, lambda new: call_edits.rename_keywords(new, RENAMED_MODEL_ARGUMENTS))


def _is_base_constructor(script: Script, call: cst.Call) -> bool:
    """Whether a call is `super().__init__(...)` in a subclass of `Model`."""
    if not isinstance(call.func, cst.Attribute) or call.func.attr.value != "__init__":
        return False
    if script.written_name(call.func):
        return False
    base = call.func.value
    calls_super = isinstance(base, cst.Call) and script.code(base.func) == "super"
    node = script.class_of(call)
    is_model = node is not None and any(
        script.keras_name(base.value) == "Model" for base in node.bases
    )
    return is_model and (calls_super or script.keras_name(base) == "Model")
