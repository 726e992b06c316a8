"""`capture`: writes the batches of an existing generator as shards and their index."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from keras_bigdata.arguments import checked_int
from keras_bigdata.errors import PackError
from keras_bigdata.packing.capturing.batch_fields import check_batch, flatten_batch
from keras_bigdata.packing.capturing.batch_source import NOTHING_KEPT, BatchSource
from keras_bigdata.packing.capturing.shard_buffer import ShardBuffer
from keras_bigdata.packing.planning.plan import SHARD_BYTES, default_shard_samples
from keras_bigdata.packing.samples.samples import Array
from keras_bigdata.packing.samples.stored_form import StoredForm
from keras_bigdata.packing.state.output_directory import output_directory
from keras_bigdata.progress import Verbose, checked_verbose, note, summarize, track
from keras_bigdata.shards.fields.ragged import Ragged
from keras_bigdata.shards.fields.roles import Roles
from keras_bigdata.shards.index.shard_index import Field, ShardIndex
from keras_bigdata.shards.writing.shard_file import describe_fields
from keras_bigdata.shards.writing.writer import ShardWriter
from keras_bigdata.storage.paths.remote_path import RemotePath
from keras_bigdata.storage.writing.writable import writable_place

# Share of the initially free disk space that a source of unknown length may take.
_MAX_DISK_SHARE = 0.9

# Bytes that a source of unknown length may write to a store, which is never full.
_MAX_REMOTE_BYTES = 2 * 10**12


def capture(
    batches: Any,
    directory: str | os.PathLike[str] | RemotePath,
    *,
    steps: int | None = None,
    variants: int = 1,
    shard_samples: int | None = None,
    verbose: Verbose = "auto",
    storage_options: Mapping[str, Any] | None = None,
) -> ShardIndex:
    """Runs an existing generator once and stores the batches that it yields as shards.

    Use it where training code produces batches already: what `fit` or `fit_generator` would have
    received is stored, and `ShardSequence(directory)` serves it. Rows, values, dtypes and their
    order are those of the generator. Rows are regrouped into batches of any size later, so the
    size of the generator's batches does not matter and may vary. With `variants=k` an augmenting
    generator is run k times as long, and epoch e of a `ShardSequence` serves copy e modulo k.

    `batches` is one of:

    - an object with `len()` and `[i]` (`keras.utils.PyDataset`, `Sequence`, the iterators of
      `ImageDataGenerator`, a list of batches): read by index, one pass per variant, with
      `on_epoch_end()` between passes if it exists;
    - an object that can be iterated repeatedly (a `tf.data.Dataset`, a `DataLoader`): one pass per
      variant;
    - an object that can be run only once (generators, iterators, `zip`): run to its end, or
      `steps` batches for each variant. It is not closed, and no further batch is taken from it.

    A batch is `(x, y, sample_weight)`, `(x, y)`, `(x,)` or `x` alone, as a tuple or list; each
    part is an array, a tensor (TensorFlow, JAX, PyTorch), or a tuple, list or dict of them, nested
    to any depth. The nesting is kept in the index and restored, with lists as tuples. A `None`
    among the sample weights of several outputs becomes ones. All arrays of a batch have the same
    number of rows; dtypes and row shapes are the same in all batches. Arrays are copied at once: a
    generator may refill them. Fields are named by their path: `"x"`, `"y.1"`, `"x.image"`.

    Rows of any length are stored as such if they come as `Ragged`, as a `tf.RaggedTensor`, or as an
    array of Python objects whose rows differ in length. A list of arrays stands for several inputs:
    pass `Ragged.from_rows(rows)`. Batches that are padded, each to the length of its longest row,
    are refused: pass their rows without padding.

    Rows are not mixed. Windows of a `ShardSequence` mix the rows of a few shards; if the generator
    yields them class by class, read with `shuffle="global"`.

    A capture cannot be continued, because a generator cannot be started in the middle: after an
    error, an interrupt or a kill nothing is kept, and the next call starts over.

    Args:
        batches: see above.
        directory: folder for the shards, a path or a URL; created if missing. It must be empty.
        steps: batches per variant. The passes of an object that can be iterated repeatedly form
            one endless stream, cut after every `steps` batches. Defaults to `None`: one pass, to
            its end.
        variants: number of copies, with the same number of rows each. Defaults to `1`.
        shard_samples: rows per shard; the last one may have fewer. Defaults to `None`: about
            64 MiB, less if it is known in advance that this results in fewer than 16 shards. The
            size of rows of any length is that of the first batch on average; if later ones are
            longer, shards have fewer rows.
        verbose: `0` (silent), `1` (progress bar and a summary), `2` (plain lines and a summary) or
            `"auto"` (progress only if it takes long: a bar on a terminal, else plain lines). All
            output goes to stderr. Defaults to `"auto"`.
        storage_options: options of the fsspec driver of a URL. They are not stored. Defaults to
            `None`.

    Returns:
        The `ShardIndex`, as `ShardSequence` reads it from the directory.

    Raises:
        PackError: if the generator raises (its error is the cause) or ends before `steps`, if a
            batch differs from the first one in structure, dtypes or row shapes, if there are no
            batches, if the variants differ in their number of rows, or if the directory cannot be
            written or holds something else. Batches are counted from 0, in each variant.
        StorageError: if a store cannot be reached or refuses a request.
        ValueError, TypeError: if an argument is out of range or of a wrong type; also for an
            object that never ends, without `steps`.

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
    verbose = checked_verbose(verbose)
    source = BatchSource(batches)
    source.check_arguments(steps, variants)
    folder = writable_place(directory, "directory", storage_options)
    started = time.perf_counter()
    try:
        with output_directory(folder, verbose) as open_writer:
            length = steps or source.length
            recorder = _Recorder(
                source,
                folder,
                open_writer,
                length=length,
                variants=variants,
                shard_samples=shard_samples,
            )
            total = None if length is None else length * variants
            stream = source.run(steps, variants)
            description = f"batches captured into {folder}"
            for variant, number, batch in track(stream, total, description, verbose):
                try:
                    recorder.add(batch, variant)
                except PackError as error:
                    place = source.describe_place(variant, number, variants)
                    raise PackError(f"{place}: {error}. {NOTHING_KEPT}") from error
            recorder.finish()
    except OSError as error:
        raise PackError(f"{folder}: cannot be written: {error}. {NOTHING_KEPT}") from error
    except KeyboardInterrupt:
        note(
            f"{folder}: stopped. {NOTHING_KEPT} A capture cannot be continued: the same call "
            "starts over.",
            verbose,
        )
        raise
    index = recorder.index
    copies = f" in each of {index.variants} variants" if index.variants > 1 else ""
    summarize(
        f"{folder}: {index.num_samples} samples{copies} in {len(index)} shards, "
        f"{index.sizes.sum() / 1e6:.1f} MB, captured in {time.perf_counter() - started:.1f} s.",
        verbose,
    )
    return index


