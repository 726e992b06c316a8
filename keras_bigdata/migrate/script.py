"""A script as the rules see it: syntax tree, meaning of names, edits and notes."""

from __future__ import annotations

import codecs
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import libcst as cst
from libcst.metadata import (
    Assignment,
    BaseAssignment,
    GlobalScope,
    MetadataWrapper,
    PositionProvider,
    QualifiedNameSource,
    ScopeProvider,
)

from keras_bigdata.migrate import program_names
from keras_bigdata.migrate.call_edits import NO_COLUMN
from keras_bigdata.migrate.dotted_names import dotted_name
from keras_bigdata.migrate.new_imports import NewImports
from keras_bigdata.migrate.syntax_tree import imported_module_nodes, parse, walk
from keras_bigdata.old_keras.locations import canonical_name

Node = TypeVar("Node", bound=cst.CSTNode)
Edit = Callable[[Any], Any]


@dataclass(frozen=True, slots=True, order=True)
class Note:
    r"""A place in a script that the user has to look at.

    Attributes:
        line: the number of the line in the file that was read, from 1; in a notebook, in the cell.
        message: what was found and what to do.
        cell: in a notebook, the number of the cell from 1, where text cells count too. Otherwise
            `None`.

    Example:

    ```python
    from keras_bigdata.migrate import migrate_text

    (note,) = migrate_text(b"import keras\nmodel.predict_classes(x)\n").notes
    assert note.line == 2
    print(note.message)
    ```
    """

    line: int
    message: str
    cell: int | None = None


