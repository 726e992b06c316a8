"""Converts columns of numbers to float32."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.packing.sources.tables.missing_values import is_missing
from keras_bigdata.packing.sources.tables.problems import add_problem
from keras_bigdata.packing.sources.tables.table import Columns
from keras_bigdata.shards.fields.standard_fields import NUMBERS

# Larger numbers become infinite.
_FLOAT32_MAX = float(np.finfo(np.float32).max)

Float32 = npt.NDArray[np.float32]


@dataclass(slots=True)
class Numbers:
    """Columns of numbers, with the problems and notes about them.

    Args:
        values: The columns in order, float32 of shape `(rows,)` each; 0 where there is no number.
        present: For each column, where it has a number.
        problems: Row -> column -> reason why the row cannot be packed.
        notes: The notes that `pack` prints about them.
    """

    values: list[Float32] = field(default_factory=list)
    present: list[npt.NDArray[np.bool_]] = field(default_factory=list)
    problems: dict[int, dict[str, str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(
        self,
        values: Sequence[Any],
        column: str,
        *,
        allow_missing: bool = False,
        weights: bool = False,
    ) -> Float32:
        """Converts a column to float32, and adds it.

        Args:
            values: Numbers, or strings that are written as numbers.
            column: Its name, for messages.
            allow_missing: Whether a missing value is 0 without being a problem. Defaults to
                `False`.
            weights: Whether the numbers must be at least 0. Defaults to `False`.

        Returns:
            The numbers; 0 in rows without a finite one, which are among the problems.
        """
        numbers = np.zeros(len(values), np.float32)
        present = np.zeros(len(values), np.bool_)
        rounded: list[Any] = []
        vanished: list[Any] = []
        kind = "weight" if weights else "number"
        for row, value in enumerate(values):
            missing = is_missing(value) or (
                # Programs write it for a missing number.
                allow_missing and isinstance(value, str) and value.strip().lower() == "nan"
            )
            if missing:
                if not allow_missing:
                    add_problem(self.problems, row, column, f"{column}: there is no {kind}")
                continue
            number = _parse(value)
            reason = _problem(number, value, at_least_0=weights)
            if reason:
                add_problem(self.problems, row, column, f"{column}: {reason}")
                continue
            numbers[row] = number
            present[row] = True
            if number.is_integer() and float(numbers[row]) != number:
                rounded.append(value)
            elif number and not numbers[row]:
                vanished.append(value)
        if rounded:
            self.notes.append(
                f"{column}: {len(rounded):,} whole numbers, such as {rounded[0]}, are rounded to "
                "float32, which holds those up to 16,777,216 exactly. Subtract a constant, or "
                "divide."
            )
        if vanished:
            self.notes.append(
                f"{column}: {len(vanished):,} numbers, such as {vanished[0]}, are too small for "
                "float32 and become 0. Multiply them by a constant."
            )
        self.values.append(numbers)
        self.present.append(present)
        return numbers


def number_columns(numbers: str | Sequence[str] | None) -> list[str]:
    """Returns the columns that the argument `numbers` names.

    Raises:
        TypeError: If it is neither the name of a column nor a list of different ones.
    """
    if numbers is None:
        return []
    columns = [numbers] if isinstance(numbers, str) else numbers
    checked = list(columns) if isinstance(columns, Sequence) else []
    are_names = all(isinstance(name, str) for name in checked)
    if not checked or not are_names or len(set(checked)) != len(checked):
        raise TypeError(
            "`numbers` must be the name of a column or a list of different ones; add values in "
            "memory to the table first, as df.assign(a=values). Received: numbers of type "
            f"{type(numbers).__name__}"
        )
    return checked


def read_inputs(table: Columns, columns: Sequence[str]) -> tuple[dict[str, Float32], Numbers]:
    """Returns the field `numbers` (`{}` without columns), and the `Numbers` that were read."""
    numbers = Numbers()
    for column in columns:
        numbers.add(table.values[column], column)
    fields = {NUMBERS: np.stack(numbers.values, axis=1)} if columns else {}
    return fields, numbers


def _parse(value: Any) -> float:
    if isinstance(value, np.datetime64 | np.timedelta64):
        return math.nan  # `float` would return a number of nanoseconds
    try:
        # Python would read "1_000" as 1000; as a label it is a name.
        return math.nan if isinstance(value, str) and "_" in value else float(value)
    except (TypeError, ValueError):
        return math.nan
    except OverflowError:  # a whole number of more than 308 digits
        return math.copysign(_FLOAT32_MAX * 2, value)


def _problem(number: float, value: Any, *, at_least_0: bool) -> str:
    """Returns why a number cannot be stored; empty if it can."""
    if not math.isfinite(number):
        return f"{value!r} is not a finite number"
    if abs(number) > _FLOAT32_MAX:
        return f"{value!r} is too large for float32"
    if at_least_0 and number < 0:
        return f"{value!r} is negative, and a weight must be at least 0"
    return ""
