"""`Mixture`: batches with rows of several sequences in given proportions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal, NoReturn, cast

from keras_bigdata.arguments import checked_bool, checked_int
from keras_bigdata.loading.epochs.describe import describe_part
from keras_bigdata.loading.epochs.epoch_dataset import EpochDataset
from keras_bigdata.loading.mixtures.corrupt_shards_of_sets import CorruptShardsOfSets
from keras_bigdata.loading.mixtures.mixture_loader import MixtureConfig
from keras_bigdata.loading.mixtures.mixture_server import MixtureServer
from keras_bigdata.loading.order.proportions import checked_weights
from keras_bigdata.loading.parts.part_argument import check_padding, checked_part
from keras_bigdata.loading.sequence import ShardSequence
from keras_bigdata.representation import html_table, shorten
from keras_bigdata.shards.fields.roles import Roles, Structure
from keras_bigdata.shards.reading.different_classes import different_classes


class Mixture(EpochDataset):
    """Batches with rows of several `ShardSequence`s in given proportions, for `fit`.

    With weights (3, 1) a batch of 64 rows holds 48 of the first set and 16 of the second, in the
    order of the sets. If the weights do not divide the batch, the numbers change between batches:
    before any batch, the rows that a set has given since the epoch began (with `steps_per_epoch`:
    since epoch 0) differ from its exact share by less than one row. They depend on the epoch and
    the index of the batch only.

    Each set provides an endless stream of passes, which goes on from batch to batch and from epoch
    to epoch: all rows of a set are served once before any is served again, in the order in which
    its sequence would serve them, with its `balance`. An epoch is one pass over the set that is
    exhausted last: every row of it is served exactly once, and the last batch may be smaller.
    Smaller sets begin further passes. The order is a pure function of the seeds of the sets, the
    epoch and the index of the batch.

    A `Mixture` takes from a sequence its rows, their order, `transform`, `trust` and `on_corrupt`;
    its `batch_size` and `workers` have no effect. Each transform receives the rows of its own set
    in each batch, and a generator seeded with (seed of the set, epoch, batch index of the mixture).
    The sequences themselves are not changed, and can be used elsewhere.

    It works as a `ShardSequence` does with `fit` (also with `shuffle=True`), `ResumeTraining`,
    custom training loops and `as_dataset()`. For validation, evaluate each set on its own, as
    `WeightedValidation` does.

    With `part`, each process serves one of several equal slices of the same batches, so that all
    slices together, in the order of the ranks, are the batch of one process. The rows of the sets
    lie one after the other in it, so the slice of one process may hold rows of one set only. The
    sets themselves are not divided: leave their `part` out, or pass `part=(0, 1)` to each set if
    the processes are connected already.

    Args:
        sets: name -> `ShardSequence`, or a list of them, which are named `"0"`, `"1"`, ... Their
            batches must have the same structure, dtypes and row shapes, and number classes and
            words alike.
        weights: a positive number for each set: a tuple in the order of the sets, or a dict with
            the same names. They may have any sum. Floats are taken as they are written.
        batch_size: number of rows in a batch. Defaults to `32`.
        steps_per_epoch: number of batches in an epoch, if it is not one pass; all batches are full
            then. Pass it here and not to `fit`. Defaults to `None`.
        workers: number of threads (or processes) that prefetch; 0 for none. Defaults to `2`.
        use_multiprocessing: whether transforms run in worker processes. Defaults to `False`.
        max_queue_size: maximum number of batches to prefetch (at most 512 MiB). Defaults to `10`.
        part: which rows of each batch this process serves, as in `ShardSequence`: `(rank, size)`,
            or `"auto"`. Each set then needs a `seed`. A last batch that cannot be divided is padded
            with rows of weight 0; with `steps_per_epoch` no batch is. Defaults to `None`: all.

    Attributes:
        epoch: number of the epoch that is served now, or next. Can be set.
        num_samples: number of rows in an epoch.
        part: `(rank, size)`: which of several equal slices of each batch is served.
        sets: name -> `ShardSequence`.
        weights: name -> proportion, as the smallest integers.
        seed: the seeds of the sets, in their order.
        seed_given: whether `seed` was passed to all sets.

    Raises:
        TypeError: if a set is not a `ShardSequence`, or an argument has a wrong type.
        ValueError: if there are no sets, if `weights` do not belong to them, or if the sets differ
            in structure, dtypes, row shapes, classes or words.
        ShardError: while training, if transforms return different dtypes or row shapes.

    Example:

    ```python
    from keras_bigdata import Arrays, Mixture, ShardSequence, pack

    pack(Arrays(x=np.zeros((900, 4)), labels=np.arange(900) % 3), "web")
    pack(Arrays(x=np.ones((100, 4)), labels=np.arange(100) % 3), "own")
    sets = {"web": ShardSequence("web"), "own": ShardSequence("own")}
    mixed = Mixture(sets, weights=(3, 1), batch_size=64)  # 48 + 16 rows in every batch
    model.fit(mixed, epochs=2)
    ```
    """

    def __init__(
        self,
        sets: Mapping[str, ShardSequence] | Iterable[ShardSequence],
        weights: Mapping[str, float] | Iterable[float],
        batch_size: int = 32,
        *,
        steps_per_epoch: int | None = None,
        workers: int = 2,
        use_multiprocessing: bool = False,
        max_queue_size: int = 10,
        part: tuple[int, int] | Literal["auto"] | None = None,
    ) -> None:
        self.sets = _checked_sets(sets)
        names = tuple(self.sets)
        ordered = _weights_in_order(weights, names)
        batch_size = checked_int(batch_size, "batch_size", 1)
        workers = checked_int(workers, "workers", 0)
        max_queue_size = checked_int(max_queue_size, "max_queue_size", 1)
        use_multiprocessing = checked_bool(use_multiprocessing, "use_multiprocessing")
        if steps_per_epoch is not None:
            steps_per_epoch = checked_int(steps_per_epoch, "steps_per_epoch", 1)
        first, *others = self.sets
        for other in others:
            _check_alike(first, self.sets[first], other, self.sets[other])
        self.some_seeds = {n: each.seed for n, each in self.sets.items() if each.seed_given}
        self.seed_given = len(self.some_seeds) == len(self.sets)
        chosen = checked_part(part, batch_size, 0 if self.seed_given else None)
        places = [_places(each.roles) for each in self.sets.values()]
        configs = [each.server.config for each in self.sets.values()]
        config = MixtureConfig(
            index=configs[0].index,
            fields=tuple(places[0]),
            batch_size=batch_size,
            shuffle="window",  # no order of the files, so that `fit` need not shuffle batches
            window_shards=configs[0].window_shards,
            seed=configs[0].seed,
            last_batch="keep",
            transform=next((c.transform for c in configs if c.transform is not None), None),
            trust=any(each.trust for each in configs),
            max_queue_size=max_queue_size,
            names=names,
            sets=tuple(replace(each, last_batch="keep") for each in configs),
            places=tuple(places),
            weights=ordered,
            steps=steps_per_epoch,
            part=chosen,
        )
        records = [each.server.corrupt_shards for each in self.sets.values()]
        server = MixtureServer(
            config,
            _roles_of_places(self.sets[first].roles),
            workers,
            use_multiprocessing,
            corrupt_shards=CorruptShardsOfSets(records, [len(each.index) for each in configs]),
        )
        rows = server.num_samples if steps_per_epoch is None else 0
        check_padding(chosen, rows, batch_size, server.roles.targets, config.no_padding)
        super().__init__(server, max_queue_size)

    @property
    def num_samples(self) -> int:
        """Number of rows in an epoch."""
        return self._server.num_samples

    @property
    def weights(self) -> dict[str, int]:
        """The proportions of the sets, as the smallest integers."""
        return dict(zip(self._config.names, self._config.weights, strict=True))

    @property
    def seed(self) -> list[int]:
        """The seeds of the sets, in their order."""
        return [each.seed for each in self._config.sets]

    @property
    def part(self) -> tuple[int, int]:
        """`(rank, size)`: which of several equal slices of each batch is served."""
        return self._config.part.rank, self._config.part.size

    @property
    def _config(self) -> MixtureConfig:
        return cast(MixtureConfig, self._server.config)

    def unshuffled(self) -> NoReturn:
        """Raises an error: a mixture has no order in which every row is served once.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            "A Mixture serves rows of smaller sets several times, so it has no unshuffled view. "
            "Evaluate each set on its own: WeightedValidation({"
            + ", ".join(f"{shorten(name, 40)!r}: ..." for name in list(self.sets)[:3])
            + "}), or `sets[name].unshuffled()`."
        )

    def _repr_html_(self) -> str:
        server: Any = self._server
        return html_table(repr(self), server.describe())

    def __repr__(self) -> str:
        shares = " + ".join(
            f"{weight} {shorten(name, 20)}" for name, weight in list(self.weights.items())[:4]
        )
        more = len(self.sets) - 4
        part = describe_part(self._config)
        part = f", {part}" if part else ""
        return (
            f"{type(self).__name__}({shares}{f' + {more} more' if more > 0 else ''}: "
            f"batch {self.batch_size}, {len(self):,} per epoch{part})"
        )


