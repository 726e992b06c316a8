"""A resumed training has the settings with which it began, or those that were asked for."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_bigdata import ResumeTraining, ShardSequence
from tests.helpers.unindexed_pickles import ROLES, write_shards

optimizers = keras.optimizers


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_shards(tmp_path_factory.mktemp("settings") / "shards", [16])


def compiled(optimizer, loss="mse", **arguments):
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    # The tests concern settings, and not a graph that is traced in half a second.
    model.compile(optimizer, loss, run_eagerly=True, **arguments)
    return model


class Stop(Exception):
    pass


class StopAt(keras.callbacks.Callback):
    """Raises an exception at the first batch of an epoch, in place of a kill."""

    def __init__(self, epoch):
        super().__init__()
        self.left = epoch

    def on_epoch_end(self, epoch, logs=None):
        self.left -= 1

    def on_train_batch_begin(self, batch, logs=None):
        if not self.left:
            raise Stop


def train(model, folder, data, epochs=2, callbacks=(), stop_at=None, **arguments):
    sequence = ShardSequence(data, 8, workers=0, seed=1, **ROLES)
    resume = ResumeTraining(folder, sequence, every=0, **arguments)
    listed = resume.around(callbacks)
    if stop_at is not None:
        listed.append(StopAt(stop_at))
        with pytest.raises(Stop):
            model.fit(sequence, epochs=epochs, shuffle=False, verbose=0, callbacks=listed)
        return None
    return model.fit(sequence, epochs=epochs, shuffle=False, verbose=0, callbacks=listed)


def rate(model):
    return float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))


def exponential_decay():
    return optimizers.SGD(optimizers.schedules.ExponentialDecay(0.001, 2, 0.5))


CHANGES = {
    "learning rate": (
        lambda: compiled(optimizers.SGD(0.003)),
        r"learning_rate of optimizer is 0\.001 in the checkpoint and 0\.003 here",
    ),
    "class": (
        lambda: compiled(optimizers.Adam(0.001)),
        r"class of optimizer is 'SGD' in the checkpoint and 'Adam' here",
    ),
    "momentum": (
        lambda: compiled(optimizers.SGD(0.001, momentum=0.9)),
        r"momentum of optimizer is 0 in the checkpoint and 0\.9 here",
    ),
    "schedule": (
        lambda: compiled(exponential_decay()),
        r"learning_rate of optimizer is 0\.001 in the checkpoint and \{.*ExponentialDecay",
    ),
    "loss": (
        lambda: compiled(optimizers.SGD(0.001), "mae"),
        r"loss is 'mean_squared_error' in the checkpoint and 'mean_absolute_error' here",
    ),
    "loss weights": (
        lambda: compiled(optimizers.SGD(0.001), loss_weights=2.0),
        r"loss_weights is None in the checkpoint and 2 here",
    ),
}


@pytest.fixture(scope="module")
def begun(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("begun")
    train(compiled(optimizers.SGD(0.001)), folder, data)
    return folder


@pytest.mark.quick_cases(3)
@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_setting_is_refused_with_both_values(name, begun, data):
    changed, match = CHANGES[name]
    with pytest.raises(ValueError, match=rf"other settings: .*{match}.* on_change=\"use_new\""):
        train(changed(), begun, data)


@pytest.mark.slow
def test_other_class_weights_of_fit_are_refused_with_both_values(tmp_path, data):
    def fit(weights, epochs, **arguments):
        sequence = ShardSequence(data, 8, workers=0, seed=1, **ROLES)
        resume = ResumeTraining(tmp_path, sequence, every=0, **arguments)
        model = compiled(optimizers.SGD(0.001))
        shared = {"shuffle": False, "verbose": 0, "callbacks": resume.around([])}
        return model.fit(sequence, epochs=epochs, class_weight=weights, **shared)

    # Labels of the data are 0 to 15: those of 2 and more weigh 1.
    fit({0: 1.0, 1: 2.0}, 1)
    for other in ({0: 1.0, 1: 5.0}, None):
        with pytest.raises(ValueError, match=r"class_weight of `fit` is \{.*2\.0\} .* here"):
            fit(other, 2)
    fit({np.int64(0): np.float32(1), 1: 2}, 2)
    fit({0: 1.0, 1: 5.0}, 3, on_change="use_new")


class Scaled(keras.Loss):
    """A loss without `get_config`, as most are written."""

    def __init__(self, scale):
        super().__init__()
        self.scale = scale

    def call(self, y_true, y_pred):
        return self.scale * keras.ops.square(y_true - y_pred)


def scaled(scale):
    return lambda y_true, y_pred: scale * keras.ops.square(y_true - y_pred)


@pytest.mark.slow
@pytest.mark.parametrize("loss", [keras.losses.Huber, Scaled, scaled])
def test_other_arguments_of_the_same_loss_are_refused_with_both_values(tmp_path, data, loss):
    train(compiled(optimizers.SGD(0.001), loss(1.0)), tmp_path, data, 1)
    with pytest.raises(ValueError, match=r"arguments of the loss is .*1\.0.* and .*9\.0.* here"):
        train(compiled(optimizers.SGD(0.001), loss(9.0)), tmp_path, data)
    train(compiled(optimizers.SGD(0.001), loss(1.0)), tmp_path, data)


@pytest.mark.slow
def test_three_learning_rates_do_not_give_one_history(tmp_path, data):
    histories = []
    for value in (0.001, 0.002, 0.003):
        model = compiled(optimizers.SGD(value))
        if value > 0.001:
            with pytest.raises(ValueError, match="learning_rate"):
                train(model, tmp_path / "0.001", data)
        histories.append(train(model, tmp_path / str(value), data).history["loss"])
    assert len(set(map(tuple, histories))) == 3


def test_the_same_loss_in_other_words_is_the_same(begun, data):
    for loss in ("mean_squared_error", "MSE", keras.losses.mean_squared_error):
        train(compiled(optimizers.SGD(0.001), loss), begun, data)


@pytest.mark.slow
def test_what_a_scheduler_changed_is_restored_and_not_refused(tmp_path, data):
    def halve():
        return [keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)]

    reference = compiled(optimizers.SGD(0.001))
    train(reference, tmp_path / "whole", data, 4, halve())
    train(compiled(optimizers.SGD(0.001)), tmp_path / "killed", data, 4, halve(), stop_at=2)
    model = compiled(optimizers.SGD(0.001))
    train(model, tmp_path / "killed", data, 4, halve())
    assert rate(model) == rate(reference) == pytest.approx(0.001 / 16)
    for one, other in zip(model.get_weights(), reference.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    # In the same process: the rate is that of the end, not the one that was compiled.
    train(model, tmp_path / "killed", data, 5, halve())
    assert rate(model) == pytest.approx(0.001 / 32)


@pytest.mark.slow
def test_after_an_exception_the_same_model_goes_on_with_its_rate(tmp_path, data):
    halve = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    model = compiled(optimizers.SGD(0.001))
    train(model, tmp_path, data, 4, [halve], stop_at=2)
    train(model, tmp_path, data, 4, [halve])
    assert rate(model) == pytest.approx(0.001 / 16)
    model.optimizer.learning_rate = 0.5
    with pytest.raises(ValueError, match=r"learning_rate .* 0\.5 here"):
        train(model, tmp_path, data, 5, [halve])


@pytest.mark.slow
def test_new_settings_are_used_on_request(tmp_path, data):
    folder = tmp_path / "c"
    train(compiled(optimizers.Adam(0.001)), folder, data, 4, stop_at=2)
    model = compiled(optimizers.Adam(0.5))
    history = train(model, folder, data, 4, on_change="use_new")
    assert history.epoch == [0, 1, 2, 3]
    assert rate(model) == 0.5
    assert int(model.optimizer.iterations) == 8  # the moments were continued
    train(compiled(optimizers.Adam(0.5)), folder, data, 5)  # the training has these settings now
    with pytest.raises(ValueError, match=r"is 0\.5 in the checkpoint and 0\.001 here"):
        train(compiled(optimizers.Adam(0.001)), folder, data, 5)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["class", *(pytest.param(n, marks=pytest.mark.slow) for n in ("schedule", "momentum", "loss"))],
)
def test_other_optimizers_and_losses_are_used_on_request(name, tmp_path, data):
    train(compiled(optimizers.SGD(0.001)), tmp_path, data, 2)
    model = CHANGES[name][0]()
    optimizer = type(model.optimizer).from_config(model.optimizer.get_config())
    history = train(model, tmp_path, data, 4, on_change="use_new")
    assert history.epoch == [0, 1, 2, 3]
    train(CHANGES[name][0](), tmp_path, data, 4)  # the training has these settings now
    # Epochs 0 and 1 with the old settings, then with the new ones: an optimizer of another class
    # starts with its first state.
    reference = compiled(optimizers.SGD(0.001))
    sequence = ShardSequence(data, 8, workers=0, seed=1, **ROLES)
    reference.fit(sequence, epochs=2, shuffle=False, verbose=0)
    if name != "class":
        optimizer.build(reference.trainable_variables)
        optimizer.iterations.assign(4)
    reference.compile(optimizer, model.loss, run_eagerly=True)
    reference.fit(sequence, epochs=2, shuffle=False, verbose=0)
    for one, other in zip(model.get_weights(), reference.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_on_change_is_checked(data):
    sequence = ShardSequence(data, 8, **ROLES)
    with pytest.raises(ValueError, match="on_change='ask'"):
        ResumeTraining("c", sequence, on_change="ask")
