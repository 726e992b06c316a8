"""Named arguments of optimizers, and their attribute `lr`."""

from __future__ import annotations

import libcst as cst

from keras_bigdata.migrate import call_edits
from keras_bigdata.migrate.script import Script

_NAMES = {"SGD", "RMSprop", "Adagrad", "Adadelta", "Adam", "Adamax", "Nadam", "Ftrl"}
_NAMES |= {name.lower() for name in _NAMES}


def plan(script: Script) -> None:
    """Renames arguments and attributes, or notes what the user has to change."""
    for call in script.calls:
        full = script.full_name(call.func)
        name = full.rpartition(".")[2]
        if not full.startswith("keras.") or name not in _NAMES:
            continue
        if ".optimizers.legacy." in full:
            script.note(call, f"{full} was removed: use keras.optimizers.{name}.")
            continue
        _plan_arguments(script, call)
    for node in script.all(cst.Attribute):
        if node.attr.value == "lr" and _is_optimizer(script, node.value):
            script.edit(node, lambda new: new.with_changes(attr=cst.Name("learning_rate")))


def _plan_arguments(script: Script, call: cst.Call) -> None:
    names = call_edits.keyword_names(call)
    if "lr" in names and "learning_rate" not in names:
        script.edit(call, lambda new: call_edits.rename_keywords(new, {"lr": "learning_rate"}))
    decay = call_edits.find_argument(call, "decay")
    if decay is not None:
        if _is_zero(decay.value):
            script.edit(call, lambda new: call_edits.remove_keyword(new, "decay"))
        else:
            script.note(
                call,
                f"decay={script.code(decay.value)} is ignored by Keras 3. The equivalent is "
                "learning_rate=keras.optimizers.schedules.InverseTimeDecay(rate, decay_steps=1, "
                "decay_rate=decay); another schedule may be better.",
            )
    epsilon = call_edits.find_argument(call, "epsilon")
    if epsilon is not None and script.code(epsilon.value) == "None":
        # None meant keras.backend.epsilon(), 1e-7, which is the default in Keras 3.
        script.edit(call, lambda new: call_edits.remove_keyword(new, "epsilon"))
    if "schedule_decay" in names:
        script.note(call, "Nadam: Keras 3 has no `schedule_decay`; remove it.")


def _is_zero(node: cst.BaseExpression) -> bool:
    return isinstance(node, cst.Integer | cst.Float) and node.evaluated_value == 0


def _is_optimizer(script: Script, node: cst.BaseExpression) -> bool:
    """Whether a node is `model.optimizer`, or a name that an optimizer of Keras is assigned to."""
    if isinstance(node, cst.Attribute):
        return node.attr.value == "optimizer" and script.uses_keras
    value = script.value_of(node)
    return isinstance(value, cst.Call) and script.keras_name(value.func) in _NAMES
