"""Arguments of optimizers."""

from __future__ import annotations

import libcst as cst

from keras_bigdata.migrate import call_edits
from keras_bigdata.migrate.script import Script

_NAMES = {"SGD", "RMSprop", "Adagrad", "Adadelta", "Adam", "Adamax", "Nadam", "Ftrl"}
_NAMES |= {name.lower() for name in _NAMES}

# How many arguments by position mean the same today; behind them came `decay`.
_POSITIONS = {"sgd": 2, "rmsprop": 3, "adagrad": 1, "adadelta": 2}
_OTHERS = 3


def plan(script: Script) -> None:
    """Has the arguments renamed, or leaves them to a person."""
    for call in script.calls:
        full = script.name_of(call.func)
        name = full.rpartition(".")[2]
        if not full.startswith("keras.") or name not in _NAMES:
            continue
        if ".optimizers.legacy." in full:
            script.note(call, f"{full} is gone: use keras.optimizers.{name}.")
            continue
        _arguments(script, call, name)
    for node in script.all(cst.Attribute):
        if node.attr.value == "lr" and _is_optimizer(script, node.value):
            script.edit(node, lambda new: new.with_changes(attr=cst.Name("learning_rate")))


def _arguments(script: Script, call: cst.Call, name: str) -> None:
    given = call_edits.keyword_names(call)
    if "lr" in given and "learning_rate" not in given:
        script.edit(call, lambda new: call_edits.renamed(new, {"lr": "learning_rate"}))
    decay = call_edits.argument(call, "decay")
    if decay is not None:
        if _is_zero(decay.value):
            script.edit(call, lambda new: call_edits.without(new, "decay"))
        else:
            script.note(
                call,
                f"decay={script.code(decay.value)} is ignored today. The same is "
                "learning_rate=keras.optimizers.schedules.InverseTimeDecay(rate, decay_steps=1, "
                "decay_rate=decay); a schedule of your own may be better.",
            )
    epsilon = call_edits.argument(call, "epsilon")
    if epsilon is not None and script.code(epsilon.value) == "None":
        # None stood for keras.backend.epsilon(), 1e-7, which is the default today.
        script.edit(call, lambda new: call_edits.without(new, "epsilon"))
    if "schedule_decay" in given:
        script.note(call, "schedule_decay: Nadam has no such argument today; remove it.")
    positions = _POSITIONS.get(name.lower(), _OTHERS)
    if len(call_edits.positional(call)) > positions:
        script.note(
            call,
            f"{name}: arguments by position behind the first {positions} mean something else "
            "today. Give them by name.",
        )


def _is_zero(node: cst.BaseExpression) -> bool:
    return isinstance(node, cst.Integer | cst.Float) and node.evaluated_value == 0


def _is_optimizer(script: Script, node: cst.BaseExpression) -> bool:
    """`model.optimizer`, or a name that was given an optimizer of Keras."""
    if isinstance(node, cst.Attribute):
        return node.attr.value == "optimizer" and script.uses_keras
    value = script.value_of(node)
    return isinstance(value, cst.Call) and script.keras_name(value.func) in _NAMES
