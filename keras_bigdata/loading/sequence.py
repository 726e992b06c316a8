"""`ShardSequence`: the dataset that `fit` takes."""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

import keras

from keras_bigdata.arguments import checked_bool, checked_int
from keras_bigdata.errors import ShardError
from keras_bigdata.keras_internals.distribution import refuse_automatic_sharding
from keras_bigdata.keras_internals.fit import FitOrder, is_called_by_reset
from keras_bigdata.loading.batch_loader import BatchTransform, LoaderConfig, checked_options
from keras_bigdata.loading.class_weights import balanced_class_weights
from keras_bigdata.loading.corrupt_shards import SkippedShard
from keras_bigdata.loading.describe import describe, summarize
from keras_bigdata.loading.epoch import Epoch, epochs_of
from keras_bigdata.loading.epoch_plan import Shuffle
from keras_bigdata.loading.epoch_server import EpochServer
from keras_bigdata.loading.open_with_roles import open_with_roles
from keras_bigdata.representation import html_table
from keras_bigdata.shards.index import Field, ShardIndex
from keras_bigdata.shards.one_set import Reading
from keras_bigdata.shards.roles import Roles, Structure
from keras_bigdata.shards.shards import Shards


class ShardSequence(keras.utils.PyDataset):
    """Batches from pickled shards, for `fit`, `evaluate` and `predict`.

    The order is a pure function of (seed, epoch, batch index): the same for any number of workers,
    threads or processes, any order of requests and any backend. With `last_batch="keep"` each epoch
    serves every row exactly once. Memory is O(shards + window), never O(samples).

    An epoch is complete when `fit` has requested all of its batches; an epoch that was stopped is
    served again from its start. `fit(shuffle=True)`, Keras's default, requests batches in a random
    order of its own. If they are shuffled already (`shuffle="window"` or `"global"`), they are
    served in the order of the plan instead. `evaluate` on a sequence counts as an epoch too;
    callbacks of this package use an unshuffled view (`unshuffled()`), and so should `predict`. A
    new sequence begins with epoch 0 and cannot see `fit(initial_epoch=n)`: set `sequence.epoch`.

    Custom training loops iterate over the sequence: `for x, y in sequence:` is one epoch, and the
    next such loop is the next epoch. A loop that runs during a `fit` takes epochs away from that
    `fit`, and so does `layer.adapt(sequence)`: iterate over `unshuffled()` instead.

    Thread-safe. `transform` is called in several threads (or processes) at a time; it must be
    thread-safe and depend only on its arguments.

    Args:
        shards: a `Shards`, which may select some of the rows; a directory with or without an index,
            searched with its subdirectories; a list of directories, joined to one set; or a list of
            pickle files. Pickles are never executed. Each holds a dict (its keys are the fields),
            or a tuple or list (fields `"0"`, `"1"`, ...) of arrays with the same first dimension.
        batch_size: number of rows in a batch. Defaults to `32`.
        inputs: name of a field, a tuple of names, or a dict such as `{"image": "images"}`.
            Defaults to the inputs named in the index.
        targets: the same for `y`. Defaults to the targets named in the index if `inputs` is
            `None`, and else to none, for `predict`.
        sample_weights: the same for `sample_weight`. Defaults to `None`.
        shuffle: `"window"`: shards in random order, rows shuffled within each window of
            `window_shards`; `"shards"`: shards in random order, rows as stored; `"global"`: all
            rows shuffled; `None`: as stored. Defaults to `"window"`.
        window_shards: number of shards in a window. Defaults to `6`.
        seed: non-negative integer. With `None` it follows `keras.utils.set_random_seed`, without
            drawing from the global generators. Defaults to `None`.
        last_batch: `"keep"`: the last batch of an epoch may be smaller; `"drop"`: a smaller one is
            dropped, with different rows in each epoch. Defaults to `"keep"`.
        steps_per_epoch: number of batches in an epoch, if it is not a pass over the data: epoch e
            begins with batch `e * steps_per_epoch` of the endless stream of passes. Pass it here
            and not to `fit`. Defaults to `None`.
        transform: function `(batch, rng) -> batch`. It receives a dict of the arrays that are used,
            of shape `(rows, ...)`, and a `numpy.random.Generator` seeded with (seed, epoch, batch
            index), and returns a dict with the same keys and number of rows. Or an `Augment`,
            which changes each row by itself. Defaults to `None`.
        workers: number of threads (or processes) that prefetch; 0 for none. They belong to this
            class: Keras sees `workers=1`, because its own threads lose and duplicate batches.
            Defaults to `2`.
        use_multiprocessing: whether `transform` runs in worker processes. Without a `transform`
            threads are used in any case. Defaults to `False`.
        max_queue_size: maximum number of batches to prefetch (at most 512 MiB). Defaults to `10`.
        layout: `"columns"` reads pickles without an index that could mean two things, such as one
            sample per file, as rows with one array per field. Defaults to `None`: refuse them.
        trust: whether pickles that cannot be read otherwise are executed. Only for files that you
            wrote yourself. Defaults to `False`.
        on_corrupt: what to do with a shard that is found missing, cut short, changed or unreadable
            while training. `"raise"`: stop. `"skip"`: warn once, as soon as it is found, and serve
            other rows in place of its rows, so that batches keep their shapes and epochs their
            length; the choice is a function of (seed, epoch, batch) and of the corrupt shards.
            Bytes that were changed in place are found by `verify` only. A pickle without an index
            that is corrupt from the start is always an error. Defaults to `"raise"`.

    Attributes:
        epoch: number of the epoch that is served now, or next. Can be set.
        num_samples: number of (selected) rows in one pass.
        fields: name -> `Field` (dtype and row shape) of every field.
        classes: the label of each class of the targets (a dict of such lists if several of them
            are labels), or `None`.
        index: the `ShardIndex`.
        roles: which fields are inputs, targets and sample weights.
        seed_given: whether `seed` was passed; otherwise it was drawn.
        skipped_shards: path -> `SkippedShard` (rows and error) of every shard that was found
            corrupt, with `on_corrupt="skip"`.

    Raises:
        TypeError, ValueError: if an argument has a wrong type or value.
        ShardError: if the shards do not hold the requested fields.
        CorruptShardError: if a shard is missing, cut short or changed; also during training.
        UnsafePickleError: if a pickle would have to be executed.
        WorkerError: if a worker process dies.

    Example:

    ```python
    train = ShardSequence("shards/train", batch_size=64)
    model.fit(train, epochs=50, shuffle=False)
    ```

    Pickles of `{"images": ..., "texts": ..., "labels": ...}` without an index:

    ```python
    train = ShardSequence("megabatches", inputs=("texts", "images"), targets="labels")
    ```
    """

    def __init__(
        self,
        shards: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | ShardIndex | Shards,
        batch_size: int = 32,
        *,
        inputs: Structure | list[Any] | None = None,
        targets: Structure | list[Any] | None = None,
        sample_weights: Structure | list[Any] | None = None,
        shuffle: Shuffle = "window",
        window_shards: int = 6,
        seed: int | None = None,
        last_batch: Literal["keep", "drop"] = "keep",
        steps_per_epoch: int | None = None,
        transform: BatchTransform | None = None,
        workers: int = 2,
        use_multiprocessing: bool = False,
        max_queue_size: int = 10,
        layout: Reading = None,
        trust: bool = False,
        on_corrupt: Literal["raise", "skip"] = "raise",
    ) -> None:
        options = checked_options(
            batch_size=batch_size,
            shuffle=shuffle,
            window_shards=window_shards,
            seed=seed,
            last_batch=last_batch,
            transform=transform,
            trust=trust,
            max_queue_size=max_queue_size,
            on_corrupt=on_corrupt,
        )
        workers = checked_int(workers, "workers", 0)
        use_multiprocessing = checked_bool(use_multiprocessing, "use_multiprocessing")
        if steps_per_epoch is not None:
            steps_per_epoch = checked_int(steps_per_epoch, "steps_per_epoch", 1)
        self.seed_given = seed is not None
        super().__init__(
            workers=1, use_multiprocessing=False, max_queue_size=options["max_queue_size"]
        )
        passed = (inputs, targets, sample_weights)
        index, roles = open_with_roles(shards, passed, layout, trust, transform is not None)
        if not index.num_samples:
            raise ShardError(f"{index.directory}: the shards hold no samples.")
        if isinstance(shards, Shards):
            options |= {"selection": shards.selection, "trust": options["trust"] or shards.trust}
        config = LoaderConfig(index=index, fields=roles.names, **options)
        server = EpochServer(
            config, roles, workers, use_multiprocessing, steps_per_epoch=steps_per_epoch
        )
        self._set_server(server)

    def _set_server(self, server: EpochServer) -> None:
        self._server = server
        self._fit_order = FitOrder()

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
        if self._server.config.shuffle in ("window", "global") and not state.fixed:
            index = self._fit_order.place(index)
        return self.batch_of(state.epoch, state.start + index)

    def batch_of(self, epoch: int, index: int) -> Any:
        """Returns batch `index` of any epoch, as `__getitem__` returns it of the current one."""
        return self._server.batch(epoch, index)

    def on_epoch_begin(self) -> None:
        """Called by Keras when an epoch begins.

        Raises:
            ValueError: if Keras would divide the batches among processes.
        """
        refuse_automatic_sharding()
        self._server.begin(on_tensorflow=keras.backend.backend() == "tensorflow")

    def on_epoch_end(self) -> None:
        """Called by Keras when an epoch ends, and once when it prepares a `fit`.

        The epoch advances if all of its batches were requested, since `on_epoch_begin` if that was
        called. Code that requests batches by index must call both hooks.
        """
        self._server.end(is_reset=is_called_by_reset())

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

        An epoch that is stopped early is served again from its start, by the next `Epoch` too. An
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
    def index(self) -> ShardIndex:
        """The `ShardIndex` of the shards."""
        return self._server.config.index

    @property
    def roles(self) -> Roles:
        """Which fields are inputs, targets and sample weights."""
        return self._server.roles

    @property
    def batch_size(self) -> int:
        """Number of rows in a full batch."""
        return self._server.config.batch_size

    @property
    def num_samples(self) -> int:
        """Number of rows in one pass over the data."""
        return self._server.num_samples

    @property
    def fields(self) -> dict[str, Field]:
        """Every field of the shards by name."""
        return self.index.fields

    @property
    def skipped_shards(self) -> dict[str, SkippedShard]:
        """The shards that were found corrupt, with `on_corrupt="skip"`, by path."""
        return {shard.path: shard for shard in self._server.corrupt_shards.found().values()}

    @property
    def classes(self) -> Any:
        """The label of each class of the targets, or `None` if the shards do not name them."""
        return self.index.classes_of(self.roles.targets)

    @property
    def seed(self) -> int:
        """The seed of the order."""
        return self._server.config.seed

    @property
    def epoch(self) -> int:
        """Number of the epoch that is served now, or next."""
        return self._server.state.epoch

    @epoch.setter
    def epoch(self, value: int) -> None:
        self._server.state.seek(checked_int(value, "epoch", 0))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({summarize(self._server)})"

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
            state: the result of `state_dict()`. With a `"batch"`, the next epoch that `fit` begins
                is served from that batch on, once.

        Raises:
            ValueError: if the state belongs to other data or other settings.
        """
        self._set_server(self._server.resumed(state))

    # ---- Views

    def class_weight(self) -> dict[int, float]:
        """Computes balanced weights for `fit(class_weight=...)`.

        Class c gets `samples / (classes * count[c])`, as scikit-learn's `"balanced"`
        (King and Zeng, Logistic Regression in Rare Events Data, 2001); only classes
        that occur are counted.

        Returns:
            A dict of class number to weight.
        """
        config = self._server.config
        return balanced_class_weights(
            self.index, self.roles.targets, config.trust, config.selection
        )

    def unshuffled(self) -> ShardSequence:
        """Returns a view of the same data that serves the same batches in every epoch.

        Each row of the first variant is served once, in the order of the files, after the
        `transform` of epoch 0. Use it for validation.
        """
        view = self.__class__.__new__(self.__class__)
        view.__dict__.update(self.__dict__)
        view._set_server(self._server.unshuffled())
        return view

    def as_dataset(self) -> Any:
        """Returns the same batches as a `tf.data.Dataset`; each iteration is an epoch.

        Shapes are static except for the number of rows if the last batch is smaller. Pass
        `shuffle=False` to `fit`, which warns otherwise. Requires TensorFlow.
        """
        from keras_bigdata.loading.tf_dataset import as_dataset

        methods = ("__getitem__", "batch_of")
        custom = any(getattr(type(self), m) is not getattr(ShardSequence, m) for m in methods)
        return as_dataset(self, custom)

    def release(self) -> None:
        """Releases threads, files and memory until the next request."""
        self._server.prefetcher.release()
