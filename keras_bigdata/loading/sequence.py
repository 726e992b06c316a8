"""`ShardSequence`: the dataset that `fit` takes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from keras_bigdata.arguments import checked_bool, checked_int
from keras_bigdata.errors import ShardError
from keras_bigdata.images.crops import Crop
from keras_bigdata.loading.batches.batch_loader import BatchTransform, LoaderConfig, checked_options
from keras_bigdata.loading.batches.corrupt_shards import SkippedShard
from keras_bigdata.loading.classes.class_sample_weights import ClassSampleWeights
from keras_bigdata.loading.classes.class_weights import balanced_class_weights
from keras_bigdata.loading.classes.read_class_rows import rows_to_balance
from keras_bigdata.loading.epochs.describe import summarize
from keras_bigdata.loading.epochs.epoch_dataset import EpochDataset
from keras_bigdata.loading.epochs.epoch_server import EpochServer
from keras_bigdata.loading.open_with_roles import fields_to_read, open_with_roles
from keras_bigdata.loading.order.epoch_plan import Shuffle
from keras_bigdata.loading.parts.part_argument import check_padding, checked_part
from keras_bigdata.loading.rows.decode_options import checked_decode
from keras_bigdata.shards.fields.roles import Roles, Structure
from keras_bigdata.shards.index.shard_index import Field, ShardIndex
from keras_bigdata.shards.opening.one_set import Reading
from keras_bigdata.shards.shards import Shards


class ShardSequence(EpochDataset):
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

    With `balance`, the field of labels is read once from every shard when the sequence is created,
    which needs up to 8 bytes per row; about 5 bytes per row are kept, and at most 64 MiB. `shuffle`
    is then the order within each class, and a window is `window_shards` shards that hold the class.
    If each class lies in few shards (data packed in the order of the classes), a window is most of
    a class, and a batch reads from that many shards of every class. If each shard holds several
    classes, classes of similar size read the same shards at a time. With augmented data, the
    passes of a class read one variant after the other.

    If the set is behind a URL, the shards of the current window and of the next one are fetched in
    the order in which they are needed, and checked. Without a cache they are held in memory: as
    much as the largest `2 * window_shards` shards, at most half of the memory of the machine. The
    first batch is read by requests for its rows alone, where that is less, so it does not wait for
    the window. Any batch of `shuffle="global"` may need any shard, so all of them are held, and
    with `balance` too if they fit. A shard that is missing or damaged is a `CorruptShardError`; a
    network error is a `StorageError`, and never skips rows.

    Thread-safe. `transform` is called in several threads (or processes) at a time; it must be
    thread-safe and depend only on its arguments.

    Args:
        shards: a `Shards`, which may select some of the rows; a directory with or without an index,
            searched with its subdirectories; the URL of a directory with an index; a list of
            directories, joined to one set; a list of pickle files; or a `ShardIndex`. No pickle is
            executed, unless `trust=True`. Each holds a dict (its keys are the fields), or a tuple
            or list (fields `"0"`, `"1"`, ...) of arrays with the same first dimension.
        batch_size: number of rows in a batch. Defaults to `32`.
        inputs: name of a field, a tuple of names, or a dict such as `{"image": "images"}`.
            Defaults to the inputs named in the index.
        targets, sample_weights: the same for `y` and `sample_weight`. Default to those named in the
            index if `inputs` is `None`, and else to none, as for `predict`.
        class_weights: weights of the classes of the targets, which become sample weights of each
            batch (float32, multiplied with those of `sample_weights`): of shape `(rows,)` for class
            numbers and one-hot rows; one for each pixel, `(rows, height, width)`, for masks of
            class numbers. `"balanced"` (those of `class_weight()`), or a dict of class number to
            weight with each class that occurs; for several targets, a dict or tuple of these as
            `targets`, with `None` for a target without weights. They apply to what the
            `transform` returns, and not in `unshuffled()` and the validations of this package,
            which evaluate. `fit(class_weight=)` does the same for one target that is not a mask;
            do not pass both. Defaults to `None`.
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
            index; with `part`, also the rank), and returns a dict of arrays with the same number of
            rows. It may add and remove keys, the same ones in every batch. `inputs`, `targets` and
            `sample_weights` may name keys that it adds; it then receives all fields of the shards.
            Rows of any length arrive padded; under the name of their field their length stays open
            for Keras, and a key that is added has one row shape in all batches. Or an `Augment`,
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
        balance: name of a field of labels (class numbers or one-hot rows) whose classes are drawn
            evenly: an epoch has as many rows as the data, each class gives the same number of
            them or one more, and no row of a class is served again before all rows of its class
            were, also across epochs. So rows of large classes are not served in every epoch, and
            rows of small ones several times. Classes without rows are left out. `unshuffled()`
            serves every row once. Defaults to `None`: no.
        decode: which part of encoded images becomes an image of a batch: `Resize`, `CenterCrop` or
            `RandomResizedCrop`, or a dict of field -> one of these. Needed for images that are
            stored as files of any size. Defaults to `None`: the whole image, in its size.
        bucket: name of a field of rows of any length, such as texts: rows of similar length within
            a window form a batch, so that fewer values are padded. Every row is served exactly
            once. Defaults to `None`: no.
        pad_to: rows of any length are padded to the longest of their batch, and further to a
            multiple of this number, so that there are fewer different shapes, each of which JAX
            compiles again. Defaults to `None`: 1.
        part: which rows of each batch this process serves, if several train together: `(rank,
            size)`, or `"auto"` for the part of `keras.distribution`, JAX or `torch.distributed`.
            `batch_size` is then the number of rows of a batch of all processes. Every process has
            the same number of batches, of equal size, in the order of the plan, whatever `shuffle`
            of `fit` is. A last batch that cannot be divided is padded with rows of weight 0, or
            dropped with `last_batch="drop"`. Rows of any length are padded to the longest of the
            batch of all processes, which each finds in the offsets of the rows; or to the longest
            of the data, behind a URL, with `shuffle="global"`, `balance` or `on_corrupt="skip"`,
            and if a batch has rows of more than about 64 shards. Defaults to `None`: all.
        storage_options: options of the fsspec driver of a URL, as in `Shards`, which also takes a
            `cache`. Defaults to `None`: those of the environment.

    Attributes:
        epoch: number of the epoch that is served now, or next. Can be set.
        num_samples: number of (selected) rows in one pass.
        fields: name -> `Field` (dtype and row shape) of every field.
        classes: the label of each class of the targets (a dict of such lists if several of them
            are labels), or `None`.
        index: the `ShardIndex`.
        roles: which fields are inputs, targets and sample weights.
        class_weights: class -> weight, as `class_weights` was passed or `"balanced"` computed; in
            the structure of several targets; or `None`.
        seed_given: whether `seed` was passed; otherwise it was drawn.
        skipped_shards: path -> `SkippedShard` (rows and error) of every shard that was found
            corrupt, with `on_corrupt="skip"`.

    Raises:
        TypeError, ValueError: if an argument has a wrong type or value.
        ShardError: if the shards do not hold the requested fields.
        CorruptShardError: if a shard is missing, cut short or changed; also during training.
        StorageError: if a URL cannot be read.
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

    Inputs and targets that only the `transform` makes, for a model that predicts the next token:

    ```python
    def shift(batch, rng):
        tokens = batch["texts"]
        return {"now": tokens[:, :-1], "next": tokens[:, 1:]}

    train = ShardSequence("megabatches", inputs="now", targets="next", transform=shift)
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
        class_weights: Any = None,
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
        balance: str | None = None,
        decode: Crop | Mapping[str, Crop] | None = None,
        bucket: str | None = None,
        pad_to: int | None = None,
        part: tuple[int, int] | Literal["auto"] | None = None,
        storage_options: Mapping[str, Any] | None = None,
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
        passed = (inputs, targets, sample_weights)
        more = (balance,) if isinstance(balance, str) else ()
        if storage_options is not None:
            shards = Shards(shards, storage_options=storage_options, layout=layout, trust=trust)
        index, roles = open_with_roles(
            shards, passed, layout, trust, transform is not None, more=more
        )
        if not index.num_samples:
            raise ShardError(f"{index.directory}: the shards hold no samples.")
        if isinstance(shards, Shards):
            options |= {"selection": shards.selection, "trust": options["trust"] or shards.trust}
        if balance is not None:
            options["balance"] = rows_to_balance(
                index,
                balance,
                trust=options["trust"],
                shuffle=options["shuffle"],
                selection=options.get("selection"),
            )
        options["part"] = checked_part(part, options["batch_size"], seed)
        fields = fields_to_read(index, roles)
        options["decode"] = checked_decode(
            index,
            fields,
            decode=decode,
            pad_to=pad_to,
            bucket=bucket,
            shuffle=options["shuffle"],
            balance=balance,
            on_corrupt=options["on_corrupt"],
        )
        config = LoaderConfig(index=index, fields=fields, roles=roles, **options)
        server = EpochServer(
            config, roles, workers, use_multiprocessing, steps_per_epoch=steps_per_epoch
        )
        rows = server.num_samples if last_batch == "keep" else 0
        check_padding(config.part, rows, config.batch_size, roles.targets, config.no_padding)
        if class_weights is not None and balance is not None:
            raise ValueError(
                "`balance` draws the classes evenly, and `class_weights` would correct a second "
                f"time. Leave one of them out. Received: balance={balance!r}, class_weights="
                f"{class_weights!r:.80}"
            )
        if class_weights is not None:
            server.class_weights = ClassSampleWeights(class_weights, server)
        super().__init__(server, options["max_queue_size"])

    # ---- Attributes

    @property
    def index(self) -> ShardIndex:
        """The `ShardIndex` of the shards."""
        return self._server.config.index

    @property
    def roles(self) -> Roles:
        """Which fields are inputs, targets and sample weights."""
        return self._server.roles

    @property
    def class_weights(self) -> Any:
        """The weights of classes from which sample weights are computed, or `None`."""
        weights = self._server.class_weights
        return None if weights is None else weights.values

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
    def part(self) -> tuple[int, int]:
        """`(rank, size)`: which of several equal slices of each batch is served."""
        part = self._server.config.part
        return part.rank, part.size

    def __repr__(self) -> str:
        return f"{type(self).__name__}({summarize(self._server)})"

    # ---- Views

    def class_weight(self) -> Any:
        """Computes balanced weights of the classes of the targets, for `fit(class_weight=...)`.

        Class c gets `n / (classes * count[c])`, as scikit-learn's `"balanced"` (King and Zeng,
        Logistic Regression in Rare Events Data, 2001): n is the number of rows, and `count[c]` of
        them have the class; only classes that occur are counted. Targets are integers, or the
        floats 0 and 1, of shape `(rows,)` or `(rows, 1)`; one-hot rows of shape `(rows, classes)`;
        or masks of class numbers, `(rows, height, width)` or `(rows, height, width, 1)`, of which
        pixels are counted.

        Rows of shape `(rows, classes)` may have several classes, or none. The formula is the same,
        and the weights are for a loss that weights the positives of each class; a warning says that
        `fit(class_weight=)` would read one class per row. The weight of positives that balances
        them with the negatives, as of `tf.nn.weighted_cross_entropy_with_logits`, is
        `classes * weight - 1`.

        The index of packed shards has the counts of class numbers. Otherwise all rows are read
        once, a batch at a time. With a `transform`, what it returns for each row is counted.

        Returns:
            A dict of class number to weight; with several targets, a dict or tuple of such dicts,
            as `targets`. `fit` takes class weights for one target that is not a mask; for others,
            pass `class_weights="balanced"` to the sequence.

        Raises:
            ValueError: with `balance`: weights would correct a second time.
            ShardError: if a target does not hold classes, such as numbers to predict.

        Example:

        ```python
        train = ShardSequence("shards/train", 64)
        model.fit(train, epochs=20, class_weight=train.class_weight())

        cells = ShardSequence("shards/cells", 8, targets="masks", class_weights="balanced")
        model.fit(cells, epochs=20)  # each pixel has the weight of its class
        ```
        """
        config = self._server.config
        if config.balance is not None:
            raise ValueError(
                f"The classes are drawn evenly with balance={config.balance.field!r}; weights "
                "would correct a second time. Leave out `class_weight`, or `balance`."
            )
        return balanced_class_weights(self._server)

    def example(self) -> Any:
        """Returns a batch of the structure, dtypes and shapes of all batches."""
        return self.unshuffled()[0]

    def unshuffled(self) -> ShardSequence:
        """Returns a view of the same data that serves the same batches in every epoch.

        Each row of the first variant is served once, in the order of the files, after the
        `transform` of epoch 0, without `class_weights`. Use it for validation.
        """
        view = self.__class__.__new__(self.__class__)
        view.__dict__.update(self.__dict__)
        view._set_server(self._server.unshuffled())
        return view
