"""Summaries and figures as the commands print them, for people and as JSON for scripts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_bigdata.representation import format_bytes, format_count

if TYPE_CHECKING:
    from keras_bigdata.integrity.report import Repair
    from keras_bigdata.shards.index.shard_index import ShardIndex


def print_packed(directory: str | Path, index: ShardIndex, seconds: float) -> None:
    """Prints what was packed, how large it is and how long it took."""
    variants = f" in each of {index.variants} variants" if index.variants > 1 else ""
    print(
        f"{directory}: {index.num_samples:,} samples{variants} in "
        f"{format_count(len(index), 'shard')}, {format_bytes(index.sizes.sum())}, {seconds:.1f} s "
        f"({index.samples.sum() / seconds:,.0f} samples/s)"
    )


def print_repair(repair: Repair) -> None:
    """Prints the steps of a repair and, if they are only planned, how to carry them out."""
    print(repair)
    if repair.steps and not repair.done:
        print("Add --yes to carry out these steps.")


def add_json(command: Any) -> None:
    """Adds the option `--json`."""
    command.add_argument("--json", action="store_true", help="print one JSON object, for scripts")


def print_json(document: Mapping[str, Any]) -> None:
    """Prints one JSON object. Numbers that JSON does not have, such as infinity, become `null`."""
    print(json.dumps(_plain(document), indent=1))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | bool | None) else str(value)
