"""Iterator classes for Python 2, where the method `__next__` was called `next`."""

from __future__ import annotations

import libcst as cst

from keras_bigdata.migrate.script import Script


def plan(script: Script) -> None:
    """Notes classes that Python 3 cannot iterate over."""
    for node in script.all(cst.ClassDef):
        _note_iterator_class(script, node)


def _note_iterator_class(script: Script, node: cst.ClassDef) -> None:
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
