"""Names of metrics where they are read: Keras 3 logs them as `compile` was given them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst

from keras_bigdata.migrate import call_edits
from keras_bigdata.migrate.script import Script
from keras_bigdata.migrate.strings import Text, edit_text, text_of, texts_in

# Earlier releases logged each of a group under one name, whichever `compile` was given.
_GROUPS = (
    ("acc", "accuracy", "Accuracy"),
    ("mae", "mean_absolute_error", "MAE"),
    ("mse", "mean_squared_error", "MSE"),
    ("mape", "mean_absolute_percentage_error", "MAPE"),
    ("msle", "mean_squared_logarithmic_error", "MSLE"),
)
_GROUP_OF = {name: group for group in _GROUPS for name in group}

# Callbacks of Keras with a `monitor`, and its position.
_MONITORS = {"EarlyStopping": 0, "ReduceLROnPlateau": 0, "ModelCheckpoint": 1}


def plan(script: Script) -> None:
    """Has the names changed to those that are logged, or leaves them to a person."""
    logged = _logged(script)
    for node, where in _read(script):
        text = text_of(node)
        new = _NAME.sub(lambda match: _renamed(match, logged), text)
        if new != text:
            edit_text(
                script, node, lambda text: _NAME.sub(lambda match: _renamed(match, logged), text)
            )
        _leave(script, node, where, text, logged)
    for call in script.calls:
        if script.name_of(call.func) == "keras.callbacks.ModelCheckpoint":
            path = call_edits.argument(call, "filepath", 0)
            for piece in texts_in(script.value_of(path.value)) if path is not None else ():
                _in_template(script, piece, logged)
    for attribute in script.all(cst.Attribute):
        if attribute.attr.value == "metrics_names" and script.uses_keras:
            script.note(
                attribute,
                "metrics_names is ['loss', 'compile_metrics'] today: "
                "evaluate(..., return_dict=True) gives names with values.",
            )


_NAME = re.compile(r"^(val_)?([A-Za-z_]+)$")
_IN_TEMPLATE = re.compile(r"(?<=\{)(val_)?([A-Za-z_]+)(?=[:}!])")


def _renamed(match: re.Match[str], logged: dict[str, set[str]]) -> str:
    before, name = match[1] or "", match[2]
    group = _GROUP_OF.get(name)
    names = logged.get(group[0], set()) if group else set()
    return f"{before}{next(iter(names))}" if len(names) == 1 else match[0]


def _logged(script: Script) -> dict[str, set[str]]:
    """For each group (by its first name) the names that `compile` is given in this file."""
    logged: dict[str, set[str]] = {}
    for call in script.calls:
        if not isinstance(call.func, cst.Attribute) or call.func.attr.value != "compile":
            continue
        metrics = call_edits.argument(call, "metrics", 2)
        if metrics is None:
            continue
        given = script.value_of(metrics.value)
        names = [text_of(node) for node in texts_in(given)]
        if isinstance(given, cst.List | cst.Tuple):  # functions of these names count too
            names += [e.value.value for e in given.elements if isinstance(e.value, cst.Name)]
        for name in names:
            if name in _GROUP_OF:
                logged.setdefault(_GROUP_OF[name][0], set()).add(name)
    return logged


def _read(script: Script) -> Iterator[tuple[cst.SimpleString, str]]:
    """Literals that surely name a metric, and where."""
    for call in script.calls:
        name = script.keras_name(call.func)
        if name in _MONITORS:
            monitor = call_edits.argument(call, "monitor", _MONITORS[name])
            if monitor is not None:
                value = script.value_of(monitor.value)
                if isinstance(value, cst.SimpleString):
                    yield value, f"{name} monitors"
        elif isinstance(call.func, cst.Attribute) and call.func.attr.value == "get" and call.args:
            key = call.args[0].value
            if _is_history(script, call.func.value) and isinstance(key, cst.SimpleString):
                yield key, "this reads"
    for node in script.all(cst.Subscript):
        if len(node.slice) == 1 and _is_history(script, node.value):
            index = node.slice[0].slice
            if isinstance(index, cst.Index) and isinstance(index.value, cst.SimpleString):
                yield index.value, "this reads"


def _is_history(script: Script, node: cst.BaseExpression) -> bool:
    """`model.fit(...).history`, `history.history`, and the `logs` of a callback's methods."""
    value = script.value_of(node)
    if isinstance(value, cst.Attribute) and value.attr.value == "history":
        return True
    return isinstance(node, cst.Name) and node.value == "logs" and _in_callback(script, node)


def _in_callback(script: Script, node: cst.CSTNode) -> bool:
    while not isinstance(node, cst.Module):
        node = script.parent(node)
        if isinstance(node, cst.FunctionDef):
            params = [param.name.value for param in node.params.params]
            return node.name.value.startswith("on_") and "logs" in params
    return False


def _in_template(script: Script, node: Text, logged: dict[str, set[str]]) -> None:
    text = text_of(node)
    new = _IN_TEMPLATE.sub(lambda match: _renamed(match, logged), text)
    if new != text:
        edit_text(
            script,
            node,
            lambda text: _IN_TEMPLATE.sub(lambda match: _renamed(match, logged), text),
        )
    for match in _IN_TEMPLATE.finditer(text):
        _leave(script, node, "the name of the file has", match[0], logged)


def _leave(script: Script, node: Text, where: str, name: str, logged: dict[str, set[str]]) -> None:
    """Notes a name that may be logged otherwise."""
    group = _GROUP_OF.get(name.removeprefix("val_"))
    if group is not None:
        names = logged.get(group[0], set())
        if len(names) != 1:
            given = " and ".join(f"'{n}'" for n in sorted(names)) or "not to be seen in this file"
            script.note(
                node,
                f"{where} '{name}': a metric is logged by the name that `compile` is given, and "
                f"that is {given}.",
            )
        return
    # Of several outputs, each has its name before that of the metric.
    output = name.removeprefix("val_").removesuffix("_acc")
    names = logged.get("acc", set())
    if name.endswith("_acc") and "acc" not in names and output not in _FUNCTIONS:
        given = " or ".join(sorted(names)) or "as `compile` names it"
        script.note(node, f"{where} '{name}': what ends in '_acc' is logged {given} today.")


# Metrics that are themselves called so in old scripts.
_FUNCTIONS = {"binary", "categorical", "sparse_categorical", "top_k_categorical"}
