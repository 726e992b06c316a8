"""Times and summaries as the commands print them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from keras_bigdata.representation import format_bytes, format_count

if TYPE_CHECKING:
    from keras_bigdata.integrity.report import Repair
    from keras_bigdata.shards.index import ShardIndex


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
