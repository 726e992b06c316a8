"""Imports that the changed code needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import libcst as cst

from keras_bigdata.migrate.names import as_node, dotted

if TYPE_CHECKING:
    from keras_bigdata.migrate.script import Script


class NewImports:
    """Collects the names that edits need, and adds one statement for each.

    Args:
        script: the script they are added to.
    """

    def __init__(self, script: Script) -> None:
        self._script = script
        self._wanted: dict[tuple[str, str], str] = {}

    def want(self, module: str, name: str) -> str:
        """The name by which `module.name` can be used."""
        if (module, name) not in self._wanted:
            existing = self._existing(module, name)
            if existing:
                return existing
            local = name
            if self._script.is_bound(name):
                local = f"{module.replace('.', '_')}_{name}"
            self._wanted[module, name] = local
        return self._wanted[module, name]

    def plan(self) -> None:
        """Asks for the edit that adds the statements."""
        lines = []
        for (module, name), local in self._wanted.items():
            alias = cst.ImportAlias(
                cst.Name(name), asname=None if local == name else cst.AsName(cst.Name(local))
            )
            lines.append(cst.SimpleStatementLine([cst.ImportFrom(as_node(module), [alias])]))
        if not lines:
            return
        after = self._place()

        def insert(module: cst.Module) -> cst.Module:
            return module.with_changes(body=[*module.body[:after], *lines, *module.body[after:]])

        if after:
            statement = self._script.module.body[after - 1]
            self._script.edit(statement, lambda new: cst.FlattenSentinel([*_flat(new), *lines]))
        else:
            self._script.edit(self._script.module, insert)

    def _existing(self, module: str, name: str) -> str:
        for statement in self._script.module.body:
            if not isinstance(statement, cst.SimpleStatementLine):
                continue
            for node in statement.body:
                if isinstance(node, cst.ImportFrom) and not isinstance(node.names, cst.ImportStar):
                    for alias in node.names:
                        if dotted(node.module) == module and alias.evaluated_name == name:
                            return alias.evaluated_alias or name
        return ""

    def _place(self) -> int:
        """After how many statements: the first import of Keras, else the imports at the top."""
        body = self._script.module.body
        after = 0
        at_the_top = True
        for number, statement in enumerate(body):
            imports = [node for node in _parts(statement) if _is_import(node)]
            if any(_is_keras(node) for node in imports):
                return number + 1
            if at_the_top and (imports or (number == 0 and _is_docstring(statement))):
                after = number + 1
            else:
                at_the_top = False
        return after


def _flat(node: cst.CSTNode | cst.FlattenSentinel[cst.CSTNode]) -> list[cst.CSTNode]:
    return list(node) if isinstance(node, cst.FlattenSentinel) else [node]


def _parts(statement: cst.CSTNode) -> list[cst.CSTNode]:
    return list(statement.body) if isinstance(statement, cst.SimpleStatementLine) else []


def _is_import(node: cst.CSTNode) -> bool:
    return isinstance(node, cst.Import | cst.ImportFrom)


def _is_keras(node: cst.CSTNode) -> bool:
    if isinstance(node, cst.ImportFrom):
        names = [dotted(node.module)] if node.module is not None and not node.relative else []
    else:
        assert isinstance(node, cst.Import)
        names = [dotted(alias.name) for alias in node.names]
    return any(name.split(".")[0] in ("keras", "tensorflow") for name in names)


def _is_docstring(statement: cst.CSTNode) -> bool:
    parts = _parts(statement)
    return (
        bool(parts)
        and isinstance(parts[0], cst.Expr)
        and isinstance(parts[0].value, cst.SimpleString | cst.ConcatenatedString)
    )
