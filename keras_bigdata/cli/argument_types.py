"""Values of arguments: text -> what is meant."""

from __future__ import annotations

import argparse


def names(value: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in value.split(","))


def structure(value: str) -> str | tuple[str, ...]:
    fields = names(value)
    return fields[0] if len(fields) == 1 else fields


def size(value: str) -> tuple[int, int]:
    height, _, width = value.lower().partition("x")
    try:
        return int(height), int(width)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected HEIGHTxWIDTH such as 128x128, received {value!r}"
        ) from None


def delimiter(value: str) -> str:
    value = value.replace("\\t", "\t")
    if len(value) != 1:
        raise argparse.ArgumentTypeError(f"expected one character, received {value!r}")
    return value


def positive(value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if not number > 0:
        raise argparse.ArgumentTypeError(f"expected a number above 0, received {value!r}")
    return number
