"""A training of one Dense layer that `ResumeTraining` saves, and a kill of it."""

from __future__ import annotations

import keras
import numpy as np

from keras_bigdata import ResumeTraining, ShardSequence
from tests.helpers.reused import reused
from tests.helpers.unindexed_pickles import ROLES


class Killed(Exception):
    pass


class Kill(keras.callbacks.Callback):
    """Raises an exception in a hook after some batches, in place of a kill of the process."""

    def __init__(self, batches, hook="on_train_batch_begin"):
        super().__init__()
        self.left = batches
        self.hook = hook

    def on_train_batch_begin(self, batch, logs=None):
        self.left -= 1
        self._kill("on_train_batch_begin")

    def on_epoch_end(self, epoch, logs=None):
        self._kill("on_epoch_end")

    def _kill(self, hook):
        if self.left <= 0 and hook == self.hook:
            raise Killed

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


def tiny():
    keras.utils.clear_session()
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dropout(0.5), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(), "mse")
    return model


shared_tiny = reused(tiny)


def tiny_fit(
    folder,
    data,
    callbacks=(),
    epochs=2,
    model=None,
    every=0,
    feed=lambda train: train,
    **arguments,
):
    """Trains a model that all calls share. Returns its variables in the end, and the history.

    `feed` returns what `fit` receives of the sequence.
    """
    model = model or shared_tiny()
    train = ShardSequence(data, **{"batch_size": 8, "workers": 0, "seed": 1, **ROLES, **arguments})
    resume = ResumeTraining(folder, train, every=every)
    listed = resume.around(list(callbacks))
    history = model.fit(feed(train), epochs=epochs, shuffle=False, verbose=0, callbacks=listed)
    return values(model), history


def values(model):
    variables = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    return [np.array(keras.ops.convert_to_numpy(v)).tobytes() for v in variables]
