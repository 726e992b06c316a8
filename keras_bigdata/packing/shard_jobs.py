"""Rows of a source -> one shard, in all variants. Runs in a worker."""

from __future__ import annotations

import itertools
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import joblib
import numpy as np
import numpy.typing as npt

from keras_bigdata.child_processes import end_with, interrupts_blocked
from keras_bigdata.errors import BigDataError, PackError
from keras_bigdata.packing.plan import Rows
from keras_bigdata.packing.resume_state import Record, is_stopped, read_record, stop, write_record
from keras_bigdata.packing.sources.arrays import Arrays
from keras_bigdata.packing.sources.images import quiet_pillow
from keras_bigdata.progress import track
from keras_bigdata.shards.class_counts import count_classes
from keras_bigdata.shards.index import Field
from keras_bigdata.shards.roles import Roles
from keras_bigdata.shards.writer import shard_name, write_shard

Sample: TypeAlias = Mapping[str, Any]
Array: TypeAlias = npt.NDArray[Any]
Augment: TypeAlias = Callable[[dict[str, Array], np.random.Generator], Sample]

SKIP_HINT = 'Correct it, or pass on_error="skip" to leave such rows out.'


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is the same for every shard of a pack."""

    directory: Path
    fields: dict[str, Field]
    roles: Roles
    seed: int
    variants: int
    augment: Augment | None
    skip: bool
    parent: int


@dataclass(frozen=True, slots=True)
class Job:
    """One shard: `rows` are numbers in the whole source, `positions` those in `source`."""

    number: int
    source: Any
    rows: list[int]
    positions: list[int]


def make_shards(recipe: Recipe, jobs: Iterable[Job]) -> Iterator[Record | PackError]:
    """Makes shards one after the other, up to the first error here or a stop from elsewhere.

    An error is given back, not raised: a worker that raises makes joblib kill the others, who may
    be writing.
    """
    end_with(recipe.parent)
    for job in jobs:
        if is_stopped(recipe.directory):
            return
        result = _make_shard(recipe, job)
        yield result
        if isinstance(result, PackError):
            return


def list_of_shards(recipe: Recipe, jobs: Iterable[Job]) -> list[Record | PackError]:
    """`make_shards` for another process, which cannot give back an iterator."""
    return list(make_shards(recipe, jobs))


def _make_shard(recipe: Recipe, job: Job) -> Record | PackError:
    """Makes and writes one shard in all its variants, unless that is done already."""
    done = read_record(recipe.directory, job.number)
    if done is not None and (recipe.skip or not done.skipped):
        return done
    try:
        if threading.current_thread() is threading.main_thread():
            with quiet_pillow():
                return _make(recipe, job)
        return _make(recipe, job)
    except PackError as error:
        return error
    except (OSError, BigDataError) as error:
        return PackError(f"{recipe.directory}: shard {job.number} cannot be written: {error}")


def _make(recipe: Recipe, job: Job) -> Record:
    skipped: list[dict[str, Any]] = []
    infos = []
    counts: list[int] | None = []
    samples: list[tuple[int, Sample]] = []
    if recipe.augment is not None:
        # Decoded once and kept, small as they are, for all variants.
        samples = list(_samples(recipe, job, skipped))
    for variant in range(recipe.variants):
        if recipe.augment is not None:
            arrays = _stack(recipe.fields, _augmented(recipe, samples, variant), len(samples))
        elif isinstance(job.source, Arrays):
            arrays = job.source.select(job.positions).gather()
        else:
            arrays = _stack(recipe.fields, _samples(recipe, job, skipped), len(job.rows))
        if len(next(iter(arrays.values()))) == 0:
            continue
        name = shard_name(job.number, variant)
        infos.append(write_shard(recipe.directory, name, arrays, variant=variant))
        if variant == 0:
            counts = count_classes(arrays, recipe.roles)
    record = Record(job.number, infos, skipped, counts)
    write_record(recipe.directory, record)
    return record


def _samples(
    recipe: Recipe, job: Job, skipped: list[dict[str, Any]]
) -> Iterator[tuple[int, Sample]]:
    """The rows that can be read, with their numbers; the others are noted or an error."""
    for row, position in zip(job.rows, job.positions, strict=True):
        try:
            sample = read_row(job.source, position)
            if recipe.augment is None:
                check(sample, recipe.fields)
        except PackError as error:
            if not recipe.skip:
                raise PackError(f"row {row}: {error}. {SKIP_HINT}") from error
            file = job.source.file(position) if hasattr(job.source, "file") else None
            skipped.append({"row": row, "file": file, "error": str(error)})
        else:
            yield row, sample


def _augmented(
    recipe: Recipe, samples: Iterable[tuple[int, Sample]], variant: int
) -> Iterator[tuple[int, Sample]]:
    for row, sample in samples:
        try:
            changed = augment_row(recipe.augment, sample, recipe.seed, row, variant)
            check(changed, recipe.fields)
        except PackError as error:
            raise PackError(f"row {row}, variant {variant}: after `augment`, {error}") from error
        yield row, changed


def _stack(
    fields: Mapping[str, Field], samples: Iterable[tuple[int, Sample]], most: int
) -> dict[str, Array]:
    arrays = {name: np.empty((most, *field.shape), field.dtype) for name, field in fields.items()}
    count = 0
    for _, sample in samples:
        for name, array in arrays.items():
            array[count] = sample[name]
        count += 1
    return {name: array[:count] for name, array in arrays.items()}


def read_row(source: Any, row: int) -> dict[str, Array]:
    """`source[row]` as a dict of arrays.

    Raises:
        PackError: if the source raises, or gives something else than a dict of arrays.
    """
    try:
        sample = source[row]
    except (PackError, MemoryError):
        raise
    except Exception as error:
        raise PackError(told(error)) from error
    return _arrays(sample)


def augment_row(
    augment: Augment | None, sample: Sample, seed: int, row: int, variant: int
) -> dict[str, Array]:
    """The sample in one variant, by its own random generator."""
    if augment is None:
        return dict(sample)
    # Copies: what `augment` changes in place must not reach the next variant.
    own = {name: np.array(value) for name, value in sample.items()}
    try:
        changed = augment(own, np.random.default_rng([seed, row, variant]))
    except MemoryError:
        raise
    except Exception as error:
        raise PackError(f"it fails: {told(error)}") from error
    return _arrays(changed)


def check(sample: Mapping[str, Array], fields: Mapping[str, Field]) -> None:
    """Raises `PackError` if a sample is not like the others."""
    if sample.keys() != fields.keys():
        raise PackError(f"the fields are {list(sample)}; in other rows they are {list(fields)}")
    for name, field in fields.items():
        value = sample[name]
        if value.shape != field.shape or value.dtype.newbyteorder("=") != field.dtype:
            raise PackError(
                f"field {name!r} is {value.dtype} of shape {value.shape}; in other rows it is "
                f"{field.dtype} of shape {field.shape}"
            )


def _arrays(sample: Any) -> dict[str, Array]:
    if not isinstance(sample, Mapping) or not sample:
        raise PackError(
            "a sample must be a dict of field name -> array or number. "
            f"Received: {type(sample).__name__}"
        )
    arrays = {}
    for name, value in sample.items():
        try:
            array = np.asarray(value)
        except ValueError as error:
            raise PackError(f"field {name!r} is no array: {error}") from error
        if not isinstance(name, str) or array.dtype.hasobject:
            raise PackError(
                f"field {name!r} must have a string as its name and an array or a number as its "
                f"value. Received: {value!r:.80}"
            )
        if array.dtype.kind in "US":
            raise PackError(
                f"field {name!r} holds text, which no model takes from an array: give numbers of "
                f"classes or tokens. Received: {value!r:.80}"
            )
        arrays[name] = array
    return arrays


def told(error: Exception) -> str:
    """The error and the place in the user's code: a traceback does not survive the worker."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({frame.filename}:{frame.lineno}, in {frame.name})"


