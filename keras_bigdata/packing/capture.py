"""`capture`: the batches of an existing generator -> shards and their index."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.arguments import checked_int
from keras_bigdata.errors import PackError
from keras_bigdata.packing.batch_fields import Array, check_like_first, fields_of_batch
from keras_bigdata.packing.batch_source import NOTHING_KEPT, BatchSource
from keras_bigdata.packing.output_directory import whole_directory
from keras_bigdata.packing.pack import SHARD_BYTES, default_shard_samples
from keras_bigdata.progress import track
from keras_bigdata.shards.index import Field, ShardIndex
from keras_bigdata.shards.roles import Roles
from keras_bigdata.shards.writer import ShardWriter, describe_fields

# Of the space that was free at the start, what a source whose end nobody knows may take.
_MOST_OF_DISK = 0.9


def capture(
    batches: Any,
    directory: str | os.PathLike[str],
    *,
    steps: int | None = None,
    variants: int = 1,
    shard_samples: int | None = None,
) -> ShardIndex:
    """Runs an existing generator once and stores what it yields as shards.

    For training code that has its own batches already: what `fit`, or `fit_generator`, would have
    been given is stored, and `ShardSequence(directory)` feeds it. Rows, values, dtypes and their
    order are those of the generator; batches are cut anew, so their size does not matter and may
    vary. With `variants=k` an augmenting generator is run k times as long, and epoch e of
    a `ShardSequence` serves copy e modulo k.

    Taken are:

    - what has `len()` and `[i]` (`keras.utils.PyDataset`, `Sequence`, the iterators of
      `ImageDataGenerator`, a list of batches): read by index, one pass a variant, with
      `on_epoch_end()` between passes where there is one;
    - what can be iterated again and again (a `tf.data.Dataset`, a `DataLoader`): one pass a
      variant;
    - what can be run only once (generators, iterators, `zip`): to its end, or `steps` batches
      for each variant. It is not closed, and no batch more is taken.

    A batch is `(x, y, sample_weight)`, `(x, y)`, `(x,)` or `x` alone, as a tuple or list; each
    part is an array, a tensor (TensorFlow, JAX, PyTorch), or a tuple, list or dict of them, nested
    as you like. The nesting is kept in the index and given back, lists as tuples. A `None` among
    the sample weights of several outputs becomes ones. All arrays of a batch have equally many
    rows; dtypes and row shapes are the same in all batches. Arrays are copied at once: a generator
    may fill the same ones again. Fields are named by their path: `"x"`, `"y.1"`, `"x.image"`.

    Rows are not mixed. Windows of a `ShardSequence` mix those of a few shards; if the generator
    gives them by class, read with `shuffle="global"`.

    A capture cannot be continued, because a generator cannot be asked for its middle: after an
    error, an interrupt or a kill nothing is kept, and the next call starts over.

    Args:
        batches: see above.
        directory: folder for the shards; made if missing. It must be empty.
        steps: batches of a variant. Passes of what can be passed again make one endless stream,
            cut after each `steps` batches. Defaults to `None`: one pass, to its end.
        variants: number of copies, with equally many rows each. Defaults to `1`.
        shard_samples: rows a shard; the last one may have fewer. Defaults to `None`: about
            64 MiB, less where it is known beforehand that this makes fewer than 16 shards.

    Returns:
        The `ShardIndex`, as `ShardSequence` reads it from the directory.

    Raises:
        PackError: if the generator raises (its error is the cause) or ends before `steps`, if a
            batch is not like the first one, if there are no batches, if the variants differ in
            rows, or if the directory cannot be written or holds something else. Batches are
            counted from 0, in each variant.
        ValueError, TypeError: if an argument makes no sense; also for a source that is known
            never to end, without `steps`.

    Example:

    ```python
    def generator():
        while True:
            rows = np.random.randint(0, len(x), 32)
            yield x[rows], y[rows]

    index = capture(generator(), "shards/train", steps=100)
    train = ShardSequence("shards/train", batch_size=64)
    ```
    """
    steps = None if steps is None else checked_int(steps, "steps", 1)
    if shard_samples is not None:
        shard_samples = checked_int(shard_samples, "shard_samples", 1)
    variants = checked_int(variants, "variants", 1)
    source = BatchSource(batches)
    source.check(steps, variants)
    folder = Path(directory)
    try:
        with whole_directory(folder) as open_writer:
            length = steps or source.length
            store = _Store(
                source,
                folder,
                open_writer,
                length=length,
                variants=variants,
                shard_samples=shard_samples,
            )
            total = None if length is None else length * variants
            runs = source.run(steps, variants)
            for variant, number, batch in track(runs, total, f"batches captured into {folder}"):
                try:
                    store.add(batch, variant)
                except PackError as error:
                    where = source.where(variant, number, variants)
                    raise PackError(f"{where}: {error}. {NOTHING_KEPT}") from error
            store.finish()
    except OSError as error:
        raise PackError(f"{folder}: cannot be written: {error}. {NOTHING_KEPT}") from error
    except KeyboardInterrupt:
        print(
            f"{folder}: stopped. {NOTHING_KEPT} A capture cannot be continued: the same call "
            "starts over.",
            file=sys.stderr,
        )
        raise
    return store.index


class _Store:
    """Batches -> shards. The first batch decides on structure, dtypes and row shapes."""

    def __init__(
        self,
        source: BatchSource,
        directory: Path,
        open_writer: Callable[..., ShardWriter],
        *,
        length: int | None,
        variants: int,
        shard_samples: int | None,
    ) -> None:
        self._source = source
        self._directory = directory
        self._open_writer = open_writer
        self._length = length
        self._shard_samples = shard_samples
        self._rows = [0] * variants
        self._batches = 0
        self._variant = 0

    def add(self, batch: Any, variant: int) -> None:
        """Takes the rows of a batch; all of one variant come before the next."""
        roles, arrays = fields_of_batch(batch)
        if not self._batches:
            self._begin(roles, arrays)
        check_like_first(roles, arrays, self._writer.roles, self._fields)
        if variant != self._variant:
            self._recut.flush(self._variant)
            self._variant = variant
        self._recut.add(arrays, variant)
        self._batches += 1
        self._rows[variant] += _rows(arrays)
        if self._length is None and sum(self._rows) * self._row_bytes > self._most_bytes:
            raise PackError(
                f"{self._source.kind} has not ended, and the disk is nearly full. If it never "
                "ends, pass `steps`"
            )

    def finish(self) -> None:
        """Writes what is left, after the last batch."""
        kind, rows = self._source.kind, self._rows
        if not rows[0]:
            what = "only empty batches" if self._batches else "no batches"
            raise PackError(f"{self._directory}: nothing to store: {kind} gave {what}.")
        if len(set(rows)) > 1:
            raise PackError(
                f"{self._directory}: the variants must have equally many rows, but {kind} gave "
                f"{rows}. Choose `steps` so that each variant is whole passes. {NOTHING_KEPT}"
            )
        self._recut.flush(self._variant)
        self._writer.provenance["batches"] = self._batches

    @property
    def index(self) -> ShardIndex:
        """The index, once it is written."""
        return self._writer.close()

    def _begin(self, roles: Roles, arrays: Mapping[str, Array]) -> None:
        self._fields = {
            name: Field(name, field.dtype.newbyteorder("="), field.shape)
            for name, field in describe_fields(arrays).items()
        }
        self._row_bytes = max(1, sum(field.row_bytes for field in self._fields.values()))
        self._writer = self._open_writer(
            inputs=roles.inputs,
            targets=roles.targets,
            sample_weights=roles.sample_weights,
            classes=self._source.classes if roles.targets is not None else None,
            provenance={"by": "capture", "source": self._source.kind},
        )
        self._most_bytes = _MOST_OF_DISK * shutil.disk_usage(self._directory).free
        size = self._shard_samples
        if size is None and self._length is not None and _rows(arrays):
            size = default_shard_samples(self._length * _rows(arrays), self._fields)
        size = size or max(1, SHARD_BYTES // self._row_bytes)
        self._recut = Recut(self._writer, self._fields, size)


def _rows(arrays: Mapping[str, Array]) -> int:
    return len(next(iter(arrays.values())))


class Recut:
    """Collects rows in the memory of one shard and writes it whenever it is full.

    Rows are copied when they are added: generators may refill the arrays they gave.

    Args:
        writer: gets the shards.
        fields: name -> `Field` of what is added.
        shard_samples: rows of a shard.
    """

    def __init__(self, writer: ShardWriter, fields: Mapping[str, Field], shard_samples: int):
        self._writer = writer
        self._rows = shard_samples
        self._filled = 0
        self._buffers = {
            name: np.empty((shard_samples, *field.shape), field.dtype)
            for name, field in fields.items()
        }

    def add(self, arrays: Mapping[str, npt.NDArray[Any]], variant: int) -> None:
        """Adds the rows of one batch; all of one variant before the next."""
        rows = len(next(iter(arrays.values())))
        start = 0
        while start < rows:
            count = min(rows - start, self._rows - self._filled)
            for name, buffer in self._buffers.items():
                buffer[self._filled : self._filled + count] = arrays[name][start : start + count]
            self._filled += count
            start += count
            if self._filled == self._rows:
                self.flush(variant)

    def flush(self, variant: int) -> None:
        """Writes the rows that no shard has yet: the last, smaller shard of a variant."""
        if self._filled:
            filled = {name: buffer[: self._filled] for name, buffer in self._buffers.items()}
            self._writer.write(filled, variant=variant)
            self._filled = 0
