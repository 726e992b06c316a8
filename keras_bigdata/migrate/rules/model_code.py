"""Model code that has another form in Keras 3. Almost all of it is noted and not changed."""

from __future__ import annotations

import libcst as cst

from keras_bigdata.migrate import call_edits
from keras_bigdata.migrate.script import Script


def plan(script: Script) -> None:
    """Notes what the user has to look at, and renames `Model(input=, output=)`."""
    for call in script.calls:
        name = script.full_name(call.func)
        if name.startswith("keras."):
            _plan_keras_call(script, call, name)
    for node in script.all(cst.ClassDef):
        _note_iterator_class(script, node)


def _plan_keras_call(script: Script, call: cst.Call, full_name: str) -> None:
    name = full_name.rpartition(".")[2]
    keywords = call_edits.keyword_names(call)
    if name == "Model" and keywords & {"input", "output"}:
        script.edit(
            call,
            lambda new: call_edits.rename_keywords(new, {"input": "inputs", "output": "outputs"}),
        )


def _note_iterator_class(script: Script, node: cst.ClassDef) -> None:
    """Notes an iterator that was written for Python 2, where `next` was called."""
    names = set()
    for part in node.body.body:
        if isinstance(part, cst.FunctionDef):
            names.add(part.name.value)
        elif isinstance(part, cst.SimpleStatementLine):
            for statement in part.body:
                if isinstance(statement, cst.Assign):
                    names |= {script.code(target.target) for target in statement.targets}
    if {"__iter__", "next"} <= names and "__next__" not in names and not node.bases:
        script.note(
            node,
            f"class {node.name.value}: Python 3 calls __next__, but the class defines only `next`.",
        )
