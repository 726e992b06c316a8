"""Class weights as sample weights of each batch: per row, and per pixel of masks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.arguments import checked_int, checked_number
from keras_bigdata.errors import ShardError
from keras_bigdata.loading.classes.class_forms import ClassForm
from keras_bigdata.loading.classes.class_weights import balanced_by_name, check_lengths
from keras_bigdata.loading.rows.row_reader import Batch
from keras_bigdata.representation import list_some
from keras_bigdata.shards.fields.class_numbers import MAX_WEIGHTED_CLASSES
from keras_bigdata.shards.fields.roles import Structure, map_structure

if TYPE_CHECKING:
    from keras_bigdata.loading.epochs.epoch_server import EpochServer

Array = npt.NDArray[Any]

_BALANCED = "balanced"
_LARGEST = float(np.finfo(np.float32).max)

_SEVERAL_CLASSES = (
    "rows with several classes or none, for which there is not one class whose weight a row could "
    "have. Put the weights into the loss instead: `class_weight()` computes them. A weight of "
    "positives, as of `tf.nn.weighted_cross_entropy_with_logits`, is number of classes times "
    "weight, minus 1"
)


class ClassSampleWeights:
    """Computes the sample weights of a batch from the classes in its targets.

    They are multiplied with the sample weights that a role names.

    Args:
        weights: the argument `class_weights` of `ShardSequence`.
        server: the server of the sequence. With `"balanced"`, the classes are counted, which may
            read all rows once.

    Attributes:
        values: the weights as a dict of class number to weight, or `None` for a target without
            weights; for several targets, their structure of such dicts.

    Raises:
        TypeError, ValueError: if `weights` does not fit the targets.
        ShardError: if the classes cannot be counted.
    """

    def __init__(self, weights: Any, server: EpochServer) -> None:
        roles = server.roles
        if roles.targets is None:
            raise ValueError(
                f"`class_weights` need `targets`. Received: class_weights={weights!r}, targets=None"
            )
        if not isinstance(roles.sample_weights, str):
            _check_same_structure(roles.sample_weights, roles.targets)
        self._roles = roles
        chosen = _checked(weights, roles.targets, "class_weights")
        leaves = _leaves(chosen, roles.targets)
        check_lengths(server, [name for name, value in leaves if value is not None])
        wanted = [name for name, value in leaves if value == _BALANCED]
        counted = _balanced(server, tuple(dict.fromkeys(wanted)))

        def resolve(name: str, value: Any) -> Any:
            return counted[name] if value == _BALANCED else value

        self.values = _map(resolve, roles.targets, chosen)
        self._targets = _map(
            lambda name, value: _TargetWeights(name, value, name in counted),
            roles.targets,
            self.values,
        )

    def of_batch(self, batch: Batch, leading: int, where: str) -> Any:
        """Returns the sample weights of a batch, in the structure of the targets.

        Args:
            batch: the arrays by name.
            leading: number of dimensions before those of a row.
            where: the epoch and the batch, for messages.

        Returns:
            float32 arrays: of shape `(rows,)`, or with a weight for each pixel.

        Raises:
            ShardError: if a class has no weight, or if the values are not classes.
        """
        given: Any = self._roles.sample_weights
        if given is not None:
            given = map_structure(given, batch.__getitem__)

        def weights_of(target: _TargetWeights, given: Any) -> Array:
            weights = target.weights(batch[target.name], leading, where)
            return weights if given is None else _product(weights, given, leading, target.name)

        return _map(weights_of, self._targets, given)

    def __repr__(self) -> str:
        return repr(self.values)


class _TargetWeights:
    """The weights of the classes of one target.

    Args:
        name: name of the target.
        weights: class -> weight; `None`: each weight is 1.
        is_decided: whether all rows were read, so that rows of shape `(h, w)` are class numbers.
    """

    def __init__(self, name: str, weights: Mapping[int, float] | None, is_decided: bool) -> None:
        self.name = name
        self._weights = weights
        self._is_decided = is_decided
        self._table: npt.NDArray[np.float32] | None = None
        self._form: ClassForm | None = None
        if weights is not None:
            self._table = np.full(max(weights) + 1, np.nan, np.float32)
            self._table[list(weights)] = list(weights.values())

    def weights(self, array: Array, leading: int, where: str) -> Array:
        """Returns the weights of the rows, or of the pixels, of a batch."""
        row_shape = array.shape[leading:]
        if self._table is None:
            # A loss has one value for each row, or for each pixel or word. Ones of as many
            # dimensions fit both; Keras does not expand weights.
            is_integer = np.issubdtype(array.dtype, np.integer)
            ones = (1,) * len(row_shape) if len(row_shape) > 1 or is_integer else ()
            return np.ones((*array.shape[:leading], *ones), np.float32)
        try:
            if self._form is None or self._form.row_shape != row_shape:
                self._form = ClassForm(array.dtype, row_shape)
            return self._look_up(self._form, array)
        except ValueError as error:
            raise ShardError(
                f"`class_weights` at {where}: the targets {self.name!r} have {error}."
            ) from error

    def _look_up(self, form: ClassForm, array: Array) -> Array:
        assert self._table is not None
        if form.has_columns:
            found, is_one_hot = form.columns(array)
            if not is_one_hot:
                raise ValueError(_SEVERAL_CLASSES)
            numbers = found.argmax(axis=-1)
        else:
            numbers = form.numbers(array)
            if not self._is_decided and form.may_be_one_hot:
                if form.may_be_columns(array):
                    raise ValueError(form.two_readings)
                self._is_decided = True
        if numbers.size and int(numbers.max()) >= len(self._table):
            self._refuse(numbers[numbers >= len(self._table)])
        weights: Array = self._table[numbers]
        if np.isnan(weights).any():
            self._refuse(numbers[np.isnan(weights)])
        return weights

    def _refuse(self, numbers: Array) -> None:
        missing = np.unique(numbers).tolist()
        which = "the class" if len(missing) == 1 else "the classes"
        raise ValueError(
            f"{which} {list_some(missing)}, without a weight: `class_weights` has those of "
            f"{list_some(sorted(self._weights or ()))}. Add {missing[0]}: 1.0 if it should count "
            "once, or 0.0 if not at all"
        )


def _balanced(server: EpochServer, names: tuple[str, ...]) -> dict[str, dict[int, float]]:
    weights, several = balanced_by_name(server, names) if names else ({}, [])
    if several:
        raise ShardError(
            f"{server.config.index.directory}: class_weights='balanced': the targets "
            f"{several[0]!r} have {_SEVERAL_CLASSES}."
        )
    return weights


def _checked(weights: Any, structure: Structure, argument: str) -> Any:
    """Returns the weights in the structure of the targets: `None`, `"balanced"` or a dict each."""
    if isinstance(structure, str):
        return _checked_leaf(weights, structure, argument)
    if isinstance(weights, str) and weights == _BALANCED:
        return map_structure(structure, lambda name: _BALANCED)
    if isinstance(structure, dict):
        if isinstance(weights, Mapping) and set(weights) == set(structure):
            return {
                key: _checked(weights[key], item, f"{argument}[{key!r}]")
                for key, item in structure.items()
            }
        wanted = f"a dict with the keys {list(structure)}"
    else:
        is_sequence = isinstance(weights, Sequence) and not isinstance(weights, (str, bytes))
        if is_sequence and len(weights) == len(structure):
            return tuple(
                _checked(value, item, f"{argument}[{place}]")
                for place, (value, item) in enumerate(zip(weights, structure, strict=True))
            )
        wanted = f"a tuple of length {len(structure)}"
    raise ValueError(
        f"`{argument}` must be 'balanced', or {wanted} as the targets, with 'balanced', a dict of "
        f"class number to weight, or None for no class weights. Received: {argument}={weights!r}"
    )


def _checked_leaf(weights: Any, name: str, argument: str) -> Any:
    if weights is None or (isinstance(weights, str) and weights == _BALANCED):
        return weights
    if not isinstance(weights, Mapping) or not weights:
        raise ValueError(
            f"`{argument}` must be 'balanced' or a dict of class number to weight, for the targets "
            f"{name!r}. Received: {argument}={weights!r}"
        )
    checked = {}
    for key, value in weights.items():
        label = checked_int(key, f"class of {argument}", 0)
        if label >= MAX_WEIGHTED_CLASSES:
            raise ValueError(
                f"`{argument}`: class numbers are below {MAX_WEIGHTED_CLASSES:,}. Received: {label}"
            )
        checked[label] = checked_number(value, f"{argument}[{label}]", minimum=0, below=_LARGEST)
    return checked


def _check_same_structure(given: Structure | None, targets: Structure) -> None:
    """Checks that there are sample weights for each target, or none, or one array for all."""
    if given is None or (isinstance(given, str) and isinstance(targets, str)):
        return
    if isinstance(given, dict) and isinstance(targets, dict) and set(given) == set(targets):
        for key, item in given.items():
            _check_same_structure(item, targets[key])
        return
    if isinstance(given, tuple) and isinstance(targets, tuple) and len(given) == len(targets):
        for item, target in zip(given, targets, strict=True):
            _check_same_structure(item, target)
        return
    raise ValueError(
        "With `class_weights`, `sample_weights` must be one field for all targets, or have the "
        f"structure of the targets. Received: sample_weights={given!r}, targets={targets!r}"
    )


def _leaves(values: Any, structure: Structure) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    _map(lambda name, value: found.append((name, value)), structure, values)
    return found


def _map(function: Callable[[Any, Any], Any], structure: Any, values: Any) -> Any:
    """Applies a function to each leaf of a structure and the value at its place in `values`.

    An array in `values` stands for all leaves below it.
    """
    if isinstance(structure, dict):
        return {
            key: _map(function, item, values[key] if isinstance(values, dict) else values)
            for key, item in structure.items()
        }
    if isinstance(structure, tuple):
        return tuple(
            _map(function, item, values[place] if isinstance(values, tuple) else values)
            for place, item in enumerate(structure)
        )
    return function(structure, values)


def _product(weights: Array, given: Array, leading: int, name: str) -> Array:
    """Multiplies class weights with sample weights, each per row or per pixel."""
    given = np.asarray(given)
    shape = given.shape
    while given.ndim > max(weights.ndim, leading) and given.shape[-1] == 1:
        given = given[..., 0]
    ndim = max(given.ndim, weights.ndim)
    given, weights = (a.reshape(*a.shape, *(1,) * (ndim - a.ndim)) for a in (given, weights))
    pairs = zip(given.shape, weights.shape, strict=True)
    if any(a != b and 1 not in (a, b) for a, b in pairs):
        raise ShardError(
            f"The sample weights of {name!r} have row shape {shape[leading:]}, and its class "
            f"weights {weights.shape[leading:]}. They must agree, or the sample weights must have "
            "one value per row."
        )
    return np.multiply(given, weights).astype(np.float32)
