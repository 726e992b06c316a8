"""What this package relies on in Keras. A release that changes one fails here first."""

from __future__ import annotations

import sys

import keras
import numpy as np
import pytest


class Calls(keras.utils.PyDataset):
    """Records what Keras asks a dataset for."""

    def __init__(self, batches: int = 4) -> None:
        super().__init__()
        self.batches = batches
        self.calls: list[str] = []

    def __len__(self) -> int:
        return self.batches

    def __getitem__(self, index: int):
        self.calls.append(str(index))
        return np.full((2, 1), index, np.float32), np.zeros((2, 1), np.float32)

    def on_epoch_begin(self) -> None:
        self.calls.append("begin")

    def on_epoch_end(self) -> None:
        self.calls.append("end")


def model(built: bool = True) -> keras.Model:
    layers = [keras.Input((1,))] if built else []
    made = keras.Sequential([*layers, keras.layers.Dense(1)])
    made.compile("sgd", "mse")
    return made


def test_on_epoch_end_is_called_before_the_first_epoch():
    data = Calls()
    model().fit(data, verbose=0, shuffle=False)
    hooks = [call for call in data.calls if not call.isdigit()]
    assert hooks[-3:] == ["end", "begin", "end"]


def test_every_batch_is_asked_for_between_begin_and_end():
    data = Calls()
    model().fit(data, epochs=3, verbose=0, shuffle=False)
    epochs = " ".join(data.calls).split("begin")[-3:]
    for epoch in epochs:
        asked = epoch.split("end")[0].split()
        assert set(asked) == {"0", "1", "2", "3"}


def test_fit_shuffles_the_indices_by_default():
    data = Calls(batches=30)
    model().fit(data, verbose=0)
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


def test_callbacks_share_one_dict_of_logs_in_list_order():
    seen = []

    class First(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["val_extra"] = 1.0

    class Second(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(logs["val_extra"])

    history = model().fit(Calls(), verbose=0, callbacks=[First(), Second()])
    assert seen == history.history["val_extra"] == [1.0]


def test_class_weight_works_for_x_y_and_is_refused_with_weights():
    class Weighted(Calls):
        def __getitem__(self, index):
            x, y = super().__getitem__(index)
            return x, y, np.ones(2, np.float32)

    model().fit(Calls(), verbose=0, class_weight={0: 2.0})
    with pytest.raises(ValueError, match="class_weight"):
        model().fit(Weighted(), verbose=0, class_weight={0: 2.0})


def test_load_weights_ignores_attributes_in_the_file(tmp_path):
    import h5py

    path = tmp_path / "a.weights.h5"
    source = model()
    source.save_weights(path)
    with h5py.File(path, "a") as file:
        file.attrs["best"] = 1.0
    target = model()
    target.load_weights(path)
    for one, other in zip(source.get_weights(), target.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_fit_hides_its_order_in_indices_of_finite_generator():
    """The names by which `loading/fit_calls.py` finds the order in which `fit` asks."""
    found = []

    class Looking(Calls):
        def __getitem__(self, index: int):
            frame = sys._getframe(1)
            if frame.f_code.co_name == "_finite_generator":
                found.append((index, frame.f_locals["indices"]))
            return super().__getitem__(index)

    model().fit(Looking(batches=30), verbose=0)
    orders = {id(indices): indices for _, indices in found}
    assert all(isinstance(indices, list) for indices in orders.values())
    whole = next(iter(orders.values()))
    assert sorted(whole) == list(range(30))
    assert [index for index, indices in found if indices is whole][:30] == whole


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

    model().fit(Looking(), epochs=2, verbose=0)
    assert callers[-3:] == [True, False, False]
