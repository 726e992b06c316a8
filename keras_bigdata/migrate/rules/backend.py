"""Functions of `keras.backend`: changed where the meaning is the same, noted elsewhere."""

from __future__ import annotations

import libcst as cst

from keras_bigdata.migrate import call_edits
from keras_bigdata.migrate.dotted_names import dotted_name, name_node
from keras_bigdata.migrate.rules import dim_ordering
from keras_bigdata.migrate.script import Script
from keras_bigdata.old_keras.backend_functions import (
    KEPT,
    KEPT_BY_TF_KERAS,
    REPLACED,
    Renamed,
    Rewritten,
    advice,
)
from keras_bigdata.old_keras.locations import canonical_name

_NAMESPACE = "keras.backend."
_NAME = "name"  # an argument that named a node of the graph
_UNKNOWN = "was removed, and no replacement is known."


def plan(script: Script) -> None:
    """Changes calls, and notes each other function once, where it is first used."""
    noted: set[str] = set()
    _note_imports(script)
    for star_call in script.calls:
        name = script.star_import_name(star_call.func)
        if name and script.full_name(star_call.func) == _NAMESPACE + name and name not in noted:
            noted.add(name)
            if name not in KEPT:
                script.note(star_call, f"keras.backend.{name} {advice(name) or _UNKNOWN}")
    for node in script.all(cst.Attribute):
        name = _removed_function(script, node)
        if not name:
            continue
        call = script.parent(node)
        is_called = isinstance(call, cst.Call) and call.func is node
        if is_called and _plan_call(script, call, name):  # type: ignore[arg-type]
            continue
        if name not in noted:
            noted.add(name)
            script.note(node, f"keras.backend.{name} {advice(name) or _UNKNOWN}")


def _removed_function(script: Script, node: cst.Attribute) -> str:
    """Returns the name of a function that the backend of Keras 3 does not have, or `""`."""
    full = script.full_name(node)
    if not full.startswith(_NAMESPACE):
        return ""
    name = full.removeprefix(_NAMESPACE).removeprefix("tensorflow_backend.")
    if "." in name or name in KEPT:
        return ""
    is_tf_keras = script.written_name(node).startswith("tensorflow.keras.")
    return "" if is_tf_keras and name in KEPT_BY_TF_KERAS else name


def _note_imports(script: Script) -> None:
    for plain in script.all(cst.Import):
        for alias in plain.names:
            if canonical_name(alias.evaluated_name) == "keras.backend.tensorflow_backend":
                script.note(alias, f"{alias.evaluated_name} was removed: import keras.backend.")
    for statement in script.all(cst.ImportFrom):
        written = "" if statement.relative else dotted_name(statement.module)
        if isinstance(statement.names, cst.ImportStar):
            continue
        if canonical_name(written) not in ("keras.backend", "keras.backend.tensorflow_backend"):
            continue
        is_tf_keras = written.startswith("tensorflow.keras.")
        for imported in statement.names:
            name = imported.evaluated_name
            if name == "tensorflow_backend":
                script.note(imported, "keras.backend.tensorflow_backend: use keras.backend itself.")
            elif name not in KEPT and not (is_tf_keras and name in KEPT_BY_TF_KERAS):
                script.note(imported, f"keras.backend.{name} {advice(name) or _UNKNOWN}")


def _plan_call(script: Script, call: cst.Call, name: str) -> bool:
    """Changes a call if its meaning is certain. Returns whether it is changed."""
    if name in ("image_dim_ordering", "set_image_dim_ordering"):
        return dim_ordering.plan_call(script, call, name)
    new = REPLACED.get(name)
    if new is None or call_edits.has_starred(call) or call_edits.has_starred(call, "**"):
        return False
    if isinstance(new, Renamed):
        return _plan_renamed(script, call, new)
    return _plan_rewritten(script, call, new)


