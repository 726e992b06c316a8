"""What callbacks see and take, as in Keras 1 and 2."""

from __future__ import annotations

import keras
import numpy as np
import pytest

X = np.arange(20.0).reshape(10, 2)
Y = np.arange(10.0)


class Look(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.seen = self.validation_data
        self.of_model = getattr(self.model, "validation_data", None)


def model(*layers):
    made = keras.Sequential([keras.Input((2,)), *layers, keras.layers.Dense(1)])
    made.compile("sgd", "mse", metrics=[keras.metrics.MeanAbsoluteError(name="mae")])
    return made


def batches():
    while True:
        yield X[:4], Y[:4]


@pytest.mark.slow
def test_validation_data_and_params(installed):
    look = Look()
    plain = model()
    plain.fit(X, Y, batch_size=4, validation_split=0.3, verbose=0, callbacks=[look])
    x, y, weights = look.seen
    np.testing.assert_array_equal(x, X[7:])
    np.testing.assert_array_equal(y, Y[7:])
    assert weights.tolist() == [1, 1, 1]
    assert look.of_model is look.seen
    assert not hasattr(plain, "validation_data")
    wanted = {"samples": 7, "nb_sample": 7, "nb_epoch": 1, "epochs": 1, "batch_size": 4, "steps": 2}
    assert wanted.items() <= look.params.items()
    assert look.params["do_validation"]
    assert look.params["metrics"] == [
        *("loss", "mean_absolute_error", "val_loss", "val_mean_absolute_error")
    ]

    plain.fit_generator(
        batches(), 2, verbose=0, callbacks=[look], validation_data=(X[:3], Y[:3], Y[:3])
    )
    np.testing.assert_array_equal(look.seen[1], Y[:3])
    np.testing.assert_array_equal(look.seen[2], Y[:3])


@pytest.mark.slow
def test_the_learning_phase_is_last_if_layers_depend_on_it(installed):
    look = Look()
    dropout = model(keras.layers.Dropout(0.5))
    dropout.fit(X, Y, verbose=0, callbacks=[look], validation_data=(X, Y))
    assert len(look.seen) == 4
    assert look.seen[3] == 0
    look.model = dropout
    assert look.model is dropout


def test_arguments_and_logs(installed):
    plateau = keras.callbacks.ReduceLROnPlateau(monitor="loss", epsilon=0.5)
    assert plateau.min_delta == 0.5
    with pytest.raises(TypeError, match="as `epsilon` and as `min_delta`"):
        keras.callbacks.ReduceLROnPlateau(epsilon=0.5, min_delta=0.5)
    with pytest.raises(ValueError, match="must be 'samples' or 'steps'"):
        keras.callbacks.ProgbarLogger("batches")
    scheduler = keras.callbacks.LearningRateScheduler(lambda epoch: 0.5 / (epoch + 1))
    history = model().fit(
        *(X / 20, Y / 10),
        epochs=2,
        verbose=0,
        callbacks=[scheduler, plateau, keras.callbacks.ProgbarLogger("steps")],
    )
    assert history.history["lr"] == pytest.approx([0.5, 0.25])
