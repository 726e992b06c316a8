"""Total training time with data prepared in every epoch, and with data packed once."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from keras_bigdata.arguments import checked_int, checked_number


@dataclass(frozen=True, slots=True, repr=False)
class EpochCost:
    """Time of one pass over the data, from which the total training time follows.

    With `prepare = read + decode + augment`, training takes

    - on the fly, preparing the data in every epoch:
      `epochs * (train + prepare) * slowdown`
    - packed once: `variants * prepare + epochs * (train + feed)`

    With `overlap=True` data are prepared while the model trains (in threads or processes that have
    cores of their own), so an epoch takes the longer of the two times instead of their sum. A
    `ShardSequence` prefetches, so its actual time is close to the longer one.

    All times are for one pass over all samples and in one unit, such as hours; results are in the
    same unit.

    Args:
        train: time of the training steps, with the data in memory.
        read: time to read the original files.
        decode: time to turn them into arrays: decoding, resizing, tokenizing. Defaults to `0`.
        augment: time to augment the arrays. Defaults to `0`.
        feed: time to read the packed arrays. Defaults to `None`: the same as `read`.

    Raises:
        TypeError: if a time is not a number.
        ValueError: if a time is negative or not finite.

    Example:

    With the times below, 15 epochs take 127.5 hours on the fly, 255 hours if every epoch takes
    twice as long as the sum of its parts, and 44.5 hours packed. Packing pays off from epoch 2.

    ```python
    from keras_bigdata import EpochCost

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
            if value is not None or field.name != "feed":
                checked_number(value, field.name, minimum=0)

    def __repr__(self) -> str:
        times = {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if getattr(self, field.name) != field.default
        }
        return f"EpochCost({', '.join(f'{name}={time:g}' for name, time in times.items())})"

    @property
    def prepare(self) -> float:
        """Time to read, decode and augment all samples once."""
        return self.read + self.decode + self.augment

    def on_the_fly(self, epochs: int, *, slowdown: float = 1.0, overlap: bool = False) -> float:
        """Returns the time of `epochs` epochs that each prepare the data again.

        Args:
            epochs: number of epochs.
            slowdown: time of an epoch divided by the sum of its parts. Defaults to `1.0`.
            overlap: whether data are prepared while the model trains. Defaults to `False`.

        Returns:
            The time, in the unit of the arguments.

        Raises:
            TypeError: if `epochs` is not an integer or `slowdown` not a number.
            ValueError: if `epochs` is less than 1 or `slowdown` not above 0.
        """
        return checked_int(epochs, "epochs", 1) * self._on_the_fly_epoch(slowdown, overlap)

    def packed(self, epochs: int, *, variants: int = 1, overlap: bool = False) -> float:
        """Returns the time of packing once and training `epochs` epochs on the packed data.

        Args:
            epochs: number of epochs.
            variants: number of augmented copies that are packed. Defaults to `1`.
            overlap: whether data are read while the model trains. Defaults to `False`.

        Returns:
            The time, in the unit of the arguments.

        Raises:
            TypeError: if `epochs` or `variants` is not an integer.
            ValueError: if `epochs` or `variants` is less than 1.
        """
        packing = checked_int(variants, "variants", 1) * self.prepare
        return packing + checked_int(epochs, "epochs", 1) * self._packed_epoch(overlap)

    def break_even(
        self, *, slowdown: float = 1.0, variants: int = 1, overlap: bool = False
    ) -> int | None:
        """Returns the first epoch at whose end packing has taken less time in total.

        Args:
            slowdown: as in `on_the_fly`. Defaults to `1.0`.
            variants: as in `packed`. Defaults to `1`.
            overlap: as in both. Defaults to `False`.

        Returns:
            The number of the epoch, counted from 1, or `None` if packing never pays off.

        Raises:
            TypeError: if `slowdown` is not a number or `variants` not an integer.
            ValueError: if `slowdown` is not above 0 or `variants` less than 1.
        """
        packing = checked_int(variants, "variants", 1) * self.prepare
        saved = self._on_the_fly_epoch(slowdown, overlap) - self._packed_epoch(overlap)
        if saved <= 0:
            return None
        # The quotient may be off by one in its last digit.
        epochs = max(1, math.floor(packing / saved))
        while epochs * saved <= packing:
            epochs += 1
        return epochs

    def _on_the_fly_epoch(self, slowdown: float, overlap: bool) -> float:
        slowdown = checked_number(slowdown, "slowdown", above=0)
        return slowdown * _combine(self.train, self.prepare, overlap)

    def _packed_epoch(self, overlap: bool) -> float:
        return _combine(self.train, self.read if self.feed is None else self.feed, overlap)


def _combine(train: float, data: float, overlap: bool) -> float:
    return max(train, data) if overlap else train + data
