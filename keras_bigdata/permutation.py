"""Random orders that are a pure function of a seed, the same in every release of NumPy.

They are built on the raw bits of PCG64: NumPy promises that the stream of a bit generator never
changes, and makes no such promise for the methods of `Generator` (NEP 19,
https://numpy.org/neps/nep-0019-rng-policy.html).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Int64Array = npt.NDArray[np.int64]
UInt64Array = npt.NDArray[np.uint64]

# Numbers of rows.
Rows = Int64Array

_FEISTEL_ROUNDS = 8

# Permutations up to this length are computed whole, which takes about 1 ms.
_MAX_WHOLE = 8192


def random_bits(count: int, sequence: np.random.SeedSequence) -> UInt64Array:
    """Returns `count` random integers of 64 bits."""
    return np.random.PCG64(sequence).random_raw(count)


def permutation(count: int, sequence: np.random.SeedSequence) -> Int64Array:
    """Returns a random permutation of `range(count)`: the argsort of `count` random integers."""
    keys = random_bits(count, sequence)
    return np.argsort(keys, kind="stable").astype(np.int64, copy=False)


def shuffled_rows(count: int, seed: int) -> Rows:
    """Returns the row numbers 0 to `count - 1` in an order that depends on the seed alone."""
    return permutation(count, np.random.SeedSequence(seed))


def permutation_at(
    positions: Int64Array, count: int, sequence: np.random.SeedSequence
) -> Int64Array:
    """Returns the entries of a random permutation of `range(count)` at some positions.

    Up to 8,192 entries they are taken from `permutation`. Beyond that the memory needed depends on
    the number of positions only: a Feistel network over Z_a x Z_b, with a * b just above `count`,
    is applied again to the few results that are not below `count` (Black and Rogaway, Ciphers with
    Arbitrary Finite Domains, 2002). Over a handful of entries such a network is not uniform: the
    orders of 5 had a chi-square of 4.3 per degree of freedom.

    Args:
        positions: int64 array, each in `[0, count)`.
        count: length of the permutation.
        sequence: the seed.

    Returns:
        An int64 array of the same length.
    """
    if count <= _MAX_WHOLE:
        return permutation(count, sequence)[positions]
    a = np.uint64(int(np.ceil(np.sqrt(count))))
    b = np.uint64(-(-count // int(a)))
    keys = random_bits(_FEISTEL_ROUNDS, sequence)
    result = positions.astype(np.uint64)
    todo = np.arange(len(result))
    while len(todo):
        left, right = result[todo] // b, result[todo] % b
        for number, key in enumerate(keys):
            if number % 2:
                right = (right + mix_bits(left, key) % b) % b
            else:
                left = (left + mix_bits(right, key) % a) % a
        result[todo] = left * b + right
        todo = todo[result[todo] >= count]
    return result.astype(np.int64)


def mix_bits(values: UInt64Array, key: np.uint64) -> UInt64Array:
    """Applies the finalizer of SplitMix64 (Steele, Lea and Flood, 2014)."""
    z = values ^ key
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
