"""`Selection`: which rows of a set of shards are used, one bit per row."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.representation import format_count, shorten

Int64Array = npt.NDArray[np.int64]

# Row numbers of the last shards are cached up to this size, and at least for a window of shards.
_CACHE_BYTES = 32 * 2**20
_MIN_CACHED = 8

_DIGEST_CHARACTERS = 16

# The positions of the first and of the last bit that is set in each byte.
_BITS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)
_FIRST = _BITS.argmax(axis=1).astype(np.int64)
_LAST = 7 - _BITS[:, ::-1].argmax(axis=1).astype(np.int64)


class Selection:
    """Some rows of the shards of the first variant; immutable.

    Shards are numbered by their position in the first variant, 0, 1, ... Thread-safe; a copy in
    another process is equal.

    Args:
        samples: int64 array, the number of rows of each shard.
        rows_of: function that returns the numbers of the selected rows of a shard, in ascending
            order. It is called once for each shard, in order.
        description: how the rows were selected, such as `"rows(20 of 100)"`.

    Attributes:
        samples: int64 array, the number of rows of each shard.
        counts: int64 array, the number of selected rows of each shard.
        description: how the rows were selected.
        digest: text that differs if other rows are selected.

    Example:

    ```python
    even = Selection(np.array([4, 3]), lambda shard: np.array([0, 2]), "even rows")
    even.counts  # array([2, 2])
    even.rows(1)  # array([0, 2])
    ```
    """

    def __init__(
        self, samples: Int64Array, rows_of: Callable[[int], npt.NDArray[Any]], description: str
    ) -> None:
        self.samples = np.asarray(samples, np.int64)
        self.description = description
        # The bits of each shard begin with a byte of their own.
        sizes = -(-self.samples // 8)
        self._ends = np.cumsum(sizes)
        self._starts = self._ends - sizes
        self._bits = np.zeros(int(sizes.sum()), np.uint8)
        self.counts = np.zeros(len(self.samples), np.int64)
        for shard, count in enumerate(self.samples.tolist()):
            mask = np.zeros(count, bool)
            mask[rows_of(shard)] = True
            self._bits[self._starts[shard] : self._ends[shard]] = np.packbits(mask)
            self.counts[shard] = np.count_nonzero(mask)
        digest = hashlib.sha256(self.samples.astype("<i8").tobytes())
        digest.update(self._bits.data)
        self.digest = digest.hexdigest()[:_DIGEST_CHARACTERS]
        self._new_cache()

    @property
    def num_samples(self) -> int:
        """Number of selected rows."""
        return int(self.counts.sum())

    def rows(self, shard: int) -> Int64Array:
        """Returns the numbers of the selected rows of a shard, in ascending order; read-only."""
        with self._lock:
            found = self._cache.get(shard)
            if found is not None:
                self._cache.move_to_end(shard)
                return found
        bits = self._bits[self._starts[shard] : self._ends[shard]]
        found = np.flatnonzero(np.unpackbits(bits)).astype(np.int64, copy=False)
        found.flags.writeable = False
        with self._lock:
            if shard not in self._cache:
                self._cache[shard] = found
                self._cached_bytes += found.nbytes
            while self._cached_bytes > _CACHE_BYTES and len(self._cache) > _MIN_CACHED:
                self._cached_bytes -= self._cache.popitem(last=False)[1].nbytes
        return found

    def spans(self) -> tuple[Int64Array, Int64Array]:
        """Returns the first selected row of each shard, and the row after the last one.

        Both are 0 for a shard without selected rows.
        """
        firsts = np.zeros(len(self.samples), np.int64)
        stops = np.zeros(len(self.samples), np.int64)
        used = np.flatnonzero(self.counts)
        filled = np.flatnonzero(self._bits)
        first = filled[np.searchsorted(filled, self._starts[used])]
        last = filled[np.searchsorted(filled, self._ends[used]) - 1]
        firsts[used] = 8 * (first - self._starts[used]) + _FIRST[self._bits[first]]
        stops[used] = 8 * (last - self._starts[used]) + _LAST[self._bits[last]] + 1
        return firsts, stops

    def narrow(self, rows_of: Callable[[int], npt.NDArray[Any]], description: str) -> Selection:
        """Returns a selection of some of the selected rows.

        Args:
            rows_of: as in the constructor.
            description: the operation that selects them; it is added to the description.
        """
        return Selection(self.samples, rows_of, f"{self.description}, {description}")

    def of_shards(self, shards: Int64Array) -> Selection:
        """Returns the selection of the same rows among some of the shards only."""
        return Selection(
            self.samples[shards], lambda number: self.rows(int(shards[number])), self.description
        )

    def identity(self) -> dict[str, str]:
        """Returns description and digest, to compare with those of another process."""
        return {"description": self.description, "digest": self.digest}

    def __repr__(self) -> str:
        rows = f"{self.num_samples:,} of {format_count(int(self.samples.sum()), 'row')}"
        return f"Selection({rows}, {shorten(self.description)})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Selection):
            return NotImplemented
        return self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __getstate__(self) -> dict[str, Any]:
        created = ("_lock", "_cache", "_cached_bytes")
        return {key: value for key, value in self.__dict__.items() if key not in created}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._new_cache()

    def _new_cache(self) -> None:
        self._lock = threading.Lock()
        self._cache: OrderedDict[int, Int64Array] = OrderedDict()
        self._cached_bytes = 0


def selection_difference(saved: Any, here: Any) -> str | None:
    """Compares two results of `Selection.identity`; `None` stands for all rows.

    Descriptions are not compared: they name lines of a script, which move.

    Returns:
        A text with both descriptions, or `None` if the same rows are selected.
    """
    digests = [None if one is None else one["digest"] for one in (saved, here)]
    if digests[0] == digests[1]:
        return None
    texts = [
        "all rows" if one is None else f"{shorten(one['description'])} (digest {one['digest']})"
        for one in (saved, here)
    ]
    return f"the selection was {texts[0]} and is {texts[1]} here"
