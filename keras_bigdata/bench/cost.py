"""How long training takes with data prepared on the fly, and with data packed once."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from keras_bigdata.arguments import checked_int, checked_number

if TYPE_CHECKING:
    from keras_bigdata.loading.sequence import ShardSequence


@dataclass(frozen=True, slots=True)
class EpochCost:
    """What one pass over the data costs, and what training on them costs in all.

    All times are of one pass over all samples, in one unit (hours, say); results have the same.
    With `prepare = read + decode + augment`,

    - on the fly, where every epoch prepares the data again:
      `epochs * (train + prepare) * slowdown`
    - packed once: `variants * prepare + epochs * (train + feed)`

    `overlap=True` is for data that are made ready while the model trains (threads or processes
    with cores of their own): an epoch then takes the longer of the two times instead of their
    sum. A `ShardSequence` reads ahead, so the truth for packed data is near that.

    Args:
        train: the training steps, with the data at hand.
        read: reading the original files.
        decode: making arrays of them: decoding, resizing, tokenising. Defaults to `0`.
        augment: changing the arrays at random. Defaults to `0`.
        feed: reading the packed arrays. Defaults to `None`: as long as `read`.

    Raises:
        ValueError: if a time is negative or no finite number.

    Example: 15 epochs take 127.5 hours on the fly, 255 if that works half as fast as it could,
    and 44.5 hours packed; packing pays from the second epoch.

    ```python
    from keras_bigdata.bench.cost import EpochCost

    hours = EpochCost(train=1.5, read=1, decode=4, augment=2)
    print(hours.on_the_fly(15), hours.on_the_fly(15, slowdown=2), hours.packed(15))
    print(hours.break_even())
    ```
    """

    train: float
    read: float
    decode: float = 0.0
    augment: float = 0.0
    feed: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None and field.name == "feed":
                continue
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(
                    f"`{field.name}` must be a time, 0 or more. Received: {field.name}={value!r}"
                )

    @property
    def prepare(self) -> float:
        """Reading, decoding and augmenting all samples once."""
        return self.read + self.decode + self.augment

    def on_the_fly(self, epochs: int, *, slowdown: float = 1.0, overlap: bool = False) -> float:
        """The time of `epochs` epochs that each prepare the data again.

        Args:
            epochs: number of epochs.
            slowdown: how many times as long an epoch takes as the sum of its parts.
                Defaults to `1.0`.
            overlap: whether data are prepared while the model trains. Defaults to `False`.

        Returns:
            The time, in the unit of the arguments.
        """
        return checked_int(epochs, "epochs", 1) * self._fly_epoch(slowdown, overlap)

    def packed(self, epochs: int, *, variants: int = 1, overlap: bool = False) -> float:
        """The time of packing once and `epochs` epochs on the packed data.

        Args:
            epochs: number of epochs.
            variants: augmented copies that are packed. Defaults to `1`.
            overlap: whether data are read while the model trains. Defaults to `False`.

        Returns:
            The time, in the unit of the arguments.
        """
        packing = checked_int(variants, "variants", 1) * self.prepare
        return packing + checked_int(epochs, "epochs", 1) * self._packed_epoch(overlap)

    def break_even(
        self, *, slowdown: float = 1.0, variants: int = 1, overlap: bool = False
    ) -> int | None:
        """The first epoch at whose end packing has taken less time in all.

        Args:
            slowdown, variants, overlap: as in `on_the_fly` and `packed`.

        Returns:
            The number of epochs, from 1, or `None` if packing never pays.
        """
        saved = self._fly_epoch(slowdown, overlap) - self._packed_epoch(overlap)
        if saved <= 0:
            return None
        packing = checked_int(variants, "variants", 1) * self.prepare
        # The quotient may be off by one in its last digit.
        epochs = max(1, math.floor(packing / saved))
        while epochs * saved <= packing:
            epochs += 1
        return epochs

    def _fly_epoch(self, slowdown: float, overlap: bool) -> float:
        slowdown = checked_number(slowdown, "slowdown", above=0)
        return slowdown * _both(self.train, self.prepare, overlap)

    def _packed_epoch(self, overlap: bool) -> float:
        return _both(self.train, self.read if self.feed is None else self.feed, overlap)


def _both(train: float, data: float, overlap: bool) -> float:
    return max(train, data) if overlap else train + data


def feed_rate(sequence: ShardSequence, seconds: float = 3.0) -> float:
    """Samples a second that a plain loop over a sequence gets, with nothing trained.

    The first batch is not counted. The loop ends after `seconds`, or after one pass if that is
    shorter, so a small set is measured from the page cache.

    Args:
        sequence: the `ShardSequence`; its epoch does not advance.
        seconds: how long to measure, at most. Defaults to `3.0`.

    Returns:
        Samples a second.

    Raises:
        ValueError: if the sequence has one batch only, so that nothing is left to measure.
    """
    batches = len(sequence)
    if batches < 2:
        raise ValueError(
            f"The set has one batch of {sequence.batch_size} samples at most: too few to measure. "
            "Take a smaller batch, or give the samples a second."
        )
    sequence[0]
    start = time.perf_counter()
    served = 0
    for number in range(1, batches):
        sequence[number]
        served += min(sequence.batch_size, sequence.num_samples - number * sequence.batch_size)
        if time.perf_counter() - start > seconds:
            break
    return served / (time.perf_counter() - start)
