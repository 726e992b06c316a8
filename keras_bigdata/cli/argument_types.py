"""Arguments of several commands: functions for `type=` of `argparse`, and whole options."""

from __future__ import annotations

import argparse
import math
from typing import Literal


def add_layout(command: argparse.ArgumentParser) -> None:
    """Adds the option `--layout`, as in `ShardSequence`."""
    command.add_argument(
        "--layout",
        choices=["columns"],
        help="read pickles without an index that could mean two things, such as one sample per "
        "file, as rows with one array per field (default: refuse them with both readings)",
    )


def parse_names(text: str) -> tuple[str, ...]:
    """Parses names that are separated by commas."""
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise argparse.ArgumentTypeError(
            f"expected names separated by commas, received {text!r}, in which one is empty"
        )
    return names


def parse_integers(text: str) -> tuple[int, ...]:
    """Parses integers that are separated by commas."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected integers separated by commas such as 0,255, received {text!r}"
        ) from None


def parse_structure(text: str) -> str | tuple[str, ...]:
    """Parses the fields of a role: one name, or several as a tuple."""
    names = parse_names(text)
    return names[0] if len(names) == 1 else names


def parse_size(text: str) -> tuple[int, int]:
    """Parses `HEIGHTxWIDTH`."""
    height, _, width = text.lower().partition("x")
    try:
        return int(height), int(width)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected HEIGHTxWIDTH such as 128x128, received {text!r}"
        ) from None


def parse_text_length(text: str) -> int | Literal["variable"]:
    """Parses the tokens of a row: a number, or `variable`."""
    if text == "variable":
        return "variable"
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected a number of tokens or 'variable', received {text!r}"
        ) from None


def parse_delimiter(text: str) -> str:
    r"""Parses one character; `\t` is a tab, which is hard to type in a shell."""
    character = text.replace("\\t", "\t")
    if len(character) != 1:
        raise argparse.ArgumentTypeError(f"expected one character, received {text!r}")
    return character


def parse_positive(text: str) -> float:
    """Parses a finite number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not (number > 0 and math.isfinite(number)):
        raise argparse.ArgumentTypeError(f"expected a finite number above 0, received {text!r}")
    return number
