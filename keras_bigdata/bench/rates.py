"""Measured throughputs, and sentences that say which of them limits a model."""

from __future__ import annotations

from dataclasses import dataclass

from keras_bigdata.arguments import checked_number


@dataclass(frozen=True)
class Rates:
    """Throughputs that `bench` measured on a set of shards, in samples per second.

    Each rate is the median over rounds; in a round, all rates are measured one after the other.

    Attributes:
        loop: a plain loop over the `ShardSequence`, with the files in the page cache.
        fit: `fit` on the same sequence, with a model that trains nothing.
        constant_batch: `fit` on a `PyDataset` that returns the same batch every time: the upper
            limit for any `PyDataset`.
        memory: `fit` on shuffled arrays in memory.
        disk: reading the files from start to end with none of them in the page cache, or `None`
            if they could not be dropped from the page cache. The shards of a remote set are
            copied from the store instead.
        row_bytes: bytes per sample of the fields in use.
        file_bytes: bytes of the files per sample, including fields that are not used.
        shards: number of measured shards, a part of a large set.
        total_shards: number of shards in the set.
        memory_samples: number of samples in the arrays in memory.
        is_remote: whether the shards are behind a URL: `disk` is then the throughput of the store,
            and `loop` and `fit` are those of copies on this machine. Defaults to `False`.
    """

    loop: float
    fit: float
    constant_batch: float
    memory: float
    disk: float | None
    row_bytes: float
    file_bytes: float
    shards: int
    total_shards: int
    memory_samples: int
    is_remote: bool = False

    @property
    def _origin(self) -> str:
        return "the store" if self.is_remote else "the disk"

    @property
    def _cached(self) -> str:
        return "in a local cache (`cache=`)" if self.is_remote else "in the page cache"

    def describe_limits(self) -> str:
        """Returns a sentence that states above which throughput a model would wait for data."""
        if self.disk is None:
            return (
                f"A model that trains more than {self.fit:,.0f} samples/s would wait for the input "
                "pipeline; a slower model never waits while the shards are in the page cache. The "
                "throughput of the disk is unknown."
            )
        if self.disk >= self.fit:
            return (
                f"A model that trains more than {self.fit:,.0f} samples/s would wait for the input "
                "pipeline; a slower model never waits."
            )
        return (
            f"A model that trains more than {self.disk:,.0f} samples/s would wait for "
            f"{self._origin}, and one that trains more than {self.fit:,.0f} for the input pipeline "
            f"even with the shards {self._cached}; a model below {self.disk:,.0f} never waits."
        )

    def describe_bottleneck(self, rate: float) -> str:
        """Returns a sentence that states what a model would wait for.

        Args:
            rate: samples per second that the model trains if it never waits for data.

        Raises:
            TypeError: if `rate` is not a number.
            ValueError: if `rate` is not above 0.
        """
        rate = checked_number(rate, "rate", above=0)
        name = f"A model that trains {rate:,.0f} samples/s"
        slow_disk = self.disk if self.disk is not None and self.disk < min(rate, self.fit) else None
        if rate > self.fit:
            cold = f", and {slow_disk:,.0f} from {self._origin}" if slow_disk else ""
            return (
                f"{name} would wait for the input pipeline, which delivers {self.fit:,.0f} with "
                f"the shards {self._cached}{cold}; arrays in memory would deliver "
                f"{self.memory:,.0f}."
            )
        if slow_disk is not None:
            return (
                f"{name} would wait for {self._origin}, which delivers {slow_disk:,.0f}; with the "
                f"shards {self._cached} it never waits."
            )
        if self.disk is None:
            return (
                f"{name} never waits while the shards are in the page cache. The throughput of "
                "the disk is unknown."
            )
        return f"{name} never waits: neither {self._origin} nor the input pipeline limits it."
