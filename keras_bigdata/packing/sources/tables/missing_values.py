"""What counts as a missing value in a table."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np

# NaN and NaT are not equal to themselves. `np.inexact` has float32, which is not a `float`.
_TYPES_WITH_NAN = (float, complex, np.inexact, np.datetime64, np.timedelta64)
# Of pandas, which may not be installed. Comparing NA raises an error or returns NA.
_PANDAS_TYPES = ("NAType", "NaTType")


def is_missing(value: Any) -> bool:
    """Returns whether a value is None, NaN, NaT, pandas' NA, masked, or a blank string.

    Args:
        value: A value of any type. An array, a list and other objects are not missing.
    """
    if isinstance(value, str):
        return not value.strip()
    if value is None or value is np.ma.masked or type(value).__name__ in _PANDAS_TYPES:
        return True
    if isinstance(value, Decimal):  # a signaling NaN cannot be compared
        return value.is_nan()
    return isinstance(value, _TYPES_WITH_NAN) and bool(value != value)  # noqa: PLR0124
