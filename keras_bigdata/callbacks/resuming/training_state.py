"""The state of a training between two batches: read as one document, compared, and restored."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from keras_bigdata.callbacks.resuming.training_settings import (
    is_new_class,
    keeps_learning_rate,
    optimizers_of,
    read_settings,
)
from keras_bigdata.callbacks.shared import callback_states
from keras_bigdata.keras_internals.callbacks import global_seed_state, set_global_seed_state
from keras_bigdata.keras_internals.distribution import whole_value
from keras_bigdata.loading.epochs.server_state import data_fingerprint
from keras_bigdata.shards.selecting.selection import selection_difference

if TYPE_CHECKING:
    from keras_bigdata.loading.epochs.epoch_dataset import EpochDataset

# 1: a ZIP archive of raw bytes. 2: an `.npz` archive; the states of callbacks have versions.
VERSION = 2


def read_training(
    model: Any,
    callbacks: Sequence[Any],
    sequence: EpochDataset,
    *,
    position: dict[str, Any],
    sequence_epoch: int,
    settings: dict[str, Any],
    validation: EpochDataset | None = None,
) -> dict[str, Any]:
    """Returns the state of a training, to be copied before the next step.

    Args:
        model: the model, with its variables up to date.
        callbacks: the callbacks that are saved with it.
        sequence: the sequence that it is trained on.
        position: the `epoch` and the `batch` that are trained next, and whether the epoch before it
            has `ended` and the training was `stopped` there.
        sequence_epoch: the epoch of the sequence at that position.
        settings: the settings with which the training began.
        validation: the sequence that validates the model after each epoch. Defaults to `None`.
    """
    order = {**sequence.state_dict(), "epoch": sequence_epoch, "batch": position["batch"]}
    return {
        "version": VERSION,
        "keras": keras.__version__,
        "backend": keras.backend.backend(),
        "position": position,
        "sequence": order,
        "data": _data_identity(sequence),
        "validation": None if validation is None else validation.state_dict(),
        "settings": settings,
        "settings_now": read_settings(model),
        "variables": _describe_variables(model),
        **read_values(model),
        "history": {"epoch": model.history.epoch, "history": model.history.history},
        "callbacks": callback_states.read(callbacks),
    }


def restore_training(
    document: dict[str, Any],
    model: Any,
    callbacks: Sequence[Any],
    new_settings: Mapping[str, Any],
) -> None:
    """Restores the model, its History, the callbacks and the random generators.

    Args:
        document: what `read_training` returned.
        model: the model.
        callbacks: the callbacks that are saved with it.
        new_settings: settings that are not those of the document; they are left as compiled.
    """
    optimizer = list(_values_for_new_settings(document, model, new_settings))
    values = document["values"]
    if new_settings:
        values = {**values, "optimizer": optimizer}
    restore_values({**document, "values": values}, model)
    model.history.epoch = document["history"]["epoch"]
    model.history.history = document["history"]["history"]
    callback_states.restore(callbacks, document["callbacks"])
    _restore_generators(document["random"])


def read_values(model: Any) -> dict[str, Any]:
    """Returns all variables and random generators, to be copied before the next step.

    On the CPU, the arrays may share memory with the variables, and JAX donates that memory to the
    next step.
    """
    values = {
        kind: [whole_value(variable) for variable in variables]
        for kind, variables in _variables(model).items()
    }
    return {"values": values, "random": _read_generators()}


def restore_values(document: dict[str, Any], model: Any) -> None:
    """Restores what `read_values` returned."""
    for kind, variables in _variables(model).items():
        for variable, value in zip(variables, document["values"][kind], strict=True):
            variable.assign(value)
    _restore_generators(document["random"])


def check_version(document: dict[str, Any], directory: Any) -> None:
    """Checks that a document has the format of this version.

    Raises:
        ValueError: if it has another format.
    """
    version = document.get("version")
    if version != VERSION:
        raise ValueError(
            f"{directory} holds a checkpoint of format {version!r}, and this version of "
            f"keras_bigdata reads format {VERSION}. Finish the training with the version that "
            "began it, or pass another directory."
        )


def describe_position(position: Mapping[str, Any], epochs: int, batches: int) -> str:
    """Describes where a training continues, as a format string with the field `directory`."""
    epoch = position["epoch"]
    if position["stopped"] or epoch >= epochs:
        return f"The training in {{directory}} has ended after {epoch} epochs"
    return (
        f"Resuming from the checkpoint in {{directory}}, in epoch {epoch + 1} after "
        f"{position['batch']} of {batches} batches"
    )


def data_difference(document: dict[str, Any], sequence: EpochDataset) -> str | None:
    """Describes a difference in backend or data between a document and a sequence.

    Returns:
        A text with both values, or `None` if the document belongs to the sequence.
    """
    here = {"backend": keras.backend.backend(), **_data_identity(sequence)}
    saved = {"backend": document["backend"], **document["data"]}
    if sequence.seed_given:
        here["seed"], saved["seed"] = sequence.seed, document["sequence"]["seed"]
    difference = selection_difference(saved.pop("selection", None), here.pop("selection", None))
    if difference is not None:
        return difference
    for key, value in here.items():
        if saved.get(key) != value:
            return f"{key} is {saved.get(key)!r} in the checkpoint and {value!r} here"
    return None


def model_difference(
    document: dict[str, Any],
    model: Any,
    example: Callable[[], Any],
    new_settings: Mapping[str, Any],
) -> str | None:
    """Describes a difference between the model of a document and a model.

    Trains the batch that `example` returns if variables are missing that Keras creates in the first
    step. With new settings the optimizer may have other variables.

    Returns:
        A text with both values, or `None` if the document belongs to the model.
    """
    saved = document["variables"]
    counts = {kind: len(variables) for kind, variables in saved.items()}
    if {kind: len(variables) for kind, variables in _variables(model).items()} != counts:
        model.train_on_batch(*example())
    here = _describe_variables(model)
    kinds = ("model", "metrics") if new_settings else ("model", "optimizer", "metrics")
    for kind in kinds:
        for number, (left, right) in enumerate(zip(saved[kind], here[kind], strict=False)):
            if _comparable(left) != _comparable(right):
                both = f"{_format(left)} in the checkpoint and {_format(right)} here"
                return f"variable {number} of the {kind} is {both}"
        if len(saved[kind]) != len(here[kind]):
            count = len(saved[kind])
            return f"the {kind} has {count} variables in the checkpoint and {len(here[kind])} here"
    return None


def wait_for_step(model: Any) -> None:
    """Waits until the device has finished the steps that were started."""
    for variable in model.variables[:1]:
        whole_value(variable)


def seed_epoch(seed: int | list[int], epoch: int) -> None:
    """Seeds torch's global generator from (seed, epoch) alone; does nothing on other backends.

    It drives Dropout, and every iterator of a data loader draws from it. The number of these draws
    is different in an epoch that was resumed.
    """
    if keras.backend.backend() == "torch":
        import torch

        words = np.random.SeedSequence(seed, spawn_key=(epoch,)).generate_state(2, np.uint32)
        torch.manual_seed(int(words[0]) << 31 ^ int(words[1]))


# ---- Variables: of the model with the seeds of its layers, of optimizers and of metrics


def _variables(model: Any) -> dict[str, list[Any]]:
    return {
        "model": list(model.variables),
        "metrics": list(model.metrics_variables),
        "optimizer": [v for o in optimizers_of(model).values() for v in o.variables],
    }


def _values_for_new_settings(
    document: dict[str, Any], model: Any, new_settings: Mapping[str, Any]
) -> Iterator[Any]:
    """Yields a value for each variable of the optimizers: that of the document, or a first one.

    A variable is found by its name and shape. An optimizer of another class starts again. In other
    optimizers than that of `compile`, variables that are not found keep their values: it is unknown
    which variables of the model these optimizers train.
    """
    if not new_settings:
        return
    saved: dict[str, list[Any]] = {}
    described = document["variables"]["optimizer"]
    for variable, value in zip(described, document["values"]["optimizer"], strict=True):
        saved.setdefault(repr(_comparable(variable)), []).append(value)
    for name, optimizer in optimizers_of(model).items():
        initial = optimizer
        if optimizer is model.optimizer:
            if not optimizer.built:
                optimizer.build(model.trainable_variables)
            # The variables may have been changed by a step that only created them.
            initial = type(optimizer).from_config(optimizer.get_config())
            initial.build(model.trainable_variables)
        for variable, first in zip(optimizer.variables, initial.variables, strict=True):
            values = saved.get(repr(_comparable(_describe(variable))), [])
            value = values.pop(0) if values else None
            is_rate = variable.path.endswith("/learning_rate")
            is_kept = keeps_learning_rate(name, new_settings) if is_rate else True
            if value is None or not is_kept or is_new_class(name, new_settings):
                value = whole_value(first)
            yield value


def _describe_variables(model: Any) -> dict[str, list[dict[str, Any]]]:
    return {
        kind: [_describe(variable) for variable in variables]
        for kind, variables in _variables(model).items()
    }


def _describe(variable: Any) -> dict[str, Any]:
    dtype = keras.backend.standardize_dtype(variable.dtype)
    return {"name": variable.path, "shape": list(variable.shape), "dtype": dtype}


def _comparable(variable: dict[str, Any]) -> tuple[str, list[int], str]:
    """Returns a description without the numbers in names, which Keras increments in a process."""
    name = re.sub(r"_\d+(?=[_/]|$)", "", variable["name"])
    return name, variable["shape"], variable["dtype"]


def _format(variable: dict[str, Any]) -> str:
    shape = tuple(variable["shape"])
    return f"{variable['name']!r} of shape {shape} and dtype {variable['dtype']}"


# ---- Global random generators


def _read_generators() -> dict[str, Any]:
    state: dict[str, Any] = {
        "python": random.getstate(),
        "numpy": np.random.get_state(legacy=False),
    }
    keras_state = global_seed_state()
    if keras_state is not None:
        state["keras"] = keras_state
    if keras.backend.backend() == "torch":
        import torch

        state["torch"] = torch.get_rng_state().numpy()
        state["cuda"] = [s.numpy() for s in torch.cuda.get_rng_state_all()]
    return state


def _restore_generators(state: dict[str, Any]) -> None:
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    if "keras" in state:
        set_global_seed_state(state["keras"])
    if "torch" in state and keras.backend.backend() == "torch":
        import torch

        torch.set_rng_state(torch.from_numpy(state["torch"]))
        torch.cuda.set_rng_state_all([torch.from_numpy(s) for s in state["cuda"]])


# ---- Data


def _data_identity(sequence: EpochDataset) -> dict[str, Any]:
    """Returns what determines the batches, except `transform`, the seed and the position."""
    state = sequence.state_dict()
    for key in ("version", "epoch", "batch", "seed", "fingerprint"):  # compared below, or elsewhere
        del state[key]
    for name, (config, roles) in sequence.server.sources.items():
        of_set = f" of {name}" if name else ""
        state |= {
            f"inputs{of_set}": repr(roles.inputs),
            f"targets{of_set}": repr(roles.targets),
            f"sample_weights{of_set}": repr(roles.sample_weights),
            f"fields{of_set}": [str(config.index.fields[field]) for field in config.fields],
            f"fingerprint of the shards{of_set}": data_fingerprint(config.index, with_names=True),
        }
    weights = sequence.server.class_weights
    # `None` too: weights that were left out must differ from those in a checkpoint.
    state["class_weights"] = None if weights is None else repr(weights)
    if not sequence.seed_given:  # else all seeds are compared
        state |= {f"seed of {name}": seed for name, seed in sequence.some_seeds.items()}
    return state
