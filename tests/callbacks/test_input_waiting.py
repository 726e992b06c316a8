"""The waiting of a training is computed from the arrival of its batches."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_bigdata.callbacks.waiting.input_waiting import WaitingMeter, waiting_seconds
from keras_bigdata.loading.epochs.deliveries import Delivery

HERE, THERE = 1, 2


def train(start, arrivals, step):
    """Returns when the last step ends, and how long the device waited."""
    now, waited = start, 0.0
    for arrival in arrivals:
        waited += max(0.0, arrival - now)
        now = max(now, arrival) + step
    return now, waited


@given(
    st.lists(st.floats(0, 10), min_size=1, max_size=50),
    st.floats(0.001, 3),
    st.floats(0, 5),
)
def test_the_waiting_of_equal_steps_is_exact(arrivals, step, start):
    arrivals = np.sort(np.array(arrivals))
    end, waited = train(start, arrivals, step)
    assert waiting_seconds(start, end, arrivals) == pytest.approx(waited, abs=1e-6)


@pytest.mark.parametrize(
    ("arrivals", "step", "waited"),
    [
        ([0.0, 0.0, 0.0], 1.0, 0.0),
        ([1.0, 2.0, 3.0], 0.25, 1 + 0.75 + 0.75),
        ([0.0, 5.0, 5.0], 1.0, 4.0),
    ],
)
def test_slow_data_and_a_slow_model_are_told_apart(arrivals, step, waited):
    end, _ = train(0.0, arrivals, step)
    assert waiting_seconds(0.0, end, np.array(arrivals)) == pytest.approx(waited)


def deliver(arrivals, *, rows=4, thread=HERE, gap=0.0):
    """Deliveries, each requested `gap` after the one before."""
    requested = [arrivals[0], *(time + gap for time in arrivals[:-1])]
    return [
        Delivery(r, d, batches=1, rows=rows, thread=thread)
        for r, d in zip(requested, arrivals, strict=True)
    ]


def test_segments_add_up_and_batches_that_come_too_early_are_kept():
    meter = WaitingMeter(0.0, HERE)
    # Another thread delivers four batches in the first segment, which trains on two of them.
    meter.close(2, deliver([0.0, 1.0, 1.1, 1.2], thread=THERE), 1.5)
    assert meter.waiting == pytest.approx(0.5)
    meter.close(4, [], 2.5)
    assert meter.waiting == pytest.approx(0.5)
    meter.close(5, deliver([3.0], thread=THERE), 3.5)
    assert meter.waiting == pytest.approx(1.0)
    assert (meter.steps, meter.rows, meter.is_complete) == (5, 20, True)


def test_the_time_before_the_first_request_is_not_waiting():
    meter = WaitingMeter(0.0, HERE)
    meter.close(1, [Delivery(4.0, 4.5, 1, 4, HERE)], 5.0)
    assert meter.waiting == meter.first == pytest.approx(0.5)


def test_a_run_of_batches_arrives_at_once():
    meter = WaitingMeter(0.0, HERE)
    meter.close(3, [Delivery(0.0, 0.6, 3, 12, THERE)], 1.5)
    assert meter.waiting == pytest.approx(0.6)
    assert meter.rows == 12


def test_what_tensorflow_converts_in_its_thread_is_waiting_too():
    meter = WaitingMeter(0.0, HERE)
    arrivals = [0.0, 0.5, 1.0, 1.5]
    # Each batch is converted for 0.5 s, and then trained on for 0.1 s.
    meter.close(4, deliver(arrivals, thread=THERE, gap=0.5), 2.1)
    assert meter.waiting == pytest.approx(2.1 - 4 * 0.1)
    assert meter.conversion == pytest.approx(4 * 0.5)


def test_unknown_batches_make_the_waiting_unknown():
    meter = WaitingMeter(0.0, HERE)
    meter.close(3, deliver([0.0]), 1.0)
    assert not meter.is_complete


def request_here(requested, loading, *, rows=4, thread=HERE):
    """Deliveries that take equally long to load."""
    return [Delivery(time, time + loading, 1, rows, thread) for time in requested]


def test_batches_that_the_training_thread_requests_are_waited_for():
    # JAX on a CPU: loading takes 3 s, a step 1 s, in which the next batch is requested already.
    meter = WaitingMeter(0.0, HERE)
    for step in range(4):
        meter.begin_call(step, 3.0 * step)
    meter.close(4, request_here([0.0, 3.0, 6.0, 9.0], 3.0), 13.0)
    assert meter.waiting == pytest.approx(3.0 + 3 * 2.0)


def test_a_batch_is_waited_for_that_is_requested_one_step_ahead():
    # JAX on a GPU: the first call requests two batches, and starts its step then.
    meter = WaitingMeter(0.0, HERE)
    for step, time in enumerate([0.0, 6.0, 9.0, 12.0]):
        meter.begin_call(step, time)
    meter.close(3, request_here([0.0, 3.0, 6.0, 9.0], 3.0), 13.0)
    assert meter.waiting == pytest.approx(13.0 - 3 * 1.0)


def test_unequal_steps_are_no_waiting_if_the_training_thread_has_not_waited():
    # torch on a CPU: the last step takes 0.1 s, the others 1 s.
    meter = WaitingMeter(0.0, HERE)
    meter.close(3, request_here([0.0, 1.01, 2.02], 0.01), 2.13)
    assert meter.waiting == pytest.approx(0.03)


def test_a_last_call_without_data_is_no_step():
    meter = WaitingMeter(0.0, HERE)
    meter.close(3, request_here([0.0, 1.0], 0.5), 2.0, without_data=1)
    assert (meter.steps, meter.rows, meter.is_complete) == (2, 8, True)


def test_batches_of_the_last_epoch_are_used_in_the_next_one():
    meter = WaitingMeter(0.0, HERE)
    meter.close(1, request_here([0.0, 0.1], 0.1, thread=THERE), 1.0)
    following = WaitingMeter(5.0, HERE, meter.left_over)
    following.close(2, request_here([5.0], 0.5, thread=THERE), 7.5)
    assert (following.steps, following.is_complete) == (2, True)
    assert following.waiting == pytest.approx(0.0)
