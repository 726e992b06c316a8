"""Warnings and errors when one of several processes begins an epoch with its part."""

from __future__ import annotations

import warnings
from typing import Any

import keras
import numpy as np

from keras_bigdata.keras_internals.distribution import (
    is_joint_distribution_active,
    model_joins_processes,
)
from keras_bigdata.keras_internals.fit import is_called_by_predict
from keras_bigdata.keras_internals.layers import all_layers
from keras_bigdata.keras_internals.padded_loss import (
    loss_changed_by_padding,
    passes_mask_to_loss,
)
from keras_bigdata.keras_internals.processes import Processes
from keras_bigdata.loading.epochs.epoch_server import EpochServer
from keras_bigdata.loading.epochs.epoch_warnings import has_unweighted_metrics
from keras_bigdata.loading.parts.batch_parts import Part


class PartWarnings:
    """Warns once of each effect that parts of batches have when Keras reads them."""

    def __init__(self) -> None:
        self._done: set[str] = set()

    def warn_once(self, server: EpochServer, model: Any, processes: Processes) -> None:
        """Warns when the first epoch begins.

        Args:
            server: serves the epochs.
            model: the model that reads them in `fit` or `evaluate`, if any.
            processes: those that call this function together.

        Raises:
            ValueError: if `predict` reads parts of batches in processes that share their arrays, or
                if the padding would change a loss of the model.
        """
        part = server.config.part
        if part.size == 1:
            return
        if is_called_by_predict():
            if self._is_first("predict"):
                _check_predict(part)
            return
        if model is None:
            return
        if not model_joins_processes(model) and self._is_first("separate models"):
            _warn_of_separate_models(part)
        if server.prefetcher.loader.weights(0) is not None and self._is_first("padding"):
            # All processes raise the error, or none, because the others would wait for it.
            changed = processes.from_first(lambda: _changed_loss(model, server))
            _refuse_changed_loss(changed, server)
            _warn_of_padding(model, server)

    def _is_first(self, warning: str) -> bool:
        is_first = warning not in self._done
        self._done.add(warning)
        return is_first


def _check_predict(part: Part) -> None:
    """Refuses `predict` in processes that share arrays, and warns of it in other processes."""
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
        "On torch, install Keras 3.16, which does so after\n"
        "  torch.distributed.init_process_group(...)\n"
        "or write a loop with DistributedDataParallel. Or pass part=(0, 1).",
        stacklevel=6,
    )


def _changed_loss(model: Any, server: EpochServer) -> str | None:
    """Describes a loss that is not a mean over rows, found with random predictions."""
    _, targets, given = server.example()
    rows = min(2, len(keras.tree.flatten(targets)[0]))
    places = [*range(rows), 0]
    both = (targets, keras.tree.map_structure(np.ones_like, given))
    unpadded = keras.tree.map_structure(lambda array: np.asarray(array)[:rows], both)
    if server.roles.sample_weights is None and server.class_weights is None:
        unpadded = (unpadded[0], None)
    padded = keras.tree.map_structure(lambda array: np.asarray(array)[places], both)
    factors = np.array([(rows + 1) / rows] * rows + [0], np.float32)
    weights = keras.tree.map_structure(
        lambda array: array * factors.reshape(-1, *[1] * (array.ndim - 1)), padded[1]
    )
    return loss_changed_by_padding(model, unpadded, (padded[0], weights), places)


def _refuse_changed_loss(changed: str | None, server: EpochServer) -> None:
    if changed is None:
        return
    raise ValueError(
        f"{_describe_padding(server)}, and the loss of the output {changed}: it is not a mean of "
        "one loss for each row or value, as one with reduction='sum', or one number for a batch. "
        f"Pass {_no_padding(server)}, or compile another loss."
    )


def _describe_padding(server: EpochServer) -> str:
    config = server.config
    rest = server.num_samples % config.batch_size
    padded = config.part.rows_of(rest) * config.part.size
    return (
        f"The last batch of a pass, of {rest} rows, is padded to {padded} with rows of weight 0 to "
        f"be divided among {config.part.size} processes"
    )


def _no_padding(server: EpochServer) -> str:
    """Returns the argument that avoids padding, and where to pass it, for messages."""
    kind = "sequence" if len(server.config.parts) == 1 else "Mixture"
    return f"{server.config.no_padding} to the {kind}"


def _warn_of_padding(model: Any, server: EpochServer) -> None:
    config = server.config
    rest = server.num_samples % config.batch_size
    seen, changed = [], []
    if has_unweighted_metrics(model):
        seen.append("`compile(metrics=...)`")
    layers = all_layers(model)
    if not server.state.fixed and any(
        isinstance(layer, keras.layers.BatchNormalization) for layer in layers
    ):
        seen.append("BatchNormalization")
        changed.append("for BatchNormalization")
    if passes_mask_to_loss(model):
        changed.append("for the number of values that a mask leaves out")
    if any(getattr(layer, "activity_regularizer", None) is not None for layer in layers):
        changed.append("for activity regularizers")
    counts = "counts" if len(seen) == 1 else "count"
    warnings.warn(
        f"{_describe_padding(server)}{f', and {_joined(seen)} {counts} them' if seen else ''}. "
        f"Its loss and gradients are those of its {rest} rows"
        f"{f', except {_joined(changed)}' if changed else ''}. The logged `loss` and weighted "
        f"metrics of an epoch count it as {config.part.rows_of(rest) * config.part.size} rows. "
        f"Pass metrics as `weighted_metrics`, or {_no_padding(server)}.",
        stacklevel=6,
    )


def _joined(names: list[str]) -> str:
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0]
