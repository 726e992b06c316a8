"""`trainable` that is changed after `compile`, as in the usual script of a GAN."""

from __future__ import annotations

import libcst as cst

from keras_bigdata.migrate.script import Script

_TRAINING = ("train_on_batch", "fit", "fit_generator")


def plan(script: Script) -> None:
    """Notes assignments that Keras 1 and 2 did not see, because the model was compiled before."""
    compiled: dict[str, int] = {}
    trained: set[str] = set()
    for call in script.calls:
        if isinstance(call.func, cst.Attribute):
            owner, method = script.code(call.func.value), call.func.attr.value
            if method == "compile":
                compiled.setdefault(owner, script.line(call))
            elif method in _TRAINING:
                trained.add(owner)
    for node in script.all(cst.Assign):
        for target in node.targets:
            model = _model(script, target.target)
            line = compiled.get(model)
            if line is not None and line < script.line(node) and model in trained:
                script.note(
                    node,
                    f"SILENT CHANGE: {model} is compiled in line {line}, before its `trainable` is "
                    "changed here. Keras 1 and 2 trained what was trainable at compile; Keras 3 "
                    f"reads `trainable` while it trains, so that {model} alone is trained with "
                    f"other weights than before, or not at all. Write {model}.trainable = True "
                    f"before each training of {model} alone and {model}.trainable = False before "
                    "each training of a model that contains it; or call "
                    "keras_bigdata.legacy.install() first, with which it trains as before.",
                )


def _model(script: Script, target: cst.BaseExpression) -> str:
    """Returns the model whose `trainable`, or whose layers', is assigned; `""` if unknown."""
    if not isinstance(target, cst.Attribute) or target.attr.value != "trainable":
        return ""
    owner = target.value
    node: cst.CSTNode = target
    while isinstance(owner, cst.Name) and not isinstance(node, cst.Module | cst.FunctionDef):
        node = script.parent(node)
        is_loop = isinstance(node, cst.For) and script.code(node.target) == owner.value
        if is_loop and isinstance(node, cst.For):
            layers = node.iter.value if isinstance(node.iter, cst.Subscript) else node.iter
            if isinstance(layers, cst.Attribute) and layers.attr.value == "layers":
                return script.code(layers.value)
    return script.code(owner)
