"""The import statements that a migrated script needs in addition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import libcst as cst

from keras_bigdata.migrate.dotted_names import dotted_name, name_node


class NewImports:
    """Collects the names that edits need, and adds an import statement for each.

    Args:
        module: the syntax tree of the script.
        is_bound: returns whether the script binds a name anywhere.
    """

    def __init__(self, module: cst.Module, is_bound: Callable[[str], bool]) -> None:
        self._module = module
        self._is_bound = is_bound
        self._local_names: dict[tuple[str, str], str] = {}

    def require(self, module: str, name: str) -> str:
        """Returns the local name of `module.name`, which is imported if it is not yet.

        Args:
            module: such as `keras_bigdata`.
            name: such as `legacy`.
        """
        if (module, name) not in self._local_names:
            existing = self._existing_import(module, name)
            if existing:
                return existing
            local = name
            if self._is_bound(name):
                local = f"{module.replace('.', '_')}_{name}"
            self._local_names[module, name] = local
        return self._local_names[module, name]

    def require_as(self, module: str, local: str) -> None:
        """Binds a name that the script uses, and that nothing in it binds, to a module.

        Args:
            module: such as `numpy` or `keras.backend`, or a member such as
                `collections.OrderedDict`.
            local: such as `np`.
        """
        parent, _, name = module.rpartition(".")
        self._local_names[(parent, name) if parent else (module, "")] = local

    def add_edit(self, edit: Callable[[cst.CSTNode, Callable[[Any], Any]], None]) -> None:
        """Adds the edit that inserts the statements, if there are any.

        Args:
            edit: called with a node and a function that returns the edited node.
        """
        lines = []
        for (module_name, name), local in self._local_names.items():
            alias = cst.ImportAlias(
                cst.Name(name or module_name),
                asname=None if local == (name or module_name) else cst.AsName(cst.Name(local)),
            )
            statement = (
                cst.ImportFrom(name_node(module_name), [alias]) if name else cst.Import([alias])
            )
            lines.append(cst.SimpleStatementLine([statement]))
        if not lines:
            return
        position = self._position()

        def insert(module: cst.Module) -> cst.Module:
            body = [*module.body[:position], *lines, *module.body[position:]]
            return module.with_changes(body=body)

        if position:
            previous = self._module.body[position - 1]
            edit(previous, lambda new: cst.FlattenSentinel([*_as_list(new), *lines]))
        else:
            edit(self._module, insert)

    def _existing_import(self, module: str, name: str) -> str:
        """Returns the local name of an import at the top level, or `""`."""
        for statement in self._module.body:
            if not isinstance(statement, cst.SimpleStatementLine):
                continue
            for node in statement.body:
                if isinstance(node, cst.ImportFrom) and not isinstance(node.names, cst.ImportStar):
                    for alias in node.names:
                        if dotted_name(node.module) == module and alias.evaluated_name == name:
                            return alias.evaluated_alias or name
        return ""

    def _position(self) -> int:
        """Returns the number of statements before the new ones.

        They follow the first import of Keras or, without one, the imports at the top.
        """
        position = 0
        at_top = True
        for number, statement in enumerate(self._module.body):
            imports = [node for node in _statement_parts(statement) if _is_import(node)]
            if any(_imports_keras(node) for node in imports):
                return number + 1
            if at_top and (imports or (number == 0 and _is_docstring(statement))):
                position = number + 1
            else:
                at_top = False
        return position


def _as_list(node: cst.CSTNode | cst.FlattenSentinel[cst.CSTNode]) -> list[cst.CSTNode]:
    return list(node) if isinstance(node, cst.FlattenSentinel) else [node]


def _statement_parts(statement: cst.CSTNode) -> list[cst.CSTNode]:
    return list(statement.body) if isinstance(statement, cst.SimpleStatementLine) else []


def _is_import(node: cst.CSTNode) -> bool:
    return isinstance(node, cst.Import | cst.ImportFrom)


def _imports_keras(node: cst.CSTNode) -> bool:
    if isinstance(node, cst.ImportFrom):
        names = [dotted_name(node.module)] if node.module is not None and not node.relative else []
    else:
        assert isinstance(node, cst.Import)
        names = [dotted_name(alias.name) for alias in node.names]
    return any(name.split(".")[0] in ("keras", "tensorflow") for name in names)


def _is_docstring(statement: cst.CSTNode) -> bool:
    parts = _statement_parts(statement)
    return (
        bool(parts)
        and isinstance(parts[0], cst.Expr)
        and isinstance(parts[0].value, cst.SimpleString | cst.ConcatenatedString)
    )
