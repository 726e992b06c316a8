"""Names of metrics where they are read. Keras 3 logs a metric under its name in `compile`."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst

from keras_bigdata.migrate import call_edits
from keras_bigdata.migrate.script import Script
from keras_bigdata.migrate.strings import Text, edit_text, iterate_texts, last_part, text_of
from keras_bigdata.old_keras.metric_groups import METRIC_GROUPS

_GROUP_OF = {name: group for group in METRIC_GROUPS for name in group}

# Callbacks of Keras with a `monitor`, and its position.
_MONITORS = {"EarlyStopping": 0, "ReduceLROnPlateau": 0, "ModelCheckpoint": 1}

# A whole literal that is the name of a metric, and such a name in the template of a file name.
_NAME = re.compile(r"^(val_)?([A-Za-z_]+)$")
_NAME_IN_TEMPLATE = re.compile(r"(?<=\{)(val_)?([A-Za-z_]+)(?=[:}!])")

# The prefixes of metrics whose own names end in `_acc` in old scripts.
_OWN_ACC_METRICS = {"binary", "categorical", "sparse_categorical", "top_k_categorical"}


def plan(script: Script) -> None:
    """Changes names of metrics to those that are logged, or notes names that are not known."""
    logged_by_script: dict[int, dict[str, set[str]]] = {}

    def logged_for(node: cst.CSTNode) -> dict[str, set[str]]:
        # A literal in a module that several scripts import is read by the models of all of them.
        owner = script.owner(node)
        if id(owner) not in logged_by_script:
            logged_by_script[id(owner)] = _logged_names(owner)
        return logged_by_script[id(owner)]

    for node, reader in _read_names(script):
        _rename(script, node, _NAME, logged_for(node))
        _note_unknown(script, node, reader, text_of(node), logged_for(node))
    for call in script.calls:
        if script.full_name(call.func) == "keras.callbacks.ModelCheckpoint":
            path = call_edits.find_argument(call, "filepath", 0)
            for text in _file_name_texts(script, path.value) if path is not None else ():
                _plan_template(script, text, logged_for(text))
    for attribute in script.all(cst.Attribute):
        if attribute.attr.value == "metrics_names" and script.uses_keras:
            script.note(
                attribute,
                "metrics_names is ['loss', 'compile_metrics'] in Keras 3. Use "
                "evaluate(..., return_dict=True), which returns names with values.",
            )


def _rename(
    script: Script, node: Text, pattern: re.Pattern[str], logged: dict[str, set[str]]
) -> None:
    """Replaces names of metrics in a text by the names that are logged, where they are known."""

    def replacement(match: re.Match[str]) -> str:
        prefix, name = match[1] or "", match[2]
        group = _GROUP_OF.get(name)
        names = logged.get(group[0], set()) if group else set()
        return f"{prefix}{next(iter(names))}" if len(names) == 1 else match[0]

    text = text_of(node)
    if pattern.sub(replacement, text) != text:
        edit_text(script, node, lambda text: pattern.sub(replacement, text))


def _logged_names(script: Script) -> dict[str, set[str]]:
    """Returns the names that `compile` receives in the files that belong together with a script.

    The result has the names by the first name of their group.
    """
    logged: dict[str, set[str]] = {}
    for one in script.program:
        for call in one.calls:
            if one.method_of(call) == "compile":
                for name in _compiled_metrics(one, call):
                    logged.setdefault(_GROUP_OF[name][0], set()).add(name)
    return logged


def _compiled_metrics(script: Script, call: cst.Call) -> Iterator[str]:
    """Yields the names in `metrics=` that are in a group."""
    arg = call_edits.find_argument(call, "metrics", 2)
    if arg is None:
        return
    metrics = script.value_of(arg.value)
    names = [text_of(node) for node in iterate_texts(metrics)]
    if isinstance(metrics, cst.List | cst.Tuple):
        for element in metrics.elements:
            # Functions of these names count too.
            if isinstance(element.value, cst.Name):
                names.append(element.value.value)
                names += [text_of(node) for node in iterate_texts(script.value_of(element.value))]
    yield from (name for name in names if name in _GROUP_OF)


def _read_names(script: Script) -> Iterator[tuple[cst.SimpleString, str]]:
    """Yields the literals that certainly name a metric, and what reads it, for notes."""
    for call in script.calls:
        name = script.keras_name(call.func)
        if name in _MONITORS:
            monitor = call_edits.find_argument(call, "monitor", _MONITORS[name])
            if monitor is not None:
                value = script.value_of(monitor.value)
                if isinstance(value, cst.SimpleString):
                    yield value, f"{name} monitors"
        elif isinstance(call.func, cst.Attribute) and call.func.attr.value == "get" and call.args:
            key = call.args[0].value
            if _is_history(script, call.func.value) and isinstance(key, cst.SimpleString):
                yield key, "this code reads"
    for node in script.all(cst.Subscript):
        if len(node.slice) == 1 and _is_history(script, node.value):
            index = node.slice[0].slice
            if isinstance(index, cst.Index) and isinstance(index.value, cst.SimpleString):
                yield index.value, "this code reads"


def _is_history(script: Script, node: cst.BaseExpression) -> bool:
    """Whether a node is `history.history`, or the `logs` of a method of a callback."""
    value = script.value_of(node)
    if isinstance(value, cst.Attribute) and value.attr.value == "history":
        return True
    return isinstance(node, cst.Name) and node.value == "logs" and _is_in_callback(script, node)


def _is_in_callback(script: Script, node: cst.CSTNode) -> bool:
    while not isinstance(node, cst.Module):
        node = script.parent(node)
        if isinstance(node, cst.FunctionDef):
            params = [param.name.value for param in node.params.params]
            return node.name.value.startswith("on_") and "logs" in params
    return False


def _file_name_texts(script: Script, path: cst.BaseExpression) -> Iterator[Text]:
    value = script.value_of(path)
    yield from iterate_texts(value)
    last = last_part(value)
    if isinstance(last, cst.Name) and last is not path:
        yield from iterate_texts(script.value_of(last))


def _plan_template(script: Script, node: Text, logged: dict[str, set[str]]) -> None:
    _rename(script, node, _NAME_IN_TEMPLATE, logged)
    for match in _NAME_IN_TEMPLATE.finditer(text_of(node)):
        _note_unknown(script, node, "the file name contains", match[0], logged)


def _note_unknown(
    script: Script, node: Text, reader: str, name: str, logged: dict[str, set[str]]
) -> None:
    """Adds a note if a metric may be logged under another name than the one that is read.

    Args:
        script: the script.
        node: the text with the name.
        reader: what reads the metric, as the beginning of a sentence.
        name: the name of the metric.
        logged: the result of `_logged_names`.
    """
    group = _GROUP_OF.get(name.removeprefix("val_"))
    if group is not None:
        names = logged.get(group[0], set())
        if len(names) != 1:
            where = "this file" if len(script.program) == 1 else "this program"
            in_compile = " and ".join(f"'{n}'" for n in sorted(names)) or f"not found in {where}"
            prefix = "val_" if name.startswith("val_") else ""
            texts = " or ".join(f"'{prefix}{n}'" for n in sorted(names) or group[:2])
            script.note(
                node,
                f"{reader} '{name}': Keras 3 logs a metric under the name that `compile` receives, "
                f"which is {in_compile}. Write {texts}, whichever is in `compile`.",
            )
        return
    # With several outputs, the name of the output precedes that of the metric.
    output = name.removeprefix("val_").removesuffix("_acc")
    names = logged.get("acc", set())
    if name.endswith("_acc") and "acc" not in names and output not in _OWN_ACC_METRICS:
        in_compile = " or ".join(f"'_{n}'" for n in sorted(names)) or "the name in `compile`"
        script.note(
            node, f"{reader} '{name}': in Keras 3 this name ends in {in_compile}, not in '_acc'."
        )
