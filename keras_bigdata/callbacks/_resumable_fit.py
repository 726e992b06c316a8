"""Whether a running `fit` trains in an order that can be resumed."""

from __future__ import annotations

import warnings

import keras

from keras_bigdata.keras_internals.callbacks import fit_input
from keras_bigdata.loading.epoch_dataset import EpochDataset


def check_fit(sequence: EpochDataset) -> None:
    """Checks that the running `fit` trains on the sequence, in an order that can be resumed.

    Raises:
        ValueError: if it does not.
    """
    received = fit_input()
    if received is None:
        warnings.warn(
            f"ResumeTraining cannot see the arguments of `fit` in Keras {keras.__version__}. Make "
            "sure that `fit` receives the same sequence, shuffle=False and no steps_per_epoch.",
            stacklevel=2,
        )
        return
    if received.dataset is not sequence:
        raise ValueError(
            "ResumeTraining and `fit` received different sequences. Pass the same object to both, "
            "and not its `as_dataset()`, which is read ahead of training."
        )
    if received.shuffle:
        raise ValueError(
            "`fit` shuffles the order of batches with a generator that cannot be restored. Pass "
            "`shuffle=False` to `fit`; ShardSequence shuffles by itself. Received: shuffle=True"
        )
    if received.steps_per_epoch is not None:
        raise ValueError(
            "Epochs of `fit(steps_per_epoch=...)` cannot be resumed. Pass it to ShardSequence "
            f"instead. Received: steps_per_epoch={received.steps_per_epoch}"
        )
