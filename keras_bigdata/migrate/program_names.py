"""Resolves names that come through modules of the same program.

`from models import *` gives a script what `models.py` defines, and the names of Keras that
`models.py` itself imports.
"""

from __future__ import annotations

import builtins
from dataclasses import dataclass
from typing import TYPE_CHECKING

import libcst as cst
from libcst.metadata import Assignment, ImportAssignment

from keras_bigdata.migrate.dotted_names import dotted_name
from keras_bigdata.old_keras.locations import (
    REMOVED_NAMES,
    canonical_name,
    is_public_name,
    keras_root,
    new_location,
)
from keras_bigdata.old_keras.star_names import meaning_of, star_names

if TYPE_CHECKING:
    from keras_bigdata.migrate.script import Script


@dataclass(frozen=True, slots=True)
class ProgramName:
    """A name that a script of the program defines.

    Attributes:
        script: the script.
        name: its global name.
        attributes: the attributes that follow the name, such as `fit` in `model.fit`.
    """

    script: Script
    name: str
    attributes: tuple[str, ...] = ()

    @property
    def is_variable(self) -> bool:
        """Whether it is assigned, and neither a function nor a class."""
        bindings = self.script.global_bindings(self.name)
        return not any(
            isinstance(binding, Assignment)
            and isinstance(binding.node, cst.FunctionDef | cst.ClassDef)
            for binding in bindings
        )


# `None` if the meaning is unknown.
Meaning = str | ProgramName | None


def module_name(node: cst.ImportFrom) -> str:
    """Returns the module of a statement as written, such as `models` or `..models`."""
    return "." * len(node.relative) + dotted_name(node.module)


def meaning_of_global(
    script: Script, name: str, seen: frozenset[tuple[int, str]] = frozenset()
) -> Meaning:
    """Returns what a global name of a script stands for.

    Args:
        script: the script.
        name: the name.
        seen: the names that are being resolved. Modules may import each other in a circle.

    Returns:
        The full name of an imported object, the place where the program defines it, or `None`.
    """
    if (id(script), name) in seen:
        return None
    seen |= {(id(script), name)}
    bindings = script.global_bindings(name)
    if bindings:
        imported = {
            qualified.name
            for binding in bindings
            if isinstance(binding, ImportAssignment)
            for qualified in binding.get_qualified_names_for(name)
        }
        if not imported:
            return ProgramName(script, name)
        if len(imported) > 1 or not all(isinstance(one, ImportAssignment) for one in bindings):
            return None
        return meaning_of_import(script, imported.pop(), seen)
    return meaning_of_star_name(script, name, seen)


def meaning_of_star_name(
    script: Script, name: str, seen: frozenset[tuple[int, str]] = frozenset()
) -> Meaning:
    """Returns what a name stands for if only `from module import *` can bind it."""
    keras_modules: list[str] = []
    for module in reversed(script.star_modules):
        imported_script = script.find_module(module)
        if imported_script is not None:
            if not _exports(imported_script, name):
                continue
            meaning = meaning_of_global(imported_script, name, seen)
            if meaning is not None:
                # A later `import *` of Keras could have bound the name too.
                known = _keras_module(keras_modules, name)
                return f"{known}.{name}" if known else meaning
            if may_have_other_names(imported_script):
                return None
        elif keras_root(module):
            keras_modules.append(module)
        else:
            return None
    if not keras_modules or hasattr(builtins, name):
        return None
    known = _keras_module(keras_modules, name)
    if not known:
        module = star_module(script, name)
        if module:
            return module
    return f"{known or keras_modules[0]}.{name}"


def meaning_of_import(
    script: Script, written: str, seen: frozenset[tuple[int, str]] = frozenset()
) -> Meaning:
    """Returns what the full name of an imported object stands for.

    Args:
        script: the script with the import statement.
        written: such as `models.build`, `.models.build`, or `keras.layers.Dense`.
        seen: the names that are being resolved.

    Returns:
        `written` itself if it does not come from a module of the program.
    """
    if keras_root(written):
        return written
    relative = written[: len(written) - len(written.lstrip("."))]
    parts = written[len(relative) :].split(".")
    for count in range(len(parts), -1 if relative else 0, -1):
        imported_script = script.find_module(relative + ".".join(parts[:count]))
        if imported_script is None:
            continue
        if count == len(parts):
            return written
        first, *rest = parts[count:]
        if not imported_script.global_bindings(first) and not imported_script.star_modules:
            return written
        meaning = meaning_of_global(imported_script, first, seen)
        if isinstance(meaning, str):
            return ".".join([meaning, *rest])
        if meaning is None:
            return written
        return ProgramName(meaning.script, meaning.name, (*meaning.attributes, *rest))
    return written


def may_have_other_names(script: Script, seen: frozenset[int] = frozenset()) -> bool:
    """Whether a script imports all names of a module that is not known."""
    if id(script) in seen:
        return False
    seen |= {id(script)}
    for module in script.star_modules:
        imported_script = script.find_module(module)
        if imported_script is None or may_have_other_names(imported_script, seen):
            return True
    return False


def star_module(script: Script, name: str) -> str:
    """Returns the module that `import *` of Keras 1 and 2 bound to a name such as `np` or `K`.

    Args:
        script: the script.
        name: a name that nothing else in the script binds.

    Returns:
        Such as `numpy` or `keras.backend`; `""` if no star of the script bound the name, or if it
        is a class or a function of Keras. In `tensorflow.keras` a star bound public names only.
    """
    stars = [module for module in script.star_modules if keras_root(module) == "keras"]
    is_bound = any(name in star_names(module) for module in stars)
    return (meaning_of(name) or "") if is_bound else ""


def _exports(script: Script, name: str) -> bool:
    """Whether `from script import *` may bind a name."""
    exported = _all_of(script)
    if exported is not None:
        return name in exported
    return not name.startswith("_")


def _all_of(script: Script) -> set[str] | None:
    """Returns the names in `__all__`, or `None` if there is none or it is computed."""
    bindings = list(script.global_bindings("__all__"))
    if len(bindings) != 1:
        return None
    for node in script.module.body:
        if not isinstance(node, cst.SimpleStatementLine):
            continue
        for statement in node.body:
            if (
                isinstance(statement, cst.Assign)
                and dotted_name(statement.targets[0].target) == "__all__"
                and isinstance(statement.value, cst.List | cst.Tuple)
            ):
                values = [element.value for element in statement.value.elements]
                if all(isinstance(value, cst.SimpleString) for value in values):
                    return {str(value.evaluated_value) for value in values}  # type: ignore[attr-defined]
    return None


def _keras_module(modules: list[str], name: str) -> str:
    """Returns the first of some modules of Keras that is known to have a name, or `""`."""
    for module in modules:
        canonical = canonical_name(module)
        if (
            is_public_name(canonical, name)
            or f"{canonical}.{name}" in REMOVED_NAMES
            or isinstance(new_location(canonical, name), tuple)
        ):
            return module
    return ""
