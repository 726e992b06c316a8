"""Imports of names that have moved, and uses of those names in full."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from keras_bigdata.migrate.dotted_names import dotted_name, name_node
from keras_bigdata.migrate.program_names import star_module
from keras_bigdata.migrate.rules import loss_functions
from keras_bigdata.migrate.script import Script
from keras_bigdata.old_keras.locations import (
    REMOVED_NAMES,
    SUBMODULES,
    canonical_name,
    is_public_name,
    keras_root,
    new_location,
)


def plan(script: Script) -> None:
    """Changes imports and full names, or notes what the user has to change."""
    for statement in script.all(cst.ImportFrom):
        written = (
            "" if statement.module is None or statement.relative else dotted_name(statement.module)
        )
        if keras_root(written) or written == "tensorflow":
            _plan_from_import(script, statement, written)
    _plan_star_names(script)
    for plain_import in script.all(cst.Import):
        for alias in plain_import.names:
            _plan_plain_import(script, alias)
    for node in script.all(cst.Attribute):
        if not _is_in_import(script, node):
            _plan_full_name(script, node)


def _plan_from_import(script: Script, node: cst.ImportFrom, written: str) -> None:
    """Splits `from a import b, c`, so that names that have moved get separate statements.

    Args:
        script: the script.
        node: the statement.
        written: the name of the module as the statement has it.
    """
    module = canonical_name(written)
    if isinstance(node.names, cst.ImportStar):
        _plan_star_import(script, node, written)
        return
    locations: dict[cst.ImportAlias, tuple[str, str]] = {}
    for alias in node.names:
        name = cst.ensure_type(alias.name, cst.Name).value
        advice = REMOVED_NAMES.get(f"{module}.{name}") or loss_functions.advice(module, name)
        if advice is not None:
            script.note(alias, f"{module}.{name} {advice}")
            continue
        location = _location_to_import(script, written, alias, name)
        if location is not None:
            locations[alias] = location
    if not locations:
        return
    line = script.parent(node)
    if not isinstance(line, cst.SimpleStatementLine) or len(line.body) != 1:
        moved = ", ".join(".".join(location) for location in locations.values())
        script.note(
            node,
            f"import from the new location: {moved}. Lines with several statements are not "
            "changed.",
        )
        return
    aliases = list(node.names)
    script.edit(line, lambda new: _split_import(new, aliases, locations))


def _location_to_import(
    script: Script, written: str, alias: cst.ImportAlias, name: str
) -> tuple[str, str] | None:
    """Returns the module and name to import instead, or `None`; notes a name that is unknown."""
    root, module = keras_root(written), canonical_name(written)
    submodule = SUBMODULES.get(f"{module}.{name}")
    if submodule is not None and (submodule.module, submodule.name) != (written, name):
        used = _used_attributes(script, alias)
        renamed = {one: loss_functions.new_function(f"{written}.{name}", one) for one in used}
        used = {one if new is None else new[1] for one, new in renamed.items()}
        if submodule.can_change(used):
            return _relocate(root, submodule.module), submodule.name
        if submodule.must_change(used):
            unknown = ", ".join(
                one or "the module itself" for one in sorted(used - submodule.names)
            )
            script.note(
                alias,
                f"{module}.{name} was removed, and the names used from it may have been removed "
                f"too: {unknown}.",
            )
        return None
    location = loss_functions.new_function(written, name) or new_location(module, name)
    if location is None:
        if root not in ("", "keras", "tensorflow.keras"):
            if is_public_name(module, name):
                return "tensorflow." + module, name
            script.note(alias, f"{written} is not a public module of Keras. Import from keras.")
        return None
    if location == "unknown":
        script.note(alias, f"{module} was removed, and no new location of {name} is known.")
        return None
    new_module, new_name = location
    new_module = _relocate(root, new_module)
    return None if (new_module, new_name) == (written, name) else (new_module, new_name)


def _relocate(root: str, module: str) -> str:
    """Returns the module in `tensorflow.keras` if the script imports Keras from TensorFlow."""
    if root not in ("", "keras") and (module + ".").startswith("keras."):
        return "tensorflow." + module
    return module


def _used_attributes(script: Script, alias: cst.ImportAlias) -> set[str]:
    """Returns the attributes of an imported module that are used; `""` for any other use of it."""
    local = alias.evaluated_alias or alias.evaluated_name
    used = set()
    for node in script.all(cst.Name):
        if node.value == local and script.written_name(node):
            parent = script.parent(node)
            is_base = isinstance(parent, cst.Attribute) and parent.value is node
            used.add(parent.attr.value if is_base else "")  # type: ignore[attr-defined]
    return used


def _split_import(
    line: cst.SimpleStatementLine,
    names: Sequence[cst.ImportAlias],
    locations: dict[cst.ImportAlias, tuple[str, str]],
) -> cst.SimpleStatementLine | cst.FlattenSentinel[cst.SimpleStatementLine]:
    """Returns an import statement as one statement for each module.

    Args:
        line: the statement as edited so far.
        names: the imported names before any edit.
        locations: the new module and name of those that have moved.
    """
    node = cst.ensure_type(line.body[0], cst.ImportFrom)
    groups: dict[str, list[cst.ImportAlias]] = {}
    kept: list[cst.ImportAlias] = []
    for old in names:
        if old not in locations:
            kept.append(old)
            continue
        module, name = locations[old]
        local = old.evaluated_alias or old.evaluated_name
        new = old.with_changes(name=cst.Name(name))
        if old.asname is None and local != name:
            new = new.with_changes(asname=cst.AsName(cst.Name(local)))
        elif old.asname is not None and local == name:
            new = new.with_changes(asname=None)
        if module == dotted_name(node.module):
            kept.append(new)
        else:
            groups.setdefault(module, []).append(new)
    if not groups:
        return line.with_changes(body=[node.with_changes(names=kept)])
    # The old statement keeps its comments and layout, and the names that have not moved (or those
    # of one new module, if all have).
    if len(groups) == 1 and not kept:
        module, aliases = next(iter(groups.items()))
        return line.with_changes(body=[node.with_changes(module=name_node(module), names=aliases)])
    first = kept
    module_node = node.module
    if not kept:
        module, first = groups.popitem()
        module_node = name_node(module)
    comments = _comments_in(node)
    head = line.with_changes(
        leading_lines=[*line.leading_lines, *(cst.EmptyLine(comment=one) for one in comments)],
        body=[
            node.with_changes(
                module=module_node, names=_without_commas(first), lpar=None, rpar=None
            )
        ],
    )
    rest = [
        cst.SimpleStatementLine([cst.ImportFrom(name_node(module), _without_commas(aliases))])
        for module, aliases in groups.items()
    ]
    return cst.FlattenSentinel([head, *rest])


def _without_commas(aliases: Sequence[cst.ImportAlias]) -> list[cst.ImportAlias]:
    return [alias.with_changes(comma=cst.MaybeSentinel.DEFAULT) for alias in aliases]


def _comments_in(node: cst.CSTNode) -> list[cst.Comment]:
    comments = [node] if isinstance(node, cst.Comment) else []
    for child in node.children:
        comments += _comments_in(child)
    return comments


def _plan_star_import(script: Script, node: cst.ImportFrom, written: str) -> None:
    module = canonical_name(written)
    submodule = SUBMODULES.get(module)
    if submodule is not None and not submodule.module.startswith("keras"):
        new_module = f"{submodule.module}.{submodule.name}"
        moved = submodule.names - submodule.unmoved
        used = {name.value for name in script.all(cst.Name)} & moved
        if used and new_module != written:
            script.edit(node, lambda new: new.with_changes(module=name_node(new_module)))
        return
    location = new_location(module, "*")
    if location is None:
        return
    if location == "unknown":
        script.note(node, f"{module} was removed: import names explicitly from their new modules.")
        return
    new_module = _relocate(keras_root(written), location[0])
    script.edit(node, lambda new: new.with_changes(module=name_node(new_module)))


def _plan_star_names(script: Script) -> None:
    """Imports what `import *` of Keras 1 and 2 bound besides the public names, such as `np`."""
    noted: set[str] = set()
    for node in script.all(cst.Name):
        name = script.star_import_name(node)
        full = script.full_name(node) if name and name not in noted else ""
        if full in REMOVED_NAMES and script.is_variable(node):
            noted.add(name)
            script.note(node, f"{full} {REMOVED_NAMES[full]}")
            continue
        meaning = star_module(script, name) if name and name not in noted else ""
        if not meaning or script.full_name(node) != meaning or not script.is_variable(node):
            continue
        noted.add(name)
        if meaning in ("keras.initializations", "keras.utils.conv_utils"):
            script.note(node, f"{name} came from `import *` of Keras, and {meaning} was removed.")
        else:
            meaning = "keras.losses" if meaning == "keras.objectives" else meaning
            script.new_imports.require_as(meaning, name)


def _plan_plain_import(script: Script, alias: cst.ImportAlias) -> None:
    module = canonical_name(alias.evaluated_name)
    if module.startswith("keras.") and (
        new_location(module, "*") is not None or module in SUBMODULES or module in REMOVED_NAMES
    ):
        script.note(alias, f"{module} was removed or has moved: import names from it explicitly.")


def _plan_full_name(script: Script, node: cst.Attribute) -> None:
    """Changes a name in full, such as `keras.layers.core.Dense`, where `keras` is imported."""
    written = dotted_name(node)
    full = script.written_name(node)
    name = canonical_name(full)
    if not written or not name.startswith("keras."):
        return
    if name in REMOVED_NAMES:
        script.note(node, f"{name} {REMOVED_NAMES[name]}")
        return
    module, _, last = name.rpartition(".")
    location = new_location(module, last)
    if location is None or location == "unknown":
        return
    if location[0] == module:
        script.edit(node, lambda new: new.with_changes(attr=cst.Name(location[1])))
        return
    # Only names that are written from the root. If a module has an alias, its import is changed.
    root = keras_root(full)
    from_root = root.startswith(_first_name(script, node)) and root in ("keras", "tensorflow.keras")
    if not from_root or full == ".".join(location):
        return
    if location[0].startswith("keras."):
        prefix = written[: len(written) - len(full) + len(root)]
        script.edit(node, lambda _: name_node(f"{prefix}{'.'.join(location)[len('keras') :]}"))
    else:
        local = script.new_imports.require(*location)
        script.edit(node, lambda _: cst.Name(local))


def _first_name(script: Script, node: cst.BaseExpression) -> str:
    """Returns the full name of the first part of a chain of attributes."""
    while isinstance(node, cst.Attribute):
        node = node.value
    return script.written_name(node)


def _is_in_import(script: Script, node: cst.CSTNode) -> bool:
    while isinstance(node, cst.Attribute | cst.Name | cst.ImportAlias):
        node = script.parent(node)
    return isinstance(node, cst.Import | cst.ImportFrom)
