"""Names of files of weights and models: Keras 3 looks at how they end."""

from __future__ import annotations

import re

import libcst as cst

from keras_bigdata.migrate import call_edits
from keras_bigdata.migrate.script import Script
from keras_bigdata.migrate.strings import edit_text, last_string, text_of

_OLD = re.compile(r"\.(h5|hdf5|hdf|h5py)$")
_WEIGHTS = ".weights.h5"
_MODEL = ".keras"

# Calls that take a name of such a file, beside those that save it.
_ALONG = {"load_weights", "load_model", "save", "exists", "isfile", "remove", "unlink"}
_HARMLESS = _ALONG | {"save_weights", "ModelCheckpoint", "print", "format"}


def plan(script: Script) -> None:
    """Has the names changed where files are saved, and alike where they are loaded."""
    saved: dict[str, list[tuple[cst.BaseExpression, str]]] = {}
    for call in script.calls:
        path, ending = _saving(script, call)
        if path is not None:
            saved.setdefault(_meaning(script, path), []).append((path, ending))
    for call in script.calls:
        meaning = _meaning(script, call.args[0].value) if call.args else ""
        if _called(call) in _ALONG and meaning in saved:
            ending = _MODEL if _called(call) == "save" else saved[meaning][0][1]
            saved[meaning].append((call.args[0].value, ending))
    for places in saved.values():
        _change_all(script, places)


def _change_all(script: Script, places: list[tuple[cst.BaseExpression, str]]) -> None:
    """Changes how one file is called, wherever it is named."""
    if len({ending for _, ending in places}) > 1:
        lines = sorted({script.line(node) for node, _ in places})
        script.note(
            places[0][0],
            f"weights ('{_WEIGHTS}') and whole models ('{_MODEL}') are saved under this one name, "
            f"in lines {', '.join(map(str, lines))}: name two files.",
        )
        return
    done = set()
    for node, ending in places:
        assignment = script.assignment_of(node)
        if assignment not in done or assignment is None:
            _change(script, node, ending)
            done.add(assignment)


def _saving(script: Script, call: cst.Call) -> tuple[cst.BaseExpression | None, str]:
    """The name of a file that a call saves, and how it has to end."""
    arg = call_edits.argument(call, "filepath", 0)
    path = None if arg is None else arg.value
    if script.name_of(call.func) == "keras.callbacks.ModelCheckpoint":
        only = call_edits.argument(call, "save_weights_only", 4)
        value = "False" if only is None else script.code(script.value_of(only.value))
        if call_edits.has_stars(call) or call_edits.has_stars(call, "**"):
            script.note(call, "ModelCheckpoint: arguments are not written out; see what they are.")
            return None, ""
        if value not in ("True", "False"):
            script.note(
                call,
                "ModelCheckpoint: the name must end in '.weights.h5' with save_weights_only=True, "
                f"else in '.keras'; here it is {value}.",
            )
            return None, ""
        return path, _WEIGHTS if value == "True" else _MODEL
    if _called(call) == "save_weights" and not script.qualified(call.func):
        return path, _WEIGHTS
    return None, ""


def _called(call: cst.Call) -> str:
    if isinstance(call.func, cst.Attribute):
        return call.func.attr.value
    return call.func.value if isinstance(call.func, cst.Name) else ""


def _meaning(script: Script, node: cst.BaseExpression) -> str:
    """Two expressions of the same meaning name the same file."""
    return script.code(script.value_of(node))


def _change(script: Script, node: cst.BaseExpression, ending: str) -> None:
    """Changes how the name of a file ends, where it is written."""
    assignment = script.assignment_of(node)
    if assignment is not None:
        last = last_string(assignment.value)
        others = [use for use in script.uses(assignment) if not _is_passed(script, use)]
        if others and last is not None and _needs(last, ending):
            script.note(
                node,
                f"the file must end in '{ending}'; its name is used for something else too "
                f"(line {script.line(others[0])}).",
            )
            return
        node = assignment.value
    last = last_string(node)
    if last is None:
        script.note(
            node,
            f"the name of this file must end in '{ending}'; {script.code(node)} is not known here.",
        )
    elif not _old(last):
        if not text_of(last).endswith(ending) and not text_of(last).endswith((".keras", ".h5")):
            script.note(node, f"the name of this file must end in '{ending}'.")
    elif _needs(last, ending):
        edit_text(script, last, lambda text: _OLD.sub(ending, text))


def _is_passed(script: Script, use: cst.Name) -> bool:
    """Whether a use of a name only hands it to something that saves, loads or tests a file."""
    arg = script.parent(use)
    call = script.parent(arg) if isinstance(arg, cst.Arg) else None
    return isinstance(call, cst.Call) and (
        _called(call) in _HARMLESS or script.keras_name(call.func) == "ModelCheckpoint"
    )


def _old(node: cst.SimpleString | cst.FormattedStringText) -> bool:
    return _OLD.search(text_of(node)) is not None


def _needs(node: cst.SimpleString | cst.FormattedStringText, ending: str) -> bool:
    return _old(node) and not text_of(node).endswith(ending)
