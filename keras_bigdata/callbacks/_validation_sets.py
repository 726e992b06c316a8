"""What users have as validation sets, as something that `evaluate` takes again and again."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras

from keras_bigdata.callbacks._array_batches import ArrayBatches, is_array
from keras_bigdata.shards.roles import Roles, Structure, fill

DEFAULT_TARGETS = "labels"


def named_sets(sets: Any) -> tuple[dict[str, Any], bool]:
    """The sets by name, and whether the names were given.

    A dict of arrays is one set, another dict holds named sets; the sets of a list are named by
    their position.
    """
    if isinstance(sets, Mapping):
        if not sets:
            raise ValueError("`sets` must hold at least one validation set. Received: sets={}")
        if all(is_array(value) for value in sets.values()):
            return {"0": sets}, False
        for name in sets:
            if not isinstance(name, str) or not name:
                raise TypeError(f"The name of a validation set must be text. Received: {name!r}")
        return dict(sets), True
    if isinstance(sets, list):
        if not sets:
            raise ValueError("`sets` must hold at least one validation set. Received: sets=[]")
        return {str(position): data for position, data in enumerate(sets)}, False
    return {"0": sets}, False


def open_set(name: str, data: Any, batch_size: int, roles: Roles) -> Any:
    """Checks one set and makes of it what `evaluate` takes, or `NamedArrays`.

    Raises:
        TypeError: if it is nothing that can be evaluated again and again.
        ValueError: if it is empty or without end, or if its arrays do not fit together.
    """
    try:
        return _open(data, batch_size, roles)
    except (TypeError, ValueError) as error:
        raise type(error)(f"Validation set {name!r}: {error}") from error


def _open(data: Any, batch_size: int, roles: Roles) -> Any:
    if isinstance(data, (str, os.PathLike)):
        return _countable(_open_shards(data, batch_size, roles))
    # The user's own sequence of shards is never iterated here: its epochs count what it served.
    if callable(getattr(data, "unshuffled", None)):
        return _countable(_with_targets(data.unshuffled()))
    if isinstance(data, keras.utils.PyDataset) or _is_tf_dataset(data):
        return _countable(data)
    if isinstance(data, Mapping):
        return NamedArrays.of(data, batch_size, roles)
    if isinstance(data, tuple) and len(data) in (2, 3):
        return ArrayBatches(data[0], data[1], data[2] if len(data) == 3 else None, batch_size)
    hint = ""
    if is_array(data) or isinstance(data, (list, tuple)):
        hint = " Write arrays as a tuple, (x, y)."
    elif hasattr(data, "__next__"):
        hint = " A generator can be run only once: store its batches first."
    raise TypeError(
        "a set is a tuple (x, y) or (x, y, sample_weight), a dict of arrays, a keras.utils."
        "PyDataset, a tf.data.Dataset or the path of a directory of shards. "
        f"Received: an object of type {type(data).__name__}.{hint}"
    )


def _open_shards(path: str | os.PathLike[str], batch_size: int, roles: Roles) -> Any:
    from keras_bigdata.loading.sequence import ShardSequence

    given: dict[str, Any] = {}
    # Shards know their roles themselves, unless they were written by other code.
    if roles != Roles(targets=DEFAULT_TARGETS):
        given = {
            "inputs": roles.inputs,
            "targets": roles.targets,
            "sample_weights": roles.sample_weights,
        }
    shards = ShardSequence(path, batch_size=batch_size, shuffle=None, **given)
    return _with_targets(shards.unshuffled())


def _with_targets(sequence: Any) -> Any:
    if getattr(sequence, "roles", None) is not None and sequence.roles.targets is None:
        raise ValueError("the shards have no targets: say which field is meant with `targets`.")
    return sequence


def _is_tf_dataset(data: Any) -> bool:
    # Who has one has imported TensorFlow; on other backends it may not be there.
    tensorflow = sys.modules.get("tensorflow")
    return tensorflow is not None and isinstance(data, tensorflow.data.Dataset)


def _countable(data: Any) -> Any:
    if isinstance(data, keras.utils.PyDataset):
        batches = data.num_batches
        endless = batches is None
    else:
        batches = int(data.cardinality())  # -1: infinite, -2: unknown until it has run
        endless = batches == -1
    if endless:
        raise ValueError("it has no end, so it cannot be evaluated whole. Use `.take(batches)`.")
    if batches == 0:
        raise ValueError("there are no batches to evaluate.")
    return data


def has_unknown_length(data: Any) -> bool:
    """Whether only a run tells how many batches it has."""
    return _is_tf_dataset(data) and int(data.cardinality()) < 0


@dataclass(frozen=True)
class NamedArrays:
    """A dict of arrays, of which some are inputs, some targets, some sample weights.

    Which input of the model an array is may be known only when there is a model.
    """

    fields: dict[str, Any]
    roles: Roles
    batch_size: int

    @classmethod
    def of(cls, fields: Mapping[str, Any], batch_size: int, roles: Roles) -> NamedArrays:
        fields = dict(fields)
        absent = [name for name in roles.names if name not in fields]
        if absent:
            raise ValueError(
                f"the arrays {absent} are not there; there are {list(fields)}. Say which ones are "
                "the inputs and the targets with `inputs=` and `targets=`."
            )
        self = cls(fields, roles, batch_size)
        if not self._others() and roles.inputs is None:
            raise ValueError(f"there are no inputs beside {list(fields)}.")
        # Finds arrays that do not fit together now, not in the first epoch.
        self._batches(roles.inputs or tuple(self._others()))
        return self

    def batches(self, model: Any) -> ArrayBatches:
        """The batches for `model`."""
        return self._batches(self.roles.inputs or self._inputs_of(model))

    def _batches(self, inputs: Structure) -> ArrayBatches:
        structures = (inputs, self.roles.targets, self.roles.sample_weights)
        x, y, weights = (
            None if structure is None else fill(structure, self.fields.__getitem__)
            for structure in structures
        )
        return ArrayBatches(x, y, weights, self.batch_size)

    def _others(self) -> list[str]:
        return [name for name in self.fields if name not in self.roles.names]

    def _inputs_of(self, model: Any) -> Structure:
        others = self._others()
        if len(others) == 1:
            return others[0]
        inputs = [tensor.name for tensor in getattr(model, "inputs", None) or ()]
        if sorted(inputs) != sorted(others):
            raise ValueError(
                f"it is not known which of the arrays {others} is which input of the model, whose "
                f"inputs are {inputs or 'not named'}. Pass `inputs=`: a tuple of names in the "
                "model's order, or a dict of the model's names to the arrays'."
            )
        return {name: name for name in inputs}