class Script:
    """A parsed script, with the edits and notes that the rules add.

    Args:
        content: the file.

    Attributes:
        module: the syntax tree.
        nodes: all nodes, in the order of the file.
        calls: all calls, in the order of the file.
        imported_names: the names that are imported from Keras.
        star_modules: the modules of `from module import *`, as written.
        new_imports: the import statements to add.
        find_module: returns the script of a module of the same program, by its name as an import
            statement has it (`models`, `.models`), or `None`. A single script has none.
        program: the scripts that may run in the same process as this one, itself included.
        line_name: returns how messages name a line.

    Raises:
        SyntaxError: if the file is not Python 3.
        ValueError: if the file could not be written back byte for byte.
    """

    def __init__(self, content: bytes) -> None:
        self._bom = codecs.BOM_UTF8 if content.startswith(codecs.BOM_UTF8) else b""
        self._content = content.removeprefix(self._bom)
        wrapper = MetadataWrapper(parse(self._content))
        self.module = wrapper.module
        self._positions = wrapper.resolve(PositionProvider)
        self._scopes = wrapper.resolve(ScopeProvider)
        self._parents = {child: node for node in walk(self.module) for child in node.children}
        self._global_scope = next(
            (scope for scope in self._all_scopes() if isinstance(scope, GlobalScope)), None
        )
        self._notes: set[Note] = set()
        self._edits: dict[cst.CSTNode, list[Edit]] = {}
        self.new_imports = NewImports(self.module, self.is_bound)
        self.nodes = list(walk(self.module))
        self.calls = self.all(cst.Call)
        self.star_modules = [
            program_names.module_name(node)
            for node in self.all(cst.ImportFrom)
            if isinstance(node.names, cst.ImportStar)
        ]
        self.imported_names = {
            alias.evaluated_name
            for node in self.all(cst.ImportFrom)
            if node.module is not None
            and canonical_name(dotted_name(node.module)).startswith("keras")
            for alias in (() if isinstance(node.names, cst.ImportStar) else node.names)
        }
        self._augmented_names = {
            node.target.value
            for node in self.all(cst.AugAssign)
            if isinstance(node.target, cst.Name)
        }
        self.find_module: Callable[[str], Script | None] = lambda _: None
        self.program: list[Script] = [self]
        self.line_name: Callable[[int], str] = "line {}".format

    @functools.cached_property
    def uses_keras(self) -> bool:
        """Whether a script of the program imports Keras."""
        return any(script._imports_keras for script in self.program)

    @functools.cached_property
    def _imports_keras(self) -> bool:
        return any(
            (canonical_name(dotted_name(name)) + ".").startswith("keras.")
            for node in self.nodes
            for name in imported_module_nodes(node)
        ) or any(
            self.full_name(node).startswith("keras.")
            for kind in (cst.Attribute, cst.Name)
            for node in self.all(kind)
        )

    def all(self, kind: type[Node]) -> list[Node]:
        """Returns all nodes of a type, in the order of the file."""
        return [node for node in self.nodes if isinstance(node, kind)]

    def code(self, node: cst.CSTNode) -> str:
        """Returns the source text of a node."""
        return self.module.code_for_node(node)

    def parent(self, node: cst.CSTNode) -> cst.CSTNode:
        """Returns the node around a node."""
        return self.owner(node)._parents[node]

    def class_of(self, node: cst.CSTNode) -> cst.ClassDef | None:
        """Returns the class in whose body a node is, or the node itself if it is a class."""
        while not isinstance(node, cst.Module | cst.ClassDef):
            node = self.parent(node)
        return node if isinstance(node, cst.ClassDef) else None

    # ---- The meaning of names

    def full_name(self, node: cst.CSTNode) -> str:
        """Returns the full name of an imported object, such as `keras.layers.Dense`.

        `tensorflow.keras` and other former locations of Keras are replaced by `keras`. Returns `""`
        if the node is not an imported object.
        """
        written = self.written_name(node)
        if written:
            return canonical_name(written)
        if isinstance(node, cst.Name):
            owner = self.owner(node)
            if owner.star_import_name(node):
                meaning = program_names.meaning_of_star_name(owner, node.value)
                return canonical_name(meaning) if isinstance(meaning, str) else ""
        module, rest = self.attribute_of_star_name(node)
        return canonical_name(f"{canonical_name(module)}.{rest}") if module else ""

    def attribute_of_star_name(self, node: cst.CSTNode) -> tuple[str, str]:
        """Returns the module and the name of an attribute of a module that `import *` bound.

        Such as `("tensorflow", "keras.layers.Dense")` for `tf.keras.layers.Dense`, and `("", "")`
        for other nodes.
        """
        first = node
        while isinstance(first, cst.Attribute):
            first = first.value
        if first is node or not dotted_name(node):
            return "", ""
        base = self.owner(node).star_import_name(first)
        module = program_names.star_module(self.owner(node), base) if base else ""
        return (module, dotted_name(node).partition(".")[2]) if module else ("", "")

    def keras_name(self, node: cst.CSTNode) -> str:
        """Returns the last part of a full name in Keras, such as `Dense`; `""` for other nodes."""
        name = self.full_name(node)
        return name.rpartition(".")[2] if name.startswith("keras.") else ""

    def star_import_name(self, node: cst.CSTNode) -> str:
        """Returns a name that may come from an `import *`, because nothing else binds it.

        Returns `""` if the script has no `import *`, or if the node is not such a name.
        """
        if not isinstance(node, cst.Name) or not self.star_modules or self.is_bound(node.value):
            return ""
        meaning = program_names.meaning_of_star_name(self, node.value)
        return "" if isinstance(meaning, program_names.ProgramName) else node.value

    def is_variable(self, node: cst.Name) -> bool:
        """Whether a name is neither an attribute nor the keyword of an argument."""
        parent = self.parent(node)
        is_attribute = isinstance(parent, cst.Attribute) and parent.attr is node
        return not is_attribute and not (isinstance(parent, cst.Arg) and parent.keyword is node)

    def written_name(self, node: cst.CSTNode) -> str:
        """Returns the full name of an imported object, in the form of the import statement.

        A name that comes through a module of the same program has the form that it has there.
        Returns `""` if the node is not an imported object, or if it is an attribute of an object
        that the program creates, such as a method of a model.
        """
        meaning = self._meaning(node)
        if isinstance(meaning, program_names.ProgramName):
            if meaning.attributes and meaning.is_variable:
                return ""
            return self._imported_name(node)
        return meaning or ""

    def method_of(self, call: cst.Call) -> str:
        """Returns the name of the method that a call calls, such as `compile`.

        Returns `""` if it calls a function, by its name or through its module: `re.compile`.
        """
        if not isinstance(call.func, cst.Attribute):
            return ""
        is_module = self.written_name(call.func.value) in self.owner(call)._imported_modules
        return "" if is_module else call.func.attr.value

    @functools.cached_property
    def _imported_modules(self) -> set[str]:
        imports = self.all(cst.Import)
        return {dotted_name(alias.name) for node in imports for alias in node.names}

    def _meaning(self, node: cst.CSTNode) -> program_names.Meaning:
        """Returns what a name or a chain of attributes stands for."""
        if not dotted_name(node):
            return None
        owner = self.owner(node)
        written = owner._imported_name(node)
        if written:
            return program_names.meaning_of_import(owner, written)
        return None

    def _imported_name(self, node: cst.CSTNode) -> str:
        owner = self.owner(node)
        scope = owner._scopes.get(node)
        names = () if scope is None else scope.get_qualified_names_for(node)
        imported = {name.name for name in names if name.source is QualifiedNameSource.IMPORT}
        return imported.pop() if len(imported) == 1 else ""

    def global_bindings(self, name: str) -> list[BaseAssignment]:
        """Returns the places that bind a name at the top level."""
        scope = self._global_scope
        return list(scope[name]) if scope is not None and name in scope else []

    def owner(self, node: cst.CSTNode) -> Script:
        """Returns the script of the program that a node belongs to."""
        if node in self._parents or len(self.program) == 1:
            return self
        return next((script for script in self.program if node in script._parents), self)

    def is_bound(self, name: str) -> bool:
        """Whether the script binds a name anywhere."""
        return any(name in scope for scope in self._all_scopes())

    def assignment_of(self, name: cst.BaseExpression) -> cst.Assign | None:
        """Returns the statement `name = value` if it is the only one that binds the name."""
        owner = self.owner(name)
        if owner is not self:
            return owner.assignment_of(name)
        if not isinstance(name, cst.Name) or name.value in self._augmented_names:
            return None
        scope = self._scopes.get(name)
        bindings = [] if scope is None else list(scope[name.value])
        if len(bindings) != 1 or not isinstance(bindings[0], Assignment):
            return None
        target = self._parents.get(bindings[0].node)
        statement = self._parents.get(target) if isinstance(target, cst.AssignTarget) else None
        if isinstance(statement, cst.Assign) and len(statement.targets) == 1:
            return statement
        return None

    def value_of(self, node: cst.BaseExpression) -> cst.BaseExpression:
        """Returns the value of a name that is assigned once; any other node is returned itself.

        The name may be assigned in another module of the program. The value then belongs to that
        script (`owner`), and edits and notes of the value are edits and notes of that script.
        """
        assignment = self.assignment_of(node)
        if assignment is not None:
            return assignment.value
        meaning = self._meaning(node)
        if meaning is None and isinstance(node, cst.Name) and self.star_modules:
            owner = self.owner(node)
            if not owner.is_bound(node.value):
                meaning = program_names.meaning_of_star_name(owner, node.value)
        if isinstance(meaning, program_names.ProgramName) and not meaning.attributes:
            value = meaning.script._global_value(meaning.name)
            return node if value is None else value
        return node

    def _global_value(self, name: str) -> cst.BaseExpression | None:
        """Returns the value of a global name that is assigned once."""
        bindings = self.global_bindings(name)
        if len(bindings) == 1 and isinstance(bindings[0], Assignment):
            node = bindings[0].node
            assignment = self.assignment_of(node) if isinstance(node, cst.Name) else None
            return None if assignment is None else assignment.value
        return None

    def uses(self, assignment: cst.Assign) -> list[cst.Name]:
        """Returns the places where the name of a single assignment is read."""
        target = assignment.targets[0].target
        scope = self.owner(target)._scopes[target]
        assert isinstance(target, cst.Name)
        assert scope is not None
        return [
            access.node
            for binding in scope[target.value]
            for access in binding.references
            if isinstance(access.node, cst.Name)
        ]

    def _all_scopes(self) -> Iterator[Any]:
        return iter({scope for scope in self._scopes.values() if scope is not None})

    # ---- Positions, notes and edits

    def line(self, node: cst.CSTNode) -> int:
        """Returns the line where a node starts, from 1."""
        return self.owner(node)._positions[node].start.line

    def column(self, node: cst.CSTNode) -> int:
        """Returns the column where a node starts, from 0."""
        return self.owner(node)._positions[node].start.column

    def argument_column(self, call: cst.Call) -> int:
        """Returns the column where the arguments of a call begin, without the block's indentation.

        Returns `call_edits.NO_COLUMN` if what is called is written on several lines.
        """
        function = self.code(call.func)
        if "\n" in function:
            return NO_COLUMN
        return self.column(call) + len(function) + 1 - self.indent(call)

    def indent(self, node: cst.CSTNode) -> int:
        """Returns the number of characters by which the block around a node is indented."""
        width = 0
        while node in self._parents:
            node = self._parents[node]
            if isinstance(node, cst.IndentedBlock):
                width += len(node.indent or self.module.default_indent)
        return width

    def note(self, node: cst.CSTNode, message: str) -> None:
        """Adds a note for the user on a node."""
        self.owner(node)._notes.add(Note(self.line(node), message))

    @property
    def notes(self) -> list[Note]:
        """The notes, sorted by line."""
        return sorted(self._notes)

    def edit(self, node: Node, edit: Callable[[Node], Any]) -> None:
        """Adds an edit of a node. It is applied after those within the node and earlier ones."""
        self.owner(node)._edits.setdefault(node, []).append(edit)

    def rewrite(self) -> bytes:
        """Returns the file with all edits applied."""
        self.new_imports.add_edit(self.edit)
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
