"""What this package relies on in how Keras reads datasets. A release that changes it fails here."""

from __future__ import annotations

import sys

import keras
import numpy as np
import pytest

from keras_bigdata.keras_internals.fit import (
    is_called_by_fit,
    is_called_by_predict,
    is_called_for_signature,
)
from tests.keras_internals.datasets import Calls, model, shared_model


def test_on_epoch_end_is_called_before_the_first_epoch():
    data = Calls()
    model().fit(data, verbose=0, shuffle=False)
    hooks = [call for call in data.calls if not call.isdigit()]
    assert hooks[-3:] == ["end", "begin", "end"]


def test_every_batch_is_asked_for_between_begin_and_end():
    data = Calls()
    shared_model().fit(data, epochs=3, verbose=0, shuffle=False)
    epochs = " ".join(data.calls).split("begin")[-3:]
    for epoch in epochs:
        asked = epoch.split("end")[0].split()
        assert set(asked) == {"0", "1", "2", "3"}


def test_fit_shuffles_the_indices_by_default():
    data = Calls(batches=30)
    shared_model().fit(data, verbose=0)
    order = "".join(data.calls).split("begin")[-1]
    assert order != "".join(map(str, range(30))) + "end"


def test_a_dataset_with_one_worker_is_read_without_keras_threads():
    from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter

    assert PyDatasetAdapter(Calls()).enqueuer is None


def test_the_reset_before_an_epoch_is_called_reset():
    # ShardSequence tells by this name that `on_epoch_end` ends no epoch.
    from keras.src.trainers import epoch_iterator

    assert callable(epoch_iterator.EpochIterator.reset)
    assert epoch_iterator.EpochIterator.reset.__code__.co_name == "reset"
    assert "epoch_iterator" in epoch_iterator.EpochIterator.reset.__code__.co_filename


def test_fit_is_told_from_the_evaluate_inside_it():
    found = []

    class Looking(Calls):
        def __init__(self, name):
            super().__init__()
            self.name = name

        def on_epoch_begin(self):
            found.append((self.name, is_called_by_fit()))

    train, val = Looking("train"), Looking("val")
    shared_model().fit(train, validation_data=val, verbose=0, shuffle=False)
    shared_model().evaluate(val, verbose=0)
    assert set(found) == {("train", True), ("val", False)}


def test_predict_is_found_on_the_stack_and_no_other_method():
    found = []

    class Looking(Calls):
        def on_epoch_begin(self):
            found.append(is_called_by_predict())

    shared_model().predict(Looking(), verbose=0)
    assert found == [True]
    shared_model().fit(Looking(), verbose=0)
    shared_model().evaluate(Looking(), verbose=0)
    assert not any(found[1:])


def test_two_batches_are_looked_at_for_the_shapes_of_all_on_tensorflow():
    found = []

    class Looking(Calls):
        def __getitem__(self, index):
            found.append((index, is_called_for_signature()))
            return super().__getitem__(index)

    shared_model().fit(Looking(), verbose=0, shuffle=False)
    on_tensorflow = keras.backend.backend() == "tensorflow"
    looked_at = [index for index, is_looking in found if is_looking]
    assert looked_at == ([0, 1] if on_tensorflow else [])
    assert not found[-1][1]


def test_class_weight_works_for_x_y_and_is_refused_with_weights():
    class Weighted(Calls):
        def __getitem__(self, index):
            x, y = super().__getitem__(index)
            return x, y, np.ones(2, np.float32)

    shared_model().fit(Calls(), verbose=0, class_weight={0: 2.0})
    with pytest.raises(ValueError, match="class_weight"):
        shared_model().fit(Weighted(), verbose=0, class_weight={0: 2.0})


def test_fit_hides_its_order_in_indices_of_finite_generator():
    """The names by which `keras_internals/fit.py` finds the order in which `fit` asks."""
    found = []

    class Looking(Calls):
        def __getitem__(self, index: int):
            frame = sys._getframe(1)
            if frame.f_code.co_name == "_finite_generator":
                found.append((index, frame.f_locals["indices"]))
            return super().__getitem__(index)

    shared_model().fit(Looking(batches=30), verbose=0)
    orders = {id(indices): indices for _, indices in found}
    assert all(isinstance(indices, list) for indices in orders.values())
    # Where the model is built from the first batch, that fetch has an order of its own.
    whole = list(orders.values())[-1]
    assert sorted(whole) == list(range(30))
    assert [index for index, indices in found if indices is whole][:30] == whole


def test_what_goes_through_an_epoch_is_named_so():
    """By these names `keras_internals/iterator_guard.py` finds what holds TensorFlow's iterator."""
    found = []

    class Looking(Calls):
        def on_epoch_begin(self) -> None:
            frame, inner = sys._getframe(1), None
            while frame.f_code.co_name != "fit":
                if frame.f_code.co_name == "_enumerate_iterator":
                    inner = frame.f_locals["self"]
                frame = frame.f_back
            found.append((inner, frame.f_locals["epoch_iterator"]))

    shared_model().fit(Looking(), verbose=0)
    inner, outer = found[-1]
    assert inner is outer
    assert hasattr(inner, "_current_iterator")


def test_the_reset_before_a_fit_is_named_so():
    callers = []

    class Looking(Calls):
        def on_epoch_end(self) -> None:
            frame = sys._getframe(1)
            names = set()
            for _ in range(4):
                names.add((frame.f_code.co_name, "epoch_iterator" in frame.f_code.co_filename))
                frame = frame.f_back
            callers.append(("reset", True) in names)

    shared_model().fit(Looking(), epochs=2, verbose=0)
    assert callers[-3:] == [True, False, False]
