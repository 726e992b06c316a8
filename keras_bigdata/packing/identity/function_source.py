"""The source text of functions and classes, reduced to what determines their behavior."""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import io
import itertools
import token
import tokenize
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any, TypeAlias

# Line and column.
Position: TypeAlias = tuple[int, int]
Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

# Tokens between statements.
_BREAKS = (token.INDENT, token.DEDENT, token.NEWLINE)
# Differs from the numbers of all tokens.
_DOCSTRING = -1


def source_text(thing: FunctionType | type) -> str | None:
    """Returns the source text of a function or class without comments, docstrings and layout.

    The text is the same in every version of Python. It is read from the file, which may have been
    changed since it was imported: the text counts only if compiling it results in the code that
    the function has.

    Args:
        thing: a function (also a lambda) or a class.

    Returns:
        The tokens, one per line; `None` if there is no text (code typed into Python or run by
        `exec`), or if it does not agree with the code.
    """
    try:
        lines, start = inspect.findsource(thing)
        module = _parse("".join(lines))
        if isinstance(thing, FunctionType):
            return module.function_text(thing.__code__)
        return module.class_text(thing, start + 1)
    except (OSError, TypeError, ValueError, SyntaxError, tokenize.TokenError, RecursionError):
        return None


def code_digest(code: CodeType) -> str:
    """Returns a digest of bytecode, names and constants; it changes with the version of Python."""
    digest = hashlib.sha256(code.co_code + repr(code.co_names).encode())
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            digest.update(code_digest(constant).encode())
        elif isinstance(constant, frozenset):  # its order differs between processes
            digest.update(repr(sorted(map(repr, constant))).encode())
        else:
            digest.update(repr(constant).encode())
    return digest.hexdigest()[:16]


class _Module:
    """The text of one module, parsed and compiled."""

    def __init__(self, text: str) -> None:
        self._lines = io.StringIO(text).readlines()
        self._tree = ast.parse(text)
        self._codes = list(_nested_codes(compile(text, "", "exec", dont_inherit=True)))
        self._tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))

    def function_text(self, code: CodeType) -> str | None:
        """Returns the text of the function with this code, or `None` if it is not in the text."""
        if code not in self._codes:
            return None
        nodes: list[Any] = [
            node
            for node in ast.walk(self._tree)
            if isinstance(node, Function)
            and _first_line(node) == code.co_firstlineno
            and getattr(node, "name", "<lambda>") == code.co_name
        ]
        if len(nodes) > 1:  # several lambdas that begin on one line
            place = _first_place(code)
            nodes = [node for node in nodes if place and _start(node.body) <= place < _end(node)]
            nodes.sort(key=lambda node: _start(node.body))
        return self._text(nodes[-1]) if nodes else None

    def class_text(self, cls: type, line: int) -> str | None:
        """Returns the text of a class that begins on a line, or `None` if it is another class."""
        nodes = [
            node
            for node in ast.walk(self._tree)
            if isinstance(node, ast.ClassDef)
            and node.name == cls.__name__
            and line in (node.lineno, _first_line(node))
        ]
        if len(nodes) != 1:
            return None
        for member in nodes[0].body:
            if isinstance(member, ast.FunctionDef) and not member.decorator_list:
                function = vars(cls).get(member.name)
                if isinstance(function, FunctionType) and function.__code__ not in self._codes:
                    return None
        return self._text(nodes[0])

    def _text(self, node: Function | ast.ClassDef) -> str:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = (_first_line(node), 0)
        if isinstance(node, ast.Lambda):
            start = (node.lineno, self._column(node.lineno, node.col_offset))
        end = (node.end_lineno, self._column(node.end_lineno, node.end_col_offset))
        return "\n".join(self._significant_tokens(start, end))

    def _significant_tokens(self, start: Position, end: Position) -> Iterator[str]:
        """Yields the tokens of a part without comments, blank lines, layout and docstrings."""
        tokens = [entry for entry in self._tokens if start <= entry.start and entry.end <= end]
        tokens = [entry for entry in tokens if entry.type not in (token.NL, token.COMMENT)]
        # The part may begin with the end of another block, or be the first in its own.
        tokens = list(itertools.dropwhile(lambda entry: entry.type in _BREAKS, tokens))
        fstring_starts: list[Position] = []
        previous = token.NEWLINE
        for entry, following in itertools.zip_longest(tokens, tokens[1:]):
            kind = token.tok_name[entry.type]
            statement_ends = following is None or following.type == token.NEWLINE
            if kind.endswith("STRING_START"):  # an f-string, which is one token before Python 3.12
                fstring_starts.append(entry.start)
            elif kind.endswith("STRING_END"):
                fstring_start = fstring_starts.pop()
                if not fstring_starts:
                    yield self._slice(fstring_start, entry.end)
            elif fstring_starts:
                continue
            elif entry.type == token.STRING and previous in _BREAKS and statement_ends:
                previous = _DOCSTRING
                continue
            elif entry.type in _BREAKS:
                if previous != _DOCSTRING:
                    yield kind
            else:
                yield entry.string
            previous = entry.type

    def _slice(self, start: Position, end: Position) -> str:
        lines = self._lines[start[0] - 1 : end[0]]
        lines[-1] = lines[-1][: end[1]]
        lines[0] = lines[0][start[1] :]
        return "".join(lines)

    def _column(self, line: int, byte_offset: int) -> int:
        """Returns the column in characters: `ast` counts bytes of UTF-8."""
        return len(self._lines[line - 1].encode()[:byte_offset].decode())


@functools.lru_cache(maxsize=8)
def _parse(text: str) -> _Module:
    return _Module(text)


def _nested_codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _nested_codes(constant)


def _first_line(node: Any) -> int:
    decorators = getattr(node, "decorator_list", None)
    line: int = decorators[0].lineno if decorators else node.lineno
    return line


def _first_place(code: CodeType) -> Position | None:
    """Returns where the first expression begins, in bytes; `None` if that is not recorded."""
    places = [
        (line, column)
        for line, end_line, column, end_column in code.co_positions()
        if line is not None and column is not None and (line, column) != (end_line, end_column)
    ]
    return min(places, default=None)


def _start(node: ast.expr) -> Position:
    return node.lineno, node.col_offset


def _end(node: ast.expr) -> Position:
    return node.end_lineno or 0, node.end_col_offset or 0
