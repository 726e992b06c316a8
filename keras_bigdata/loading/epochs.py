"""One epoch of a sequence, for loops that are written by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_bigdata.loading.sequence import ShardSequence


@dataclass(frozen=True, slots=True)
class Epoch:
    """The batches of one epoch, in order.

    When the last batch has been handed out and the loop is over, the sequence's epoch advances. A
    loop that was broken off before leaves it as it was.

    Args:
        sequence: the `ShardSequence`.
        number: which epoch, from 0.
    """

    sequence: ShardSequence
    number: int

    def __len__(self) -> int:
        return len(self.sequence)

    def __iter__(self) -> Iterator[Any]:
        last = len(self) - 1
        try:
            for index in range(len(self)):
                batch = self._batch(index)
                if index == last:
                    self.sequence._progress.give_last(self.number)
                yield batch
        finally:
            # Not after the loop: `zip(range(steps), train)` does not ask for a batch too many.
            self.sequence._settled()

    def _batch(self, index: int) -> Any:
        # As `fit` asks for it, so that what a subclass does there is done here.
        if self.sequence.epoch == self.number:
            return self.sequence[index]
        return self.sequence.batch_of(self.number, index)
