"""Says why a file is not Python 3, and how to convert Python 2."""

from __future__ import annotations

import re
import shlex

# Statements of Python 2, with what to call them. Each pattern is for one line.
_STATEMENTS = (
    (re.compile(r"^\s*(.*[:;]\s*)?print\s*([^=\s(]|\(.*\)\s*[%,]|$)"), "print"),
    (re.compile(r"^\s*(.*[:;]\s*)?print\s+\("), "print"),
    (re.compile(r"^\s*except\s+[^:]+,\s*\w+\s*:"), "except Error, name"),
    (re.compile(r"^\s*(.*[:;]\s*)?exec\s+[^=\s(]"), "exec"),
    (re.compile(r"^\s*(.*[:;]\s*)?raise\s+[\w.]+\s*,"), "raise Error, value"),
    (re.compile(r"`"), "backticks"),
    (re.compile(r"<>"), "<>"),
    (re.compile(r"\b0[0-7]+\b"), "an octal number such as 0777"),
    (re.compile(r"\b[0-9]+[lL]\b|\b0[xX][0-9a-fA-F]+[lL]\b"), "a long number such as 10L"),
    (re.compile(r"\b[uU][rR][\"']"), "a ur'' string"),
)


def describe(error: SyntaxError, code: str, name: str | None = None) -> str:
    """Returns a message about code that is not Python 3.

    Args:
        error: the error of the parser.
        code: the code.
        name: the name of the file, for the commands that convert it. `None` for a cell of a
            notebook, which these commands cannot convert.
    """
    lines = code.split("\n")
    line = lines[error.lineno - 1] if error.lineno and error.lineno <= len(lines) else ""
    found = next((what for pattern, what in _STATEMENTS if pattern.search(line)), "")
    if "inconsistent use of tabs" in str(error.msg):
        found = "tabs mixed with spaces"
    message = f"this is not Python 3: {error.msg}"
    if not found:
        return message
    message += "" if message.endswith((".", "?")) else "."
    message += f" It looks like Python 2 ({found})."
    if name is None:
        return f"{message} The cell is not changed: write it in Python 3 and run migrate again."
    name = shlex.quote(name)
    return (
        f"{message} Convert the file first and run migrate again: `2to3 -w -n {name}`, or with "
        "Python 3.13 and later, which have no 2to3: `pip install fissix` and "
        f"`python -m fissix -w -n {name}`."
    )
