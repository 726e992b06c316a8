"""Shards made side by side, by joblib."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor
from typing import Any

import joblib

from keras_bigdata.errors import BigDataError, PackError
from keras_bigdata.packing.make_shard import Job, Recipe, list_of_shards, make_shards
from keras_bigdata.packing.shuffle import Rows
from keras_bigdata.packing.unfinished import Record, stop
from keras_bigdata.progress import track
from keras_bigdata.workers import end_with, interrupts_held_back

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
    with interrupts_held_back():
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
