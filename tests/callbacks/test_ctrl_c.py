from __future__ import annotations

import copy
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import keras
import pytest

from keras_bigdata import BestWeightsEarlyStopping, WeightedValidation
from tests.helpers.paths import ROOT
from tests.helpers.small_models import (
    RecordWeights,
    assert_equal,
    best_callback,
    dropout_model,
    fit,
    make_data,
    run_epochs,
    shared_dropout_model,
)


@pytest.fixture
def model():
    return shared_dropout_model()


class Fails(keras.callbacks.Callback):
    def __init__(self, error, epoch=2):
        super().__init__()
        self.error, self.epoch = error, epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise self.error


def test_the_with_form_restores_after_any_exception(tmp_path, model):
    best = BestWeightsEarlyStopping(tmp_path / "best.weights.h5", "loss", mode="max")
    recorded = RecordWeights()
    with pytest.raises(ZeroDivisionError), best:
        fit(model, [best, recorded, Fails(ZeroDivisionError())])
    assert len(recorded.epochs) == 2
    assert_equal(model.get_weights(), recorded.epochs[best.best_epoch])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    with best:
        fit(model, [best, recorded])
    assert_equal(model.get_weights(), recorded.epochs[best.best_epoch])


def test_the_with_form_without_a_best_epoch_leaves_the_weights(tmp_path, capsys, model):
    run_epochs(best_callback(tmp_path), [0.5])  # the best of a former run does not count
    before = model.get_weights()
    best = best_callback(tmp_path, "loss", verbose=1)
    with pytest.raises(ZeroDivisionError), best:
        fit(model, [best, Fails(ZeroDivisionError(), epoch=0)])
    assert_equal(model.get_weights(), before)
    assert "no best epoch yet" in capsys.readouterr().out


def test_restoring_without_a_file_or_a_model_says_so(tmp_path, model):
    best = best_callback(tmp_path)
    with pytest.raises(ValueError, match="pass `model`"):
        best.restore()
    with pytest.raises(FileNotFoundError, match="no best weights at"):
        best.restore(dropout_model())


class CtrlC(keras.callbacks.Callback):
    """Presses Ctrl-C in a hook, and records the hooks that are called after it."""

    def __init__(self, hook, epoch=1, batch=1, times=1):
        super().__init__()
        self.at = (hook, epoch, batch)
        self.times = times
        self.epoch = -1
        self.after = []
        self.pressed = False

    def _called(self, hook, batch=None):
        if self.pressed:
            self.after.append(hook)
        if (hook, self.epoch, batch) in (self.at, (*self.at[:2], None)):
            self.pressed = True
            for _ in range(self.times):
                signal.raise_signal(signal.SIGINT)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        self._called("train_batch", batch)

    def on_test_batch_begin(self, batch, logs=None):
        self._called("test_batch", batch)

    def on_epoch_end(self, epoch, logs=None):
        self._called("epoch_end")

    def on_train_end(self, logs=None):
        self._called("train_end")


def interrupted(tmp_path, model, ctrl_c, **arguments):
    best = BestWeightsEarlyStopping(tmp_path / "best.weights.h5", "loss", mode="max")
    recorded = RecordWeights()
    with pytest.raises(KeyboardInterrupt):
        fit(model, [recorded, best, ctrl_c], epochs=3, **arguments)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    return best, recorded


def test_ctrl_c_ends_the_batch_and_restores(tmp_path, model):
    ctrl_c = CtrlC("train_batch", epoch=1, batch=1)
    best, recorded = interrupted(tmp_path, model, ctrl_c)
    # The batch was trained; no other hook was called.
    assert int(model.optimizer.iterations) == 4 + 2
    assert ctrl_c.after == []
    assert len(recorded.epochs) == 1
    assert_equal(model.get_weights(), recorded.epochs[0])
    assert model.stop_training is False
    # The same objects can be used in another fit.
    assert len(fit(model, [best, recorded], epochs=2)["loss"]) == 2


def test_ctrl_c_in_the_first_epoch_has_nothing_to_restore(tmp_path, model):
    best, _ = interrupted(tmp_path, model, CtrlC("train_batch", epoch=0, batch=2))
    assert best.best is None
    assert int(model.optimizer.iterations) == 3


def test_ctrl_c_in_the_last_batch_of_an_epoch(tmp_path, model):
    # The epoch is complete then, so it counts.
    best, recorded = interrupted(tmp_path, model, CtrlC("train_batch", epoch=1, batch=3))
    assert len(recorded.epochs) == 2
    assert_equal(model.get_weights(), recorded.epochs[best.best_epoch])


@pytest.mark.slow
def test_ctrl_c_during_validation(tmp_path, model):
    ctrl_c = CtrlC("test_batch", epoch=1, batch=1)
    _, recorded = interrupted(tmp_path, model, ctrl_c, validation_data=make_data(90))
    assert ctrl_c.after == []
    assert_equal(model.get_weights(), recorded.epochs[0])


