"""All that a training is between two batches, as one document; and a training set to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras

from keras_bigdata.callbacks import _callback_states, _model_state, _random_state

if TYPE_CHECKING:
    from keras_bigdata.loading.sequence import ShardSequence
import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keras_bigdata.loading.sequence import ShardSequence


_VERSION = 1


def document(
    model: Any, callbacks: Sequence[Any], sequence: ShardSequence, **where: Any
) -> dict[str, Any]:
    """The state of everything, to be copied before the next step.

    Args:
        model: the model, brought up to date.
        callbacks: those that are saved with it.
        sequence: what it is trained on.
        where: `position`, and the `sequence_epoch` that belongs to it.
    """
    position = where["position"]
    order = {**sequence.state_dict(), "epoch": where["sequence_epoch"], "batch": position["batch"]}
    return {
        "version": _VERSION,
        "keras": keras.__version__,
        "backend": keras.backend.backend(),
        "position": position,
        "sequence": order,
        "data": identity(sequence),
        "variables": _model_state.description(model),
        **values(model),
        "history": {"epoch": model.history.epoch, "history": model.history.history},
        "callbacks": _callback_states.read(callbacks),
    }


def values(model: Any) -> dict[str, Any]:
    """All variables and random generators, to be copied before the next step."""
    return {"values": _model_state.read(model), "random": _random_state.read()}


def other_data(found: dict[str, Any], sequence: ShardSequence) -> str | None:
    """Where a document is not of this sequence, with both values; `None` if it is."""
    mine = {"version": _VERSION, "backend": keras.backend.backend(), **identity(sequence)}
    saved = {"version": found["version"], "backend": found["backend"], **found["data"]}
    if sequence.seed_given:
        mine["seed"], saved["seed"] = sequence.seed, found["sequence"]["seed"]
    for key, value in mine.items():
        if saved.get(key) != value:
            return f"{key} is {saved.get(key)!r} in it and {value!r} here"
    return None


def other_model(found: dict[str, Any], model: Any, sequence: ShardSequence) -> str | None:
    """Where a document is not of this model, with both values; `None` if it is.

    Has Keras make the variables that come into being with the first step.
    """
    counts = {kind: len(members) for kind, members in found["variables"].items()}
    here = {kind: len(members) for kind, members in _model_state.variables(model).items()}
    if here != counts:
        model.train_on_batch(*sequence.unshuffled()[0])
    return _model_state.difference(found["variables"], _model_state.description(model))


def restore(found: dict[str, Any], model: Any, callbacks: Sequence[Any]) -> None:
    """Sets the model, its History, the callbacks and the random generators."""
    restore_values(found, model)
    model.history.epoch = found["history"]["epoch"]
    model.history.history = found["history"]["history"]
    _callback_states.restore(callbacks, found["callbacks"])
    _random_state.restore(found["random"])


def restore_values(found: dict[str, Any], model: Any) -> None:
    """Sets what `values` gave."""
    _model_state.assign(model, found["values"])
    _random_state.restore(found["random"])


def identity(sequence: ShardSequence) -> dict[str, Any]:
    """Everything that decides about the batches, except `transform`, the seed and the position."""
    state = sequence.state_dict()
    for key in ("version", "epoch", "batch", "seed"):
        del state[key]
    roles = sequence.roles
    return {
        **state,
        "inputs": repr(roles.inputs),
        "targets": repr(roles.targets),
        "sample_weights": repr(roles.sample_weights),
        "fields": [str(sequence.fields[name]) for name in roles.names],
        "fingerprint of the shards": _fingerprint(sequence.index),
    }


def _fingerprint(index: Any) -> str:
    """A hash of names, sizes and, where the index has them, checksums; files are not read."""
    digest = hashlib.sha256()
    for column in (index.samples, index.sizes, index.checksums, index.variant):
        digest.update(column.astype("<i8").tobytes())
    digest.update("\0".join(index.names).encode())
    return digest.hexdigest()[:16]
