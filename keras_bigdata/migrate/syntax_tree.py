"""Syntax trees: parsing, and walking through the nodes."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator

import libcst as cst


def parse(content: bytes) -> cst.Module:
    """Returns the syntax tree of a file.

    Raises:
        SyntaxError: if the file is not Python 3.
        ValueError: if the file could not be written back byte for byte.
    """
    try:
        module = cst.parse_module(content)
    except cst.ParserSyntaxError as error:
        raise _syntax_error(content, error) from error
    _refuse_python_2(module)
    if module.bytes != content:
        raise ValueError(
            "the file cannot be written back unchanged: it contains form feeds or similar "
            "characters. Remove them first."
        )
    return module


def _syntax_error(content: bytes, error: cst.ParserSyntaxError) -> SyntaxError:
    """Returns Python's own error, whose message is clearer, or libcst's if Python parses it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(content)
        except SyntaxError as clearer:
            return clearer
        except ValueError:  # null bytes
            pass
    return SyntaxError(error.message, ("<script>", error.raw_line, error.raw_column, None))


def _refuse_python_2(module: cst.Module) -> None:
    """Raises an error for statements of Python 2 that are valid in Python 3 and mean another thing.

    `except Error, name:` is a list of errors since Python 3.14, and `print >>file, text` and
    `print (text) % values` are expressions, which fail when they run.
    """
    for node in walk(module):
        message = ""
        if isinstance(node, cst.ExceptHandler) and _is_python_2_handler(node):
            message = "multiple exception types must be parenthesized"
        elif isinstance(node, cst.BinaryOperation) and _is_python_2_print(node):
            message = "Missing parentheses in call to 'print'"
        if message:
            text = module.code_for_node(node).strip()
            line = module.code.partition(text)[0].count("\n") + 1
            raise SyntaxError(message, ("<script>", line, 1, text.split("\n", maxsplit=1)[0]))


def _is_python_2_handler(node: cst.ExceptHandler) -> bool:
    if node.name is not None or not isinstance(node.type, cst.Tuple) or node.type.lpar:
        return False
    last = node.type.elements[-1].value
    return isinstance(last, cst.Name) and last.value.islower()


def _is_python_2_print(node: cst.BinaryOperation) -> bool:
    if isinstance(node.operator, cst.RightShift):
        return isinstance(node.left, cst.Name) and node.left.value == "print"
    return (
        isinstance(node.operator, cst.Modulo)
        and isinstance(node.left, cst.Call)
        and isinstance(node.left.func, cst.Name)
        and node.left.func.value == "print"
    )


def walk(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """Yields a node and all nodes within it, in the order of the file."""
    yield node
    for child in node.children:
        yield from walk(child)


def imported_module_nodes(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """Yields the names of the modules that a statement imports, or may import as attributes."""
    if isinstance(node, cst.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, cst.ImportFrom) and node.module is not None and not node.relative:
        yield node.module
        if not isinstance(node.names, cst.ImportStar):
            for alias in node.names:
                yield cst.Attribute(node.module, cst.ensure_type(alias.name, cst.Name))
