"""Names of TensorFlow 1 around the Keras code, such as `tf.ConfigProto`."""

from __future__ import annotations

import libcst as cst

from keras_bigdata.migrate import call_edits
from keras_bigdata.migrate.dotted_names import dotted_name
from keras_bigdata.migrate.script import Script
from keras_bigdata.old_keras.tensorflow_names import COMPATIBLE_NAMES, RENAMED_ARGUMENTS

_COLLECTIONS = {
    "all_variables",
    "get_collection",
    "global_variables",
    "local_variables",
    "trainable_variables",
}


def plan(script: Script) -> None:
    """Writes `tf.compat.v1` before names that only it has, and renames arguments.

    Names that TensorFlow 2 lacks are noted.
    """
    for attribute in script.all(cst.Attribute):
        _plan_attribute(script, attribute)
    for call in script.calls:
        _plan_call(script, call)
    for statement in script.all(cst.ImportFrom):
        _plan_import(script, statement)
    for assignment in script.all(cst.Assign):
        _plan_assignment(script, assignment)


def _plan_attribute(script: Script, node: cst.Attribute) -> None:
    module, _, name = script.written_name(node).rpartition(".")
    if name in COMPATIBLE_NAMES.get(module, ()) and _is_written_in_full(node, module):
        script.edit(node, lambda new: new.with_changes(value=_compatible(new.value, module)))
    elif module == "tensorflow" and name in _COLLECTIONS:
        script.note(
            node,
            f"tensorflow no longer has {name}, and tensorflow.compat.v1.{name} does not find the "
            "variables of Keras: use model.variables or model.trainable_variables.",
        )
    elif module == "tensorflow" and name == "contrib":
        script.note(node, "tensorflow.contrib was removed, and TensorFlow has no replacement.")


def _plan_call(script: Script, call: cst.Call) -> None:
    module, _, name = script.written_name(call.func).rpartition(".")
    names = RENAMED_ARGUMENTS.get(module, {}).get(name, {})
    if names.keys() & call_edits.keyword_names(call):
        script.edit(call, lambda new: call_edits.rename_keywords(new, names))


def _is_written_in_full(node: cst.Attribute, module: str) -> bool:
    """Whether as many attributes stand in the text as the module has below `tensorflow`."""
    depth = 0
    value: cst.BaseExpression = node.value
    while isinstance(value, cst.Attribute):
        depth += 1
        value = value.value
    return isinstance(value, cst.Name) and depth == module.count(".")


def _compatible(value: cst.BaseExpression, module: str) -> cst.BaseExpression:
    """Returns `tf.compat.v1` for `tf`, and `tf.compat.v1.image` for `tf.image`."""
    if module == "tensorflow":
        return cst.Attribute(cst.Attribute(value, cst.Name("compat")), cst.Name("v1"))
    assert isinstance(value, cst.Attribute)
    parent = module.rpartition(".")[0]
    return value.with_changes(value=_compatible(value.value, parent))


def _plan_import(script: Script, node: cst.ImportFrom) -> None:
    if node.module is None or node.relative or isinstance(node.names, cst.ImportStar):
        return
    module = dotted_name(node.module)
    names = [alias.evaluated_name for alias in node.names]
    old = [name for name in names if name in COMPATIBLE_NAMES.get(module, ())]
    if not old:
        return
    new_module = module.replace("tensorflow", "tensorflow.compat.v1", 1)
    if old == names:
        expression = cst.ensure_type(cst.parse_expression(new_module), cst.Attribute)
        script.edit(node, lambda new: new.with_changes(module=expression))
    else:
        script.note(
            node,
            f"{', '.join(old)}: import from TensorFlow's old names: "
            f"from {new_module} import {', '.join(old)}",
        )


def _plan_assignment(script: Script, node: cst.Assign) -> None:
    target = node.targets[0].target
    if script.written_name(target) != "tensorflow.python.control_flow_ops":
        return
    line = script.parent(node)
    if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1:
        commented = line.trailing_whitespace.comment or any(
            empty.comment for empty in line.leading_lines
        )
        if isinstance(script.parent(line), cst.Module) and not commented:
            script.edit(line, lambda _new: cst.RemoveFromParent())
            return
    script.note(
        node,
        f"remove {script.code(node)}: it made Keras 1 run on TensorFlow 0.12, and TensorFlow 2 "
        "has no tf.python.",
    )
