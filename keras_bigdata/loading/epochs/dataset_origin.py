"""Finds the sequence whose batches a `tf.data.Dataset` delivers."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from keras_bigdata.keras_internals.fit import running_fits
from keras_bigdata.keras_internals.tf_data import changed_batches, computed_batches, read_datasets

if TYPE_CHECKING:
    from keras_bigdata.loading.epochs.epoch_dataset import EpochDataset

# What `as_dataset()` has returned.
_sequences: weakref.WeakKeyDictionary[Any, EpochDataset] = weakref.WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class DatasetOrigin:
    """Where the batches of a `tf.data.Dataset` come from.

    Attributes:
        sequence: the sequence whose `as_dataset()` it reads.
        is_transformed: whether it is not the result of `as_dataset()` itself.
        change: the first transformation that changes the number or the order of the batches;
            `None` if each batch comes from one of the sequence, in order.
        computation: the first transformation that computes something, whose time is not that of
            the sequence; `None` if there is none. Defaults to `None`.
    """

    sequence: EpochDataset
    is_transformed: bool
    change: str | None
    computation: str | None = None


def remember_origin(dataset: Any, sequence: EpochDataset) -> None:
    """Records that a dataset delivers the batches of a sequence."""
    _sequences[dataset] = sequence


def dataset_origin(dataset: Any) -> DatasetOrigin | None:
    """Returns where the batches of a dataset come from; `None` if from no sequence."""
    sequence = _sequences.get(dataset)
    if sequence is not None:
        return DatasetOrigin(sequence, False, None)
    for read in read_datasets(dataset):
        origin = dataset_origin(read)
        if origin is not None:
            change = origin.change or changed_batches(dataset)
            computation = origin.computation or computed_batches(dataset)
            return DatasetOrigin(origin.sequence, True, change, computation)
    return None


def model_that_reads(sequence: EpochDataset) -> Any:
    """Returns the model whose `fit` or `evaluate` reads `as_dataset()` of a sequence, or `None`."""
    for model, dataset in running_fits():
        origin = None if dataset is None else dataset_origin(dataset)
        if origin is not None and origin.sequence is sequence:
            return model
    return None