@pytest.mark.slow
def test_ctrl_c_during_weighted_validation(tmp_path, model):
    fetched = []

    class Pressing(keras.utils.PyDataset):
        """Presses Ctrl-C when a batch of the second epoch's validation is fetched."""

        def __len__(self):
            return 50

        def __getitem__(self, index):
            fetched.append(index)
            if len(fetched) == 80:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.02)
            return make_data(4)

    best = BestWeightsEarlyStopping(tmp_path / "best.weights.h5", "val_loss", patience=9)
    recorded = RecordWeights()
    with pytest.raises(KeyboardInterrupt):
        fit(model, [WeightedValidation(Pressing()), best, recorded], epochs=3)
    assert len(fetched) < 105
    assert len(recorded.epochs) == 1
    assert_equal(model.get_weights(), recorded.epochs[0])
    assert model.evaluate(*make_data(60), verbose=0, return_dict=True)["loss"] > 0


def test_ctrl_c_at_the_very_end(tmp_path, model):
    best, recorded = interrupted(tmp_path, model, CtrlC("epoch_end", epoch=2))
    assert len(recorded.epochs) == 3
    assert_equal(model.get_weights(), recorded.epochs[best.best_epoch])


def test_a_second_ctrl_c_raises_at_once_and_the_with_form_restores(tmp_path, model):
    best = BestWeightsEarlyStopping(tmp_path / "best.weights.h5", "loss", mode="max")
    recorded = RecordWeights()
    with pytest.raises(KeyboardInterrupt), best:
        fit(model, [best, recorded, CtrlC("train_batch", times=2)])
    assert int(model.optimizer.iterations) == 4 + 1
    assert_equal(model.get_weights(), recorded.epochs[0])


def test_after_a_training_that_died_ctrl_c_is_the_usual_one(tmp_path, model):
    best = BestWeightsEarlyStopping(tmp_path / "best.weights.h5", "loss", mode="max")
    with pytest.raises(ZeroDivisionError):
        fit(model, [best, Fails(ZeroDivisionError())])
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_two_in_one_list_take_turns(tmp_path, model):
    first = BestWeightsEarlyStopping(tmp_path / "a.weights.h5", "loss", mode="max")
    last = BestWeightsEarlyStopping(tmp_path / "b.weights.h5", "loss", mode="max", patience=50)
    recorded = RecordWeights()
    with pytest.raises(KeyboardInterrupt):
        fit(model, [first, last, recorded, CtrlC("train_batch", epoch=2)])
    assert_equal(model.get_weights(), recorded.epochs[last.best_epoch])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.slow
def test_a_handler_of_the_program_is_left_alone(tmp_path, model):
    pressed = []
    former = signal.signal(signal.SIGINT, lambda *_: pressed.append(1))
    try:
        best = BestWeightsEarlyStopping(tmp_path / "best.weights.h5", "loss")
        fit(model, [best, CtrlC("train_batch")], epochs=2)
    finally:
        signal.signal(signal.SIGINT, former)
    assert pressed == [1]
    assert int(model.optimizer.iterations) == 8


def test_a_copy_answers_for_itself(tmp_path, model):
    best = BestWeightsEarlyStopping(tmp_path / "best.weights.h5", "loss", mode="max")
    copied = copy.deepcopy(best)
    recorded = RecordWeights()
    with pytest.raises(KeyboardInterrupt):
        fit(model, [recorded, copied, CtrlC("train_batch")])
    assert best.best is None
    assert_equal(model.get_weights(), recorded.epochs[0])


@pytest.mark.slow
def test_trains_in_another_thread(tmp_path, model):
    best = BestWeightsEarlyStopping(tmp_path / "best.weights.h5", "loss")
    thread = threading.Thread(target=fit, args=(model, [best]))
    thread.start()
    thread.join()
    assert (tmp_path / "best.weights.h5").exists()
    assert best.best is not None


@pytest.mark.slow
def test_ctrl_c_from_a_terminal(tmp_path):
    script = textwrap.dedent(
        f"""
        import keras
        from keras_bigdata import BestWeightsEarlyStopping
        from tests.helpers.small_models import dropout_model, make_data

        class Ready(keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                if epoch == 1:
                    print("ready", flush=True)

        path = {str(tmp_path / "best.weights.h5")!r}
        model = dropout_model()
        best = BestWeightsEarlyStopping(path, "loss", patience=10**6)
        try:
            model.fit(*make_data(60), epochs=10**6, verbose=0, callbacks=[best, Ready()])
        except KeyboardInterrupt:
            weights = model.get_weights()
            model.load_weights(best.filepath)
            same = all((a == b).all() for a, b in zip(weights, model.get_weights()))
            print("restored", same)
        """
    )
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", script],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "ready\n", process.stderr.read()
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=60)
    assert out == "restored True\n", error
    assert "Interrupted: ending after this batch" in error
    assert process.returncode == 0
