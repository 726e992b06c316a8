"""Code cells of notebooks as Python, with placeholders for what only IPython understands."""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass, field

# Cell magics whose cell is Python code. The cells of all others are left as they are.
_PYTHON_CELL_MAGICS = {"capture", "memit", "prun", "snakeviz", "time", "timeit"}

_CELL_MAGIC = re.compile(r"\s*%%(\w+)")
_SHELL_OR_MAGIC = re.compile(r"[ \t]*(!|%{1,2}[A-Za-z])")
_ASSIGNED = re.compile(r"([ \t]*[\w.,\[\]\"' ]+?=[ \t]*)(!|%[A-Za-z])")
_HELP = re.compile(r"[ \t]*(\?{1,2}[\w%.*]|[\w%.*]+\?{1,2}[ \t]*;?[ \t]*$)")
_TIMED = re.compile(r"([ \t]*)(%(?:time|timeit)[ \t]+)(?=[^-\s])")


@dataclass
class CellCode:
    """The code of one cell.

    Attributes:
        code: Python code with as many lines as the cell; `None` if the cell cannot be changed.
        reason: why it cannot, or `""` if nothing needs to be said about it.
        line: the line that the reason is about, from 1.
        error: the error of the parser, if that is the reason.
    """

    code: str | None
    reason: str = ""
    line: int = 1
    error: SyntaxError | None = None
    _replaced: list[tuple[str, str]] = field(default_factory=list)

    def restore(self, code: str) -> str:
        """Returns changed code with the lines of IPython put back.

        Raises:
            ValueError: if a placeholder was changed.
        """
        for placeholder, original in self._replaced:
            if code.count(placeholder) != 1:
                raise ValueError("a line of the notebook that is not Python could not be kept.")
            code = code.replace(placeholder, original)
        return code


def read_cell(source: str, marker: str) -> CellCode:
    """Returns the Python code of a cell.

    Args:
        source: the text of the cell.
        marker: the beginning of the names of placeholders; the notebook must not contain it.
    """
    if parse_error(source) is None:
        return CellCode(source)
    magic = _CELL_MAGIC.match(source)
    if magic is not None and magic[1] not in _PYTHON_CELL_MAGICS:
        reason = ""
        if magic[1] in ("file", "writefile") and "keras" in source:
            reason = "this cell writes a file and is not changed: migrate that file."
        return CellCode(None, reason)
    cell = CellCode("")
    lines: list[str] = []
    remaining = re.findall(r"[^\n]*\n|[^\n]+$", source)
    statement = ""  # the lines of an unfinished statement
    while remaining:
        line = remaining.pop(0)
        if not statement and _is_command(line):
            while line.endswith("\\\n") and remaining:
                line += remaining.pop(0)
            lines.append(_placeholder(cell, line, f"{marker}{len(cell._replaced)}_"))
            continue
        statement += line
        lines.append(line)
        if not is_unfinished(statement):
            statement = ""
    cell.code = "".join(lines)
    error = parse_error(cell.code)
    if error is not None:
        return CellCode(None, "", error.lineno or 1, error)
    return cell


def parse_error(code: str) -> SyntaxError | None:
    """Returns the error of Python's parser, or `None`. `await` outside of functions is allowed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(code, "<cell>", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        except SyntaxError as error:
            return error
        except ValueError as error:  # null bytes
            return SyntaxError(str(error))
    return None


def is_unfinished(code: str) -> bool:
    """Whether a string or bracket is open at the end, or the last line ends with a backslash."""
    depth = 0
    position = 0
    while position < len(code):
        rest = code[position : position + 3]
        if rest[0] == "#":
            end = code.find("\n", position)
            position = len(code) if end < 0 else end
            continue
        if rest[0] in "\"'":
            quote = rest if rest in ('"""', "'''") else rest[0]
            position = _end_of_string(code, position + len(quote), quote)
            if position < 0:
                return len(quote) == 3
            continue
        if rest.startswith("\\\n"):
            position += 2
            if position == len(code):
                return True
            continue
        depth += (rest[0] in "([{") - (rest[0] in ")]}")
        position += 1
    return depth > 0


def _end_of_string(code: str, position: int, quote: str) -> int:
    """Returns the position after a string, or -1 if it does not end."""
    while position < len(code):
        if code[position] == "\\":
            position += 2
        elif code.startswith(quote, position):
            return position + len(quote)
        elif code[position] == "\n" and len(quote) == 1:
            return position
        else:
            position += 1
    return -1


def _is_command(line: str) -> bool:
    return any(pattern.match(line) for pattern in (_SHELL_OR_MAGIC, _HELP, _ASSIGNED))


def _placeholder(cell: CellCode, line: str, name: str) -> str:
    """Returns Python code in place of a command, with the same number of lines."""
    timed = _TIMED.match(line)
    if timed is not None:
        code = f"{timed[1]}{name}; {line[timed.end() :]}"
        if parse_error(code.lstrip()) is None:
            cell._replaced.append((f"{name}; ", timed[2]))
            return code
    indent = line[: len(line) - len(line.lstrip(" \t"))]
    first, *others = line.rstrip("\n").split("\n")
    assigned = _ASSIGNED.match(line)
    if assigned is not None and parse_error(f"{assigned[1].strip()} 0") is None:
        text = f"{assigned[1]}{name}"
    else:
        text = f"{indent}import {name}"
    for number in range(len(others)):
        text += f"\n{indent}#{name}{number}_"
    original = "\n".join([first, *others])
    cell._replaced.append((text, original))
    return text + line[len(original) :]
