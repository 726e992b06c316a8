"""One epoch of a sequence, for custom training loops."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_bigdata.loading.epochs.epoch_dataset import EpochDataset


class Epoch:
    """The batches of one epoch, in order.

    When the last batch was delivered and the loop is over, the epoch of the sequence advances. A
    loop that ends earlier leaves it unchanged. After `load_state_dict` with a `"batch"`, a loop
    over the epoch of the state begins at that batch. Loops over two epochs may go side by side.

    Args:
        sequence: the `ShardSequence` or `Mixture`.
        number: number of the epoch, from 0.

    Attributes:
        sequence: the `ShardSequence` or `Mixture`.
        number: number of the epoch, from 0.
        started: whether a loop has requested a batch.

    Example:

    ```python
    train = ShardSequence("shards/train", batch_size=64)
    for epoch in train.epochs(10):
        for x, y in epoch:
            loss = model.train_on_batch(x, y)
        print(epoch.number, len(epoch), loss)
    ```
    """

    def __init__(self, sequence: EpochDataset, number: int) -> None:
        self.sequence = sequence
        self.number = number
        self.started = False

    def __len__(self) -> int:
        """Number of batches."""
        return len(self.sequence)

    def __iter__(self) -> Iterator[Any]:
        """Yields the batches in order."""
        server = self.sequence.server
        last = len(self) - 1
        self.started = True
        start, seeks = server.state.begin_loop(self.number), server.state.seeks
        try:
            for index in range(start, len(self)):
                if self.sequence.server is not server or server.state.seeks != seeks:
                    raise RuntimeError(
                        "The position of the sequence was set while a loop goes through it, by "
                        "`load_state_dict` or `epoch`. End the loop with `break` and begin another "
                        f"one. It was at batch {index} of epoch {self.number}."
                    )
                batch = self._batch(index)
                if index == last:
                    server.state.mark_consumed(self.number)
                yield batch
        finally:
            # In `finally`, because `zip(range(steps), train)` does not request another batch after
            # the last one.
            server.advance()

    def __repr__(self) -> str:
        return f"Epoch(number={self.number}, {len(self):,} batches)"

    def _batch(self, index: int) -> Any:
        # Requested as `fit` requests it, so that a subclass that overrides `__getitem__` is
        # respected here too.
        state = self.sequence.server.state
        if state.epoch == self.number:
            return self.sequence[index - state.start]
        return self.sequence.batch_of(self.number, index)


def epochs_of(sequence: EpochDataset, count: int) -> Iterator[Epoch]:
    """Yields `count` epochs.

    After an epoch in which a loop has started, the next one is the epoch that the sequence serves
    next; after any other, it is the one with the following number.
    """
    number = sequence.server.advance()
    for _ in range(count):
        epoch = Epoch(sequence, number)
        yield epoch
        number = sequence.server.advance() if epoch.started else number + 1
