"""Writes rows of a source as one shard, in all variants. Runs in a worker."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from keras_bigdata.child_processes import end_with
from keras_bigdata.errors import BigDataError, PackError
from keras_bigdata.images.open_image import quiet_pillow
from keras_bigdata.packing.identity.file_changes import record_files
from keras_bigdata.packing.planning.renumbering import Renumbering
from keras_bigdata.packing.planning.row_columns import columns_of_rows
from keras_bigdata.packing.samples.samples import (
    Array,
    AugmentFunction,
    Sample,
    augment_sample,
    check_sample,
    describe_bad_row,
    read_row,
)
from keras_bigdata.packing.samples.stored_form import (
    StoredForm,
    declared_ragged,
    encode_row,
    join_rows,
)
from keras_bigdata.packing.sources.arrays import Arrays
from keras_bigdata.packing.sources.base import Source
from keras_bigdata.packing.state.cluster_run import ClusterRun
from keras_bigdata.packing.state.pack_state import (
    PackTarget,
    is_stop_requested,
    place_of,
    read_record,
    write_record,
)
from keras_bigdata.packing.state.shard_record import ShardRecord
from keras_bigdata.shards.fields.entries import format_fields
from keras_bigdata.shards.fields.metadata_columns import describe_columns
from keras_bigdata.shards.fields.ragged import Ragged
from keras_bigdata.shards.fields.roles import Roles
from keras_bigdata.shards.index.shard_index import Field
from keras_bigdata.shards.index.shard_names import shard_name
from keras_bigdata.shards.reading.class_counts import check_classes, count_classes
from keras_bigdata.shards.writing.shard_file import write_shard


@dataclass(frozen=True, slots=True)
class JobSettings:
    """The part of a `PackPlan` that a worker needs: the same for every shard of a pack.

    Args:
        directory: where the shards are written, as in `pack_state`.
        fields, columns, roles, classes, seed, variants, augment, number, renumbering: as in
            `PackPlan`.
        forms: field -> `StoredForm`, as in `PackPlan`.
        skip: whether rows that cannot be read are left out.
        parent: id of the process that packs; a worker process ends with it.
        run: the call that packs, if the jobs run in a cluster. Such a worker does not end with the
            process that packs. Defaults to `None`.
    """

    directory: PackTarget
    fields: dict[str, Field]
    columns: dict[str, Field]
    roles: Roles
    classes: Any
    seed: int
    variants: int
    augment: AugmentFunction | None
    number: int
    renumbering: Renumbering | None
    skip: bool
    parent: int
    forms: Mapping[str, StoredForm]
    run: ClusterRun | None = None


@dataclass(frozen=True, slots=True)
class ShardJob:
    """One shard that is to be written.

    Args:
        number: number of the shard in the directory.
        source: the whole source, or a part that holds the rows.
        rows: the row numbers in the whole source.
        positions: the row numbers in `source`.
        known: the record of the shard, if it was in a store when the pack began. Defaults to
            `None`.
    """

    number: int
    source: Any
    rows: list[int]
    positions: list[int]
    known: ShardRecord | None = None


def run_jobs(settings: JobSettings, jobs: Iterable[ShardJob]) -> Iterator[ShardRecord | PackError]:
    """Writes shards one after the other, until the first error or until a stop is requested.

    An error is yielded, not raised: if a worker raises an exception, joblib kills the others, which
    may be writing.
    """
    run = settings.run
    if run is None:
        end_with(settings.parent)
    elif (problem := run.check(settings.directory)) is not None:
        yield problem
        return
    for job in jobs:
        if run is not None and not run.is_current(settings.directory):
            return
        # A shard that is known to be in a store costs no request.
        try:
            if job.known is None and is_stop_requested(settings.directory):
                return
        except BigDataError as error:
            yield PackError(f"{settings.directory}: shard {job.number} is not written: {error}")
            return
        result = _run_job(settings, job)
        yield result
        if isinstance(result, PackError):
            return


def run_job_list(settings: JobSettings, jobs: Iterable[ShardJob]) -> list[ShardRecord | PackError]:
    """Does the same as `run_jobs` in another process, which cannot return an iterator."""
    return list(run_jobs(settings, jobs))


def _run_job(settings: JobSettings, job: ShardJob) -> ShardRecord | PackError:
    """Writes one shard in all its variants, unless that is done already."""
    files = list(job.source.source_files()) if isinstance(job.source, Source) else []
    done = read_record(settings.directory, job.number, files, job.known)
    if done is not None and (settings.skip or not done.skipped) and _has_columns(settings, done):
        return done
    try:
        if threading.current_thread() is threading.main_thread():
            with quiet_pillow():
                return _write_variants(settings, job, files)
        return _write_variants(settings, job, files)
    except PackError as error:
        return error
    except (OSError, BigDataError) as error:
        return PackError(f"{settings.directory}: shard {job.number} cannot be written: {error}")


def _has_columns(settings: JobSettings, record: ShardRecord) -> bool:
    """Returns whether a shard has all metadata columns: earlier releases wrote none."""
    return all(settings.columns.keys() <= info.offsets.keys() for info in record.shards)


def _write_variants(settings: JobSettings, job: ShardJob, files: Sequence[str]) -> ShardRecord:
    # Recorded before the files are read: a file that changes meanwhile then differs from the
    # record.
    recorded = record_files(files)
    skipped: list[dict[str, Any]] = []
    infos = []
    counts: list[int] | None = []
    samples: list[tuple[int, Sample]] = []
    kept: list[int] = []  # positions of the rows that could be read
    if settings.augment is not None:
        # Decoded once and kept for all variants, as small as the source returns them.
        samples = list(_read_samples(settings, job, skipped, kept))
    for variant in range(settings.variants):
        arrays: dict[str, Array | Ragged]
        if settings.augment is not None:
            augmented = _augment_samples(settings, samples, variant)
            arrays = _stack(settings, augmented, len(samples))
        elif _are_in_memory(job.source):
            arrays = dict(job.source.select(job.positions).gather())
            kept = job.positions
        else:
            rows = _read_samples(settings, job, skipped, kept)
            arrays = _stack(settings, rows, len(job.rows))
        if len(next(iter(arrays.values()))) == 0:
            continue
        check_classes(arrays, settings.roles, settings.classes)
        if settings.renumbering is not None:
            arrays = settings.renumbering.apply(arrays)
        name = shard_name(job.number, variant)
        columns = _columns(settings, job, kept)
        place = place_of(settings.directory)
        info = write_shard(place, name, arrays, variant=variant, columns=columns)
        infos.append(replace(info, source=settings.number))
        if variant == 0:
            counts = count_classes(arrays, settings.roles)
    record = ShardRecord(job.number, infos, skipped, counts, recorded)
    write_record(settings.directory, record)
    return record


def _are_in_memory(source: Any) -> bool:
    """Returns whether rows can be taken from arrays, without reading them one by one."""
    if not isinstance(source, Arrays) or source.reads_rows_its_own_way():
        return False
    return not declared_ragged(source)


def _columns(settings: JobSettings, job: ShardJob, kept: list[int]) -> dict[str, Array]:
    """Returns the metadata columns of the rows that are in the shard."""
    if not settings.columns:
        return {}
    row_of = dict(zip(job.positions, job.rows, strict=True))
    columns = columns_of_rows(job.source, [row_of[position] for position in kept], kept)
    found = describe_columns(columns)
    if found != settings.columns:
        raise PackError(
            f"shard {job.number}: the metadata columns are {format_fields(found)}; "
            f"in row 0 they are {format_fields(settings.columns)}"
        )
    return columns


def _read_samples(
    settings: JobSettings, job: ShardJob, skipped: list[dict[str, Any]], kept: list[int]
) -> Iterator[tuple[int, Sample]]:
    """Yields row number and sample of the rows that can be read.

    The position of such a row is appended to `kept`. A row that cannot be read is appended to
    `skipped`, or raises `PackError`.
    """
    for row, position in zip(job.rows, job.positions, strict=True):
        try:
            sample = read_row(job.source, position)
            if settings.augment is None:
                check_sample(sample, settings.fields)
        except PackError as error:
            if not settings.skip:
                raise PackError(describe_bad_row(row, error)) from error
            file = job.source.file(position) if hasattr(job.source, "file") else None
            skipped.append({"row": row, "file": file, "error": str(error)})
        else:
            kept.append(position)
            yield row, sample


def _augment_samples(
    settings: JobSettings, samples: Iterable[tuple[int, Sample]], variant: int
) -> Iterator[tuple[int, Sample]]:
    for row, sample in samples:
        try:
            augmented = augment_sample(settings.augment, sample, settings.seed, row, variant)
            check_sample(augmented, settings.fields)
        except PackError as error:
            raise PackError(f"row {row}, variant {variant}: after `augment`, {error}") from error
        yield row, augmented


def _stack(
    settings: JobSettings, samples: Iterable[tuple[int, Sample]], max_rows: int
) -> dict[str, Array | Ragged]:
    fields = settings.fields
    arrays = {
        name: np.empty((max_rows, *field.row_shape), field.dtype)
        for name, field in fields.items()
        if not field.is_varlen
    }
    varlen: dict[str, list[Array]] = {name: [] for name in fields if name not in arrays}
    count = 0
    for row, sample in samples:
        for name, array in arrays.items():
            array[count] = sample[name]
        for name, rows in varlen.items():
            # Encoded at once: a shard of encoded images takes a tenth of the memory of its pixels.
            try:
                rows.append(encode_row(fields[name], settings.forms.get(name), sample[name]))
            except PackError as error:
                raise PackError(f"row {row}: field {name!r}: {error}") from error
        count += 1
    stacked: dict[str, Array | Ragged] = {name: array[:count] for name, array in arrays.items()}
    stacked |= {name: join_rows(fields[name], rows) for name, rows in varlen.items()}
    return {name: stacked[name] for name in fields}
