"""The argument `part` of a sequence: which slice of each global batch this process serves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras_bigdata.arguments import checked_int
from keras_bigdata.keras_internals.distribution import (
    active_parts,
    is_joint_distribution_active,
    num_replicas,
)
from keras_bigdata.loading.parts.batch_parts import Part


def checked_part(part: Any, batch_size: int, seed: int | None) -> Part:
    """Returns the part that the argument `part` stands for.

    Args:
        part: `None`, `"auto"` or `(rank, size)`.
        batch_size: rows of a batch of all processes together.
        seed: the seed that was passed: processes that draw their own serve different orders.

    Raises:
        TypeError: if it is something else.
        ValueError: if the rank is not below the size, if the parts cannot be equal, if the sources
            of `"auto"` disagree, if there is no seed, or if several processes train and no part
            was passed.
    """
    if part is None:
        refuse_several_processes()
        return Part()
    if isinstance(part, str) and part == "auto":
        rank, size = _agreed(active_parts())
        devices = max(1, num_replicas() // size) if size > 1 else 1
        chosen = Part(rank, size, is_given=True, is_auto=True, devices=devices)
    elif isinstance(part, Sequence) and not isinstance(part, str) and len(part) == 2:
        size = checked_int(part[1], "part[1]", 1)
        chosen = Part(checked_int(part[0], "part[0]", 0), size, is_given=True)
        if chosen.rank >= size:
            raise ValueError(
                f"`part` is (rank, size), and ranks are 0 to size - 1. Received: part={part!r}"
            )
    else:
        raise TypeError(f"`part` must be None, 'auto' or (rank, size). Received: part={part!r}")
    if batch_size % chosen.multiple:
        shares = f" of {chosen.devices} devices each" if chosen.devices > 1 else ""
        raise ValueError(
            f"`batch_size` is the number of rows of a batch of all {chosen.size} parts{shares} "
            f"together, and must be a multiple of {chosen.multiple}. Received: "
            f"batch_size={batch_size}"
        )
    if seed is None and (chosen.size > 1 or (chosen.is_auto and is_joint_distribution_active())):
        raise ValueError(
            "Processes that train together must have the same order: pass `seed`, the same number "
            f"in each (of a Mixture, to each set). Received: part={part!r}, seed=None"
        )
    return chosen


def refuse_several_processes() -> None:
    """Raises an error if several processes train together, each with a part of every batch.

    Raises:
        ValueError: if they do.
    """
    for source, (_, size) in active_parts().items():
        if size > 1:
            raise ValueError(
                f"{source} divides each batch among {size} processes, and without `part` each "
                "of them would serve all rows. Pass the number of rows of the whole batch, and the "
                "part:\n"
                "  ShardSequence(..., batch_size=rows_of_all_processes, part='auto')\n"
                "or part=(0, 1) if this process alone uses the sequence, or divides its batches. "
                "A Mixture takes `part` itself, and part=(0, 1) for each of its sets."
            )


def check_part_of_epoch(part: Part) -> None:
    """Checks at the beginning of an epoch that the part is still that of this process.

    Raises:
        ValueError: if several processes train together and no part was passed, if part="auto" was
            read before the processes were connected, or if another part was passed than the one
            that the active distribution joins.
    """
    if not part.is_given:
        refuse_several_processes()
    if not part.is_auto:
        if part.size > 1 and is_joint_distribution_active():
            _check_joint(part)
        return
    now = _agreed(active_parts())
    if now != (part.rank, part.size):
        raise ValueError(
            f"part='auto' was (rank, size) = {(part.rank, part.size)} when the ShardSequence was "
            f"created, and it is {now} now. Connect the processes first, then create the "
            "sequence:\n"
            "  keras.distribution.set_distribution(...)  # or "
            "torch.distributed.init_process_group(...)\n"
            "  ShardSequence(..., part='auto')"
        )


def _check_joint(part: Part) -> None:
    ((source, joined),) = active_parts().items()
    if joined != (part.rank, part.size):
        raise ValueError(
            f"{source} joins what this process serves as part (rank, size) = {joined} of each "
            f"batch, so that other rows would be lost or repeated. Pass part='auto'. Received: "
            f"part={(part.rank, part.size)}"
        )


def _agreed(sources: dict[str, tuple[int, int]]) -> tuple[int, int]:
    """Returns the part on which all sources agree; the whole batch if there are none."""
    if not sources:
        return 0, 1
    (first, chosen), *others = sources.items()
    for source, part in others:
        if part != chosen:
            raise ValueError(
                f"part='auto' has two readings: {first} says (rank, size) = {chosen}, "
                f"and {source} says {part}. Pass part=(rank, size)."
            )
    return chosen


def check_padding(part: Part, rows: int, batch_size: int, targets: Any, option: str) -> None:
    """Checks that rows of a padded last batch can be weighted.

    Args:
        part: the part.
        rows: number of rows of a pass; 0 if no smaller batch ends it.
        batch_size: rows of a batch of all processes together.
        targets: the names of the targets, or `None`.
        option: the argument with which no batch is padded, for the message.

    Raises:
        ValueError: if the last batch must be padded, and there are no targets, without which Keras
            takes no weights.
    """
    if targets is None and rows % batch_size % part.multiple:
        raise ValueError(
            f"The last batch of {rows % batch_size} rows cannot be divided among {part.size} "
            "processes, and without `targets` its padding cannot get weight 0. Pass "
            f"{option}, or predict in one process."
        )
