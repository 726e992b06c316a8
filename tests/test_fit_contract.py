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
    # Where the model is built from the first batch, that fetch has an order of its own.
    whole = list(orders.values())[-1]
    assert sorted(whole) == list(range(30))
    assert [index for index, indices in found if indices is whole][:30] == whole


def test_what_goes_through_an_epoch_is_named_so():
    """By these names `loading/hold.py` finds what holds TensorFlow's iterator."""
    found = []

    class Looking(Calls):
        def on_epoch_begin(self) -> None:
            frame, inner = sys._getframe(1), None
            while frame.f_code.co_name != "fit":
                if frame.f_code.co_name == "_enumerate_iterator":
                    inner = frame.f_locals["self"]
                frame = frame.f_back
            found.append((inner, frame.f_locals["epoch_iterator"]))

    model().fit(Looking(), verbose=0)
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

    model().fit(Looking(), epochs=2, verbose=0)
    assert callers[-3:] == [True, False, False]


# ---- What ResumeTraining relies on


class Shorter(Calls):
    """Its second epoch begins in the middle, as a resumed one does."""

    def __init__(self) -> None:
        super().__init__(4)
        self.epochs_begun = 0

    @property
    def num_batches(self):
        self.calls.append("num_batches")
        return 2 if self.epochs_begun == 2 else 4

    def on_epoch_begin(self):
        super().on_epoch_begin()
        self.epochs_begun += 1


class Begins(keras.callbacks.Callback):
    def __init__(self, data):
        super().__init__()
        self.data = data
        self.batches: list[tuple[int, int]] = []

    def on_train_begin(self, logs=None):
        self.data.calls.clear()
        self.data.epochs_begun = 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
        self.data.calls.append("callbacks begin")

    def on_train_batch_begin(self, batch, logs=None):
        self.batches.append((self.epoch, batch))


def test_an_epoch_that_is_short_ends_by_running_out_and_the_next_is_whole():
    data, made = Shorter(), model()
    begins = Begins(data)
    with pytest.warns(UserWarning, match="^Your input ran out of data"):
        made.fit(data, epochs=3, verbose=0, shuffle=False, callbacks=[begins])
    # On TensorFlow and JAX, one more step begins and finds no data. TensorFlow has counted it.
    backend = keras.backend.backend()
    second = [(1, 0), (1, 1), *([(1, 2)] if backend != "torch" else [])]
    assert begins.batches == [*((0, b) for b in range(4)), *second, *((2, b) for b in range(4))]
    assert int(made.optimizer.iterations) == (11 if backend == "tensorflow" else 10)
    # The callbacks' `on_epoch_begin` comes before the dataset's, and only then its length is asked.
    first = data.calls[: data.calls.index("0")]
    assert [c for c in first if c != "num_batches"] == ["callbacks begin", "begin"]
    assert first[-1] == "num_batches"


def test_initial_epoch_is_read_after_on_train_begin():
    epochs = []

    class Later(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            assert self.model._initial_epoch is None
            self.model._initial_epoch = 2

        def on_epoch_begin(self, epoch, logs=None):
            epochs.append(epoch)

    model().fit(Calls(), epochs=4, verbose=0, callbacks=[Later()])
    assert epochs == [2, 3]


def test_with_no_epochs_left_history_is_what_callbacks_made_it():
    class Finished(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.model._initial_epoch = 4

        def on_train_end(self, logs=None):
            self.model.history.history = {"loss": [1.0]}

    history = model().fit(Calls(), epochs=4, verbose=0, callbacks=[Finished()])
    assert history.history == {"loss": [1.0]}


def test_the_frame_of_fit_tells_its_data_and_order():
    from keras_bigdata import keras_internals

    seen = []

    class Look(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            seen.append(keras_internals.fit_epoch_iterator())

    data = Calls()
    model().fit(data, verbose=0, shuffle=False, callbacks=[Look()])
    model().fit(data, verbose=0, steps_per_epoch=2, callbacks=[Look()])
    for iterator, shuffle, steps in zip(seen, (False, True), (None, 2), strict=True):
        assert iterator.data_adapter.py_dataset is data
        assert iterator.data_adapter.shuffle is shuffle
        assert iterator.steps_per_epoch == steps


def test_the_variables_of_a_training_are_these_and_some_come_with_the_first_step():
    made = keras.Sequential([keras.Input((1,)), keras.layers.Dropout(0.5), keras.layers.Dense(1)])
    made.compile(keras.optimizers.Adam(), "mse", metrics=["mae"])
    assert [v.name for v in made.variables].count("seed_generator_state") == 1
    before = len(made.metrics_variables), len(made.optimizer.variables)
    made.train_on_batch(np.ones((2, 1), np.float32), np.ones((2, 1), np.float32))
    after = len(made.metrics_variables), len(made.optimizer.variables)
    assert after[0] > before[0]
    assert after[1] == 2 + 2 * 2 > before[1]


def test_a_csv_logger_appends_no_header_where_it_is_told_so(tmp_path):
    from keras_bigdata.callbacks import _callback_states

    logger = keras.callbacks.CSVLogger(tmp_path / "a.csv")
    logger.on_train_begin()
    logger.on_epoch_end(0, {"loss": 1.0, "val_loss": 2.0})
    state = _callback_states._read_csv(logger)
    logger.on_epoch_end(1, {"loss": 3.0, "val_loss": 4.0})
    logger.on_train_end()
    whole = (tmp_path / "a.csv").read_bytes()
    again = keras.callbacks.CSVLogger(tmp_path / "a.csv")
    again.on_train_begin()
    assert (tmp_path / "a.csv").read_bytes() == b""
    _callback_states._restore_csv(again, state)
    again.on_epoch_end(1, {"loss": 3.0, "val_loss": 4.0})
    again.on_train_end()
    assert (tmp_path / "a.csv").read_bytes() == whole
