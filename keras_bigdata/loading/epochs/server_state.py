"""The settings of the order in a `state_dict`, and whether a state belongs to a sequence."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from keras_bigdata.arguments import checked_int
from keras_bigdata.loading.batches.batch_loader import LoaderConfig
from keras_bigdata.shards.index.shard_index import ShardIndex
from keras_bigdata.shards.selecting.selection import selection_difference

STATE_VERSION = 1


def identity_of(
    config: LoaderConfig, num_samples: int, steps_per_epoch: int | None
) -> dict[str, Any]:
    """Returns the settings of the order, as plain values."""
    return {
        "num_samples": num_samples,
        "num_shards": len(config.index),
        "batch_size": config.batch_size,
        "steps_per_epoch": steps_per_epoch,
        "shuffle": config.shuffle,
        "window_shards": config.window_shards,
        "last_batch": config.last_batch,
        "balance": config.balance and config.balance.field,
        "seed": config.seed,
        "fingerprint": data_fingerprint(config.index),
        **({} if config.selection is None else {"selection": config.selection.identity()}),
        **config.decode.identity(),
    }


def data_fingerprint(index: ShardIndex, *, with_names: bool = False) -> str:
    """Returns a hash of what the shards hold, in their order. Files are not read.

    Args:
        index: the shards.
        with_names: whether their names count too. Those of joined sets say where they lie.
    """
    digest = hashlib.sha256()
    for column in (index.samples, index.sizes, index.checksums, index.variant):
        digest.update(column.astype("<i8").tobytes())
    if with_names:
        digest.update("\0".join(index.names).encode())
    return digest.hexdigest()[:16]


def checked_state(
    state: Mapping[str, Any], identity: Mapping[str, Any], length: int
) -> tuple[int, int]:
    """Returns the epoch and the batch of a state.

    Args:
        state: what `state_dict` returned.
        identity: the settings of the sequence that continues.
        length: number of batches in an epoch.

    Raises:
        ValueError: if the state belongs to other data or other settings.
    """
    expected = {"version": STATE_VERSION, **identity}
    difference = selection_difference(state.get("selection"), expected.pop("selection", None))
    if difference is not None:
        raise ValueError(f"The state belongs to other rows: {difference}.")
    # States of earlier releases do not have these keys, and no state has them with the defaults.
    for key in ("decode", "pad_to", "bucket"):
        expected.setdefault(key, None)
    for key in ("fingerprint", "order"):
        if key not in state:
            expected.pop(key, None)
    fingerprint = expected.pop("fingerprint", None)
    for key, value in expected.items():
        if key != "seed" and state.get(key) != value:
            raise ValueError(
                f"The state belongs to another sequence: {key!r} is {state.get(key)!r} in the "
                f"state and {value!r} here."
            )
    if fingerprint is not None and state["fingerprint"] != fingerprint:
        raise ValueError(
            "The state belongs to other data: the shards do not have the sizes and checksums of "
            "those in the state, in their order. Open the same sets, in the same order."
        )
    for key in ("seed", "epoch"):
        if key not in state:
            raise ValueError(f"The state has no {key!r}: `state_dict()` did not return it.")
    epoch = checked_int(state["epoch"], "epoch", 0)
    batch = checked_int(state.get("batch", 0), "batch", 0)
    if batch >= length:
        raise ValueError(
            f"The state is at batch {batch}, but an epoch has {length} batches. Load the state of "
            "a sequence with the same rows and settings."
        )
    return epoch, batch
