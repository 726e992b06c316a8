"""Imports from modules that have moved, and uses of them by their full names."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from keras_bigdata.migrate.keras_names import (
    GONE,
    SUBMODULES,
    as_node,
    canonical,
    dotted,
    is_public,
    new_place,
    root_of,
)
from keras_bigdata.migrate.script import Script


def plan(script: Script) -> None:
    """Has imports and full names rewritten, or leaves them to a person."""
    for statement in script.all(cst.ImportFrom):
        written = "" if statement.module is None or statement.relative else dotted(statement.module)
        if root_of(written) or written == "tensorflow":
            _from_import(script, statement, written)
    for plain in script.all(cst.Import):
        for alias in plain.names:
            _plain_import(script, alias)
    for node in script.all(cst.Attribute):
        if not _in_import(script, node):
            _full_name(script, node)


def _from_import(script: Script, node: cst.ImportFrom, written: str) -> None:
    """`from a import b`: the names that have moved get statements of their own."""
    module = canonical(written)
    if isinstance(node.names, cst.ImportStar):
        _star_import(script, node, written)
        return
    places: dict[cst.ImportAlias, tuple[str, str]] = {}
    for alias in node.names:
        name = cst.ensure_type(alias.name, cst.Name).value
        why = GONE.get(f"{module}.{name}")
        if why is not None:
            script.note(alias, f"{module}.{name} {why}")
            continue
        place = _place(script, written, alias, name)
        if place is not None:
            places[alias] = place
    if not places:
        return
    line = script.parent(node)
    if not isinstance(line, cst.SimpleStatementLine) or len(line.body) != 1:
        moved = ", ".join(f"{place[0]}.{place[1]}" for place in places.values())
        script.note(node, f"import from where it is today: {moved}. Several on a line are left.")
        return
    aliases = list(node.names)
    script.edit(line, lambda new: _split(new, aliases, places))


def _place(
    script: Script, written: str, alias: cst.ImportAlias, name: str
) -> tuple[str, str] | None:
    """Where a name has to be imported from, if not from where it is; notes what is unknown."""
    root, module = root_of(written), canonical(written)
    submodule = SUBMODULES.get(f"{module}.{name}")
    if submodule is not None and (submodule.module, submodule.name) != (written, name):
        used = _used_of(script, alias)
        if submodule.allows(used):
            return _at(root, submodule.module), submodule.name
        if submodule.wanted(used):
            unknown = ", ".join(sorted(used - submodule.names))
            script.note(
                alias, f"{module}.{name} is gone, and so may be what is used of it: {unknown}."
            )
        return None
    place = new_place(module, name)
    if place is None:
        if root not in ("", "keras", "tensorflow.keras"):
            if is_public(module, name):
                return "tensorflow." + module, name
            script.note(alias, f"{written} is no public place of Keras; import from keras.")
        return None
    if place == "unknown":
        script.note(alias, f"{module} is gone, and {name} is not known to live on elsewhere.")
        return None
    target, new_name = place
    target = _at(root, target)
    return None if (target, new_name) == (written, name) else (target, new_name)


def _at(root: str, module: str) -> str:
    """A module of Keras seen from `tensorflow.keras`, for scripts that import from there."""
    if root not in ("", "keras") and (module + ".").startswith("keras."):
        return "tensorflow." + module
    return module


def _used_of(script: Script, alias: cst.ImportAlias) -> set[str]:
    """The attributes that are read of an imported module; `""` for any other use of it."""
    local = alias.evaluated_alias or alias.evaluated_name
    used = set()
    for node in script.all(cst.Name):
        if node.value == local and script.qualified(node):
            parent = script.parent(node)
            is_base = isinstance(parent, cst.Attribute) and parent.value is node
            used.add(parent.attr.value if is_base else "")  # type: ignore[attr-defined]
    return used


def _split(
    line: cst.SimpleStatementLine,
    names: Sequence[cst.ImportAlias],
    places: dict[cst.ImportAlias, tuple[str, str]],
) -> cst.SimpleStatementLine | cst.FlattenSentinel[cst.SimpleStatementLine]:
    node = cst.ensure_type(line.body[0], cst.ImportFrom)
    groups: dict[str, list[cst.ImportAlias]] = {}
    kept: list[cst.ImportAlias] = []
    for old in names:
        if old not in places:
            kept.append(old)
            continue
        module, name = places[old]
        local = old.evaluated_alias or old.evaluated_name
        new = old.with_changes(name=cst.Name(name))
        if old.asname is None and local != name:
            new = new.with_changes(asname=cst.AsName(cst.Name(local)))
        elif old.asname is not None and local == name:
            new = new.with_changes(asname=None)
        if module == dotted(node.module):
            kept.append(new)
        else:
            groups.setdefault(module, []).append(new)
    if not groups:
        return line.with_changes(body=[node.with_changes(names=kept)])
    # The old statement, with its comments and layout, stays for what stays or for the first.
    if len(groups) == 1 and not kept:
        module, aliases = next(iter(groups.items()))
        return line.with_changes(body=[node.with_changes(module=as_node(module), names=aliases)])
    first = kept
    module_node = node.module
    if not kept:
        module, first = groups.popitem()
        module_node = as_node(module)
    comments = _comments_of(node)
    head = line.with_changes(
        leading_lines=[*line.leading_lines, *(cst.EmptyLine(comment=one) for one in comments)],
        body=[node.with_changes(module=module_node, names=_plain(first), lpar=None, rpar=None)],
    )
    rest = [
        cst.SimpleStatementLine([cst.ImportFrom(as_node(module), _plain(aliases))])
        for module, aliases in groups.items()
    ]
    return cst.FlattenSentinel([head, *rest])


def _plain(aliases: Sequence[cst.ImportAlias]) -> list[cst.ImportAlias]:
    return [alias.with_changes(comma=cst.MaybeSentinel.DEFAULT) for alias in aliases]


def _comments_of(node: cst.CSTNode) -> list[cst.Comment]:
    found = [node] if isinstance(node, cst.Comment) else []
    for child in node.children:
        found += _comments_of(child)
    return found


def _star_import(script: Script, node: cst.ImportFrom, written: str) -> None:
    module = canonical(written)
    submodule = SUBMODULES.get(module)
    if submodule is not None and not submodule.module.startswith("keras"):
        target = f"{submodule.module}.{submodule.name}"
        used = {name.value for name in script.all(cst.Name)} & (submodule.names - submodule.others)
        if used and target != written:
            script.edit(node, lambda new: new.with_changes(module=as_node(target)))
        return
    place = new_place(module, "*")
    if place is None:
        return
    if place == "unknown":
        script.note(node, f"{module} is gone: import the names by name from where they are.")
        return
    target = _at(root_of(written), place[0])
    script.edit(node, lambda new: new.with_changes(module=as_node(target)))


def _plain_import(script: Script, alias: cst.ImportAlias) -> None:
    module = canonical(alias.evaluated_name)
    if module.startswith("keras.") and (
        new_place(module, "*") is not None or module in SUBMODULES or module in GONE
    ):
        script.note(alias, f"{module} is gone or has moved: import the names by name.")


def _full_name(script: Script, node: cst.Attribute) -> None:
    """`keras.layers.core.Dense` where `keras` is imported."""
    written = dotted(node)
    full = script.qualified(node)
    name = canonical(full)
    if not written or not name.startswith("keras."):
        return
    if name in GONE:
        script.note(node, f"{name} {GONE[name]}")
        return
    module, _, last = name.rpartition(".")
    place = new_place(module, last)
    if place is None or place == "unknown":
        return
    if place[0] == module:
        script.edit(node, lambda new: new.with_changes(attr=cst.Name(place[1])))
        return
    # Only names spelled out from the root: what an alias stands for is the import's affair.
    root = root_of(full)
    spelled = root.startswith(_root_name(script, node)) and root in ("keras", "tensorflow.keras")
    if not spelled or full == ".".join(place):
        return
    if place[0].startswith("keras."):
        before = written[: len(written) - len(full) + len(root)]
        script.edit(node, lambda _: as_node(f"{before}{'.'.join(place)[len('keras') :]}"))
    else:
        local = script.new_imports.want(*place)
        script.edit(node, lambda _: cst.Name(local))


def _root_name(script: Script, node: cst.BaseExpression) -> str:
    """What the first name of a chain was imported as."""
    while isinstance(node, cst.Attribute):
        node = node.value
    return script.qualified(node)


def _in_import(script: Script, node: cst.CSTNode) -> bool:
    while isinstance(node, cst.Attribute | cst.Name | cst.ImportAlias):
        node = script.parent(node)
    return isinstance(node, cst.Import | cst.ImportFrom)
