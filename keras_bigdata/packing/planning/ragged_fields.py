"""Fields of any length: checks those that a source declares, and measures their rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from keras_bigdata.errors import PackError
from keras_bigdata.packing.calls.request import PackRequest
from keras_bigdata.packing.samples.samples import augment_sample, read_row
from keras_bigdata.packing.samples.stored_form import StoredForm, declared_ragged
from keras_bigdata.shards.fields.entries import Field

# Number of rows whose average size determines the rows of a shard.
_SAMPLED_ROWS = 64


def check_declared(source: Any, fields: Mapping[str, Field]) -> None:
    """Checks the attribute `ragged` of a source against the fields of its samples.

    Raises:
        PackError: if the samples lack a field that it names.
    """
    missing = [name for name in declared_ragged(source) if name not in fields]
    if missing:
        raise PackError(
            f"the attribute `ragged` of the source names {missing}, but the samples hold "
            f"{list(fields)}."
        )


def measure_forms(
    request: PackRequest, fields: Mapping[str, Field], forms: Mapping[str, StoredForm]
) -> dict[str, StoredForm]:
    """Returns the forms with the average size of rows of any length.

    64 evenly spaced rows are read for this. They are the same rows each time, so the result is the
    same too. Nothing is read if the source declares the sizes itself, or if they are not needed.

    Args:
        request: the source and how it is to be packed.
        fields: the fields of its samples.
        forms: field -> form, as the source declares them.
    """
    unknown = [
        name
        for name, form in forms.items()
        if name in fields and fields[name].is_ragged and form.row_bytes is None
    ]
    if not unknown or request.shard_samples is not None:
        return dict(forms)
    last = len(request.source) - 1
    sizes: dict[str, list[int]] = {name: [] for name in unknown}
    for row in np.unique(np.linspace(0, last, _SAMPLED_ROWS).astype(np.int64)).tolist():
        try:
            sample = request.read_first_row() if row == 0 else read_row(request.source, row)
            sample = augment_sample(request.augment, sample, request.seed, row, variant=0)
        except PackError:  # `pack` reports the row when it writes its shard
            continue
        for name, measured in sizes.items():
            if name in sample:
                measured.append(sample[name].nbytes)
    offset_bytes = np.dtype(np.int64).itemsize
    return {
        **forms,
        **{
            name: replace(
                forms[name],
                row_bytes=-(-sum(measured) // max(1, len(measured))) + offset_bytes,
            )
            for name, measured in sizes.items()
        },
    }
