"""Names of files of weights and models, whose suffix decides their format in Keras 3."""

from __future__ import annotations

import re

import libcst as cst

from keras_bigdata.migrate import call_edits
from keras_bigdata.migrate.script import Script
from keras_bigdata.migrate.strings import Text, edit_text, last_text, text_of

_OLD_SUFFIX = re.compile(r"\.(h5|hdf5|hdf|h5py)$")
_WEIGHTS_SUFFIX = ".weights.h5"
_MODEL_SUFFIX = ".keras"

# Calls in which the same file name must be changed too, in addition to those that save with a
# callback or `save_weights`.
_RELATED_CALLS = {"load_weights", "load_model", "save", "exists", "isfile", "remove", "unlink"}
# Calls for which another suffix makes no difference.
_SAFE_CALLS = _RELATED_CALLS | {"save_weights", "ModelCheckpoint", "print", "format"}


def plan(script: Script) -> None:
    """Changes the suffixes of files that are saved, and wherever the same files are used."""
    # The expressions that name each file, with the suffix that is required there.
    files: dict[str, list[tuple[cst.BaseExpression, str]]] = {}
    for call in script.calls:
        path, suffix = _saved_file(script, call)
        if path is not None:
            files.setdefault(_file_key(script, path), []).append((path, suffix))
    for call in script.calls:
        key = _file_key(script, call.args[0].value) if call.args else ""
        if _function_name(call) in _RELATED_CALLS and key in files:
            suffix = _MODEL_SUFFIX if _function_name(call) == "save" else files[key][0][1]
            files[key].append((call.args[0].value, suffix))
    for occurrences in files.values():
        _plan_file(script, occurrences)


def _plan_file(script: Script, occurrences: list[tuple[cst.BaseExpression, str]]) -> None:
    """Changes the name of one file wherever it occurs."""
    if len({suffix for _, suffix in occurrences}) > 1:
        lines = sorted({script.line(node) for node, _ in occurrences})
        script.note(
            occurrences[0][0],
            f"weights ('{_WEIGHTS_SUFFIX}') and whole models ('{_MODEL_SUFFIX}') are saved under "
            f"the same file name, in lines {', '.join(map(str, lines))}: use two file names.",
        )
        return
    done = set()
    for node, suffix in occurrences:
        assignment = script.assignment_of(node)
        if assignment not in done or assignment is None:
            _change_suffix(script, node, suffix)
            done.add(assignment)


def _saved_file(script: Script, call: cst.Call) -> tuple[cst.BaseExpression | None, str]:
    """Returns the name of the file that a call saves, and the suffix that it must have."""
    arg = call_edits.find_argument(call, "filepath", 0)
    path = None if arg is None else arg.value
    if script.full_name(call.func) == "keras.callbacks.ModelCheckpoint":
        only = call_edits.find_argument(call, "save_weights_only", 4)
        value = "False" if only is None else script.code(script.value_of(only.value))
        if call_edits.has_starred(call) or call_edits.has_starred(call, "**"):
            script.note(
                call,
                "ModelCheckpoint: arguments are passed with `*` or `**`, so they are not known. "
                f"Check that the file name ends in '{_WEIGHTS_SUFFIX}' with "
                f"save_weights_only=True, else in '{_MODEL_SUFFIX}'.",
            )
            return None, ""
        if value not in ("True", "False"):
            script.note(
                call,
                f"ModelCheckpoint: the file name must end in '{_WEIGHTS_SUFFIX}' with "
                f"save_weights_only=True, else in '{_MODEL_SUFFIX}'. Here save_weights_only is "
                f"{value}, whose value is not known.",
            )
            return None, ""
        return path, _WEIGHTS_SUFFIX if value == "True" else _MODEL_SUFFIX
    if _function_name(call) == "save_weights" and not script.written_name(call.func):
        return path, _WEIGHTS_SUFFIX
    return None, ""


def _function_name(call: cst.Call) -> str:
    if isinstance(call.func, cst.Attribute):
        return call.func.attr.value
    return call.func.value if isinstance(call.func, cst.Name) else ""


def _file_key(script: Script, node: cst.BaseExpression) -> str:
    """Returns a key that is equal for expressions that name the same file."""
    return script.code(script.value_of(node))


def _change_suffix(script: Script, node: cst.BaseExpression, suffix: str) -> None:
    """Changes the suffix of a file name in the literal that has it, or notes why not."""
    assignment = script.assignment_of(node)
    if assignment is not None:
        last = last_text(assignment.value)
        other_uses = [use for use in script.uses(assignment) if not _is_safe_use(script, use)]
        if other_uses and last is not None and _needs_change(last, suffix):
            script.note(
                node,
                f"the file name must end in '{suffix}', but it is used for something else too "
                f"(line {script.line(other_uses[0])}).",
            )
            return
        node = assignment.value
    last = last_text(node)
    if last is None:
        script.note(
            node,
            f"the file name must end in '{suffix}'; the value of {script.code(node)} is not known "
            "here.",
        )
    elif not _has_old_suffix(last):
        if not text_of(last).endswith((suffix, ".keras", ".h5")):
            script.note(node, f"the file name must end in '{suffix}'.")
    elif _needs_change(last, suffix):
        edit_text(script, last, lambda text: _OLD_SUFFIX.sub(suffix, text))


def _is_safe_use(script: Script, use: cst.Name) -> bool:
    """Whether a name is only passed to a call for which another suffix makes no difference."""
    arg = script.parent(use)
    call = script.parent(arg) if isinstance(arg, cst.Arg) else None
    return isinstance(call, cst.Call) and (
        _function_name(call) in _SAFE_CALLS or script.keras_name(call.func) == "ModelCheckpoint"
    )


def _has_old_suffix(node: Text) -> bool:
    return _OLD_SUFFIX.search(text_of(node)) is not None


def _needs_change(node: Text, suffix: str) -> bool:
    return _has_old_suffix(node) and not text_of(node).endswith(suffix)
