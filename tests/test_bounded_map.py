"""`bounded_map`: results in order, few of them at one time, and an end in every case."""

from __future__ import annotations

import threading
import time

import pytest

from keras_bigdata.bounded_map import bounded_map


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 50])
def test_results_come_in_order(count):
    def slow_if_even(item):
        time.sleep(0.002 * (item % 2 == 0))
        return item * item

    results = bounded_map(slow_if_even, range(count), threads=3, pending=4)
    assert list(results) == [item * item for item in range(count)]


def test_at_most_pending_results_are_computed_ahead():
    begun = []

    def begun_after_a_while(expected):
        end = time.monotonic() + 30
        while len(begun) < expected and time.monotonic() < end:
            time.sleep(0.01)
        time.sleep(0.05)  # for a call too many
        return sorted(begun)

    results = bounded_map(begun.append, iter(range(100)), threads=2, pending=4)
    assert begun == []
    next(results)
    assert begun_after_a_while(4) == [0, 1, 2, 3]
    next(results)
    assert begun_after_a_while(5) == [0, 1, 2, 3, 4]
    results.close()


def test_several_threads_work_at_one_time():
    barrier = threading.Barrier(3, timeout=30)
    results = bounded_map(lambda _: barrier.wait(), range(9), threads=3, pending=3)
    assert len(list(results)) == 9


def test_an_exception_is_raised_in_place_of_its_result():
    def fail_at_5(item):
        if item == 5:
            raise OSError("no item 5")
        return item

    results = bounded_map(fail_at_5, range(100), threads=2, pending=4)
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(OSError, match="no item 5"):
        next(results)
    assert list(results) == []


def test_closing_the_iterator_ends_the_threads():
    before = threading.active_count()
    results = bounded_map(lambda item: item, range(1000), threads=2, pending=4)
    next(results)
    results.close()
    assert threading.active_count() == before
