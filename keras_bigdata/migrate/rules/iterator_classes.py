"""Iterators for Python 2, where the method `__next__` was called `next`."""

from __future__ import annotations

import libcst as cst

from keras_bigdata.migrate.script import Script
from keras_bigdata.migrate.syntax_tree import walk

_NAMES = {"next", "__next__"}
_IMAGE_ITERATORS = {"flow", "flow_from_dataframe", "flow_from_directory"}
_IMAGE_GENERATOR = "keras.preprocessing.image.ImageDataGenerator"


def plan(script: Script) -> None:
    """Changes `iterator.next()` to `next(iterator)`, and notes classes without `__next__`."""
    methods = [node for node in script.all(cst.FunctionDef) if node.name.value in _NAMES]
    # `self.iterator.next()` in the method `next` of a class is not a call of that method.
    inner = {node for method in methods for node in walk(method.body)}
    for call in script.calls if script.uses_keras else ():
        if script.method_of(call) == "next" and not call.args:
            _plan_next(script, call, may_note=not methods or call in inner)
    for node in script.all(cst.ClassDef):
        _note_iterator_class(script, node)


def _plan_next(script: Script, call: cst.Call, *, may_note: bool) -> None:
    assert isinstance(call.func, cst.Attribute)
    iterator = call.func.value
    if _is_image_iterator(script, iterator):
        script.edit(call, _to_next)
    elif may_note:
        code = script.code(iterator)
        script.note(
            call,
            f"{code}.next(): iterators of Python 3, those of Keras among them, have no method "
            f"`next`. If {code} is an iterator, write next({code}).",
        )


def _to_next(call: cst.Call) -> cst.Call:
    iterator = cst.ensure_type(call.func, cst.Attribute).value
    return call.with_changes(func=cst.Name("next"), args=[cst.Arg(iterator)])


def _is_image_iterator(script: Script, node: cst.BaseExpression) -> bool:
    """Whether a node is what `ImageDataGenerator.flow` or a similar method returns."""
    value = script.value_of(node)
    if not isinstance(value, cst.Call) or script.method_of(value) not in _IMAGE_ITERATORS:
        return False
    generator = script.value_of(cst.ensure_type(value.func, cst.Attribute).value)
    return isinstance(generator, cst.Call) and script.full_name(generator.func) == _IMAGE_GENERATOR


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