CONTINUE = "The same call, made again, continues from there."


# A source that cannot be cut by `select` is sent whole with every task: half a second for a list
# of a million file names. So a worker gets a few tasks of many shards, not one for each shard.
_TASKS_A_WORKER = 4


def make_all(
    source: Any,
    shards: Sequence[Rows],
    recipe: Recipe,
    workers: int | None,
    numbers: Sequence[int] | None = None,
) -> list[Record]:
    """Makes every shard, or those of some numbers.

    After an error no new ones are begun, and those begun are ended.
    """
    records: list[Record] = []
    failures: list[PackError] = []
    numbers = range(len(shards)) if numbers is None else numbers
    jobs = _jobs(source, shards, numbers)
    results = _results(source, jobs, len(numbers), recipe, workers)
    try:
        for result in track(results, len(numbers), f"packing {recipe.directory}"):
            if isinstance(result, PackError):
                failures.append(result)
                stop(recipe.directory)
            else:
                records.append(result)
    except KeyboardInterrupt:
        stop(recipe.directory)
        done = f"{len(records)} of {len(numbers)} shards are done"
        print(f"{recipe.directory}: stopped; {done}. {CONTINUE}", file=sys.stderr)
        raise
    except (OSError, BigDataError):
        raise
    except Exception as error:
        if isinstance(error, BrokenExecutor):
            raise PackError(
                f"{recipe.directory}: a worker process ended before its shard was done: killed for "
                "want of memory, say, or by a crash in the code of the source. Use fewer `workers` "
                "to need less memory, or `workers=1` to see in this process where it crashes. "
                f"{CONTINUE} ({_first_line(error)})"
            ) from error
        raise PackError(
            f"{recipe.directory}: a worker failed ({_first_line(error)}). {CONTINUE}"
        ) from error
    if failures:
        raise PackError(f"{str(failures[0]).rstrip('.')}. {CONTINUE}")
    return sorted(records, key=lambda record: record.number)


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0].rstrip(".")


