"""A script as the rules see it: its syntax tree, what names mean, edits and notes."""

from __future__ import annotations

import ast
import codecs
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import libcst as cst
from libcst.metadata import (
    Assignment,
    MetadataWrapper,
    ParentNodeProvider,
    PositionProvider,
    QualifiedNameProvider,
    QualifiedNameSource,
    ScopeProvider,
)

from keras_bigdata.migrate.keras_names import as_node, canonical, dotted

if TYPE_CHECKING:
    pass


Node = TypeVar("Node", bound=cst.CSTNode)
Edit = Callable[[Any], Any]


@dataclass(frozen=True, slots=True, order=True)
class Note:
    """Something that a person has to decide.

    Args:
        line: from 1, in the file that was read.
        message: what was found and what to do.
    """

    line: int
    message: str


class Script:
    """A parsed script, with the edits and notes that the rules add.

    Args:
        content: the file.

    Raises:
        SyntaxError: if it does not parse.
        ValueError: if it parses, but could not be written back byte for byte.
    """

    def __init__(self, content: bytes) -> None:
        self._bom = codecs.BOM_UTF8 if content.startswith(codecs.BOM_UTF8) else b""
        self._content = content.removeprefix(self._bom)
        try:
            module = cst.parse_module(self._content)
        except cst.ParserSyntaxError as error:
            raise _syntax_error(self._content, error) from error
        if module.bytes != self._content:
            raise ValueError("cannot be written back as it is: it has form feeds or the like.")
        wrapper = MetadataWrapper(module)
        self.module = wrapper.module
        self._positions = wrapper.resolve(PositionProvider)
        self._parents = wrapper.resolve(ParentNodeProvider)
        self._scopes = wrapper.resolve(ScopeProvider)
        self._qualified = wrapper.resolve(QualifiedNameProvider)
        self._notes: set[Note] = set()
        self._edits: dict[cst.CSTNode, list[Edit]] = {}
        self.new_imports = NewImports(self)
        self.nodes = list(_walk(self.module))
        self.calls = self.all(cst.Call)
        self._star_modules = [
            canonical(dotted(node.module))
            for node in self.all(cst.ImportFrom)
            if isinstance(node.names, cst.ImportStar) and node.module is not None
        ]
        # The names that are imported from Keras.
        self.imported = {
            alias.evaluated_name
            for node in self.all(cst.ImportFrom)
            if node.module is not None and canonical(dotted(node.module)).startswith("keras")
            for alias in (() if isinstance(node.names, cst.ImportStar) else node.names)
        }
        self._augmented = {
            node.target.value
            for node in self.all(cst.AugAssign)
            if isinstance(node.target, cst.Name)
        }
        self.uses_keras = any(
            (canonical(dotted(name)) + ".").startswith("keras.")
            for node in self.nodes
            for name in _imported_modules(node)
        ) or any(self.name_of(node).startswith("keras.") for node in self.all(cst.Attribute))

    def all(self, kind: type[Node]) -> list[Node]:
        """All nodes of a type, in the order of the file."""
        return [node for node in self.nodes if isinstance(node, kind)]

    def code(self, node: cst.CSTNode) -> str:
        """The text of a node."""
        return self.module.code_for_node(node)

    def parent(self, node: cst.CSTNode) -> cst.CSTNode:
        """The node around a node."""
        return self._parents[node]

    # ---- What names mean

    def name_of(self, node: cst.CSTNode) -> str:
        """The full name of what is imported, such as `keras.layers.Dense`; `""` if it is not.

        `tensorflow.keras` and its former places read `keras`.
        """
        found = self.qualified(node)
        if found:
            return canonical(found)
        stars = self._star_modules
        # Which of them a name is from cannot be known, so they must all be Keras's.
        keras = bool(stars) and all(module.startswith("keras") for module in stars)
        if keras and isinstance(node, cst.Name) and self.may_be_starred(node):
            return f"{stars[-1]}.{node.value}"
        return ""

    def keras_name(self, node: cst.CSTNode) -> str:
        """The last part of a full name within Keras, such as `Dense`; `""` of anything else."""
        name = self.name_of(node)
        return name.rpartition(".")[2] if name.startswith("keras.") else ""

    def may_be_starred(self, node: cst.CSTNode) -> str:
        """A name that nothing in the script binds, if there is an import of `*`; else `""`."""
        if not isinstance(node, cst.Name) or not self._star_modules or self.is_bound(node.value):
            return ""
        return node.value

    def qualified(self, node: cst.CSTNode) -> str:
        """As `name_of`, but as it is written in the import."""
        names = self._qualified.get(node)
        names = names() if callable(names) else names
        imported = {n.name for n in names or () if n.source is QualifiedNameSource.IMPORT}
        return imported.pop() if len(imported) == 1 else ""

    def is_bound(self, name: str) -> bool:
        """Whether the script binds a name anywhere."""
        return any(name in scope for scope in self._all_scopes())

    def bindings(self, name: str) -> list[cst.CSTNode]:
        """The nodes that bind a name, in any scope."""
        return [
            assignment.node
            for scope in self._all_scopes()
            for assignment in scope.assignments[name]
            if isinstance(assignment, Assignment)
        ]

    def assignment_of(self, name: cst.BaseExpression) -> cst.Assign | None:
        """The one statement `name = value` that gives a name its value, if it is the only one."""
        if not isinstance(name, cst.Name) or name.value in self._augmented:
            return None
        scope = self._scopes.get(name)
        found = [] if scope is None else list(scope[name.value])
        if len(found) != 1 or not isinstance(found[0], Assignment):
            return None
        target = self._parents.get(found[0].node)
        statement = self._parents.get(target) if isinstance(target, cst.AssignTarget) else None
        if isinstance(statement, cst.Assign) and len(statement.targets) == 1:
            return statement
        return None

    def value_of(self, node: cst.BaseExpression) -> cst.BaseExpression:
        """What a name was given, if it was given one thing only; else the node itself."""
        assignment = self.assignment_of(node)
        return node if assignment is None else assignment.value

    def uses(self, assignment: cst.Assign) -> list[cst.Name]:
        """Where the name of a single assignment is read."""
        target = assignment.targets[0].target
        scope = self._scopes[target]
        assert isinstance(target, cst.Name)
        assert scope is not None
        return [
            access.node
            for found in scope[target.value]
            for access in found.references
            if isinstance(access.node, cst.Name)
        ]

    def _all_scopes(self) -> Iterator[Any]:
        return iter({scope for scope in self._scopes.values() if scope is not None})

    # ---- What the rules ask for

    def line(self, node: cst.CSTNode) -> int:
        """The line where a node starts."""
        return self._positions[node].start.line

    def column(self, node: cst.CSTNode) -> int:
        """The column where a node starts, from 0."""
        return self._positions[node].start.column

    def indent(self, node: cst.CSTNode) -> int:
        """How far the block around a node is indented, in characters."""
        width = 0
        while node in self._parents:
            node = self._parents[node]
            if isinstance(node, cst.IndentedBlock):
                width += len(node.indent or self.module.default_indent)
        return width

    def note(self, node: cst.CSTNode, message: str) -> None:
        """Leaves something to a person."""
        self._notes.add(Note(self.line(node), message))

    @property
    def notes(self) -> list[Note]:
        """The notes, by line."""
        return sorted(self._notes)

    def edit(self, node: Node, edit: Callable[[Node], Any]) -> None:
        """Has `edit` applied to a node, after those within it and those asked for earlier."""
        self._edits.setdefault(node, []).append(edit)

    def rewritten(self) -> bytes:
        """The script with all edits made."""
        self.new_imports.plan()
        if not self._edits:
            return self._bom + self._content
        module = self.module.visit(_Editor(self._edits))
        assert isinstance(module, cst.Module)
        return self._bom + module.bytes


class _Editor(cst.CSTTransformer):
    def __init__(self, edits: dict[cst.CSTNode, list[Edit]]) -> None:
        super().__init__()
        self._edits = edits

    def on_leave(self, original_node: Any, updated_node: Any) -> Any:
        for edit in self._edits.get(original_node, ()):
            updated_node = edit(updated_node)
        return updated_node


def _syntax_error(content: bytes, error: cst.ParserSyntaxError) -> SyntaxError:
    """Python's own words for it, which are clearer, if Python does not parse it either."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(content)
        except SyntaxError as clearer:
            return clearer
        except ValueError:  # null bytes
            pass
    return SyntaxError(error.message, ("<script>", error.raw_line, error.raw_column, None))


def _walk(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    yield node
    for child in node.children:
        yield from _walk(child)


def _imported_modules(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    if isinstance(node, cst.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, cst.ImportFrom) and node.module is not None and not node.relative:
        yield node.module
        if not isinstance(node.names, cst.ImportStar):
            for alias in node.names:
                yield cst.Attribute(node.module, cst.ensure_type(alias.name, cst.Name))


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
