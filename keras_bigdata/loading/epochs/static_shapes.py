"""Keeps TensorFlow from taking the lengths of the first batches for those of all batches."""

from __future__ import annotations

import threading

from keras_bigdata.keras_internals.fit import is_called_for_signature
from keras_bigdata.loading.rows.ragged_batch import widened
from keras_bigdata.loading.rows.row_reader import Batch


class OpenLengths:
    """Makes the lengths of padded rows differ in the batches from which Keras takes the shapes.

    On TensorFlow, `fit` looks at two batches before it trains: a dimension that is equal in both
    counts as equal in all, and a later batch of another length is an error. The second of them is
    padded to another length if the lengths are equal. Neither is trained on.

    Args:
        lengths: field of rows of any length -> the number that the length is a multiple of, and the
            number that fills rows.
    """

    def __init__(self, lengths: dict[str, tuple[int, float]]) -> None:
        self._lengths = lengths
        self._first: dict[str, int] = {}
        self._lock = threading.Lock()

    def of_signature(self, batch: Batch, index: int) -> Batch:
        """Returns a batch, padded further if Keras would take its length for that of all.

        Args:
            batch: the batch.
            index: its number in the epoch.
        """
        if not self._lengths or not is_called_for_signature():
            return batch
        changed = dict(batch)
        with self._lock:
            for name, (step, padding) in self._lengths.items():
                array = batch.get(name)
                if array is None or array.ndim < 2:
                    continue
                if index == 0:
                    self._first[name] = array.shape[1]
                elif array.shape[1] == self._first.get(name):
                    changed[name] = widened(array, array.shape[1] + step, padding)
        return changed

    def __reduce__(self) -> tuple[type[OpenLengths], tuple[dict[str, tuple[int, float]]]]:
        return OpenLengths, (self._lengths,)
