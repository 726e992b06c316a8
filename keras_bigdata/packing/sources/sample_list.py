"""A list of samples in memory as a source for `pack`."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.shards.fields.field_values import as_array


class SampleList:
    """A list of dicts, each of which is a row.

    Args:
        samples: The rows.
    """

    # Nothing is decoded: starting processes would take longer than the work.
    thread_rows = sys.maxsize

    def __init__(self, samples: Sequence[Mapping[str, Any]]) -> None:
        self._samples = samples

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, row: int) -> Mapping[str, Any]:
        return self._samples[row]

    def select(self, rows: npt.NDArray[np.int64]) -> SampleList:
        """Returns a source of some rows."""
        return SampleList([self._samples[row] for row in rows])

    def fingerprint(self) -> dict[str, Any]:
        """Returns a JSON dict that differs between lists with different values."""
        digest = hashlib.sha256()
        for sample in self._samples:
            for name, value in sample.items() if isinstance(sample, Mapping) else ():
                try:
                    array = as_array(value)
                except ValueError:  # `pack` reports the row
                    continue
                digest.update(f"{name} {array.dtype} {array.shape}".encode() + array.tobytes())
        return {"kind": "list", "rows": len(self), "rows_sha256": digest.hexdigest()}
