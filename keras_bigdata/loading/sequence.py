"""ShardSequence: what `fit` takes."""

from __future__ import annotations

import operator
import os
import weakref
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal

import keras
import numpy as np

from keras_bigdata.arguments import checked_choice, checked_int, checked_seed
from keras_bigdata.child_processes import call_in_forked_child
from keras_bigdata.errors import ShardError
from keras_bigdata.keras_internals import FitOrder, Hold, called_to_reset
from keras_bigdata.loading.batch_loader import Batch, LoaderConfig, Transform
from keras_bigdata.loading.corrupt_shards import CorruptShards, SkippedShard
from keras_bigdata.loading.epoch_plan import Shuffle
from keras_bigdata.loading.epoch_state import Progress
from keras_bigdata.loading.epochs import Epoch
from keras_bigdata.loading.opening import opened
from keras_bigdata.loading.prefetcher import Feed
from keras_bigdata.shards.class_counts import add_counts, count_labels
from keras_bigdata.shards.index import Field, ShardIndex
from keras_bigdata.shards.roles import Structure, map_structure

_STATE_VERSION = 1

# For `class_weight`; larger labels are identifiers rather than classes.
_MAX_WEIGHTED_CLASSES = 10_000_000

# Between the beginning of an epoch and the time when so many batches were asked for, TensorFlow
# destroys the iterator of the last epoch. It waits for an autotuning thread, which it wakes before
# it says what for: if the thread is quick to look it goes to sleep again, for up to as long as the
# epoch took (60 s at most), and `fit` with it. It is quick where all cores are busy. Nothing is
# read in that moment: on 2 cores one epoch in three begins so late, and not every other; with a
# dataset that reads nothing at all it is one in seven.
_QUIET_BATCHES = 2


