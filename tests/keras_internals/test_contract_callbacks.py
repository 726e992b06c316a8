"""What callbacks rely on in Keras. A release that changes it fails here."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import pytest
from keras.src import backend

from keras_bigdata import InputReport
from keras_bigdata.keras_internals import callbacks as internals
from tests.keras_internals.datasets import Calls, call_on_train_begin, model, shared_model


def test_callbacks_share_one_dict_of_logs_in_list_order():
    seen = []

    class First(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["val_extra"] = 1.0

    class Second(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(logs["val_extra"])

    history = shared_model().fit(Calls(), verbose=0, callbacks=[First(), Second()])
    assert seen == history.history["val_extra"] == [1.0]


def test_a_callback_finds_the_callbacks_of_its_training_in_order():
    found = []

    class Looking(keras.callbacks.Callback):
        def set_params(self, params):
            found.append(list(internals.callback_list().callbacks))

        def on_train_begin(self, logs=None):
            found.append(list(internals.callback_list().callbacks))

    callbacks = [keras.callbacks.LambdaCallback(), Looking(), keras.callbacks.TerminateOnNaN()]
    shared_model().fit(Calls(), verbose=0, callbacks=callbacks)
    assert len(found) == 2
    assert [order[:3] for order in found] == [callbacks, callbacks]


def test_the_losses_of_several_outputs_are_tracked_inside_the_compiled_loss():
    """The names by which `keras_internals/output_losses.py` weights the batches."""
    x = keras.Input((1,))
    several = keras.Model(x, [keras.layers.Dense(1)(x), keras.layers.Dense(1)(x)])
    several.compile("sgd", ["mse", "mae"])
    zeros = np.zeros((2, 1), np.float32)
    several.evaluate(zeros, [zeros, zeros], verbose=0)
    trackers = several._compile_loss.metrics
    assert [type(tracker) for tracker in trackers] == [keras.metrics.Mean] * 2
    assert all(float(tracker.count) > 0 for tracker in trackers)
    calls = []
    call = several._compile_loss.call
    several._compile_loss.call = lambda *args: calls.append(args) or call(*args)
    several.test_function = None
    several.evaluate(zeros, [zeros, zeros], verbose=0)
    assert calls
    assert several.test_function is not None


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


# ---- Hooks of callbacks


class Shorter(Calls):
    """A dataset whose second epoch begins in the middle, as a resumed one does."""

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


class RecordBegins(keras.callbacks.Callback):
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


def test_an_epoch_that_is_short_ends_by_running_out_and_the_next_is_complete():
    data, trained = Shorter(), shared_model()
    begins = RecordBegins(data)
    with pytest.warns(UserWarning, match=f"^{internals.RAN_OUT_OF_DATA}"):
        trained.fit(data, epochs=3, verbose=0, shuffle=False, callbacks=[begins])
    # On TensorFlow and JAX, one more step begins and finds no data. TensorFlow has counted it.
    backend = keras.backend.backend()
    second = [(1, 0), (1, 1), *([(1, 2)] if backend != "torch" else [])]
    assert begins.batches == [*((0, b) for b in range(4)), *second, *((2, b) for b in range(4))]
    assert int(trained.optimizer.iterations) == (11 if backend == "tensorflow" else 10)
    # `on_epoch_begin` of callbacks precedes that of the dataset, whose length is read after both.
    first = data.calls[: data.calls.index("0")]
    assert [c for c in first if c != "num_batches"] == ["callbacks begin", "begin"]
    assert first[-1] == "num_batches"


def test_the_warning_of_a_short_epoch_is_silenced_from_hook_to_hook():
    warning_filter = internals.RanOutOfDataFilter()
    callback = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: epoch == 1 and warning_filter.start(),
        on_epoch_end=lambda epoch, logs: warning_filter.stop(),
    )
    before = list(warnings.filters)
    data = Shorter()
    shared_model().fit(
        data, epochs=3, verbose=0, shuffle=False, callbacks=[RecordBegins(data), callback]
    )
    assert warnings.filters == before


def test_the_initial_epoch_is_read_after_on_train_begin():
    epochs, former = [], []
    set_to_2 = call_on_train_begin(
        lambda callback: former.append(internals.set_initial_epoch(callback.model, 2))
    )
    record = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: epochs.append(epoch))
    trained = model()
    assert trained._initial_epoch is None
    trained.fit(Calls(), epochs=4, verbose=0, callbacks=[set_to_2, record])
    assert (epochs, former) == ([2, 3], [None])


def test_without_epochs_left_history_is_what_callbacks_set():
    class Finished(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            internals.set_initial_epoch(self.model, 4)

        def on_train_end(self, logs=None):
            self.model.history.history = {"loss": [1.0]}

    history = model().fit(Calls(), epochs=4, verbose=0, callbacks=[Finished()])
    assert history.history == {"loss": [1.0]}


def test_the_function_that_trains_is_found_on_the_stack():
    found = []

    class Find(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            found.append(internals.training_frame().f_code.co_name)

    def custom_loop():
        Find().on_train_begin()

    shared_model().fit(Calls(), verbose=0, callbacks=[Find()])
    custom_loop()
    assert found == ["fit", "custom_loop"]


def test_the_variables_of_a_training_are_these_and_some_come_with_the_first_step():
    layers = [keras.Input((1,)), keras.layers.Dropout(0.5), keras.layers.Dense(1)]
    trained = keras.Sequential(layers)
    trained.compile(keras.optimizers.Adam(), "mse", metrics=["mae"])
    assert [v.name for v in trained.variables].count("seed_generator_state") == 1
    before = len(trained.metrics_variables), len(trained.optimizer.variables)
    trained.train_on_batch(np.ones((2, 1), np.float32), np.ones((2, 1), np.float32))
    after = len(trained.metrics_variables), len(trained.optimizer.variables)
    assert after[0] > before[0]
    assert after[1] == 2 + 2 * 2 > before[1]


def test_the_global_seed_generator_is_read_and_set():
    def draw():
        return keras.ops.convert_to_numpy(keras.random.normal((3,))).tolist()

    keras.utils.set_random_seed(1)
    draw()
    state = internals.global_seed_state()
    assert state is not None
    expected = [draw(), draw()]
    internals.set_global_seed_state(state)
    assert [draw(), draw()] == expected
    # In a new process the generator does not exist yet.
    keras.utils.clear_session()
    assert internals.global_seed_state() is None
    internals.set_global_seed_state(state)
    assert [draw(), draw()] == expected


def test_the_attributes_of_callbacks_exist(tmp_path):
    callbacks = [
        keras.callbacks.EarlyStopping("loss", patience=9, restore_best_weights=True),
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate),
        keras.callbacks.ModelCheckpoint(tmp_path / "a.weights.h5", save_weights_only=True),
        keras.callbacks.ReduceLROnPlateau("loss"),
        keras.callbacks.SwapEMAWeights(swap_on_epoch=True),
        keras.callbacks.TerminateOnNaN(),
    ]
    trained = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    trained.compile(keras.optimizers.SGD(use_ema=True), "mse")
    history = trained.fit(Calls(), verbose=0, callbacks=callbacks)
    for callback in (*callbacks, history):
        names = internals.callback_attributes(type(callback))
        assert names is not None
        assert [name for name in names if not hasattr(callback, name)] == []
    assert internals.callback_attributes(keras.callbacks.TensorBoard) is None


def test_metrics_of_compile_are_a_group_and_those_of_keras_are_known():
    class Custom(keras.metrics.Mean):
        def update_state(self, y_true, y_pred, sample_weight=None):
            super().update_state(y_pred)

    trained = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    trained.compile("sgd", "mse", metrics=["mae", Custom(name="custom")])
    trained.fit(Calls(), verbose=0)
    groups = [internals.compiled_metrics(metric) for metric in trained.metrics]
    assert groups[0] is None
    assert trained.metrics[0].name == "loss"
    assert [metric.name for metric in groups[1]] == ["mae", "custom"]
    assert [internals.is_keras_metric(metric) for metric in groups[1]] == [True, False]
    assert list(trained.metrics[1].result()) == ["mae", "custom"]


def test_evaluate_resets_metrics_by_the_method_of_the_model():
    data, trained = Calls(batches=3), shared_model()
    alone = trained.evaluate(data, verbose=0)
    with internals.metrics_not_reset(trained):
        both = trained.evaluate(Calls(batches=1), verbose=0)
    assert both != trained.evaluate(Calls(batches=1), verbose=0)
    assert trained.evaluate(data, verbose=0) == alone
    with (
        pytest.raises(RuntimeError, match="does not call"),
        internals.metrics_not_reset(trained),
    ):
        pass


def test_load_weights_warns_of_another_optimizer(tmp_path):
    path = tmp_path / "a.weights.h5"
    source, target = model(), model()
    source.compile("adam", "mse")
    source.fit(Calls(), verbose=0)
    source.save_weights(path)
    with pytest.warns(UserWarning, match=f"^{internals._SKIPPED_OPTIMIZER}"):
        target.load_weights(path)
    with internals.optimizer_warning_ignored():
        target.load_weights(path)


def test_a_csv_logger_appends_to_the_file_that_is_restored(tmp_path):
    from keras_bigdata.callbacks.shared.callback_states import read_csv_logger, restore_csv_logger

    def logger():
        return keras.callbacks.CSVLogger(tmp_path / "a.csv", separator=";")

    first = logger()
    first.on_train_begin()
    before_first_epoch = read_csv_logger(first)
    first.on_epoch_end(0, {"loss": 1.0})
    state = read_csv_logger(first)
    first.on_epoch_end(1, {"loss": 3.0, "val_loss": 4.0})
    first.on_train_end()
    complete = (tmp_path / "a.csv").read_bytes()
    assert complete.split() == [b"epoch;loss;val_loss", b"0;1.0;NA", b"1;3.0;4.0"]

    resumed = logger()
    resumed.on_train_begin()
    assert (tmp_path / "a.csv").read_bytes() == b""
    restore_csv_logger(resumed, state)
    resumed.on_epoch_end(1, {"loss": 3.0, "val_loss": 4.0})
    resumed.on_train_end()
    assert (tmp_path / "a.csv").read_bytes() == complete
    assert resumed.append is False

    # The header is not written yet, and the columns are not those of the second epoch.
    resumed = logger()
    resumed.on_train_begin()
    restore_csv_logger(resumed, before_first_epoch)
    resumed.on_epoch_end(0, {"loss": 1.0})
    resumed.on_epoch_end(1, {"loss": 3.0, "val_loss": 4.0})
    resumed.on_train_end()
    assert (tmp_path / "a.csv").read_bytes() == complete


def test_hooks_at_the_end_of_a_batch_alone_force_keras_to_wait_for_the_device():
    """`InputReport` has none. Keras then runs them while the device computes the next steps."""
    assert keras.callbacks.Callback.on_train_batch_end is InputReport.on_train_batch_end
    assert keras.callbacks.Callback.on_batch_end is InputReport.on_batch_end
    received = []

    class OnBatchEnd(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            received.append(logs)

    is_async = backend.IS_THREAD_SAFE  # not on TensorFlow
    assert keras.callbacks.CallbackList([InputReport()])._async_train == is_async
    assert not keras.callbacks.CallbackList([OnBatchEnd()])._async_train
    shared_model().fit(Calls(), verbose=0, callbacks=[OnBatchEnd()])
    assert received
    assert received[0]["loss"] is not None


def test_the_dataset_begins_between_the_hooks_of_an_epoch_and_of_its_first_batch():
    data = Calls()
    record = keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: data.calls.clear(),
        on_epoch_begin=lambda epoch, logs: data.calls.append("epoch"),
        on_train_batch_begin=lambda batch, logs: data.calls.append(f"step {batch}"),
    )
    shared_model().fit(data, verbose=0, shuffle=False, callbacks=[record])
    names = [call for call in data.calls if call in ("epoch", "begin", "step 0")]
    assert names == ["epoch", "begin", "step 0"]
