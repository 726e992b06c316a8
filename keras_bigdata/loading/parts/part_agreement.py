"""Whether the processes that train together serve parts of the same batches."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from keras_bigdata.keras_internals.distribution import (
    active_parts,
    is_joint_distribution_active,
)
from keras_bigdata.keras_internals.fit import arguments_of_fit
from keras_bigdata.keras_internals.processes import connected_processes
from keras_bigdata.loading.parts.batch_parts import Part

if TYPE_CHECKING:
    from keras_bigdata.loading.epochs.epoch_dataset import EpochDataset


def check_agreement(sequence: EpochDataset) -> None:
    """Checks, before the first epoch of a `fit`, that all processes have the same batches.

    Other rows, another order or another number of batches in one process would lose and repeat
    rows without an error, or let the others wait for a batch forever; and so would a callback
    that exists in one process only. Keras calls this in every process, before the callbacks.

    Raises:
        ValueError: in all processes, if they differ.
    """
    if not is_joint_distribution_active():
        return
    arguments = arguments_of_fit()
    if keras.backend.backend() == "jax" and arguments:
        processes = connected_processes()
        processes.agree("the arguments of `fit` or `evaluate`", arguments)
        processes.agree("the ShardSequence", _identity(sequence))


def _identity(sequence: EpochDataset) -> dict[str, Any]:
    server = sequence.server
    state = server.state_dict()
    selection = state.pop("selection", None)
    samples = np.ascontiguousarray(server.config.index.samples, np.int64)
    return {
        **{name: repr(value) for name, value in state.items()},
        "number of batches": len(sequence),
        "part": _compared_with_joined(server.config.part),
        "selection": None if selection is None else zlib.crc32(repr(selection).encode()),
        "rows of the shards (checksum)": zlib.crc32(samples.tobytes()),
    }


def _compared_with_joined(part: Part) -> str:
    """Describes a part by a text that is the same in all processes, unless the part is wrong."""
    ((_, joined),) = active_parts().items()
    here = part.rank, part.size
    if here == joined:
        return "the one that is joined"
    return f"{here} instead of {joined}" if part.size > 1 else "all rows"
