"""Losses that use symbolic tensors of the model, which Keras 3 refuses when training begins."""

from __future__ import annotations

import libcst as cst

from keras_bigdata.migrate import call_edits
from keras_bigdata.migrate.script import Script
from keras_bigdata.migrate.syntax_tree import walk


def plan(script: Script) -> None:
    """Notes each call of `compile` whose loss uses such tensors."""
    functions = {node.name.value: node for node in script.all(cst.FunctionDef)}
    tensors = _tensors(script)
    for call in script.calls:
        if script.method_of(call) != "compile":
            continue
        loss = call_edits.find_argument(call, "loss", 1)
        if loss is None or not script.uses_keras:
            continue
        used = sorted(tensors & _names_used(loss.value, functions))
        if used:
            script.note(
                call,
                f"The loss uses symbolic tensors of the model ({', '.join(used)}). Keras 3 calls a "
                "loss with the arrays of a batch and raises an error. Compute the part that uses "
                "them in the `call` of a layer, with self.add_loss(...), or call "
                "keras_bigdata.legacy.install() at the top of the script, which computes them.",
            )


def _tensors(script: Script) -> set[str]:
    """Returns the names to which the result of a layer is assigned, as `z = Dense(2)(x)`."""
    return {
        target.target.value
        for node in script.all(cst.Assign)
        if isinstance(node.value, cst.Call)
        and isinstance(node.value.func, cst.Call)
        and script.full_name(node.value.func.func).startswith("keras.layers.")
        for target in node.targets
        if isinstance(target.target, cst.Name)
    }


def _names_used(loss: cst.CSTNode, functions: dict[str, cst.FunctionDef]) -> set[str]:
    """Returns the names that a function and the functions of the script that it calls use."""
    found: set[str] = set()
    pending: list[cst.CSTNode] = []
    if isinstance(loss, cst.Lambda):
        pending.append(loss)
    elif isinstance(loss, cst.Name) and loss.value in functions:
        pending.append(functions[loss.value])
    seen: set[str] = set()
    while pending:
        function = pending.pop()
        assert isinstance(function, cst.Lambda | cst.FunctionDef)
        parameters = {each.name.value for each in function.params.params}
        assigned = {
            target.target.value
            for node in walk(function)
            if isinstance(node, cst.Assign)
            for target in node.targets
            if isinstance(target.target, cst.Name)
        }
        for node in walk(function.body):
            if not isinstance(node, cst.Name) or node.value in parameters | assigned:
                continue
            found.add(node.value)
            if node.value in functions and node.value not in seen:
                seen.add(node.value)
                pending.append(functions[node.value])
    return found
