"""The names of packed shards: `shard-00007.pkl`, or `shard-00007.v1.pkl` for variant 1."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Any

from keras_bigdata.files import natural_key

_SHARD_NAME = re.compile(r"shard-(\d{5,})(?:\.v(\d+))?\.pkl")


def shard_name(number: int, variant: int = 0) -> str:
    """Returns a file name such as `shard-00007.pkl`, or `shard-00007.v1.pkl` for variant 1."""
    return f"shard-{number:05d}{f'.v{variant}' if variant else ''}.pkl"


def shard_number(name: str) -> tuple[int, int] | None:
    """Returns number and variant of a shard by its file name; `None` for any other name."""
    match = _SHARD_NAME.fullmatch(name)
    return None if match is None else (int(match[1]), int(match[2] or 0))


def sort_key(name: str) -> tuple[int, int, Any]:
    """Returns variant, number and name of a shard; 0 and 0 for a name of another form."""
    number = shard_number(PurePath(name).name)
    variant_and_number = (0, 0) if number is None else (number[1], number[0])
    return (*variant_and_number, natural_key(name))
