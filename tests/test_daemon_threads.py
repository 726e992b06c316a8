"""Threads that do not keep the process alive."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
import weakref

import pytest

from keras_bigdata.daemon_threads import DaemonThreads
from tests.helpers.paths import ROOT


def threads_of(name):
    return [thread for thread in threading.enumerate() if thread.name.startswith(name)]


def ended(name):
    deadline = time.monotonic() + 10
    while threads_of(name) and time.monotonic() < deadline:
        time.sleep(0.005)
    return not threads_of(name)


def test_results_and_errors_arrive_in_their_futures():
    pool = DaemonThreads(2, "results")
    futures = [pool.submit(divmod, 7, number) for number in (1, 2, 0)]
    assert [future.result(10) for future in futures[:2]] == [(7, 0), (3, 1)]
    with pytest.raises(ZeroDivisionError):
        futures[2].result(10)
    assert len(threads_of("results")) == 2
    pool.shutdown()
    assert ended("results")


def test_shut_down_twice_it_cancels_what_waits_and_ends_every_thread():
    pool = DaemonThreads(2, "twice")
    go = threading.Event()
    running = [pool.submit(go.wait, 10) for _ in range(2)]
    while not all(future.running() for future in running):
        time.sleep(0.001)
    waiting = pool.submit(pytest.fail)
    pool.shutdown()
    pool.shutdown()
    assert waiting.cancelled()
    with pytest.raises(RuntimeError, match="shut down"):
        pool.submit(print)
    go.set()
    assert all(future.result(10) for future in running)
    assert ended("twice")


def test_shutdown_waits_for_current_work_no_longer_than_asked():
    pool = DaemonThreads(1, "stuck")
    go = threading.Event()
    future = pool.submit(go.wait, 60)
    while not future.running():
        time.sleep(0.001)
    pool.shutdown(timeout=0.01)
    assert threads_of("stuck")
    go.set()
    pool.shutdown(timeout=10)
    assert not threads_of("stuck")


def test_threads_of_a_deleted_pool_end():
    pool = DaemonThreads(3, "deleted")
    assert pool.submit(int, "7").result(10) == 7
    del pool
    gc.collect()
    assert ended("deleted")


def test_a_thread_that_waits_keeps_no_argument_and_no_result_alive():
    class Large:
        pass

    pool = DaemonThreads(1, "kept")
    argument = Large()
    future = pool.submit(lambda value: value, argument)
    future.result(10)
    alive = weakref.ref(argument)
    del argument, future
    pool.submit(int).result(10)  # the thread has come back to its queue
    gc.collect()
    assert alive() is None
    pool.shutdown()


def test_the_process_waits_for_short_work_and_ends_in_spite_of_work_that_is_stuck():
    program = """
import sys, threading, time
from keras_bigdata.daemon_threads import DaemonThreads
def work(seconds, text):
    started.set()
    time.sleep(seconds)
    print(text, flush=True)
for seconds, text in ((0.3, "short"), (600, "stuck")):
    started = threading.Event()
    DaemonThreads.pools = [*getattr(DaemonThreads, "pools", []), DaemonThreads(1, text)]
    DaemonThreads.pools[-1].submit(work, seconds, text)
    started.wait(10)
"""
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "short\n", "")
