"""Old suffixes of the files that `ModelCheckpoint` and `save_weights` write.

The suffix decides the format in Keras 3: it is changed wherever the same file is named, also in
`model.save`. Names of models without a suffix, and `save_format`, are the case of saved_models.
"""

from __future__ import annotations

import re

import libcst as cst

from keras_bigdata.migrate import call_edits
from keras_bigdata.migrate.notes import name_lines
from keras_bigdata.migrate.script import Script
from keras_bigdata.migrate.strings import Text, edit_text, last_part, last_text, text_of

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
    saved_texts = _saved_texts(script, files)
    for call in (call for one in script.program for call in one.calls):
        name = _function_name(call)
        if name not in _RELATED_CALLS or not call.args:
            continue
        path = call.args[0].value
        key = _file_key(script, path)
        if key not in files:
            # The same literal in another expression, as in `os.path.join(directory, "best.h5")`.
            last = last_text(script.value_of(path))
            key = saved_texts.get((text_of(last), _suffix_to_load(name)), "") if last else ""
        if key in files:
            suffix = _MODEL_SUFFIX if name == "save" else files[key][0][1]
            files[key].append((path, suffix))
    for occurrences in files.values():
        _plan_file(script, occurrences)


def _saved_texts(
    script: Script, files: dict[str, list[tuple[cst.BaseExpression, str]]]
) -> dict[tuple[str, str], str]:
    """Returns the keys of files by the literal with which their names end, and their suffix."""
    keys: dict[tuple[str, str], str] = {}
    for key, occurrences in files.items():
        path, suffix = occurrences[0]
        last = last_text(script.value_of(path))
        if last is not None:
            keys[text_of(last), suffix] = key
    return keys


def _suffix_to_load(function: str) -> str:
    return {"load_weights": _WEIGHTS_SUFFIX, "load_model": _MODEL_SUFFIX}.get(function, "")


def _plan_file(script: Script, occurrences: list[tuple[cst.BaseExpression, str]]) -> None:
    """Changes the name of one file wherever it occurs."""
    if len({suffix for _, suffix in occurrences}) > 1:
        lines = sorted({script.line(node) for node, _ in occurrences})
        script.note(
            occurrences[0][0],
            f"weights ('{_WEIGHTS_SUFFIX}') and whole models ('{_MODEL_SUFFIX}') are saved under "
            f"the same file name, in {name_lines(lines, script.line_name)}: use two file "
            "names.",
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


def _change_suffix(
    script: Script, node: cst.BaseExpression, suffix: str, known_use: cst.CSTNode | None = None
) -> None:
    """Changes the suffix of a file name in the literal that has it, or notes why not.

    Args:
        script: the script.
        node: the expression.
        suffix: the suffix that the file name must have.
        known_use: a use of `node` that needs the same suffix.
    """
    assignment = script.assignment_of(node)
    value = script.value_of(node) if assignment is None else assignment.value
    last = last_text(value)
    if assignment is not None:
        other_uses = [
            use
            for use in script.uses(assignment)
            if use is not known_use and not _is_safe_use(script, use)
        ]
        if other_uses and last is not None and _needs_change(last, suffix):
            script.note(
                node,
                f"the file name must end in '{suffix}', but it is used for something else too "
                f"({script.line_name(script.line(other_uses[0]))}).",
            )
            return
    part = last_part(value)
    if last is None:
        if isinstance(part, cst.Name) and script.assignment_of(part) is not None:
            _change_suffix(script, part, suffix, part)
            return
        script.note(
            node,
            f"the file name must end in '{suffix}'; the value of {script.code(node)} is not known "
            "here.",
        )
    elif not _has_old_suffix(last):
        if not text_of(last).endswith((suffix, ".keras", ".h5")):
            script.note(node, f"the file name must end in '{suffix}'.")
    elif _needs_change(last, suffix):
        if assignment is None and value is not node:  # another module assigns it
            script.note(
                last,
                f"the file name must end in '{suffix}': write "
                f"{_OLD_SUFFIX.sub(suffix, text_of(last))!r} if no other file is meant.",
            )
            return
        edit_text(script, last, lambda text: _with_suffix(text, suffix))


def _with_suffix(text: str, suffix: str) -> str:
    # Several scripts of a program may edit the same literal.
    return text if text.endswith(suffix) else _OLD_SUFFIX.sub(suffix, text)


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