class _Recorder:
    """Writes batches as shards. The first batch determines structure, dtypes and row shapes."""

    def __init__(
        self,
        source: BatchSource,
        directory: Path | RemotePath,
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
        self._bytes = 0
        self._batches = 0
        self._variant = 0
        self._fields: dict[str, Field] = {}

    def add(self, batch: Any, variant: int) -> None:
        """Adds the rows of a batch; all of one variant come before the next."""
        roles, arrays = flatten_batch(batch, self._fields)
        if not self._batches:
            self._begin(roles, arrays)
        check_batch(roles, arrays, self._writer.roles, self._fields)
        if variant != self._variant:
            self._buffer.flush(self._variant)
            self._variant = variant
        self._buffer.add(arrays, variant)
        self._batches += 1
        self._rows[variant] += _count_rows(arrays)
        self._bytes += _count_bytes(arrays)
        if self._length is None and self._bytes > self._max_bytes:
            limit = (
                "the disk is nearly full"
                if isinstance(self._directory, Path)
                else f"{_MAX_REMOTE_BYTES // 10**12} TB are written"
            )
            raise PackError(
                f"{self._source.kind} has not ended, and {limit}. If it never ends, pass `steps`"
            )

    def finish(self) -> None:
        """Writes the remaining rows, after the last batch."""
        kind, rows = self._source.kind, self._rows
        if not rows[0]:
            content = "only empty batches" if self._batches else "no batches"
            raise PackError(f"{self._directory}: nothing to store: {kind} yielded {content}.")
        if len(set(rows)) > 1:
            raise PackError(
                f"{self._directory}: the variants must have the same number of rows, but {kind} "
                f"yielded {rows}. Choose `steps` so that each variant consists of whole passes. "
                f"{NOTHING_KEPT}"
            )
        self._buffer.flush(self._variant)
        self._writer.provenance["batches"] = self._batches

    @property
    def index(self) -> ShardIndex:
        """The index, after it has been written."""
        return self._writer.close()

    def _begin(self, roles: Roles, arrays: Mapping[str, Array | Ragged]) -> None:
        self._fields = {
            name: replace(field, dtype=field.dtype.newbyteorder("="))
            for name, field in describe_fields(arrays).items()
        }
        # Rows of any length have the average size of those of the first batch.
        forms = {
            name: StoredForm(row_bytes=rows.values.nbytes // max(1, len(rows)))
            for name, rows in arrays.items()
            if isinstance(rows, Ragged)
        }
        row_bytes = sum(
            forms[name].row_bytes or 0 if name in forms else field.row_bytes
            for name, field in self._fields.items()
        )
        self._writer = self._open_writer(
            inputs=roles.inputs,
            targets=roles.targets,
            sample_weights=roles.sample_weights,
            classes=self._source.classes if roles.targets is not None else None,
            provenance={"by": "capture", "source": self._source.kind},
        )
        self._max_bytes: float = _MAX_REMOTE_BYTES
        if isinstance(self._directory, Path):
            self._max_bytes = _MAX_DISK_SHARE * shutil.disk_usage(self._directory).free
        size = self._shard_samples
        if size is None and self._length is not None and _count_rows(arrays):
            size = default_shard_samples(self._length * _count_rows(arrays), self._fields, forms)
        size = size or max(1, SHARD_BYTES // max(1, row_bytes))
        # Later rows may be far longer.
        most_bytes = None if self._shard_samples else SHARD_BYTES
        self._buffer = ShardBuffer(self._writer, self._fields, size, most_bytes)


def _count_rows(arrays: Mapping[str, Array | Ragged]) -> int:
    return len(next(iter(arrays.values())))


def _count_bytes(arrays: Mapping[str, Array | Ragged]) -> int:
    return sum(
        rows.values.nbytes + rows.offsets.nbytes if isinstance(rows, Ragged) else rows.nbytes
        for rows in arrays.values()
    )
