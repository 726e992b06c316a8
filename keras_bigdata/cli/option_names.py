"""Error messages of functions, with their arguments named as the options of a command."""

from __future__ import annotations

import argparse
import contextlib
import re
from collections.abc import Iterator

# Arguments of functions whose option has another name.
_OPTIONS = {
    "classes": "like",
    "columns": "column",
    "directory": "output",
    "fraction": "split",
    "groups": "group",
    "path": "source",
    "storage_options": "storage_option",
    "table": "source",
    "vocabulary": "like",
}

_POSITIONALS = {
    "directory": "DIR",
    "files": "FILE",
    "function": "MODULE:FUNCTION",
    "source": "SOURCE",
}

_NAME = re.compile(r"`(\w+)(?:\[[^\]`]*\])?`")
# Not `name=...`, which stands for any value in an example of a call.
_VALUE = re.compile(
    r"(?<![\w./\\(])(\w+)=(\"[^\"]*\"|'[^']*'|-?\.?\w+(?:\.\w+)*|\([^)]*\)|\[[^\]]*\])"
)


def option_name(argument: str) -> str:
    """Returns the option for an argument of the same name, such as `--mask-values`."""
    return f"--{argument.replace('_', '-')}"


def in_options(message: str, parsed: argparse.Namespace) -> str:
    """Returns a message with options in place of arguments: `--delimiter ';'` for `delimiter=';'`.

    An option without a value is `--append` for `append=True`, and `no --append` for `append=False`.

    Args:
        message: the message of an exception.
        parsed: the parsed command line, whose options are known.
    """
    known = vars(parsed)

    def find(name: str) -> str | None:
        option = name if name in known else _OPTIONS.get(name)
        if option is None or option not in known:
            return None
        return _POSITIONALS.get(option) or option_name(option)

    def replace_name(match: re.Match[str]) -> str:
        return find(match[1]) or match[0]

    def find_flag(name: str, value: str) -> str | None:
        if value not in ("True", "False"):
            return None
        # Only flags are parsed to a bool.
        for option, value_if_passed in ((name, "True"), (f"no_{name}", "False")):
            if isinstance(known.get(option), bool):
                return f"{'' if value == value_if_passed else 'no '}{option_name(option)}"
        return None

    def replace_value(match: re.Match[str]) -> str:
        value = match[2]
        flag = find_flag(match[1], value)
        if flag is not None:
            return flag
        option = find(match[1])
        if option is None:
            return match[0]
        plain = value.strip("\"'")
        return f"{option} {plain if re.fullmatch(r'-?[A-Za-z0-9_.]+', plain) else value}"

    return _VALUE.sub(replace_value, _NAME.sub(replace_name, message))


@contextlib.contextmanager
def argument_errors() -> Iterator[None]:
    """Turns a `TypeError` about an argument into a `ValueError`, which is printed as one line."""
    try:
        yield
    except TypeError as error:
        raise ValueError(str(error)) from error