def _plan_renamed(script: Script, call: cst.Call, new: Renamed) -> bool:
    positional = call_edits.positional_args(call)
    if len(positional) > len(new.parameters):
        return False
    if not call_edits.keyword_names(call) - {_NAME} <= set(new.parameters):
        return False
    has_name = _NAME in call_edits.keyword_names(call) and _NAME not in new.parameters
    module, _, function = new.name.rpartition(".")
    local = _local_name(script, module)
    old_name, new_name = script.code(call.func), f"{local}.{function}"

    def edit(old: cst.Call) -> cst.Call:
        changed = call_edits.remove_keyword(old, _NAME) if has_name else old
        changed = call_edits.rename_keywords(changed, dict(new.keywords))
        start = script.column(call) + len(old_name) + 1
        changed = call_edits.realign(changed, start, start + len(new_name) - len(old_name))
        return changed.with_changes(func=name_node(new_name))

    script.edit(call, edit)
    return True


def _plan_rewritten(script: Script, call: cst.Call, new: Rewritten) -> bool:
    bound = _bind(script, call, new)
    if bound is None:
        return False
    text = new.expression
    if "ops." in text:
        text = text.replace("ops.", f"{_local_name(script, 'keras.ops')}.")
    if "keras.backend" in text:
        text = text.replace("keras.backend", _backend_name(script, call))
    numbers = {
        parameter: position for parameter, position in bound.items() if isinstance(position, int)
    }
    for parameter, value in bound.items():
        marker = f"_argument_{parameter}_" if parameter in numbers else str(value)
        text = text.replace("{" + parameter + "}", marker)
    template = cst.parse_expression(text)

    def edit(old: cst.Call) -> cst.BaseExpression:
        values = {f"_argument_{p}_": old.args[n].value for p, n in numbers.items()}
        filled = template.visit(_Fill(values))
        assert isinstance(filled, cst.BaseExpression)
        return filled.with_changes(lpar=old.lpar, rpar=old.rpar) if old.lpar else filled

    script.edit(call, edit)
    return True


def _bind(script: Script, call: cst.Call, new: Rewritten) -> dict[str, int | str] | None:
    """Returns the number of the argument, or the default text, of each parameter.

    Returns `None` if an argument is unknown, is missing, or would need parentheses, or if the call
    has comments that would be lost.
    """
    if "#" in script.code(call):
        return None
    names = [parameter.partition("=")[0] for parameter in new.parameters]
    defaults = dict(
        (name, default)
        for name, equals, default in (p.partition("=") for p in new.parameters)
        if equals
    )
    bound: dict[str, int | str] = {}
    for number, arg in enumerate(call.args):
        if arg.keyword is not None:
            name = arg.keyword.value
        elif number < len(names):
            name = names[number]
        else:
            return None
        if name not in names or name in bound:
            return None
        bound[name] = number
        if f"{{{name}}}." in new.expression and not isinstance(
            arg.value, cst.Name | cst.Attribute | cst.Call | cst.Subscript
        ):
            return None
        if f"* {{{name}}}" in new.expression and isinstance(
            arg.value, cst.BinaryOperation | cst.UnaryOperation
        ):
            return None
    for name in names:
        if name not in bound:
            if name not in defaults:
                return None
            bound[name] = defaults[name]
    return bound


class _Fill(cst.CSTTransformer):
    """Puts expressions in the place of names."""

    def __init__(self, values: dict[str, cst.BaseExpression]) -> None:
        super().__init__()
        self._values = values

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.BaseExpression:
        return self._values.get(original_node.value, updated_node)


def _local_name(script: Script, module: str) -> str:
    """Returns the local name of `keras.ops` or `keras.random`, which is imported."""
    return script.new_imports.require(*module.rsplit(".", 1))


def _backend_name(script: Script, call: cst.Call) -> str:
    """Returns the text before the name of the function, such as `K`."""
    assert isinstance(call.func, cst.Attribute)
    return script.code(call.func.value)
