"""How well an order mixes the rows of a set: `shuffle_quality`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.arguments import checked_choice, checked_int
from keras_bigdata.loading.order.epoch_plan import EpochPlan, Shuffle
from keras_bigdata.loading.order.selected_rows import SelectedRows
from keras_bigdata.permutation import Int64Array
from keras_bigdata.representation import format_bytes, format_count
from keras_bigdata.shards.shards import Shards

# Number of batches that are looked at, at equal distances in the epoch.
_BATCHES = 64

# An order is good enough if a batch has this share of the shards that it has after a full shuffle.
_ENOUGH = 0.8

# Labels are not read if the set has more shards.
_MAX_SHARDS_OF_LABELS = 20_000


@dataclass(frozen=True, slots=True)
class ShuffleQuality:
    """How well an order mixes the rows of a set.

    `str(quality)` describes it in a few lines.

    Args:
        samples: number of rows.
        shards: number of shards.
        set_bytes: bytes of the shards; 0 if unknown.
        batch_size: number of rows in a batch.
        shuffle: as in `ShardSequence`.
        window_shards: number of shards in the largest window; 1 without windows.
        batches: number of batches that were looked at.
        shards_per_batch: average number of different shards that the rows of a batch are in.
        full_shards_per_batch: the same after a shuffle of all rows, as expected.
        distance: how far two rows that are stored next to each other lie apart in an epoch, in
            rows, as expected.
        full_distance: the same after a shuffle of all rows.
        is_shuffled: whether the rows were shuffled when they were packed; `None` if unknown.
        pure_batches: share of batches whose rows are of one class; `None` if it is unknown.
    """

    samples: int
    shards: int
    set_bytes: int
    batch_size: int
    shuffle: Shuffle
    window_shards: int
    batches: int
    shards_per_batch: float
    full_shards_per_batch: float
    distance: float
    full_distance: float
    is_shuffled: bool | None = None
    pure_batches: float | None = None

    @property
    def is_full(self) -> bool:
        """Whether all rows are mixed with each other."""
        return self.shuffle == "global" or (
            self.shuffle == "window" and self.window_shards >= self.shards
        )

    @property
    def sufficient_window(self) -> int:
        """Smallest window with which a batch has rows of 80% of the shards of a full shuffle."""
        # Windows have nearly the same size, so their number counts: with windows of at most 28
        # shards, 50 shards are 25 + 25.
        low, high = 1, self.shards
        while low < high:
            middle = (low + high + 1) // 2
            if self.expected_shards(self.shards / middle) >= _ENOUGH * self.full_shards_per_batch:
                low = middle
            else:
                high = middle - 1
        return -(-self.shards // low)

    def expected_shards(self, window_shards: float) -> float:
        """Returns the shards per batch that are expected with windows of some shards of equal size.

        Args:
            window_shards: number of shards in a window.
        """
        rows = self.samples / self.shards
        if window_shards * rows <= self.batch_size:
            return min(self.shards, self.batch_size / rows)
        return window_shards * _share_drawn(rows, window_shards * rows, self.batch_size)

    @property
    def recommendation(self) -> str:
        """A sentence: whether this order is enough, or else which window or shard size would be."""
        window = self.sufficient_window
        better = 'shuffle="global"'
        if window < self.shards:
            size = f" (about {format_bytes(self._window_bytes(window))})" if self.set_bytes else ""
            better = f'shuffle="window", window_shards={window}{size}'
        if self.shuffle is None:
            if self.is_shuffled:
                better = 'shuffle="window"'
            return (
                "Every epoch has the same batches, in the order in which the rows are stored. Pass "
                f"{better}."
            )
        if self.is_full:
            return "All rows are mixed; no window and no shard size would mix them better."
        if self.is_shuffled:
            return (
                "The rows were shuffled when they were packed, so each shard is a random sample of "
                "the set, and this order is enough."
            )
        if self.shards_per_batch >= _ENOUGH * self.full_shards_per_batch:
            # Measured on a set that is sorted by class: examples/shuffle_accuracy.py.
            return (
                "Batches mix nearly as many shards as after a full shuffle; this is enough, unless "
                "the rows are sorted, such as by class: then the classes still change from window "
                'to window, and only shuffle="global", or packing the set again with shuffle=True, '
                "is as good as a full shuffle."
            )
        pack_again = "pack the set again with shuffle=True"
        rows = int(self.window_shards * self.samples / self.shards / window)
        if self.shuffle == "window" and window < self.shards and rows > 0:
            pack_again += f" or with smaller shards (shard_samples={rows})"
        if self.is_shuffled is False:
            # Measured: the set that is packed again comes closer to a full shuffle than the
            # larger window: 0.635, 0.657 and 0.597 (examples/shuffle_accuracy.py).
            return f"{pack_again[0].upper()}{pack_again[1:]}, or pass {better}."
        return f"Pass {better}, or {pack_again}."

    def _window_bytes(self, window: int) -> float:
        return self.set_bytes * window / self.shards

    def to_json(self) -> dict[str, Any]:
        """Returns all figures, the sufficient window and the recommendation."""
        return {
            **asdict(self),
            "sufficient_window": self.sufficient_window,
            "recommendation": self.recommendation,
        }

    def __str__(self) -> str:
        order = "None" if self.shuffle is None else f'"{self.shuffle}"'
        if self.shuffle == "window":
            order += f", {format_count(self.window_shards, 'shard')} in a window"
            if self.set_bytes:
                order += f" ({format_bytes(self._window_bytes(self.window_shards))})"
        lines = [
            f"{format_count(self.samples, 'row')} in {format_count(self.shards, 'shard')}, batches "
            f"of {self.batch_size}, shuffle={order}",
            f"shards per batch: {self.shards_per_batch:,.1f} (full shuffle: "
            f"{self.full_shards_per_batch:,.1f})",
            f"distance between rows that are stored next to each other: {self.distance:,.0f} rows "
            f"(full shuffle: {self.full_distance:,.0f})",
        ]
        if self.pure_batches is not None:
            lines.append(f"batches of one class: {self.pure_batches:.0%}")
        return "\n".join([*lines, self.recommendation])


def shuffle_quality(
    shards: Any,
    batch_size: int = 32,
    *,
    shuffle: Shuffle = "window",
    window_shards: int = 6,
    seed: int = 0,
    storage_options: Mapping[str, Any] | None = None,
) -> ShuffleQuality:
    """Computes how well an order mixes the rows of a set.

    It computes the rows of 64 batches and reads no shard, except for the labels of these rows if
    the target is a class number, and the set is on this machine and has at most 20,000 shards.

    Args:
        shards: a directory of shards, its URL, or a `Shards`.
        batch_size: number of rows in a batch. Defaults to `32`.
        shuffle, window_shards: as in `ShardSequence`. Default to `"window"` and `6`.
        seed: seed of the order. Defaults to `0`.
        storage_options: options of the fsspec driver of a URL. Defaults to `None`.

    Returns:
        A `ShuffleQuality`.

    Raises:
        TypeError, ValueError: if an argument has a wrong type or value.
        ShardError: if there are no shards.

    Example:

    ```python
    print(shuffle_quality("shards/train", 64, window_shards=20))
    ```
    """
    if not isinstance(shards, Shards):
        shards = Shards(shards, storage_options=storage_options)
    index = shards.index
    selected = SelectedRows(index, shards.selection)
    used = selected.variants[0]
    plan = _plan(selected.counts[used], batch_size, shuffle, window_shards, seed)
    rows = _some_batches(plan)
    arguments = index.provenance.get("arguments")
    is_shuffled = arguments.get("shuffle") if isinstance(arguments, Mapping) else None
    return replace(
        _quality(plan, rows),
        set_bytes=int(index.sizes[used].sum()),
        is_shuffled=is_shuffled if isinstance(is_shuffled, bool) else None,
        pure_batches=_pure_batches(shards, plan, rows),
    )


def order_quality(
    samples: npt.ArrayLike,
    batch_size: int = 32,
    *,
    shuffle: Shuffle = "window",
    window_shards: int = 6,
    seed: int = 0,
) -> ShuffleQuality:
    """Computes how well an order mixes the rows of shards of some sizes, without any files.

    Args:
        samples: number of rows of each shard.
        batch_size, shuffle, window_shards, seed: as in `shuffle_quality`.

    Returns:
        A `ShuffleQuality`.

    Raises:
        TypeError, ValueError: if an argument has a wrong type or value.

    Example:

    ```python
    print(order_quality([1000] * 50, 64, window_shards=20).recommendation)
    ```
    """
    plan = _plan(np.asarray(samples, np.int64), batch_size, shuffle, window_shards, seed)
    return _quality(plan, _some_batches(plan))


def _plan(
    samples: Int64Array, batch_size: int, shuffle: Shuffle, window_shards: int, seed: int
) -> EpochPlan:
    batch_size = checked_int(batch_size, "batch_size", 1)
    return EpochPlan(
        samples,
        batch_size,
        shuffle=checked_choice(shuffle, "shuffle", ("window", "shards", "global", None)),
        window_shards=checked_int(window_shards, "window_shards", 1),
        seed=checked_int(seed, "seed", 0),
        # A last batch that is smaller would count like the others.
        last_batch="drop" if batch_size <= samples.sum() else "keep",
    )


def _some_batches(plan: EpochPlan) -> list[tuple[Int64Array, Int64Array]]:
    """Returns the rows of some batches, at equal distances in the first epoch."""
    batches = np.linspace(0, plan.num_batches - 1, _BATCHES).round().astype(np.int64)
    return [plan.rows(0, batch) for batch in np.unique(batches).tolist()]


def _quality(plan: EpochPlan, rows: list[tuple[Int64Array, Int64Array]]) -> ShuffleQuality:
    return ShuffleQuality(
        samples=plan.num_samples,
        shards=len(plan.samples),
        set_bytes=0,
        batch_size=plan.batch_size,
        shuffle=plan.shuffle,
        window_shards=plan.largest_window,
        batches=len(rows),
        shards_per_batch=float(np.mean([len(np.unique(numbers)) for numbers, _ in rows])),
        full_shards_per_batch=_full_shards(plan.samples, plan.batch_size),
        distance=_distance(plan),
        full_distance=(plan.num_samples + 1) / 3,
    )


def _share_drawn(rows: float, total: float, batch_size: int) -> float:
    """Returns the probability that a batch out of `total` rows has one of certain `rows` rows."""
    if batch_size > total - rows:
        return 1.0
    return -math.expm1(float(np.log1p(-rows / (total - np.arange(batch_size))).sum()))


def _full_shards(samples: Int64Array, batch_size: int) -> float:
    """Returns how many shards the rows of a batch are in after a full shuffle, as expected."""
    total = int(samples.sum())
    sizes, counts = np.unique(samples, return_counts=True)
    shares = [_share_drawn(size, total, batch_size) for size in sizes.tolist()]
    return float(np.dot(counts, shares))


def _distance(plan: EpochPlan) -> float:
    """Returns how far two rows that are stored next to each other lie apart, as expected.

    Two of n rows in random order lie (n + 1) / 3 apart. Each row counts with its window.
    """
    if plan.shuffle == "global":
        return (plan.num_samples + 1) / 3
    ends = plan.window_ends(0)
    if ends is None:
        return 1.0
    sizes = np.diff(ends, prepend=0)
    return float((sizes * (sizes + 1.0)).sum() / (3 * plan.num_samples))


def _pure_batches(
    shards: Shards, plan: EpochPlan, rows: list[tuple[Int64Array, Int64Array]]
) -> float | None:
    """Returns the share of the batches whose rows have one label; `None` if it is not read."""
    field = shards.index.roles.targets
    if plan.batch_size == 1 or not isinstance(field, str):
        return None
    if not isinstance(shards.index.directory, Path) or len(plan.samples) > _MAX_SHARDS_OF_LABELS:
        return None
    known = shards.fields.get(field)
    if known is None or known.shape not in ((), (1,)) or np.dtype(known.dtype).kind not in "iu":
        return None
    starts = np.cumsum(plan.samples) - plan.samples
    positions = [starts[numbers] + places for numbers, places in rows]
    chosen = np.sort(np.concatenate(positions))
    labels: npt.NDArray[Any] = shards.rows(chosen).columns(field, verbose=0)[field].reshape(-1)
    of_batch = [labels[np.searchsorted(chosen, each)] for each in positions]
    return float(np.mean([len(np.unique(each)) == 1 for each in of_batch]))
