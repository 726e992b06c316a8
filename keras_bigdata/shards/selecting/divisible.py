"""`Divisible`: splits, folds and random parts of rows, of sources and of shards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from keras_bigdata.arguments import checked_int, checked_number
from keras_bigdata.shards.selecting.row_parts import assign_parts

Integers = npt.NDArray[np.integer[Any]]
Mask = npt.NDArray[np.bool_]


class Divisible:
    """Rows that can be divided at random into parts of the same class.

    The rows of one group are never separated, and every class has the same proportion in all parts,
    as nearly as whole groups allow. A pure function of the arguments.
    """

    def take(
        self, fraction: float, seed: int = 0, *, stratify: str | Iterable[str] | None = "auto"
    ) -> Self:
        """Selects a random part of the rows, each class in the same proportion.

        Args:
            fraction: Share of the rows, between 0 and 1. `round(fraction * rows)` rows are taken,
                but at least one and not all.
            seed: Integer of at least 0; another seed takes other rows. Defaults to `0`.
            stratify: As in `split`. Defaults to `"auto"`.

        Returns:
            The selected rows, in their order.

        Raises:
            TypeError, ValueError: If an argument has a wrong type or value, or if there are fewer
                than two rows.

        Example:

        ```python
        small = Shards("shards/train").take(0.1)
        ```
        """
        return self._divide("take", fraction, stratify, None, seed=seed)[1]

    def split(
        self,
        fraction: float,
        seed: int = 0,
        *,
        stratify: str | Iterable[str] | None = "auto",
        groups: Any = None,
    ) -> tuple[Self, Self]:
        """Splits the rows in two parts, for training and validation.

        Without groups, the second part has `round(fraction * rows)` rows, but at least one and not
        all, and every class is within one row of its share. With groups, both are as near to their
        shares as whole groups allow: large groups are assigned first, each to the part that then
        deviates less.

        Args:
            fraction: Share of the rows that the second part receives, between 0 and 1.
            seed: Integer of at least 0; another seed results in another split. Defaults to `0`.
            stratify: Name or names of columns of labels; every combination of their values is
                divided in the same proportion. `"auto"`: the targets, if they are labels (of
                shards: if the index has counted their classes), else none. `None`: none. Defaults
                to `"auto"`.
            groups: Name of a column, such as `"patient"`, or an array with one value per row: rows
                with the same value go to the same part. Rows of one image file, which table and
                shards name, always do. Defaults to `None`.

        Returns:
            Tuple `(rest, part)`.

        Raises:
            TypeError, ValueError: If an argument has a wrong type or value, if there are fewer than
                two rows or groups, or if a column has missing values or too many labels.
            ShardError: If a column does not exist, or if a shard cannot be read.

        Example:

        ```python
        train, validation = Shards("shards/train").split(0.2, groups="patient")
        ```
        """
        return self._divide("split", fraction, stratify, groups, seed=seed)

    def folds(
        self,
        k: int,
        seed: int = 0,
        *,
        stratify: str | Iterable[str] | None = "auto",
        groups: Any = None,
    ) -> Iterator[tuple[Self, Self]]:
        """Divides the rows into k folds, for cross-validation.

        Every row is in the second part of exactly one pair. Without groups, the folds have the same
        number of rows within one, and of every class too.

        Args:
            k: Number of folds, at least 2.
            seed: Integer of at least 0; another seed results in other folds. Defaults to `0`.
            stratify, groups: As in `split`. Default to `"auto"` and `None`.

        Yields:
            k tuples `(train, validation)`.

        Raises:
            TypeError, ValueError: As `split`, and if there are fewer than k rows or groups.
            ShardError: As `split`.

        Example:

        ```python
        for train, validation in Shards("shards/train").folds(5):
            print(train, validation)
        ```
        """
        k = checked_int(k, "k", 2)
        parts = self._assign(stratify, groups, [1 / k] * k, seed)
        return (
            self._pair(parts, number, f"folds({k}, seed={seed})[{number}]") for number in range(k)
        )

    def _divide(
        self, method: str, fraction: float, stratify: Any, groups: Any, *, seed: int
    ) -> tuple[Self, Self]:
        fraction = checked_number(fraction, "fraction", above=0, below=1)
        rows = self._count_rows()
        if rows < 2:
            raise ValueError(f"`{method}` needs at least two rows. Received: {rows}")
        second = min(max(round(fraction * rows), 1), rows - 1) / rows
        parts = self._assign(stratify, groups, [1 - second, second], seed)
        return self._pair(parts, 1, f"{method}({fraction}, seed={seed})")

    def _assign(self, stratify: Any, groups: Any, shares: list[float], seed: int) -> Integers:
        """Returns the number of the part of each row."""
        seed = checked_int(seed, "seed", 0)
        numbers = self._number_groups(groups)
        return assign_parts(self._number_strata(stratify), numbers, shares, seed)

    def _pair(self, parts: Integers, number: int, name: str) -> tuple[Self, Self]:
        """Returns the rows of the other parts, and the rows of one part."""
        return (
            self._part(parts, lambda part: part != number, f"{name}[0]"),
            self._part(parts, lambda part: part == number, f"{name}[1]"),
        )

    def _count_rows(self) -> int:
        """Returns the number of rows."""
        raise NotImplementedError

    def _number_strata(self, stratify: Any) -> Integers:
        """Returns an integer for each row, from 0, the same for the same labels."""
        raise NotImplementedError

    def _number_groups(self, groups: Any) -> Integers | None:
        """Returns an integer for each row, from 0 without gaps; `None` if there are no groups."""
        raise NotImplementedError

    def _part(self, parts: Integers, is_chosen: Callable[[Integers], Mask], name: str) -> Self:
        """Returns the rows whose part is chosen.

        Args:
            parts: the number of the part of each row.
            is_chosen: function of a stretch of `parts` that returns which of them are chosen.
            name: description of the part.
        """
        raise NotImplementedError
