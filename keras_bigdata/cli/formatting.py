"""What several commands tell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keras_bigdata.integrity.report import Repair
    from keras_bigdata.shards.index import ShardIndex


def tell_packed(directory: str | Path, index: ShardIndex, seconds: float) -> None:
    variants = f" in each of {index.variants} variants" if index.variants > 1 else ""
    print(
        f"{directory}: {index.num_samples} samples{variants} in {counted(len(index), 'shard')}, "
        f"{in_bytes(index.sizes.sum())}, {seconds:.1f} s "
        f"({index.samples.sum() / seconds:.0f} samples/s)"
    )


def tell_repair(found: Repair) -> None:
    """Prints the steps of a repair and, if they are only planned, how to make them."""
    print(found)
    if found.steps and not found.done:
        print("Add --yes to carry out these steps.")


def counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def in_bytes(count: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def in_time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
