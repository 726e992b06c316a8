"""The dataset that `fit` takes and an `EpochServer` serves: hooks, loops, state and views."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import keras

from keras_bigdata.arguments import checked_int
from keras_bigdata.keras_internals.distribution import (
    is_joint_distribution_active,
    refuse_automatic_sharding,
)
from keras_bigdata.keras_internals.fit import FitOrder, calling_model, is_called_by_reset
from keras_bigdata.keras_internals.processes import Processes, connected_processes
from keras_bigdata.loading.epochs.dataset_origin import model_that_reads
from keras_bigdata.loading.epochs.describe import describe
from keras_bigdata.loading.epochs.epoch import Epoch, epochs_of
from keras_bigdata.loading.epochs.epoch_server import EpochServer
from keras_bigdata.loading.epochs.part_warnings import PartWarnings
from keras_bigdata.loading.parts.batch_parts import Part
from keras_bigdata.loading.parts.part_agreement import check_agreement
from keras_bigdata.loading.parts.part_argument import check_part_of_epoch
from keras_bigdata.representation import html_table


class EpochDataset(keras.utils.PyDataset):
    """A `PyDataset` whose batches come from an `EpochServer`.

    It is the base of `ShardSequence` and `Mixture`.

    Args:
        server: serves the epochs.
        max_queue_size: maximum number of batches to prefetch.

    Attributes:
        epoch: number of the epoch that is served now, or next. Can be set.
        seed: the seed of the order, or a list of the seeds of several sets.
        seed_given: whether the seed was passed; otherwise it was drawn.
        some_seeds: the seeds that were passed, by name, if there are several.
    """

    seed: Any
    seed_given: bool
    some_seeds: Mapping[str, int] = MappingProxyType({})

    def __init__(self, server: EpochServer, max_queue_size: int) -> None:
        super().__init__(workers=1, use_multiprocessing=False, max_queue_size=max_queue_size)
        self._set_server(server)

    def _set_server(self, server: EpochServer) -> None:
        self._server = server
        self._fit_order = FitOrder()
        self._part_warnings = PartWarnings()

    @property
    def part_of_batches(self) -> Part:
        """The slice of each batch that this process serves, for this package."""
        return self._server.config.part

    # ---- Called by Keras

    def __len__(self) -> int:
        """Number of batches in an epoch."""
        return self._server.length

    @property
    def num_batches(self) -> int:
        """Number of batches left in the current epoch: `len()`, unless the epoch is resumed.

        Keras reads it once before the first epoch, for all epochs, and again at the start of each.
        """
        return len(self) if is_called_by_reset() else len(self) - self._server.state.start

    def __getitem__(self, index: int) -> Any:
        """Returns batch `index` of the current epoch: `(x, y)`, `(x, y, w)` or `(x,)`."""
        index = operator.index(index)
        state = self._server.state
        length = len(self) - state.start
        if not -length <= index < length:
            raise IndexError(
                f"Batch {index} is out of range: an epoch has {length} batches of "
                f"{self.batch_size} rows."
            )
        index %= length
        # Divided batches too, because `fit` draws a different order in each process.
        is_divided = self._server.config.part.size > 1
        is_shuffled = self._server.config.shuffle in ("window", "global")
        if (is_shuffled or is_divided) and not state.fixed:
            index = self._fit_order.place(index)
        return self.batch_of(state.epoch, state.start + index)

    def batch_of(self, epoch: int, index: int) -> Any:
        """Returns batch `index` of any epoch, as `__getitem__` returns it of the current one."""
        return self._server.batch(epoch, index)

    def example(self) -> Any:
        """Returns a batch of the structure, dtypes and shapes of all batches."""
        return self._server.example()

    def on_epoch_begin(self) -> None:
        """Called by Keras when an epoch begins.

        Raises:
            ValueError: if Keras would divide the batches among processes, if several processes
                train and each would be served all rows, or if part="auto" means another part now.
        """
        refuse_automatic_sharding()
        if self._server.is_first_of_fit:
            check_agreement(self)  # first, because it fails in all processes
        check_part_of_epoch(self.part_of_batches)
        if self.part_of_batches.size > 1:
            model = calling_model()
            # A thread of TensorFlow, which finds no caller, must not wait for other processes.
            is_joint = model is not None and is_joint_distribution_active()
            processes = connected_processes() if is_joint else Processes()
            self._part_warnings.warn_once(self._server, model or model_that_reads(self), processes)
        self._server.begin(on_tensorflow=keras.backend.backend() == "tensorflow")

    def on_epoch_end(self) -> None:
        """Called by Keras when an epoch ends, and once when it prepares a `fit`.

        The epoch advances if all of its batches were requested (since `on_epoch_begin`, if that was
        called). Code that requests batches by index must call this hook after each epoch;
        `on_epoch_begin` is optional, except to continue at the batch in a loaded state.

        Raises:
            ValueError: if the processes that a `fit` joins would serve parts of different batches.
        """
        is_reset = is_called_by_reset()
        self._server.end(is_reset=is_reset)
        if is_reset:
            check_agreement(self)

    @property
    def workers(self) -> int:
        """1, which is what Keras sees: workers that prefetch belong to this class."""
        return 1

    @property
    def use_multiprocessing(self) -> bool:
        """`False`, which is what Keras sees: worker processes belong to this class."""
        return False

    # ---- Custom training loops

    def __iter__(self) -> Iterator[Any]:
        """Yields the batches of the current epoch in order; then the epoch advances."""
        yield from Epoch(self, self._server.advance())

    def epochs(self, count: int) -> Iterator[Epoch]:
        """Yields the next epochs, one after the other, for a custom training loop.

        An epoch that is stopped early is served again from its start, also by the next `Epoch`. An
        `Epoch` keeps its number: `list(sequence.epochs(3))` holds three different epochs.

        Args:
            count: number of epochs to yield, stopped ones included.

        Yields:
            An `Epoch`: it has a `number` and `len()` batches, and yields them when iterated.

        Example:

        ```python
        for epoch in train.epochs(10):
            for x, y in epoch:
                loss = model.train_on_batch(x, y)
            print(epoch.number, loss)
        ```
        """
        return epochs_of(self, checked_int(count, "count", 0))

    # ---- Attributes

    @property
    def server(self) -> EpochServer:
        """The object that serves the epochs, for this package."""
        return self._server

    @property
    def batch_size(self) -> int:
        """Number of rows in a full batch."""
        return self._server.config.batch_size

    @property
    def epoch(self) -> int:
        """Number of the epoch that is served now, or next."""
        return self._server.state.epoch

    @epoch.setter
    def epoch(self, value: int) -> None:
        self._server.state.seek(checked_int(value, "epoch", 0))

    def _repr_html_(self) -> str:
        return html_table(repr(self), describe(self._server))

    # ---- State

    def state_dict(self) -> dict[str, Any]:
        """Returns the state of the order for `load_state_dict`: a small dict of plain values.

        `"batch"` is the batch from which the next epoch is served: 0, unless another one was
        loaded. A sequence knows which batches were requested, not which were trained on;
        `ResumeTraining` stores that number here.
        """
        return self._server.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from the state of another sequence over the same data.

        Args:
            state: the result of `state_dict()`. With a `"batch"`, the next epoch of `fit` or of a
                loop is served from that batch on, once.

        Raises:
            ValueError: if the state belongs to other data or other settings.
        """
        self._set_server(self._server.resumed(state))

    def as_dataset(self) -> Any:
        """Returns the same batches as a `tf.data.Dataset`; each iteration is an epoch.

        Shapes are static except for the number of rows if the last batch is smaller. Pass
        `shuffle=False` to `fit`, which warns otherwise. `ResumeTraining` continues a `fit` of it.
        After `load_state_dict` with a `"batch"`, the next epoch begins there. Requires TensorFlow.
        """
        from keras_bigdata.loading.epochs.tf_dataset import as_dataset

        return as_dataset(self, self.has_custom_batches)

    @property
    def has_custom_batches(self) -> bool:
        """Whether a user's subclass makes the batches."""
        methods = ("__getitem__", "batch_of")
        return any(getattr(type(self), m) is not getattr(EpochDataset, m) for m in methods)

    def release(self) -> None:
        """Releases threads, files and memory until the next request."""
        self._server.prefetcher.release()
