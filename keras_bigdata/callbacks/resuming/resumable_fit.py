"""The data that a running `fit` reads, if it trains in an order that can be resumed."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import keras

from keras_bigdata.keras_internals.callbacks import FitInput, fit_input
from keras_bigdata.loading.epochs.dataset_origin import dataset_origin
from keras_bigdata.loading.epochs.epoch_dataset import EpochDataset


class ResumableFit:
    """The data that a running `fit` reads: the sequence, or a `tf.data.Dataset` of its batches.

    Args:
        sequence: the sequence.
        dataset: the dataset. Defaults to `None`: `fit` reads the sequence.
        is_transformed: whether its batches are not those of the sequence. Defaults to `False`.
        received: what was found of the `fit`. Defaults to `None`: nothing.

    Attributes:
        validation: the sequence that `fit` received as `validation_data`, or `None`.
        can_end_epoch: whether an epoch may be ended before `fit` has found the end of the data.
        reads_ahead: whether batches may be requested long before they are trained, even those of
            an epoch that is not trained to its end.
    """

    def __init__(
        self,
        sequence: EpochDataset,
        dataset: Any = None,
        is_transformed: bool = False,
        received: FitInput | None = None,
    ) -> None:
        self._sequence = sequence
        self._dataset = dataset
        self._is_transformed = is_transformed
        self._example: Any = None
        self.reads_ahead = dataset is not None
        self.can_end_epoch = received is not None
        self._adapter: Any = None if received is None else received.adapter
        validation = None if received is None else received.validation_data
        is_another = isinstance(validation, EpochDataset) and validation is not sequence
        self.validation: EpochDataset | None = validation if is_another else None

    def seek(self, checkpoint: Mapping[str, Any]) -> None:
        """Sets the batch that `fit` receives next, and the epoch of the validation data."""
        if self._is_transformed:
            # Read before the state is loaded, because iterating begins an epoch.
            first = next(iter(self._dataset))
            self._example = keras.tree.map_structure(lambda tensor: tensor.numpy(), first)
        self._sequence.load_state_dict(checkpoint["sequence"])
        if self.validation is not None and checkpoint.get("validation"):
            try:
                self.validation.load_state_dict(checkpoint["validation"])
            except ValueError as error:
                warnings.warn(
                    "`validation_data` is not the sequence of the checkpoint, and begins with its "
                    f"epoch {self.validation.epoch}: {error}",
                    stacklevel=2,
                )

    def end_epoch(self) -> None:
        """Ends the epoch of the data, as Keras does when it has found the end."""
        self._adapter.on_epoch_end()

    def example(self) -> Any:
        """Returns a batch as `fit` receives it: `(x, y, sample_weight)`."""
        batch = self._sequence.example() if self._example is None else self._example
        self._example = None
        return keras.utils.unpack_x_y_sample_weight(batch)


def check_fit(sequence: EpochDataset) -> ResumableFit:
    """Checks that the running `fit` trains on the sequence, in an order that can be resumed.

    Returns:
        The data that it reads.

    Raises:
        ValueError: if it trains on other data or in another order.
    """
    received = fit_input()
    if received is None:
        warnings.warn(
            f"ResumeTraining cannot see the arguments of `fit` in Keras {keras.__version__}. Make "
            "sure that `fit` receives the same sequence, shuffle=False and no steps_per_epoch.",
            stacklevel=2,
        )
        return ResumableFit(sequence)
    data = _check_data(sequence, received)
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
    return data


def _check_data(sequence: EpochDataset, received: FitInput) -> ResumableFit:
    if received.dataset is sequence:
        return ResumableFit(sequence, received=received)
    dataset = received.tf_dataset
    origin = None if dataset is None else dataset_origin(dataset)
    if origin is None or origin.sequence is not sequence:
        raise ValueError(
            "ResumeTraining and `fit` received different sequences. Pass the same object to both, "
            "or its `as_dataset()` to `fit`; functions may be mapped over it. "
            f"Received: {_describe(received, origin is not None)}"
        )
    change = origin.change
    if change is None and dataset.options().deterministic is False:
        change = "options().deterministic=False"
    if change is not None:
        raise ValueError(
            f"`fit` received `as_dataset()` of the sequence after {change!r}, which changes the "
            "number or the order of its batches, so the sequence does not know which rows were "
            "trained. Pass `as_dataset()` to `fit` with `map` and `prefetch` only; set the batch "
            "size and the shuffle of the sequence instead."
        )
    return ResumableFit(sequence, dataset, origin.is_transformed, received)


def _describe(received: FitInput, has_origin: bool) -> str:
    if has_origin:
        return "`as_dataset()` of another sequence"
    if received.tf_dataset is not None:
        return "a tf.data.Dataset that was not made of `as_dataset()`"
    if received.dataset is not None:
        return f"another {type(received.dataset).__name__}"
    return "data that are neither a sequence nor a tf.data.Dataset"
