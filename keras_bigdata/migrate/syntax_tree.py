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
    """Raises an error for `except Error, name:`, which since Python 3.14 is a list of errors."""
    for node in walk(module):
        if (
            isinstance(node, cst.ExceptHandler)
            and node.name is None
            and isinstance(node.type, cst.Tuple)
            and not node.type.lpar
            and isinstance(node.type.elements[-1].value, cst.Name)
            and node.type.elements[-1].value.value.islower()
        ):
            before = module.code.partition(module.code_for_node(node).strip())[0]
            text = module.code_for_node(node).strip().split("\n")[0]
            raise SyntaxError(
                "multiple exception types must be parenthesized",
                ("<script>", before.count("\n") + 1, 1, text),
            )


def walk(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """Yields a node and all nodes within it, in the order of the file."""
    yield node
    for child in node.children:
        yield from walk(child)


def imported_modules(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """Yields the names of the modules that a statement imports, or may import as attributes."""
    if isinstance(node, cst.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, cst.ImportFrom) and node.module is not None and not node.relative:
        yield node.module
        if not isinstance(node.names, cst.ImportStar):
            for alias in node.names:
                yield cst.Attribute(node.module, cst.ensure_type(alias.name, cst.Name))