class ShardSequence(keras.utils.PyDataset):
    """Batches from pickled shards, for `fit`, `evaluate` and `predict`.

    Order is a pure function of (seed, epoch, batch index): the same for any number of
    workers, threads or processes, any order of requests and on any backend. With
    `last_batch="keep"` each epoch serves every row exactly once. Memory is
    O(shards + window), never O(samples).

    An epoch is over when `fit` has asked for every batch of it; one that was stopped before is
    served again from its start. `fit(shuffle=True)`, which is Keras's default, asks for batches in
    a random order of its own; as they are shuffled already, they are served in the order of the
    plan all the same (with `shuffle="shards"` or `None` they are not). `evaluate` on a sequence
    counts as an epoch too; the
    callbacks of this package use an unshuffled view instead (`unshuffled()`). A new sequence
    begins with epoch 0 and cannot know of `fit(initial_epoch=n)`: set `sequence.epoch = n`.

    Loops of one's own iterate over it: `for x, y in sequence:` is one epoch, and the next such
    loop the next epoch. Whoever iterates while a `fit` is running (or gives a training sequence to
    `adapt` of a layer) takes epochs from it; iterate over `unshuffled()` instead.

    Thread-safe. `transform` is called from several threads (or processes) at once and must
    be thread-safe and depend on nothing but its arguments.

    Args:
        shards: a directory with or without an index, searched with its subdirectories; or a
            list of pickle files. Pickles are never executed. Each holds a dict (fields are
            its keys), or a tuple or list (fields `"0"`, `"1"`, ...) of arrays with the same
            first dimension.
        batch_size: rows of a batch. Defaults to `32`.
        inputs: a field's name, a tuple of names, or a dict such as `{"image": "images"}`.
            Defaults to what the index says.
        targets: the same for `y`. With `inputs` given and `targets=None`, batches have no
            targets, for `predict`. Defaults to what the index says if `inputs` is `None`.
        sample_weights: the same for `sample_weight`. Defaults to `None`.
        shuffle: `"window"`: shards in random order, rows mixed across each window of
            `window_shards`; `"shards"`: only the order of the files; `"global"`: any row
            anywhere; `None`: as the files lie. Defaults to `"window"`.
        window_shards: shards whose rows are mixed at one time. Defaults to `6`.
        seed: non-negative integer. With `None` it follows `keras.utils.set_random_seed`
            without disturbing the global generators. Defaults to `None`.
        last_batch: `"keep"`: the last batch of an epoch may be smaller; `"drop"`: it is left
            out, other rows in each epoch. Defaults to `"keep"`.
        steps_per_epoch: batches of an epoch, if not a pass over the data: epoch e is
            batches `e * steps_per_epoch` and so on of the endless stream of passes. Give
            it here and not to `fit`. Defaults to `None`.
        transform: `transform(batch, rng) -> batch`, from a dict of arrays (the fields
            used, a row a sample) to a dict with the same keys and rows. `rng` is a
            `numpy.random.Generator` made from (seed, epoch, batch index). Defaults to `None`.
        workers: threads (or processes) that read ahead; 0 for none. They are ours: Keras is
            shown `workers=1`, because its own threads lose and double batches.
            Defaults to `2`.
        use_multiprocessing: run `transform` in worker processes. Without a `transform` it has
            nothing to do, and threads read. Defaults to `False`.
        max_queue_size: batches to be ahead, at most (and at most 512 MiB). Defaults to `10`.
        trust: load pickles that would have to run code. Only for files that you wrote
            yourself. Defaults to `False`.
        on_corrupt: what to do about a shard that turns out missing, cut short, changed or
            unreadable while training. `"raise"`: stop. `"skip"`: warn once, as soon as it is
            found, and serve other rows in place of its rows, so that batches keep their shapes and
            epochs their length; which ones is a function of (seed, epoch, batch) and of the
            shards that are corrupt. Bytes that changed in place are noticed by `verify` only. A
            bare pickle that is corrupt when the sequence is made is an error in any case: nobody
            knows how many rows it had. Defaults to `"raise"`.

    Attributes:
        epoch: the epoch that is served next, or is being served. May be set.
        num_samples: rows in one pass.
        fields: name -> `Field` (dtype and row shape) of every field.
        classes: the label that class i stands for (a dict of such lists where several fields are
            labels), or `None`.
        index: the `ShardIndex`.
        seed_given: whether `seed` was given, or drawn.
        skipped_shards: shard path -> `SkippedShard` (rows and error) of every shard that was found
            corrupt, with `on_corrupt="skip"`.

    Raises:
        ValueError: if an argument does not make sense.
        ShardError: if the shards do not hold what is asked for.
        CorruptShardError: if a shard is missing, cut short or changed; also while training.
        UnsafePickleError: if a pickle would have to run code.
        WorkerError: if a worker process dies.

    Example:

    ```python
    train = ShardSequence("shards/train", batch_size=64)
    model.fit(train, epochs=50, shuffle=False)
    ```

    Bare pickles of `{"images": ..., "texts": ..., "labels": ...}`:

    ```python
    train = ShardSequence("megabatches", inputs=("texts", "images"), targets="labels")
    ```
    """

    def __init__(
        self,
        shards: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | ShardIndex,
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
        transform: Transform | None = None,
        workers: int = 2,
        use_multiprocessing: bool = False,
        max_queue_size: int = 10,
        trust: bool = False,
        on_corrupt: Literal["raise", "skip"] = "raise",
    ) -> None:
        batch_size = checked_int(batch_size, "batch_size", 1)
        window_shards = checked_int(window_shards, "window_shards", 1)
        self._read_workers = checked_int(workers, "workers", 0)
        self._use_processes = bool(use_multiprocessing)
        max_queue_size = checked_int(max_queue_size, "max_queue_size", 1)
        shuffle = checked_choice(shuffle, "shuffle", ("window", "shards", "global", None))
        last_batch = checked_choice(last_batch, "last_batch", ("keep", "drop"))
        on_corrupt = checked_choice(on_corrupt, "on_corrupt", ("raise", "skip"))
        if transform is not None and not callable(transform):
            raise TypeError(
                f"`transform` must be a function of (batch, rng). Received: transform={transform!r}"
            )
        self.seed_given = seed is not None
        super().__init__(workers=1, use_multiprocessing=False, max_queue_size=max_queue_size)
        self.index, self.roles = opened(shards, inputs, targets, sample_weights, trust)
        self._config = LoaderConfig(
            index=self.index,
            fields=self.roles.names,
            batch_size=batch_size,
            shuffle=shuffle,
            window_shards=window_shards,
            seed=checked_seed(seed),
            last_batch=last_batch,
            transform=transform,
            trust=trust,
            max_queue_size=max_queue_size,
            on_corrupt=on_corrupt,
        )
        self._corrupt = CorruptShards(self.index)
        self._steps_per_epoch = (
            None if steps_per_epoch is None else checked_int(steps_per_epoch, "steps_per_epoch", 1)
        )
        self._prepare()
        _sequences.add(self)
        if not self.num_samples:
            raise ShardError(f"{self.index.directory}: the shards hold no samples.")
        if not self._feed.loader.num_batches:
            raise ValueError(
                f'With `last_batch="drop"` there is no batch: {self.num_samples} samples are fewer '
                f"than one batch. Received: batch_size={batch_size}"
            )

    def _prepare(self, epoch: int = 0, batch: int = 0, *, fixed: bool = False) -> None:
        """What a copy in another process has to make anew."""
        self._begin_feed()
        length = self._steps_per_epoch or self._feed.loader.num_batches
        self._progress = Progress(length, epoch, batch, fixed=fixed)
        self._hold = Hold()

    def _begin_feed(self) -> None:
        self._feed = Feed(self._config, self._corrupt, self._read_workers, self._use_processes)
        self._fit_order = FitOrder()

    # ---- What Keras calls

    def __len__(self) -> int:
        return self._progress.length

    @property
    def num_batches(self) -> int:
        """Batches that are left of the epoch under way: `len()`, unless it is being resumed.

        Keras asks once before the first epoch, for all epochs, and at the start of each.
        """
        return len(self) if called_to_reset() else len(self) - self._progress.start

    def __getitem__(self, index: int) -> Any:
        """Batch `index` of the current epoch: `(x, y)`, `(x, y, w)` or `(x,)`."""
        index = operator.index(index)
        start = self._progress.start
        length = len(self) - start
        if not -length <= index < length:
            raise IndexError(
                f"Batch {index} is out of range: an epoch has {length} batches of "
                f"{self.batch_size} rows."
            )
        index %= length
        if self._config.shuffle in ("window", "global") and not self._progress.fixed:
            index = self._fit_order.place(index)
        return self.batch_of(self.epoch, start + index)

    def batch_of(self, epoch: int, index: int) -> Any:
        """Batch `index` of any epoch, as `__getitem__` gives it of the current one."""
        with self._hold:
            self._progress.ask(epoch, index)
            if index == self._progress.start + _QUIET_BATCHES:
                self._feed.go_on()
            return self._arranged(self._load(epoch, index))

    def example(self) -> Any:
        """The first batch of the current epoch, without beginning to read ahead."""
        return self._arranged(self._feed.loader.load(self.epoch * len(self)))

    def on_epoch_begin(self) -> None:
        """Called by Keras when an epoch begins."""
        if keras.backend.backend() == "tensorflow":
            self._hold.take()
            if len(self) - self._progress.next_start > _QUIET_BATCHES:
                self._feed.pause()
        self._progress.begin()

    def on_epoch_end(self) -> None:
        """Called by Keras when an epoch ends, and once more where nothing has ended.

        The epoch advances only if every batch was asked for since `on_epoch_begin`.
        """
        reset = called_to_reset()
        over = self._progress.end(stopped=reset)
        self._feed.go_on()
        if reset:
            self._hold.destroy()
        else:
            self._hold.drop()
        if over is not None:
            self._corrupt.tell(over)

    @property
    def workers(self) -> int:
        """1, which is what Keras is shown: reading ahead is done by this class."""
        return 1

    @property
    def use_multiprocessing(self) -> bool:
        """`False`, which is what Keras is shown: processes belong to this class."""
        return False

    # ---- Loops of one's own

    def __iter__(self) -> Iterator[Any]:
        """The batches of the current epoch, in order; at their end the epoch advances."""
        yield from Epoch(self, self._settled())

    def epochs(self, count: int) -> Iterator[Epoch]:
        """The next epochs, one after the other, for a training loop of one's own.

        An epoch that is broken off is served again from its start, as `fit` does it: by the
        next one of these, too.

        Args:
            count: how many to give, broken off or not.

        Returns:
            An iterator of `Epoch`s: each has its `number`, `len()` batches, and gives them when it
            is iterated.

        Example:

        ```python
        for epoch in train.epochs(10):
            for x, y in epoch:
                loss = model.train_on_batch(x, y)
            print(epoch.number, loss)
        ```
        """
        return (Epoch(self, self._settled()) for _ in range(checked_int(count, "count", 0)))

    def _settled(self) -> int:
        """The epoch, advanced if a loop has been given all of it."""
        given = self._progress.settle()
        if given is not None:
            self._corrupt.tell(given)
        return self.epoch

    # ---- What users read

    @property
    def batch_size(self) -> int:
        """Rows of a full batch."""
        return self._config.batch_size

    @property
    def read_workers(self) -> int:
        """Threads or processes that read ahead."""
        return self._read_workers

    @property
    def num_samples(self) -> int:
        """Rows in one pass over the data."""
        return self._feed.loader.num_samples

    @property
    def fields(self) -> dict[str, Field]:
        """Every field of the shards."""
        return self.index.fields

    @property
    def skipped_shards(self) -> dict[str, SkippedShard]:
        """The shards found corrupt and left out, with `on_corrupt="skip"`, by their paths."""
        return {shard.path: shard for shard in self._corrupt.known().values()}

    @property
    def classes(self) -> Any:
        """The label that class i stands for, or `None` if the shards do not say."""
        return self.index.classes

    @property
    def seed(self) -> int:
        """The seed of the order."""
        return self._config.seed

    @property
    def epoch(self) -> int:
        """The epoch that is served next, or is being served."""
        return self._progress.epoch

    @epoch.setter
    def epoch(self, value: int) -> None:
        self._progress.go_to(checked_int(value, "epoch", 0))

    def state_dict(self) -> dict[str, Any]:
        """The state of the order, for `load_state_dict`: a small dict of plain values.

        `"batch"` is where the next epoch begins to be served: 0, unless one was loaded. A sequence
        knows what was fetched, not what was trained; `ResumeTraining` puts that number here.
        """
        return {
            "version": _STATE_VERSION,
            "epoch": self.epoch,
            "batch": self._progress.next_start,
            **self._identity(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where another sequence over the same data was.

        Args:
            state: what `state_dict()` gave. With a `"batch"`, the next epoch that `fit` begins is
                served from that batch on, once.

        Raises:
            ValueError: if the state belongs to other data or other settings.
        """
        mine = {"version": _STATE_VERSION, **self._identity()}
        for key, value in mine.items():
            if key != "seed" and state.get(key) != value:
                raise ValueError(
                    f"The state belongs to another sequence: {key!r} is {state.get(key)!r} in it "
                    f"and {value!r} here."
                )
        for key in ("seed", "epoch"):
            if key not in state:
                raise ValueError(f"The state has no {key!r}: it is not from `state_dict()`.")
        seed = checked_int(state["seed"], "seed", 0)
        if seed != self.seed:
            self._config = replace(self._config, seed=seed)
            self._prepare(fixed=self._progress.fixed)
        batch = checked_int(state.get("batch", 0), "batch", 0)
        if batch >= len(self):
            raise ValueError(f"The state is at batch {batch}, and an epoch has {len(self)}.")
        self._progress.go_to(checked_int(state["epoch"], "epoch", 0), batch)

    def class_weight(self) -> dict[int, float]:
        """Balanced weights for `fit(class_weight=...)`.

        Class c gets `samples / (classes * count[c])`, as scikit-learn's `"balanced"`
        (King and Zeng, Logistic Regression in Rare Events Data, 2001); only classes
        that occur are counted.

        Returns:
            A dict of class number to weight.
        """
        counts = self.index.class_counts or self._count_classes()
        occurring = {label: count for label, count in enumerate(counts) if count}
        total = sum(occurring.values())
        return {label: total / (len(occurring) * count) for label, count in occurring.items()}

    def _count_classes(self) -> list[int]:
        """Counts the classes of the targets in the files, where the index has no counts."""
        target = self.roles.targets
        field = self.fields[target] if isinstance(target, str) else None
        if field is None or field.dtype.kind not in "iu" or field.shape not in ((), (1,)):
            raise ShardError(
                f"{self.index.directory}: class weights need one target of integer labels. "
                f"The targets are {target!r}" + (f", {field}." if field else ".")
            )
        counts = []
        for shard in np.flatnonzero(self.index.variant == 0).tolist():
            labels = self._feed.loader.reader.column(shard, field.name)
            try:
                counts.append(count_labels(labels, _MAX_WEIGHTED_CLASSES))
            except ValueError as error:
                raise ShardError(
                    f"{self.index.path(shard)}: class weights need class numbers. Received: {error}"
                ) from error
        return add_counts(counts) or []

    def unshuffled(self) -> ShardSequence:
        """A view of the same data that serves the same in every epoch.

        Each row once in the order of the files, of the first variant, and what `transform`
        makes of it in epoch 0: for validation.
        """
        view = self.__class__.__new__(self.__class__)
        view.__setstate__(self.__getstate__())
        view._steps_per_epoch = None
        view._config = replace(self._config, shuffle=None, last_batch="keep")
        view._prepare(fixed=True)
        return view

    def as_dataset(self) -> Any:
        """The same batches as a `tf.data.Dataset`: an epoch each time it is iterated.

        Shapes are static except for the rows of a batch where the last one is smaller;
        the cardinality is known. Pass `shuffle=False` to `fit`, which would warn otherwise.
        Needs TensorFlow.
        """
        from keras_bigdata.loading.tf_dataset import as_dataset

        return as_dataset(self)

    # ---- How it works

    def _load(self, epoch: int, index: int) -> Batch:
        cycle = len(self) if self._progress.fixed else None
        return self._feed.batch(epoch * len(self) + index, cycle)

    def release(self) -> None:
        """Gives back threads, files and memory until the next request."""
        self._feed.release()

    def _arranged(self, batch: Batch) -> Any:
        roles = [self.roles.inputs]
        if self.roles.targets is not None:
            roles.append(self.roles.targets)
        if self.roles.sample_weights is not None:
            roles.append(self.roles.sample_weights)
        return tuple(map_structure(role, batch.__getitem__) for role in roles if role is not None)

    def _identity(self) -> dict[str, Any]:
        return {
            "num_samples": self.num_samples,
            "num_shards": len(self.index),
            "batch_size": self.batch_size,
            "steps_per_epoch": self._steps_per_epoch,
            "shuffle": self._config.shuffle,
            "window_shards": self._config.window_shards,
            "last_batch": self._config.last_batch,
            "seed": self.seed,
        }

    def __getstate__(self) -> dict[str, Any]:
        # By configuration; threads, files and caches are made anew.
        made = ("_feed", "_fit_order", "_progress", "_hold")
        progress = self._progress
        place = {"epoch": progress.epoch, "batch": progress.next_start, "fixed": progress.fixed}
        kept = {key: value for key, value in self.__dict__.items() if key not in made}
        return {**kept, "_place": place}

    def __setstate__(self, state: dict[str, Any]) -> None:
        kept = dict(state)
        place = kept.pop("_place")
        self.__dict__.update(kept)
        self._prepare(**place)
        _sequences.add(self)

    def _forked(self) -> None:
        # The threads stayed with the parent, and one of them may have held a lock.
        self._corrupt.forked()
        self._progress.forked()
        self._hold.forked()
        self._begin_feed()


_sequences: weakref.WeakSet[ShardSequence] = weakref.WeakSet()


def _in_forked_child() -> None:
    for sequence in list(_sequences):
        sequence._forked()


call_in_forked_child(_in_forked_child)
