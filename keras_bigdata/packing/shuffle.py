"""Random choices that are a pure function of the seed, in every release of NumPy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]


def permutation(size: int, *seed: int) -> Rows:
    """The numbers 0 to `size - 1` in an order that the seeds alone decide."""
    # The raw output of PCG64 is fixed for good, that of `Generator` methods is not.
    keys = np.random.PCG64(np.random.SeedSequence(seed)).random_raw(size)
    return np.argsort(keys, kind="stable").astype(np.int64)


def cut(rows: Rows, size: int) -> list[Rows]:
    """The rows in runs of `size`; the last one may be shorter."""
    return [rows[start : start + size] for start in range(0, len(rows), size)]
