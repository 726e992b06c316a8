"""`pack`: writes any source of samples as shards and their index."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from keras_bigdata.arguments import checked_bool, checked_choice, checked_int
from keras_bigdata.errors import PackError, ShardError
from keras_bigdata.images.open_image import quiet_pillow
from keras_bigdata.packing.append import Append
from keras_bigdata.packing.calls.pack_call import PackCall
from keras_bigdata.packing.calls.request import PackRequest
from keras_bigdata.packing.planning.plan import PackPlan, list_rows
from keras_bigdata.packing.samples.samples import AugmentFunction
from keras_bigdata.packing.sources.base import Source
from keras_bigdata.packing.sources.tables.problems import describe_counts
from keras_bigdata.packing.state.manifest import CONTINUE
from keras_bigdata.packing.state.pack_state import (
    begin_pack,
    finish_pack,
    lock_pack,
    pack_target,
    recorded_forms,
    save_index,
)
from keras_bigdata.packing.state.shard_record import ShardRecord
from keras_bigdata.packing.workers.parallel import write_shards
from keras_bigdata.progress import Verbose, checked_verbose, note, summarize
from keras_bigdata.representation import format_count
from keras_bigdata.shards.index.shard_index import ShardIndex
from keras_bigdata.shards.reading.class_counts import add_counts
from keras_bigdata.storage.paths.remote_path import RemotePath
from keras_bigdata.storage.writing.writable import writable_place


def pack(
    source: Any,
    directory: str | os.PathLike[str] | RemotePath,
    *,
    shard_samples: int | None = None,
    shuffle: bool = True,
    seed: int = 0,
    variants: int = 1,
    augment: AugmentFunction | None = None,
    append: bool = False,
    workers: int | None = None,
    on_error: Literal["raise", "skip"] = "raise",
    verbose: Verbose = "auto",
    storage_options: Mapping[str, Any] | None = None,
) -> ShardIndex:
    """Reads every sample of a source once and writes them as shards, in parallel.

    Each shard is written whole or not at all, the index last. After an error, a full disk or a
    kill, the same call continues where it stopped, and ends with the same bytes as a call that was
    not stopped. Its state is kept in `<directory>/.packing` meanwhile. If the directory is packed
    already, the same call returns its index.

    Two calls are the same if source, roles and arguments are the same, except for `workers`,
    `on_error` and `verbose`. These are compared:

    - the rows: file names, labels, texts and arrays (64 rows of arrays over 64 MiB);
    - sizes and modification times of the files that images, HDF5 datasets and large memory maps
      are read from, but not their content. If the sizes are the same and *all* files have another
      time, as after a copy, the call is the same and a note says so; if only some have, they count
      as edited. Files that no longer exist do not count, nor those in an index of an earlier
      release, which has no times. An unfinished pack writes the shards of changed files again;
    - the function `augment`: its source text without comments, default values, variables of
      enclosing functions, arguments of a `functools.partial`, and attributes of an object, but not
      what it calls or reads by global names. Code that was typed into Python or run by `exec` has
      no text: its bytecode is compared, which differs between versions of Python. If `augment` has
      a method `fingerprint()`, only its result (JSON) is compared. A record of an earlier version
      without the text is compared by name and bytecode; if only the bytecode differs, a finished
      pack is accepted with a note.

    Delete the directory if something else has changed.

    How fields of varying size are stored is decided when a pack begins, and recorded in
    `index.provenance["stored"]`: the form that `store="auto"` of a source of images has chosen, and
    the average size of a row, which determines the rows of a shard. A pack that continues keeps it,
    also if files have other sizes by then, and so does `repair`.

    The work is done by joblib: in threads for arrays and for up to 4,000 images, if there is no
    `augment`, else in processes; or in the backend chosen with `joblib.parallel_config` (Dask,
    Ray, Spark). The workers of a cluster need the same versions, the files of the source under the
    same absolute paths, and the directory on a shared disk, which a URL does not need; each of them
    checks that. A script that packs in processes does not need `if __name__ == "__main__":`.

    With `append=True` the shards are added to those of a packed directory:

    - Fields, roles, metadata columns and variants must be the same. Classes and words keep their
      numbers; new ones come after them, and the numbers in the new rows are those of the continued
      lists. Words that were unknown in the texts packed before stay unknown there. Labels with one
      column per class have no room for new classes.
    - The index is replaced last. Until then the directory is the former set; a training that has
      opened it keeps that set until it ends.
    - `index.source` has the number of the pack that wrote each shard, and
      `index.provenance["appended"]` the record of each. The same call again adds nothing. The same
      rows with other arguments are refused, because they would be there twice. Other rows that were
      packed before are not recognized, nor are texts whose `vocabulary` was taken from the
      directory if it has grown since: pass new rows only.
    - Into a missing or empty directory it is a pack like any other, so a script can always pass it.

    Into a URL (`s3://`, `gs://`, `az://`) each worker writes a shard to the temporary directory and
    uploads it whole; no shared disk is needed. (S3 keeps the invisible parts of an upload that was
    killed until a lifecycle rule of the bucket removes them.) The state is kept in `<url>/.packing`
    meanwhile. A call that continues compares the sizes of the uploaded shards, not their bytes. A
    lease, which is renewed every 15 s and ends after 60 s without that, keeps other packs away; the
    clocks of the machines are compared. Where a store cannot exclude a second pack, it is found
    before the index is written, and the call fails.

    A source is any object with `len(source)` and `source[i]`, a dict of arrays and numbers with
    the same names, dtypes and shapes in every row. It must return the same rows each time. It may
    also have:

    - `ragged`: a dict of the fields whose rows have any length, such as `{"tokens": 0}`, with the
      number that fills short rows in a batch. Their rows may differ in their first dimension, and
      may be empty. Without `shard_samples`, 64 rows are read to learn their average size.
    - `roles`: a dict such as `{"inputs": "x", "targets": "y"}`. Without it a field `labels` is
      the target and the others are inputs.
    - `classes`, `vocabulary`: lists for the index; `classes` may be a dict of field -> list.
    - `text_fields`: the fields of token ids, which `append` renumbers. Without it `texts`.
    - `file(i)`: the file behind a row, for the list of skipped rows.
    - `select(rows)`: a source of these rows only. Without it the whole source is sent to each
      worker process a few times; large arrays in it are sent as memory maps.
    - `fingerprint()`: a JSON dict that differs between different sources. Without it class, length
      and first sample are compared.
    - `thread_rows`: the largest number of rows for which the workers are threads. Without it they
      are processes.

    A list of such dicts is a source too, of which all values are compared. A class that derives
    from a source of this package and has its own `__getitem__` is read through it, row by row; its
    first sample is compared too.

    Args:
        source: `ImageTable`, `ImageFolder` or another source of this package, a Hugging Face
            `Dataset`, a list of dicts, or a custom object.
        directory: folder for the shards, a path or a URL; created if missing. It must be empty or
            hold the files that the same call left there, or be packed already if `append` is
            `True`.
        shard_samples: rows per shard; the last one may have fewer. Defaults to `None`: about
            64 MiB, less if that results in fewer than 16 shards, but at least 4 MiB; all of equal
            length.
        shuffle: whether to mix all rows once, so that batches read in the order of the shards are
            random samples. Defaults to `True`.
        seed: seed of that order and of `augment`, an integer of at least 0. Defaults to `0`.
        variants: number of augmented copies of the data. Epoch e of a `ShardSequence` serves
            copy e modulo `variants`. Defaults to `1`.
        augment: function `(sample, rng) -> sample`, called once for each row and variant with a
            dict of arrays (a copy, which it may change) and a `numpy.random.Generator` that
            depends on seed, row and variant alone. Texts of any length may change their length.
            Defaults to `None`.
        append: whether to add the rows to a directory that is packed already. Defaults to `False`.
        workers: number of shards written at the same time; each takes its size in memory once
            (twice with `augment`). Defaults to `None`: one for each CPU. With 1 everything is done
            in this process. Dask uses all workers of its cluster, unless it is 1.
        on_error: `"raise"`, or `"skip"` to leave out rows that cannot be read, or that differ from
            the first one in fields, dtypes or shapes. They are listed on stderr and in
            `index.provenance["skipped"]`, each with `row`, `file` and `error`. Defaults to
            `"raise"`.
        verbose: `0` (silent), `1` (progress bar and a summary), `2` (plain lines and a summary) or
            `"auto"` (progress only if it takes long: a bar on a terminal, else plain lines). All
            output goes to stderr. Defaults to `"auto"`.
        storage_options: options of the fsspec driver of a URL, such as its key. They are not
            stored. Defaults to `None`.

    Returns:
        The `ShardIndex`, as `ShardSequence` reads it from the directory.

    Raises:
        StorageError: if a store cannot be reached or refuses a request.
        PackError: if a row cannot be read (the message names row, file and reason), if the
            directory cannot be written or holds something else, if another process is packing
            into it, or if the source cannot be appended (the message has both lists).
        ValueError, TypeError: if an argument is out of range or of a wrong type.

    Example:

    ```python
    def flip(sample, rng):
        if rng.random() < 0.5:
            sample["images"] = sample["images"][:, ::-1]  # (height, width, channels)
        return sample

    index = pack(ImageFolder("flowers", size=(128, 128)), "shards/train", variants=4, augment=flip)
    print(index.num_samples, len(index))
    more = ImageFolder("flowers/test", size=(128, 128))
    pack(more, "shards/train", variants=4, augment=flip, append=True)
    ```
    """
    request = PackRequest(
        source,
        shard_samples=shard_samples,
        shuffle=shuffle,
        seed=seed,
        variants=variants,
        augment=augment,
    )
    append = checked_bool(append, "append")
    workers = None if workers is None else checked_int(workers, "workers", 1)
    skip = checked_choice(on_error, "on_error", ("raise", "skip")) == "skip"
    verbose = checked_verbose(verbose)
    folder = writable_place(directory, "directory", storage_options)
    target = pack_target(folder)
    started = time.perf_counter()
    with quiet_pillow():
        call = PackCall(request.fingerprint, append=append, skip=skip, verbose=verbose)
        try:
            packed = call.find_packed(target)
            if packed is not None:
                return packed
            recorded = recorded_forms(target, request.fingerprint)
            request.decide_forms(folder, recorded, call.appended_fields(target))
            plan = PackPlan.make(request, skip=skip)
            finished: set[str] = set()
            with lock_pack(target, finished):
                former = call.load_former(target, finished)
                packed = None if former is None else call.match(former)
                if packed is not None:
                    return packed
                addition = None if former is None else Append.of(former, plan)
                plan = plan if addition is None else addition.plan
                begin_pack(target, request.fingerprint, plan.number, finished, plan.stored)
                _print_notes(request, folder, verbose)
                records = write_shards(
                    plan, request.source, target, skip=skip, workers=workers, verbose=verbose
                )
                skipped = _check_skipped(records, folder)
                index = (
                    _build_index(plan, records, skipped, folder)
                    if addition is None
                    else addition.extended_index(records, skipped)
                )
                save_index(target, index)
                finish_pack(target)
        except OSError as error:
            raise PackError(f"{folder}: cannot be written: {error}. {CONTINUE}") from error
    seconds = time.perf_counter() - started
    _report(request.source, index, plan, skipped, seconds=seconds, verbose=verbose)
    return index


def _print_notes(request: PackRequest, directory: Path | RemotePath, verbose: Verbose) -> None:
    source = request.source
    notes = source.packing_notes() if isinstance(source, Source) else []
    for text in [*notes, *request.forms.notes()]:
        note(f"{directory}: {text}", verbose)


def _check_skipped(
    records: Sequence[ShardRecord], directory: Path | RemotePath
) -> list[dict[str, Any]]:
    """Returns the rows that were left out, by number; they must not be all rows."""
    skipped = [entry for record in records for entry in record.skipped]
    skipped.sort(key=lambda entry: int(entry["row"]))
    if not any(record.shards for record in records):
        raise PackError(
            f"{directory}: none of the {len(skipped)} rows can be packed. "
            f"{list_rows(_describe_skipped(skipped))}"
        )
    return skipped


def _build_index(
    plan: PackPlan,
    records: Sequence[ShardRecord],
    skipped: Sequence[Mapping[str, Any]],
    directory: Path | RemotePath,
) -> ShardIndex:
    shards = sorted(
        (info for record in records for info in record.shards), key=lambda info: info.variant
    )
    try:
        class_counts = add_counts((record.counts for record in records), plan.classes)
    except ShardError as error:
        raise PackError(f"the source: {error}") from error
    return ShardIndex.from_shards(
        directory,
        plan.fields,
        shards,
        plan.columns,
        roles=plan.roles,
        classes=plan.classes,
        class_counts=class_counts,
        vocabulary=plan.vocabulary,
        variants=plan.variants,
        provenance={"skipped": list(skipped), **plan.content},
    )


def _report(
    source: Any,
    index: ShardIndex,
    plan: PackPlan,
    skipped: Sequence[Mapping[str, Any]],
    *,
    seconds: float,
    verbose: Verbose,
) -> None:
    if skipped:
        rows = list_rows(_describe_skipped(skipped), "\n  ")
        left_out = format_count(len(skipped), "row")
        note(f"{index.directory}: {left_out} left out:\n  {rows}", verbose)
        counts = source.count_problems() if isinstance(source, Source) else {}
        if counts:
            note(describe_counts(counts), verbose)
    variants = f" in each of {index.variants} variants" if index.variants > 1 else ""
    new = index.source == plan.number
    appended = ""
    if plan.number:
        samples = index.samples[new & (index.variant == 0)].sum()
        appended = f"{samples} samples in {new.sum()} shards appended: now "
    summarize(
        f"{index.directory}: {appended}{index.num_samples} samples{variants} in {len(index)} "
        f"shards, {index.sizes.sum() / 1e6:.1f} MB, packed in {seconds:.1f} s.",
        verbose,
    )


def _describe_skipped(skipped: Sequence[Mapping[str, Any]]) -> list[str]:
    return [f"row {entry['row']}: {entry['error']}" for entry in skipped]
