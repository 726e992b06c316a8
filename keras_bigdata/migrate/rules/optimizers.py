"""Optimizers: arguments, their positions and default values, `lr`, and `get_updates`."""

from __future__ import annotations

import libcst as cst

from keras_bigdata.migrate import call_edits
from keras_bigdata.migrate.keras_version import imports_keras_package, version_of_script
from keras_bigdata.migrate.script import Script
from keras_bigdata.migrate.strings import iterate_texts, text_of
from keras_bigdata.old_keras.optimizers import (
    EPSILON_OUTSIDE_ROOT,
    LEARNING_RATES,
    NEW_ARGUMENTS,
    NEW_LEARNING_RATE,
    NEW_POSITIONS,
    OPTIMIZERS,
    POSITIONS,
    shared_positions,
)

# Keras 1 and 2 had the classes under names in lower case too. They had no `Ftrl`, which is of
# TensorFlow 2 and Keras 3.
_NAMES = {name.lower(): name for name in (*OPTIMIZERS, "Ftrl")}
_BOOLEANS = ("nesterov", "amsgrad")


def plan(script: Script) -> None:
    """Changes arguments and attributes, or notes what the user has to change."""
    for call in script.calls:
        full = script.full_name(call.func)
        if _class_name(full):
            _plan_call(script, call, full)
        elif script.method_of(call) == "compile":
            _note_name(script, call)
        elif script.method_of(call) == "get_updates" and script.uses_keras:
            script.note(
                call,
                "get_updates: Keras 3 has no updates of a graph. Compute the gradients in a "
                "train_step and call optimizer.apply_gradients, or call "
                "keras_bigdata.legacy.install() at the top of the script: K.function then takes "
                "the result as `updates`.",
            )
    for node in script.all(cst.Attribute):
        if node.attr.value == "lr" and _is_optimizer(script, node.value):
            script.edit(node, lambda new: new.with_changes(attr=cst.Name("learning_rate")))
    for definition in script.all(cst.ClassDef):
        _note_get_updates(script, definition)


def _class_name(full: str) -> str:
    """Returns the class of an optimizer, such as `SGD` for `keras.optimizers.sgd`, or `""`."""
    name = full.rpartition(".")[2].lower()
    return _NAMES.get(name, "") if full.startswith("keras.") else ""


def _plan_call(script: Script, call: cst.Call, full: str) -> None:
    """Plans the changes of a call of an optimizer whose full name is `full`."""
    if ".optimizers.legacy." in full:
        script.note(call, f"{full} was removed: use keras.optimizers.{full.rpartition('.')[2]}.")
        return
    _plan_named_arguments(script, call)
    name = _class_name(full)
    if name in OPTIMIZERS:
        is_keras = (script.written_name(call.func) or full).startswith("keras.")
        _note_positions(script, call, name, is_keras)
        if is_keras:
            _plan_old_behavior(script, call, name)


def _plan_named_arguments(script: Script, call: cst.Call) -> None:
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


