"""Where an epoch, or one validation, ends in a stream of batches."""

from __future__ import annotations

from collections.abc import Iterator

from keras_bigdata.legacy.arguments import Amount
from keras_bigdata.legacy.batches import Batch, rows_of
from keras_bigdata.legacy.sources import Piece


class Rounds:
    """Exactly so many rounds of a stream: `(batch, whether it ends its round)`.

    As in old Keras a round is over as soon as its amount is reached or passed; a batch is never
    cut, and the next round goes on with the next batch.

    Args:
        pieces: the stream; nothing beyond the last round is asked of it.
        amount: what a round takes. With `None`, it is one pass over the source.
        count: the number of rounds.
    """

    def __init__(self, pieces: Iterator[Piece], amount: Amount | None, count: int) -> None:
        self._pieces = pieces
        self._amount = amount
        self._count = count
        self.complete = False

    def __iter__(self) -> Iterator[tuple[Batch, bool]]:
        try:
            for _ in range(self._count):
                taken = 0
                last = False
                while not last:
                    try:
                        batch, ends_pass = next(self._pieces)
                    except StopIteration:
                        return
                    if self._amount is None:
                        last = ends_pass
                    else:
                        taken += 1 if self._amount.unit == "batches" else rows_of(batch)
                        last = taken >= self._amount.count
                    yield batch, last
            self.complete = True
        finally:
            close = getattr(self._pieces, "close", None)
            if close is not None:
                close()
