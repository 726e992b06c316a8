"""Numbers, sizes, times and summaries as the commands print them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_bigdata.shards.index import ShardIndex


def print_packed(directory: str | Path, index: ShardIndex, seconds: float) -> None:
    """Prints what was packed, how large it is and how long it took."""
    variants = f" in each of {index.variants} variants" if index.variants > 1 else ""
    print(
        f"{directory}: {index.num_samples} samples{variants} in "
        f"{format_count(len(index), 'shard')}, {format_bytes(index.sizes.sum())}, {seconds:.1f} s "
        f"({index.samples.sum() / seconds:.0f} samples/s)"
    )


def print_repair(found: Any) -> None:
    """Prints what `repair` did, or would do."""
    for step in found.steps:
        print(step)
    for note in found.notes:
        print(f"note: {note}")
    if found.gone:
        known = [rows for rows in found.gone.values() if rows is not None]
        print(
            f"gone: all rows of {format_count(len(found.gone), 'shard')}: "
            + (f"{sum(known)}" if len(known) == len(found.gone) else "nobody knows how many")
        )
    if not found.steps:
        print(f"{found.directory}: nothing to repair.")
    elif found.done:
        print(f"{found.directory}: done.")
    else:
        print(f"{found.directory}: nothing was changed. Add --yes to do this.")


def format_count(count: int, noun: str) -> str:
    """Returns `1 shard`, `2 shards`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def format_bytes(count: float) -> str:
    """Returns a size in a decimal unit, such as `1.4 KB`."""
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def format_seconds(seconds: float) -> str:
    """Returns a time in seconds, minutes or hours, such as `2.1 min`."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
