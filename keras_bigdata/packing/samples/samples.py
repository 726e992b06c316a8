"""Rows of a source as samples: dicts of arrays, checked and augmented."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import PackError
from keras_bigdata.packing.samples.stored_form import check_row
from keras_bigdata.representation import shorten
from keras_bigdata.shards.fields.field_values import as_numbers
from keras_bigdata.shards.fields.ragged import Ragged
from keras_bigdata.shards.index.shard_index import Field

Array: TypeAlias = npt.NDArray[Any]
Sample: TypeAlias = Mapping[str, Any]
AugmentFunction: TypeAlias = Callable[[dict[str, Array], np.random.Generator], Sample]

# Characters of a value that a message has.
_MAX_RECEIVED = 80


def read_row(source: Any, row: int) -> dict[str, Array]:
    """Reads `source[row]` as a dict of arrays.

    Raises:
        PackError: if the source raises an exception, or returns something other than a dict of
            arrays.
    """
    try:
        sample = source[row]
    except (PackError, MemoryError):
        raise
    except Exception as error:
        raise PackError(describe_error(error)) from error
    return _as_arrays(sample)


def augment_sample(
    augment: AugmentFunction | None, sample: Sample, seed: int, row: int, variant: int
) -> dict[str, Array]:
    """Returns one variant of a sample; its random generator depends on seed, row and variant.

    Raises:
        PackError: if `augment` raises an exception, or returns something other than a dict of
            arrays.
    """
    if augment is None:
        return dict(sample)
    # Copies: what `augment` changes in place must not reach the next variant.
    copies = {name: np.array(value) for name, value in sample.items()}
    try:
        augmented = augment(copies, np.random.default_rng([seed, row, variant]))
    except MemoryError:
        raise
    except Exception as error:
        raise PackError(f"it fails: {describe_error(error)}") from error
    return _as_arrays(augmented)


def check_sample(sample: Mapping[str, Array], fields: Mapping[str, Field]) -> None:
    """Checks that a sample has the given fields, dtypes and shapes.

    Raises:
        PackError: if it does not.
    """
    if sample.keys() != fields.keys():
        raise PackError(f"the fields are {list(sample)}; in other rows they are {list(fields)}")
    for name, field in fields.items():
        problem = check_row(sample[name], field)
        if problem is not None:
            raise PackError(problem)


def describe_bad_row(row: int, error: PackError) -> str:
    """Returns the message about a row that cannot be packed."""
    reason = str(error).removesuffix(".")
    return f'row {row}: {reason}. Correct it, or pass on_error="skip" to leave out such rows.'


def describe_error(error: Exception) -> str:
    """Returns type, message and place of an exception in one line.

    The place is in the user's code. A worker process cannot send back a traceback.
    """
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({frame.filename}:{frame.lineno}, in {frame.name})"


def _as_arrays(sample: Any) -> dict[str, Array]:
    if not isinstance(sample, Mapping) or not sample:
        hint = ""
        if isinstance(sample, tuple | list):
            hint = (
                '. For a sample (x, y) return {"x": x, "labels": y}; batches (x, y) are stored by '
                "keras_bigdata.capture(batches, directory)"
            )
        raise PackError(
            "a sample must be a dict of field name -> array or number. "
            f"Received: {type(sample).__name__}{hint}"
        )
    arrays = {}
    for name, value in sample.items():
        if not isinstance(name, str):
            raise PackError(f"the name of a field must be a string. Received: {name!r:.80}")
        if isinstance(value, Ragged):
            raise PackError(
                f"field {name!r} is a Ragged, which holds many rows, and a sample is one row: "
                "return an array, and name the field in the attribute `ragged` of the source; or "
                "pass all rows at once, to Arrays"
            )
        try:
            arrays[name] = as_numbers(value)
        except ValueError as error:
            # In one line, as all messages about rows are; the `repr` of an array has several.
            received = shorten(" ".join(repr(value).split()), _MAX_RECEIVED)
            raise PackError(f"field {name!r} {error}. Received: {received}") from error
    return arrays
