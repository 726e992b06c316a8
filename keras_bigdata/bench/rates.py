"""Rates that were measured, and the sentence that says which of them binds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rates:
    """Samples a second, medians of rounds taken in turn, all of the same shards.

    Attributes:
        alone: a plain loop over the `ShardSequence`, files in the page cache.
        fit: the same through `fit`, with a model that trains nothing.
        ceiling: one batch, made once and returned every time, through the same road of `fit`.
        memory: `fit` on shuffled arrays in memory.
        disk: reading the files from one end to the other, with nothing of them in the page
            cache; `None` if it cannot be made sure that nothing of them is.
        row_bytes: bytes of a sample, of the fields used.
        file_bytes: bytes of the files for each sample, fields that are not used included.
        shards: shards that were measured, a part of large sets.
        shards_of: shards of the whole set.
        memory_samples: samples that were held in arrays.
    """

    alone: float
    fit: float
    ceiling: float
    memory: float
    disk: float | None
    row_bytes: float
    file_bytes: float
    shards: int
    shards_of: int
    memory_samples: int

    def limits(self) -> str:
        """One sentence: from which rate on a model would wait, and for what."""
        if self.disk is None:
            return (
                f"A model that trains more than {self.fit:,.0f} samples/s would wait for the "
                "feeding; below that it never waits while the shards are in the page cache, and "
                "what the disk gives is not known."
            )
        if self.disk >= self.fit:
            return (
                f"A model that trains more than {self.fit:,.0f} samples/s would wait for the "
                "feeding; below that it never waits."
            )
        return (
            f"A model that trains more than {self.disk:,.0f} samples/s would wait for the disk, "
            f"and one of more than {self.fit:,.0f} for the feeding even when the shards are in "
            f"the page cache; below {self.disk:,.0f} it never waits."
        )

    def verdict(self, rate: float) -> str:
        """One sentence: what a model that trains `rate` samples a second would wait for.

        Args:
            rate: samples a second that the model trains when it has never to wait.

        Raises:
            ValueError: if `rate` is not above 0.
        """
        if not rate > 0:
            raise ValueError(f"`rate` must be above 0. Received: rate={rate!r}")
        name = f"A model that trains {rate:,.0f} samples/s"
        slow_disk = self.disk if self.disk is not None and self.disk < min(rate, self.fit) else None
        if rate > self.fit:
            cold = f", and {slow_disk:,.0f} while they come from the disk" if slow_disk else ""
            return (
                f"{name} would wait for the feeding, which gives {self.fit:,.0f} when the shards "
                f"are in the page cache{cold}; arrays in memory would give {self.memory:,.0f}."
            )
        if slow_disk is not None:
            return (
                f"{name} would wait for the disk, which gives {slow_disk:,.0f}; when the shards "
                "are in the page cache it never waits."
            )
        if self.disk is None:
            return (
                f"{name} never waits while the shards are in the page cache; what the disk gives "
                "is not known."
            )
        return f"{name} never waits: neither the disk nor the feeding binds it."