def _checked_sets(sets: Any) -> dict[str, ShardSequence]:
    if isinstance(sets, ShardSequence) or not isinstance(sets, Iterable):
        raise TypeError(
            "`sets` must be a dict of name -> ShardSequence, or a list of them. "
            f"Received: sets={shorten(repr(sets))}"
        )
    if isinstance(sets, Mapping):
        named = {str(name): each for name, each in sets.items()}
        if len(named) < len(sets):
            raise ValueError(f"Two sets have the same name. Received: {shorten(list(sets))}")
    else:
        named = {str(number): each for number, each in enumerate(sets)}
    if not named:
        raise ValueError("`sets` must not be empty.")
    for name, each in named.items():
        if not isinstance(each, ShardSequence):
            raise TypeError(
                f"Each set must be a ShardSequence. Received: {type(each).__name__} for the set "
                f"{name!r}"
            )
        _check_usable(name, each)
    return named


def _check_usable(name: str, sequence: ShardSequence) -> None:
    """Refuses a sequence with a setting that would have no effect."""
    server = sequence.server
    reason = None
    if sequence.has_custom_batches:
        reason = (
            f"its class {type(sequence).__name__} makes its own batches, which are not used. Make "
            "them in a `transform`"
        )
    elif server.state.fixed:
        reason = "it is an unshuffled view. Pass a ShardSequence, with shuffle=None if necessary"
    elif server.steps_per_epoch is not None:
        reason = "it has steps_per_epoch. Pass that to the Mixture instead"
    elif server.class_weights is not None:
        reason = "it has class_weights, which weigh its own classes only. Leave them out"
    elif server.config.last_batch == "drop":
        reason = 'it has last_batch="drop", and a Mixture drops no rows. Leave that out'
    elif server.config.part.size > 1 or server.config.part.is_auto:
        reason = (
            f"it has part={'auto' if server.config.part.is_auto else sequence.part!r}, and its "
            "batches are not those that processes divide. Pass `part` to the Mixture, and "
            "part=(0, 1) to each set"
        )
    elif server.config.decode.bucket is not None:
        reason = "it has `bucket`, and a batch holds rows of all sets. Leave that out"
    if reason:
        raise ValueError(f"The set {name!r} cannot be mixed: {reason}.")


