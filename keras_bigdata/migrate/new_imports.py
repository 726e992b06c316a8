"""The import statements that a migrated script needs in addition."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import libcst as cst

from keras_bigdata.migrate.dotted_names import dotted_name, name_node
from keras_bigdata.migrate.syntax_tree import walk
from keras_bigdata.old_keras.locations import canonical_name, keras_root, new_location

# What `import *` of Keras 3 binds of the names that migrate imports from elsewhere.
_STAR_NAMES = {
    "keras": {"legacy"},
    "keras.activations": {"hard_sigmoid"},
    "keras.optimizers": {"legacy"},
    "keras.utils": {"legacy"},
}
_LITERALS = cst.Integer | cst.Float | cst.SimpleString


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
            if self._is_bound(name) or self._position_of(name) is None:
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
        lines: dict[int, list[cst.SimpleStatementLine]] = {}
        for (module_name, name), local in self._local_names.items():
            alias = cst.ImportAlias(
                cst.Name(name or module_name),
                asname=None if local == (name or module_name) else cst.AsName(cst.Name(local)),
            )
            statement = (
                cst.ImportFrom(name_node(module_name), [alias]) if name else cst.Import([alias])
            )
            position = self._position_of(local)
            position = self._position() if position is None else position
            lines.setdefault(position, []).append(cst.SimpleStatementLine([statement]))
        for position, new_lines in lines.items():
            if position:
                edit(self._module.body[position - 1], _appender(new_lines))
            else:
                edit(self._module, _inserter(new_lines))

    def _existing_import(self, module: str, name: str) -> str:
        """Returns the local name of an import at the top level, or `""`."""
        for number, statement in enumerate(self._module.body):
            for node in _statement_parts(statement):
                if isinstance(node, cst.ImportFrom) and not isinstance(node.names, cst.ImportStar):
                    for alias in node.names:
                        local = alias.evaluated_alias or name
                        imported = dotted_name(node.module), alias.evaluated_name
                        is_replaced = self._last_star(local, of_keras=True) > number
                        if imported == (module, name) and not is_replaced:
                            return local
        return ""

    def _position_of(self, local: str) -> int | None:
        """Returns the number of statements before the import of a name.

        An `import *` after the import would replace the name. Returns `None` if one does and the
        statements before it may use the name already.
        """
        position = self._position()
        last_star = self._last_star(local)
        if last_star < position:
            return position
        between = self._module.body[position : last_star + 1]
        return last_star + 1 if all(map(_only_defines, between)) else None

    def _last_star(self, name: str, *, of_keras: bool = False) -> int:
        """Returns the number of the last statement whose `import *` may bind a name, or -1.

        Args:
            name: the name.
            of_keras: whether to look at modules of Keras only. Others may bind any name.
        """
        return max(
            (
                number
                for number, module in self._stars
                if name in _STAR_NAMES.get(module, ())
                or not (of_keras or keras_root(module) == "keras")
            ),
            default=-1,
        )

    @functools.cached_property
    def _stars(self) -> list[tuple[int, str]]:
        """The `import *` in statements at the top level: the number, and the module in Keras 3."""
        return [
            (number, _module_in_keras_3(node))
            for number, statement in enumerate(self._module.body)
            if not isinstance(statement, cst.FunctionDef | cst.ClassDef)
            for node in walk(statement)
            if isinstance(node, cst.ImportFrom) and isinstance(node.names, cst.ImportStar)
        ]

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


def _appender(lines: list[cst.SimpleStatementLine]) -> Callable[[Any], Any]:
    """Returns an edit of a statement that adds lines after it."""
    return lambda new: cst.FlattenSentinel([*_as_list(new), *lines])


def _inserter(lines: list[cst.SimpleStatementLine]) -> Callable[[Any], Any]:
    """Returns an edit of a module that adds lines at its top."""
    return lambda new: new.with_changes(body=[*lines, *new.body])


def _module_in_keras_3(node: cst.ImportFrom) -> str:
    module = canonical_name("." * len(node.relative) + dotted_name(node.module))
    location = new_location(module, "*")
    return location[0] if isinstance(location, tuple) else module


def _only_defines(statement: cst.CSTNode) -> bool:
    """Whether a statement uses no imported name when it runs: imports, functions and literals."""
    if isinstance(statement, cst.FunctionDef):
        return not statement.decorators and not any(
            isinstance(node, cst.Param) and node.default is not None
            for node in walk(statement.params)
        )
    if isinstance(statement, cst.If | cst.Try):
        return all(
            map(_only_defines, [node for node in walk(statement) if _is_line_or_definition(node)])
        )
    return isinstance(statement, cst.SimpleStatementLine) and all(
        _is_import(part)
        or isinstance(part, cst.Pass)
        or (isinstance(part, cst.Assign | cst.Expr) and isinstance(part.value, _LITERALS))
        for part in statement.body
    )


def _is_line_or_definition(node: cst.CSTNode) -> bool:
    return isinstance(node, cst.SimpleStatementLine | cst.FunctionDef | cst.ClassDef)


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