def _results(
    source: Any, jobs: Iterator[Job], count: int, recipe: Recipe, workers: int | None
) -> Iterator[Record | PackError]:
    if workers == 1 or count == 1:
        yield from make_shards(recipe, jobs)
        return
    at_once = joblib.effective_n_jobs(workers or -1)
    threads = len(source) <= getattr(source, "thread_rows", 0) and recipe.augment is None
    options: dict[str, Any] = {
        "n_jobs": workers or -1,
        "prefer": "threads" if threads else "processes",
        "batch_size": 1,
    }
    if not threads:
        # From its first moment on: one without a task yet would outlive a kill of this process.
        options |= {"initializer": end_with, "initargs": (recipe.parent,)}
    try:
        parallel = joblib.Parallel(**options, return_as="generator_unordered")
    except ValueError:  # the backend that the user has chosen cannot
        parallel = joblib.Parallel(**options)
    tasks = min(count, _TASKS_A_WORKER * at_once)
    size = 1 if hasattr(source, "select") else -(-count // tasks)
    groups = iter(lambda: list(itertools.islice(jobs, size)), [])
    with interrupts_blocked():
        results = parallel(joblib.delayed(list_of_shards)(recipe, group) for group in groups)
    for result in results:
        yield from result


def _jobs(source: Any, shards: Sequence[Rows], numbers: Sequence[int]) -> Iterator[Job]:
    for number in numbers:
        rows = shards[number]
        rows_in_source = [int(row) for row in rows]
        if hasattr(source, "select"):
            yield Job(number, source.select(rows), rows_in_source, list(range(len(rows))))
        else:
            yield Job(number, source, rows_in_source, rows_in_source)
