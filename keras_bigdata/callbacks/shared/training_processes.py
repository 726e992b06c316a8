"""Which processes train the model of a callback together."""

from __future__ import annotations

from typing import Any

import keras

from keras_bigdata.keras_internals.callbacks import fit_input
from keras_bigdata.keras_internals.distribution import (
    is_joint_distribution_active,
    may_join_torch_processes,
)
from keras_bigdata.keras_internals.processes import Processes, connected_processes
from keras_bigdata.loading.epochs.dataset_origin import dataset_origin
from keras_bigdata.loading.epochs.epoch_dataset import EpochDataset


def training_processes(model: Any) -> Processes:
    """Returns the processes of the running `fit`; this one alone if each trains its own model.

    Several processes train together if a `keras.distribution` joins them, if Keras joins them on
    torch, or if the sequence that `fit` received serves a part of each batch.

    Args:
        model: the model that is trained.
    """
    on_torch = keras.backend.backend() == "torch"
    if is_joint_distribution_active() or (on_torch and may_join_torch_processes(model)):
        return connected_processes()
    received = fit_input()
    dataset = None if received is None else received.dataset
    if received is not None and dataset is None and received.tf_dataset is not None:
        origin = dataset_origin(received.tf_dataset)
        dataset = None if origin is None else origin.sequence
    if isinstance(dataset, EpochDataset) and dataset.part_of_batches.size > 1:
        return connected_processes()
    return Processes()
