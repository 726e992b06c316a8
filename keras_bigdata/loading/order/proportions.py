"""How many rows of each set a batch holds, so that sets are mixed in given proportions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from keras_bigdata.arguments import checked_number
from keras_bigdata.permutation import Int64Array
from keras_bigdata.representation import shorten

# Products of two numbers up to this one are computed in 64 bits.
_MAX_TOTAL = 2**31

# Maximum sum of the weights if some sets have less than one row per batch: the order of the sets in
# so many rows is computed and held.
_MAX_TABLE = 100_000


def checked_weights(weights: Sequence[Any], names: Sequence[str]) -> tuple[int, ...]:
    """Returns weights as the smallest integers in the same proportions.

    Args:
        weights: one positive number per set. Floats are taken as they are written: 0.1 is 1/10.
        names: names of the sets.

    Raises:
        TypeError: if a weight is not a number.
        ValueError: if a weight is not positive, or the integers are too large.
    """
    fractions = []
    for name, weight in zip(names, weights, strict=True):
        number = checked_number(weight, f"weights[{name!r}]", minimum=0)
        if not 0 < number < math.inf:
            raise ValueError(
                f"A weight must be a positive number. Received: {number} for the set {name!r}. "
                "Leave a set out that gives no rows."
            )
        fractions.append(Fraction(str(number)))
    scale = math.lcm(*(fraction.denominator for fraction in fractions))
    integers = [int(fraction * scale) for fraction in fractions]
    divisor = math.gcd(*integers)
    integers = [integer // divisor for integer in integers]
    if sum(integers) > _MAX_TOTAL:
        raise ValueError(
            "`weights` need simpler proportions: as integers they are "
            f"{shorten(integers)}. Pass integers such as (1, 2) instead of (0.333333, 0.666667). "
            f"Received: weights={shorten(tuple(weights))}"
        )
    return tuple(integers)


class Proportions:
    """The number of rows of each set in each batch, as a pure function of the batch.

    Within an epoch (or the whole stream, with `steps`), the number of rows that a set has given
    before any batch differs from its exact share by less than one row.

    Without `steps` an epoch is one pass over the set that is exhausted last, whose rows it holds
    exactly once. The last batch may be smaller, and each epoch has the same numbers.

    Args:
        weights: positive integers, as `checked_weights` returns them.
        batch_size: number of rows in a batch.
        sizes: number of rows in a pass over each set.
        steps: number of batches in an epoch; `None` for one pass. Defaults to `None`.

    Attributes:
        length: number of batches in an epoch.
        num_samples: number of rows in an epoch.
        max_rows: the maximum number of rows of each set in a batch.

    Raises:
        ValueError: if the weights would need a table that is too large.
    """

    def __init__(
        self,
        weights: Sequence[int],
        batch_size: int,
        sizes: Sequence[int],
        steps: int | None = None,
    ) -> None:
        self._weights = np.array(weights, np.int64)
        self._total = int(self._weights.sum())
        self._batch_size = batch_size
        self._table = None
        if len(weights) > 2 and batch_size * min(weights) < self._total:
            self._table = _interleaved(weights)
        self._steps = steps
        if steps is not None:
            self.length, self.num_samples = steps, steps * batch_size
            self._per_epoch = None
        else:
            self._set_pass(sizes)
        shares = -(-batch_size * self._weights // self._total)
        self.max_rows = [min(batch_size, int(share) + 1) for share in shares]

    def _set_pass(self, sizes: Sequence[int]) -> None:
        """Sets the length of an epoch that is one pass over the set that is exhausted last."""
        weights = [int(weight) for weight in self._weights]
        last = max(range(len(sizes)), key=lambda number: Fraction(sizes[number], weights[number]))
        size, weight = sizes[last], weights[last]
        # Rows in an epoch, if rows could be divided.
        exact = Fraction(size * self._total, weight)
        length = math.ceil(exact / self._batch_size)
        before = self._given(np.array([length - 1]))[0]
        end = np.array([size * other // weight for other in weights])
        end = np.maximum(end, before)
        while (excess := int((end - before).sum()) - self._batch_size) > 0:
            others = np.where(np.arange(len(end)) == last, 0, end - before)
            largest = int(others.argmax())
            end[largest] -= min(excess, int(others[largest]))
        if not (end - before).any():
            length -= 1
        self.length = length
        self.num_samples = int(end.sum())
        self._per_epoch = end

    def before(self, positions: Int64Array) -> Int64Array:
        """Returns how many rows each set gives before some positions of the endless stream.

        Args:
            positions: int64 array.

        Returns:
            An int64 array of shape `(positions, sets)`.
        """
        if self._per_epoch is None:
            return self._given(positions)
        epoch, batch = np.divmod(positions, self.length)
        return epoch[:, np.newaxis] * self._per_epoch + self._given(batch)

    def _given(self, batches: Int64Array) -> Int64Array:
        """Returns how many rows each set gives in a number of full batches."""
        periods, rest = np.divmod(batches * self._batch_size, self._total)
        if self._table is not None:
            part = self._table[rest]
        else:
            # Differences of rounded sums: their sum is exact, and each is within one of its share.
            # They do not decrease if there are two sets, or one row of each set in each batch.
            ends = rest[:, np.newaxis] * np.cumsum(self._weights) // self._total
            part = np.diff(ends, axis=1, prepend=0)
        return periods[:, np.newaxis] * self._weights + part


def _interleaved(weights: Sequence[int]) -> Int64Array:
    """Returns how many of the first 0, 1, 2, ... rows of a period belong to each set.

    Row k of a set becomes due when its exact share reaches k + 1, and is not taken before its share
    exceeds k; the earliest one due comes first. So each number is within one of its exact share
    (Steiner and Yeomans, Level Schedules for Mixed-Model, Just-in-Time Processes, 1993).
    """
    total = sum(weights)
    if total > _MAX_TABLE:
        raise ValueError(
            "With these `weights` a set has less than one row per batch, and the pattern of the "
            f"batches repeats only after {total:,} rows (at most {_MAX_TABLE:,}). Pass rounder "
            f"weights or a larger `batch_size`. Received: weights={shorten(tuple(weights))}"
        )
    table = np.zeros((total + 1, len(weights)), np.int64)
    given = [0] * len(weights)
    for row in range(total):
        released = [n for n, weight in enumerate(weights) if given[n] * total < weight * (row + 1)]
        first = min(released, key=lambda n: (-(-(given[n] + 1) * total // weights[n]), n))
        given[first] += 1
        table[row + 1] = given
    return table
