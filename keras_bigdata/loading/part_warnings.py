"""What a user is warned of when one of several processes begins an epoch with its part."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import keras

from keras_bigdata.keras_internals.distribution import (
    is_joint_distribution_active,
    model_joins_processes,
)
from keras_bigdata.keras_internals.fit import calling_model, is_called_by_predict
from keras_bigdata.loading.batch_parts import Part
from keras_bigdata.loading.epoch_server import EpochServer
from keras_bigdata.loading.epoch_warnings import has_unweighted_metrics


class PartWarnings:
    """Warns once of what a part of each batch does to a training, if Keras reads it."""

    def __init__(self) -> None:
        self._is_done = False

    def warn_once(self, server: EpochServer) -> None:
        """Warns when the first epoch begins.

        Raises:
            ValueError: if `predict` reads parts of batches in processes that share their arrays.
        """
        part = server.config.part
        if self._is_done or part.size == 1:
            return
        self._is_done = True
        if is_called_by_predict():
            _warn_of_predict(part)
            return
        model = calling_model()
        if model is None:
            return
        if not model_joins_processes(model):
            _warn_of_separate_models(part)
        if server.prefetcher.loader.weights(0) is not None:
            _warn_of_padding(model, server)


def _warn_of_predict(part: Part) -> None:
    hint = (
        "Predict in one process: a program without `keras.distribution` and "
        "`jax.distributed.initialize`."
    )
    if is_joint_distribution_active():
        raise ValueError(
            "Keras cannot return the predictions of several processes: each holds a part of them, "
            f"and reading them fails. {hint}"
        )
    warnings.warn(
        f"`predict` receives part ({part.rank}, {part.size}) of each batch, not all rows. {hint} "
        "Or pass part=(0, 1) to predict all rows in each process.",
        stacklevel=6,
    )


def _warn_of_separate_models(part: Part) -> None:
    warnings.warn(
        f"This process serves part ({part.rank}, {part.size}) of each batch, and its model shares "
        "nothing with those of other processes: it is trained and evaluated with these rows only. "
        "On JAX, let Keras train one model in all processes:\n"
        "  keras.distribution.set_distribution(keras.distribution.DataParallel("
        "auto_shard_dataset=False))\n"
        "On torch, write a loop with DistributedDataParallel. Or pass part=(0, 1).",
        stacklevel=6,
    )


def _warn_of_padding(model: Any, server: EpochServer) -> None:
    config = server.config
    seen = []
    if has_unweighted_metrics(model):
        seen.append("`compile(metrics=...)`")
    if not server.state.fixed and any(
        isinstance(layer, keras.layers.BatchNormalization) for layer in _layers(model)
    ):
        seen.append("BatchNormalization")
    if not seen:
        return
    is_one = len(seen) == 1
    warnings.warn(
        f"The last batch of a pass, of {server.num_samples % config.batch_size} rows, is padded "
        f"with rows of weight 0 to be divided among {config.part.size} processes, and "
        f"{' and '.join(seen)} {'counts' if is_one else 'count'} them. Pass metrics as "
        '`weighted_metrics`, or last_batch="drop" to the sequence.',
        stacklevel=6,
    )


def _layers(model: Any) -> Iterator[Any]:
    """Yields all layers of a model, also those inside other layers."""
    for layer in getattr(model, "layers", ()):
        yield layer
        yield from _layers(layer)
