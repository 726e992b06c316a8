"""Writes the shards of a plan, in parallel through joblib."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib

from keras_bigdata.child_processes import end_with, interrupts_blocked
from keras_bigdata.errors import BigDataError, PackError
from keras_bigdata.packing.planning.plan import PackPlan
from keras_bigdata.packing.sources.base import Source
from keras_bigdata.packing.state.cluster_run import ClusterRun
from keras_bigdata.packing.state.manifest import CONTINUE
from keras_bigdata.packing.state.pack_state import (
    PackTarget,
    check_lease,
    known_record,
    request_stop,
)
from keras_bigdata.packing.state.shard_record import ShardRecord
from keras_bigdata.packing.workers.cluster import (
    WorkerLostError,
    check_sendable,
    count_slots,
    first_line,
    is_cluster_active,
    run_watched,
)
from keras_bigdata.packing.workers.shard_jobs import JobSettings, ShardJob, run_job_list, run_jobs
from keras_bigdata.progress import Verbose, note, track

# A source without `select` is sent whole with every task: half a second for a list of a million
# file names. So a worker receives a few tasks of many shards, not one task for each shard.
_TASKS_PER_WORKER = 4

# A cluster has failed if its workers end this many times without a shard in between.
_ATTEMPTS = 3


def write_shards(
    plan: PackPlan,
    source: Any,
    directory: PackTarget,
    *,
    skip: bool,
    workers: int | None,
    numbers: Sequence[int] | None = None,
    verbose: Verbose = "auto",
) -> list[ShardRecord]:
    """Writes the shards of a plan that are not written yet.

    After an error no further shards are started, and those started are finished.

    Args:
        plan: the plan of the shards.
        source: the source of the plan.
        directory: where the shards are written, as in `pack_state`; its state of an unfinished
            pack must exist.
        skip: whether rows that cannot be read are left out.
        workers: number of shards written at the same time; `None` for one for each CPU.
        numbers: the shards to write, as positions in the plan. Defaults to `None`: all.
        verbose: see `checked_verbose`. Defaults to `"auto"`.

    Returns:
        The records of the shards, by number.

    Raises:
        PackError: if a shard cannot be written or a worker ends.
    """
    numbers = range(len(plan.shards)) if numbers is None else numbers
    settings = JobSettings(
        directory=directory,
        fields=plan.fields,
        columns=plan.columns,
        roles=plan.roles,
        classes=plan.classes,
        seed=plan.seed,
        variants=plan.variants,
        augment=plan.augment,
        number=plan.number,
        renumbering=plan.renumbering,
        skip=skip,
        parent=os.getpid(),
        forms=plan.forms,
    )
    records: list[ShardRecord] = []
    failures: list[PackError] = []
    if workers != 1 and len(numbers) > 1 and is_cluster_active():
        results = _run_on_cluster(source, plan, numbers, settings, workers)
    else:
        jobs = _make_jobs(source, plan, numbers, directory)
        results = _run(source, jobs, len(numbers), settings, workers)
    try:
        for result in track(results, len(numbers), f"packing {directory}", verbose):
            if isinstance(result, PackError):
                failures.append(result)
                request_stop(directory)
            else:
                records.append(result)
    except KeyboardInterrupt as error:
        request_stop(directory)
        with contextlib.suppress(KeyboardInterrupt):
            results.throw(error)  # it is suspended if Ctrl-C came in the loop above
        done = f"{len(records)} of {len(numbers)} shards are done"
        note(f"{directory}: stopped; {done}. {CONTINUE}", verbose)
        raise
    except (OSError, BigDataError):
        raise
    except BrokenExecutor as error:
        raise PackError(
            f"{directory}: a worker process ended before its shard was done: killed for lack of "
            "memory, for example, or by a crash in the code of the source. Use fewer `workers` to "
            "need less memory, or `workers=1` to see in this process where it crashes. "
            f"{CONTINUE} ({first_line(error)})"
        ) from error
    except Exception as error:
        raise PackError(
            f"{directory}: a worker failed ({first_line(error)}). {CONTINUE}"
        ) from error
    if failures:
        raise PackError(f"{str(failures[0]).rstrip('.')}. {CONTINUE}")
    if len(records) < len(numbers):
        check_lease(directory)
        raise PackError(
            f"{directory}: the workers have stopped, because another process has removed the state "
            f"of this one. {CONTINUE}"
        )
    return sorted(records, key=lambda record: record.number)


def _make_jobs(
    source: Any, plan: PackPlan, numbers: Sequence[int], target: PackTarget
) -> Iterator[ShardJob]:
    for position in numbers:
        rows = plan.shards[position]
        number = plan.first_shard + position
        row_numbers = [int(row) for row in rows]
        known = known_record(target, number)
        if hasattr(source, "select"):
            yield ShardJob(number, source.select(rows), row_numbers, list(range(len(rows))), known)
        else:
            yield ShardJob(number, source, row_numbers, row_numbers, known)


def _run(
    source: Any, jobs: Iterator[ShardJob], count: int, settings: JobSettings, workers: int | None
) -> Generator[ShardRecord | PackError, None, None]:
    """Runs the jobs here, in threads or in processes; yields results in the order of completion."""
    if workers == 1 or count == 1:
        yield from run_jobs(settings, jobs)
        return
    threads = len(source) <= getattr(source, "thread_rows", 0) and settings.augment is None
    options: dict[str, Any] = {"prefer": "threads" if threads else "processes"}
    if not threads:
        # Called when a worker starts: one without a task would outlive a kill of this process.
        options |= {"initializer": end_with, "initargs": (settings.parent,)}
    parallel = _make_parallel(workers, **options)
    calls = _calls(source, jobs, count, settings, joblib.effective_n_jobs(workers or -1))
    results: Any = []
    try:
        with interrupts_blocked():
            results = parallel(calls)
        for result in results:
            yield from result
    except BaseException as error:
        # Ctrl-C can come while joblib's generator is suspended, above all at the end of
        # `interrupts_blocked`. Left alone, the generator would go on starting tasks until the
        # interpreter ends, and print a traceback for each.
        if hasattr(results, "throw"):
            results.throw(error)
        raise


def _run_on_cluster(
    source: Any, plan: PackPlan, numbers: Sequence[int], settings: JobSettings, workers: int | None
) -> Generator[ShardRecord | PackError, None, None]:
    """Runs the jobs in the cluster of the active backend.

    Dask reassigns the tasks of a worker that ended. Ray does not: they are started again here.
    """
    slots = count_slots(workers, settings.directory)
    # The workers run in directories of their own.
    directory = settings.directory
    directory = directory.absolute() if isinstance(directory, Path) else directory
    first = next(_make_jobs(source, plan, numbers, directory))
    check_sendable(source, settings, first, directory)
    files = source.source_files() if isinstance(source, Source) else ()
    run = ClusterRun.begin(directory, files)
    settings = replace(settings, directory=directory, run=run)
    done: set[int] = set()
    attempts = _ATTEMPTS
    while True:
        numbers = [number for number in numbers if plan.first_shard + number not in done]
        jobs = _make_jobs(source, plan, numbers, directory)
        calls = _calls(source, jobs, len(numbers), settings, slots)
        before = len(done)
        try:
            for results in run_watched(_make_parallel(workers), calls, directory):
                done.update(result.number for result in results if isinstance(result, ShardRecord))
                yield from results
            return
        except WorkerLostError:
            attempts = _ATTEMPTS if len(done) > before else attempts - 1
            if not attempts:
                raise


def _make_parallel(workers: int | None, **options: Any) -> joblib.Parallel:
    options |= {"n_jobs": workers or -1, "batch_size": 1}
    try:
        return joblib.Parallel(**options, return_as="generator_unordered")
    except ValueError:  # the backend that the user has chosen does not support it
        return joblib.Parallel(**options)


def _calls(
    source: Any, jobs: Iterator[ShardJob], count: int, settings: JobSettings, slots: int
) -> Iterator[Any]:
    """Yields the tasks for joblib."""
    tasks = min(count, _TASKS_PER_WORKER * slots)
    task_jobs = 1 if hasattr(source, "select") else -(-count // tasks)
    groups = iter(lambda: list(itertools.islice(jobs, task_jobs)), [])
    return (joblib.delayed(run_job_list)(settings, group) for group in groups)
