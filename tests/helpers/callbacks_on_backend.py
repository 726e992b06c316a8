"""Checks of the callbacks on another backend; run by `test_weighted_validation.py`.

KERAS_BACKEND=jax python -m tests.helpers.callbacks_on_backend FOLDER
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["JAX_PLATFORMS"] = "cpu"

import joblib
import keras
import numpy as np

from keras_bigdata import BestWeightsEarlyStopping, ScoreLog, WeightedValidation
from tests.helpers.small_models import (
    Chain,
    LargestError,
    assert_equal,
    assert_results,
    classifier,
    dropout_model,
    make_data,
    validate,
)


def values(variables):
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def check_combined_results():
    model = classifier(
        [
            "accuracy",
            keras.metrics.AUC(name="auc"),
            keras.metrics.F1Score(name="f1"),
            LargestError(),
        ]
    )
    sets = [make_data(rows, rows, weights=True) for rows in (96, 1, 33)]
    reference = model.evaluate(Chain(sets), verbose=0, return_dict=True)
    assert len(reference) == 5
    assert_results(validate(model, sets), reference)
    assert_results(validate(model, sets, per_set=False), reference)


def check_training_is_not_disturbed():
    results = []
    for callbacks in ([], [WeightedValidation({"a": make_data(96, 5), "b": make_data(32, 6)})]):
        model = dropout_model()
        # On torch, `evaluate` draws from the generator that shuffles arrays.
        history = model.fit(
            *make_data(96), epochs=3, batch_size=16, verbose=0, callbacks=callbacks
        ).history
        state = values(model.variables) + values(model.optimizer.variables)
        results.append((history["loss"], history["accuracy"], state))
    assert len(history["val_b_loss"]) == 3
    assert results[0][:2] == results[1][:2]
    assert_equal(results[0][2], results[1][2])


class Interrupt(keras.callbacks.Callback):
    """Presses Ctrl-C in the third epoch, and records the best weights until then."""

    def __init__(self, best):
        super().__init__()
        self.best = best
        self.epoch = 0
        self.batches_after = 0
        self.pressed = False

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_epoch_end(self, epoch, logs=None):
        if self.best.best_epoch == epoch:
            self.best_weights = values(self.model.weights)
            self.best_loss = logs["val_loss"]

    def on_train_batch_begin(self, batch, logs=None):
        self.batches_after += self.pressed
        if self.epoch == 2 and batch == 1:
            os.kill(os.getpid(), signal.SIGINT)
            self.pressed = True


def check_ctrl_c(directory):
    before = signal.getsignal(signal.SIGINT)
    model = dropout_model()
    best = BestWeightsEarlyStopping(directory / "best.weights.h5", "val_loss", resume=True)
    interrupt = Interrupt(best)
    callbacks = [WeightedValidation(make_data(32, 9)), best, interrupt]
    try:
        model.fit(*make_data(96), epochs=5, batch_size=16, verbose=0, callbacks=callbacks)
    except KeyboardInterrupt:
        pass
    else:
        raise AssertionError("fit was not interrupted")
    assert signal.getsignal(signal.SIGINT) is before
    assert interrupt.epoch == 2
    assert interrupt.batches_after == 0
    assert_equal(values(model.weights), interrupt.best_weights)
    assert int(model.optimizer.iterations) == 6 * 2 + 2
    found = model.evaluate(*make_data(32, 9), verbose=0, return_dict=True)["loss"]
    np.testing.assert_allclose(found, interrupt.best_loss, rtol=1e-6)
    np.testing.assert_allclose(best.best, interrupt.best_loss, rtol=0)

    # The model and the file can be used again.
    other = dropout_model(seed=5)
    BestWeightsEarlyStopping(directory / "best.weights.h5", "val_loss").restore(other)
    assert_equal(values(other.weights), interrupt.best_weights)
    assert int(other.optimizer.iterations) == 0
    scores = ScoreLog(directory / "scores.pkl")
    history = model.fit(
        *make_data(96),
        epochs=2,
        batch_size=16,
        verbose=0,
        callbacks=[WeightedValidation(make_data(32, 9)), best, scores],
    ).history
    assert best.best <= min([interrupt.best_loss, *history["val_loss"]])
    assert joblib.load(directory / "scores.pkl")["val"] == history["val_accuracy"]


if __name__ == "__main__":
    check_combined_results()
    check_training_is_not_disturbed()
    check_ctrl_c(Path(sys.argv[1]))
    print("done", keras.backend.backend())
