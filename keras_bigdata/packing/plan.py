"""Which rows go into which shard."""

from __future__ import annotations

import numpy as np

from keras_bigdata.permutation import Int64Array, permutation

Rows = Int64Array


def shuffled_rows(count: int, seed: int) -> Rows:
    """Returns the numbers 0 to `count - 1` in an order that the seed alone decides."""
    return permutation(count, np.random.SeedSequence(seed))


def cut(rows: Rows, size: int) -> list[Rows]:
    """Cuts rows into pieces of `size`; the last one may be shorter."""
    return [rows[start : start + size] for start in range(0, len(rows), size)]
