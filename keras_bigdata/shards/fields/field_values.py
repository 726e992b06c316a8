"""Converts values of any kind to the array of a field, or reports the reason why it cannot.

The reasons are the ends of sentences that begin with the name of the field.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# Booleans, integers, floating-point and complex numbers, which models take.
NUMERIC_KINDS = "biufc"


def as_array(value: Any) -> Array:
    """Converts the value of a field to an array.

    Args:
        value: an array, a tensor (TensorFlow, JAX, PyTorch), a number, or a (nested) list of
            numbers.

    Raises:
        ValueError: with the reason, such as `"is None: ..."`, if it is something else, or if an
            array would lose something: the mask of a masked array, or digits of integers.
    """
    kind = type(value).__name__
    if value is None:
        raise ValueError("is None: leave it out, or pass an array")
    if isinstance(value, Mapping):
        raise ValueError(f"is a {kind}, not an array: make a field of each of its values")
    masked = sum(map(_count_masked, value if isinstance(value, list | tuple) else (value,)))
    if masked:
        raise ValueError(
            f"({kind}) has {masked} masked values, and shards do not hold masks: fill them, as "
            "array.filled(0) does, or leave out their rows"
        )
    if isinstance(value, np.ndarray):
        return np.asarray(value)
    try:
        if hasattr(value, "detach"):  # PyTorch
            value = value.detach().cpu()
        array = np.asarray(value)
    except Exception as error:
        raise ValueError(
            f"is not an array: a {kind} cannot be converted to one ({type(error).__name__}: "
            f"{error}). Pad rows to one length, or pass them as Ragged.from_rows(rows)"
        ) from error

    if array.dtype.kind == "f":
        _check_integers(value, kind)
    return array


def _check_integers(value: Any, kind: str) -> None:
    """Refuses integers that became floats: beside missing values, or beside floats.

    Raises:
        ValueError: as `as_array`.
    """
    if getattr(getattr(value, "dtype", None), "kind", "") in ("i", "u"):
        raise ValueError(
            f"({kind}) holds integers and missing values, which would become floats: fill them, as "
            "series.fillna(0) does, or convert it, as series.astype('float64') does"
        )
    if not isinstance(value, list | tuple):
        return
    large = [item for item in value if isinstance(item, int) and abs(item) > 2**53]
    if large:
        raise ValueError(
            f"({kind}) holds {large[0]} beside numbers that make all of them floats, which have 53 "
            "bits: pass an array of one dtype"
        )


def numeric_problem(array: Array, kind: str = "ndarray") -> str | None:
    """Returns why an array does not hold numbers as a model takes them; `None` if it does.

    Args:
        array: the array.
        kind: name of the class that it was converted from. Defaults to `"ndarray"`.
    """
    dtype = array.dtype
    if dtype.kind in NUMERIC_KINDS:
        return None
    if dtype.hasobject and array.ndim == 0:
        return (
            f"is of type {kind}, which is not an array. Convert it: pad ragged rows, make sparse "
            "ones dense"
        )
    if dtype.hasobject:
        return (
            f"({kind}) holds rows of different length, texts, missing values (None, NA) or other "
            "objects, not numbers. Pad rows to one length, or pass them as Ragged.from_rows(rows); "
            "encode texts as numbers; fill missing values"
        )
    if dtype.kind in "US":
        return "holds texts: encode them as numbers of classes or tokens"
    if dtype.kind in "mM":
        return (
            f"has dtype {dtype}, dates or durations, which models do not take: convert it to "
            "numbers, such as (x - x.min()) / numpy.timedelta64(1, 'D')"
        )
    if dtype.names is not None:
        return f"has dtype {dtype}: make a field of each of its columns"
    return (
        f"has dtype {dtype}, which shards do not hold: cast it, for example bfloat16 to float32 "
        "with array.astype('float32')"
    )


def as_numbers(value: Any) -> Array:
    """Converts the value of a field to an array of numbers.

    Raises:
        ValueError: with the reason, if `as_array` or `numeric_problem` has one.
    """
    array = as_array(value)
    problem = numeric_problem(array, type(value).__name__)
    if problem is not None:
        raise ValueError(problem)
    return array


def _count_masked(value: Any) -> int:
    return int(np.ma.getmaskarray(value).sum()) if isinstance(value, np.ma.MaskedArray) else 0