def _weights_in_order(weights: Any, names: tuple[str, ...]) -> tuple[int, ...]:
    if isinstance(weights, Mapping):
        if {str(name) for name in weights} != set(names):
            raise ValueError(
                f"`weights` must have the names of the sets, {shorten(list(names))}. "
                f"Received: {shorten(list(weights))}"
            )
        named = {str(name): weight for name, weight in weights.items()}
        values = [named[name] for name in names]
    elif isinstance(weights, Iterable) and not isinstance(weights, (str, bytes)):
        values = list(weights)
    else:
        raise TypeError(
            f"`weights` must hold a number for each set. Received: weights={shorten(repr(weights))}"
        )
    if len(values) != len(names):
        raise ValueError(
            f"`weights` must hold a number for each of the {len(names)} sets. "
            f"Received: weights={shorten(tuple(values))}"
        )
    return checked_weights(values, names)


# ---- Places in a batch: the same in all sets, whatever their fields are called


def _places(roles: Roles) -> dict[str, str]:
    """Returns place -> field for each place in the structure of a batch."""
    return {
        place: field
        for role, structure in roles.to_json().items()
        if structure is not None
        for place, field in _leaves(structure, role)
    }


def _leaves(structure: Structure, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(structure, str):
        yield path, structure
        return
    items = structure.items() if isinstance(structure, dict) else enumerate(structure)
    for key, item in items:
        yield from _leaves(item, f"{path}[{key!r}]")


def _roles_of_places(roles: Roles) -> Roles:
    """Returns the roles with each field replaced by its place."""

    def renamed(structure: Structure | None, path: str) -> Structure | None:
        if structure is None or isinstance(structure, str):
            return structure and path
        if isinstance(structure, dict):
            return {key: renamed(item, f"{path}[{key!r}]") or "" for key, item in structure.items()}
        return tuple(renamed(item, f"{path}[{n!r}]") or "" for n, item in enumerate(structure))

    return Roles(*(renamed(structure, role) for role, structure in roles.to_json().items()))


def _check_alike(first: str, one: ShardSequence, second: str, other: ShardSequence) -> None:
    """Refuses two sets whose batches differ in what a model sees.

    Raises:
        ValueError: with both structures, or both lists of classes.
    """
    names = f"The sets {first!r} and {second!r} cannot be mixed"
    if _roles_of_places(one.roles) != _roles_of_places(other.roles):
        raise ValueError(
            f"{names}: their batches have different structures, {_describe_roles(one.roles)} and "
            f"{_describe_roles(other.roles)}. Pass `inputs`, `targets` and `sample_weights` of the "
            "same form to both."
        )
    transforms = [each.server.config.transform is not None for each in (one, other)]
    if not any(transforms):  # else the batches are compared, after the transforms
        fields = _places(one.roles), _places(other.roles)
        for place in fields[0]:
            left, right = one.fields[fields[0][place]], other.fields[fields[1][place]]
            forms = [
                (field.dtype, each.server.config.decode.row_shape(field), field.padding)
                for each, field in ((one, left), (other, right))
            ]
            if forms[0] != forms[1]:
                raise ValueError(
                    f"{names}: `{place}` is {left} in {first!r} and {right} in {second!r}. Pack "
                    "one of them again, or convert it in a `transform`."
                )
    steps = [each.server.config.decode.pad_to for each in (one, other)]
    if steps[0] != steps[1]:
        raise ValueError(
            f"{names}: their rows are padded together, and `pad_to` is {steps[0]} in {first!r} and "
            f"{steps[1]} in {second!r}. Pass the same to both."
        )
    difference = different_classes(one.index, other.index, one.roles.targets, other.roles.targets)
    if difference:
        raise ValueError(
            f"{names}: they do not number their classes or words alike: {difference}. Pack one of "
            f"them again with classes=ShardIndex.load({str(one.index.directory)!r}) (and the same "
            "`vocabulary`)."
        )


def _describe_roles(roles: Roles) -> str:
    used = {role: value for role, value in roles.to_json().items() if value is not None}
    return ", ".join(f"{role}={value!r}" for role, value in used.items())