def _plan_old_behavior(script: Script, call: cst.Call, name: str) -> None:
    """Restores what the package `keras` did and Keras 3 does not, or notes it."""
    keywords = call_edits.keyword_names(call)
    if keywords & NEW_ARGUMENTS or any(arg.star for arg in call.args):
        return
    args = call_edits.positional_args(call)
    if name in LEARNING_RATES and not args and not keywords & {"lr", "learning_rate"}:
        rate = LEARNING_RATES[name]
        if version_of_script(script) in ("1", "2"):
            value = str(rate)
            script.edit(call, lambda new: call_edits.append_keyword(new, "learning_rate", value))
        else:
            script.note(
                call,
                f"{name}: the default learning rate was {rate} in `keras` 1 and 2 and is "
                f"{NEW_LEARNING_RATE} in Keras 3. If the script was written for Keras 1 or 2, "
                f"write {name}(learning_rate={rate}).",
            )
    if "clipnorm" in keywords:
        script.note(
            call,
            f"{name}: clipnorm limits the norm of each gradient in Keras 3; in `keras` 1 and 2 it "
            "limited that of all gradients together. Write global_clipnorm= for the former.",
        )
    epsilon = call_edits.find_argument(call, "epsilon")
    if name in EPSILON_OUTSIDE_ROOT and epsilon is not None:
        value = script.code(epsilon.value)
        if value != "None":
            script.note(
                call,
                f"{name}: Keras 3 adds epsilon to the mean square, `keras` 1 and 2 added it to the "
                f"root. The equivalent is epsilon=({value}) ** 2.",
            )
    if name == "Nadam":
        script.note(
            call,
            "Nadam: in Keras 3 the momentum reaches its final value within about 100 batches, in "
            "Keras 1 and 2 within about 25,000. The first batches train differently; there is no "
            "argument for it.",
        )


def _note_positions(script: Script, call: cst.Call, name: str, is_keras: bool) -> None:
    """Notes positional arguments that have another meaning in Keras 3."""
    new, shared = NEW_POSITIONS[name], shared_positions(name)
    args = call_edits.positional_args(call)
    if len(args) <= shared:
        return
    if shared < len(new) and new[shared] in _BOOLEANS:
        # The old argument is a number: True and False are those of Keras 3.
        is_new = script.code(args[shared].value) in ("True", "False")
    else:
        is_new = not is_keras  # `tensorflow.keras` 2 had the positions of Keras 3
    if is_new or call_edits.keyword_names(call) & NEW_ARGUMENTS:
        shared = len(new)
    if shared < len(new) and is_keras:
        old = POSITIONS[name][shared : len(args)]
        values = [script.code(arg.value) for arg in args[shared:]]
        text = ", ".join(f"{n}={v}" for n, v in zip(old, values, strict=False))
        script.note(
            call,
            f"{name}: argument {shared + 1} was `{old[0]}` in `keras` 1 and 2 and is "
            f"`{new[shared]}` in Keras 3. If it was the former, write {text}.",
        )
    elif len(args) > shared:
        script.note(
            call,
            f"{name}: positional arguments after the first {shared} mean something else in "
            "Keras 3. Pass them by name.",
        )


def _note_name(script: Script, call: cst.Call) -> None:
    """Notes `optimizer="adadelta"`, if the script imports the package `keras`."""
    arg = call_edits.find_argument(call, "optimizer", 0)
    if arg is None or not imports_keras_package(script):
        return
    for node in iterate_texts(script.value_of(arg.value)):
        name = _NAMES.get(text_of(node).lower(), "")
        if name in LEARNING_RATES:
            rate = LEARNING_RATES[name]
            script.note(
                node,
                f"optimizer='{text_of(node)}': its learning rate was {rate} in `keras` 1 and 2 and "
                f"is {NEW_LEARNING_RATE} in Keras 3. Write optimizer=keras.optimizers.{name}"
                f"(learning_rate={rate}) for the former one.",
            )


def _note_get_updates(script: Script, node: cst.ClassDef) -> None:
    for part in node.body.body:
        if isinstance(part, cst.FunctionDef) and part.name.value == "get_updates":
            script.note(
                part,
                f"class {node.name.value}: Keras 3 never calls get_updates. Write the update of "
                "one variable as update_step(self, gradient, variable, learning_rate), create its "
                "state in build(self, variables), and pass learning_rate to super().__init__.",
            )


def _is_optimizer(script: Script, node: cst.BaseExpression) -> bool:
    """Whether a node is `model.optimizer`, or a name that an optimizer of Keras is assigned to."""
    if isinstance(node, cst.Attribute):
        return node.attr.value == "optimizer" and script.uses_keras
    value = script.value_of(node)
    return isinstance(value, cst.Call) and bool(_class_name(script.full_name(value.func)))
