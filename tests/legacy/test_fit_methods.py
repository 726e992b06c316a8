"""`fit`, `evaluate`, `predict` and the methods for one batch, after `install()`."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_bigdata import legacy
from keras_bigdata.legacy.calling_script import set_default_keras_version
from tests.legacy.small_classifier import X, Y, batches, classifier

BOTH = {"loss", "acc", "accuracy", "val_loss", "val_acc", "val_accuracy"}


def regression(metrics=None, **arguments):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics, run_eagerly=True, **arguments)
    return model


class OldSequence(keras.utils.Sequence):
    """Returns lists, and does not call the constructor of its base class."""

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return [X, Y]


@pytest.mark.slow
def test_arrays_with_the_arguments_of_keras_1_and_2(installed):
    model = classifier(run_eagerly=True)
    stop = keras.callbacks.EarlyStopping("val_acc")
    history = model.fit(
        X, Y, 4, nb_epoch=2, verbose=0, callbacks=[stop], validation_split=0.5, workers=4,
        max_q_size=2, use_multiprocessing=True,
    )  # fmt: skip
    assert set(history.history) == BOTH
    assert len(history.history["acc"]) == 2
    assert (stop.mode, stop.best) == ("auto", max(history.history["val_acc"]))
    assert model.metrics_names == ["loss", "acc"]
    loss, accuracy = model.evaluate(X, Y, verbose=0, workers=2)
    assert model.evaluate(X, Y, verbose=0, return_dict=True)["loss"] == loss
    assert accuracy in np.arange(9) / 8
    with pytest.raises(TypeError, match="got 'epochs' twice: received it also as 'nb_epoch'"):
        model.fit(X, Y, epochs=1, nb_epoch=1)
    assert regression().evaluate(X, Y, verbose=0) > 0  # a number: there are no metrics
    with pytest.warns(UserWarning, match="`show_accuracy` has no effect"):
        epochs = model.fit(X, Y, show_accuracy=True, verbose=0).epoch
    assert epochs == list(range(10))  # the default of Keras 1


@pytest.mark.slow
def test_keras_1_trains_ten_epochs_by_default_if_it_is_asked_for(installed):
    set_default_keras_version(1)
    try:
        assert len(regression().fit(X, Y, verbose=0).epoch) == 10
    finally:
        set_default_keras_version(2)
    assert len(regression().fit(X, Y, verbose=0).epoch) == 1


@pytest.mark.slow
def test_sequences_and_generators_are_read_as_keras_2_did(installed):
    model = classifier(run_eagerly=True)
    history = model.fit(
        OldSequence(), epochs=2, verbose=0, workers=2, use_multiprocessing=True, max_queue_size=3,
        validation_data=OldSequence(), class_weight={0: 1, 1: 2},
    )  # fmt: skip
    assert set(history.history) == BOTH
    log = []

    def numbered():
        for number, pair in enumerate(batches()):
            log.append(number)
            yield list(pair)

    history = model.fit(numbered(), steps_per_epoch=1.5, epochs=2, verbose=0)
    assert log == [0, 1, 2, 3]
    assert len(model.evaluate(OldSequence(), verbose=0, workers=2)) == 2
    assert model.predict(OldSequence(), workers=2).shape == (16, 2)
    assert model.predict_on_generator(numbered(), 2).shape == (16, 2)
    with pytest.warns(UserWarning, match="batch_size=4 has no effect"):
        model.fit(numbered(), steps_per_epoch=1, batch_size=4, verbose=0)
    with pytest.raises(ValueError, match="sample_weight, y cannot be passed with batches of a gen"):
        model.fit(numbered(), Y, steps_per_epoch=1, sample_weight=Y + 1)


def test_a_dataset_of_keras_3_is_left_to_keras(installed):
    class New(OldSequence):
        def __init__(self):
            super().__init__(workers=1)

        def __getitem__(self, index):
            return X, Y

    history = classifier("acc", run_eagerly=True).fit(New(), verbose=0, validation_data=(X, Y))
    assert set(history.history) == BOTH


@pytest.mark.slow
def test_arrays_in_old_forms(installed):
    model = regression(["mae", error])
    targets = Y.astype("float32")
    as_arrays = model.evaluate(X, targets[:, None], verbose=0)
    # Keras 3 compares targets (8,) with outputs (8, 1) in a function, which gives (8, 8) values.
    for x, y in ((X, targets), ([X], [targets]), (X.tolist(), targets.tolist())):
        np.testing.assert_allclose(model.evaluate(x, y, verbose=0), as_arrays, rtol=1e-5)
        np.testing.assert_allclose(model.test_on_batch(x, y), as_arrays, rtol=1e-5)
    assert as_arrays[1] == as_arrays[2]
    assert model.metrics_names == ["loss", "mean_absolute_error", "error"]
    assert model.predict([X]).shape == model.predict_on_batch([X]).shape == (8, 1)
    model.fit(X, [0.0, 1.0] * 4, steps_per_epoch=1.5, verbose=0, validation_data=([X], [targets]))
    history = model.history.history
    assert history["mae"] == history["mean_absolute_error"]
    np.testing.assert_allclose(history["val_mae"], history["val_error"], rtol=1e-5)


def error(y_true, y_pred):
    return abs(y_true - y_pred)


@pytest.mark.slow
def test_class_weights_in_old_forms(installed):
    def trained(**arguments):
        model = regression()
        model.fit(X, Y, verbose=0, **arguments)
        return model.get_weights()[0]

    weights = np.where(Y, 3.0, 1.0).astype("float32")
    expected = trained(sample_weight=weights)
    for form in ({0: 1.0, 1: 3.0}, np.array([1.0, 3.0]), [1, 3]):
        np.testing.assert_allclose(trained(class_weight=form), expected, rtol=1e-5)
    with pytest.warns(UserWarning, match="class_weight='auto' is ignored"):
        np.testing.assert_allclose(trained(class_weight="auto"), trained(), rtol=1e-6)
    # A list of several parts for one output: Keras 1 and 2 used dicts only, and took one part.
    parts = [{0: 1.0, 1: 3.0}, {0: 5.0, 1: 7.0}]
    with pytest.warns(UserWarning, match="a list of 2 parts for a model with one output"):
        np.testing.assert_allclose(trained(class_weight=parts), trained(), rtol=1e-6)
    np.testing.assert_allclose(trained(class_weight=parts[:1]), expected, rtol=1e-5)
    with pytest.warns(UserWarning, match="Found both"):
        both = trained(class_weight={0: 9.0, 1: 1.0}, sample_weight=weights)
    np.testing.assert_allclose(both, expected, rtol=1e-6)


def test_one_batch(installed):
    model = regression(["acc"])
    first = model.train_on_batch(X, [1] * 8)
    assert len(first) == 2
    kept = model.train_on_batch(X, [1] * 8, reset_metrics=False)
    assert first[0] > kept[0]  # the mean of both batches
    assert model.train_on_batch(X, [1] * 8)[0] < kept[0]
    # `Sequential` of Keras 1 had `class_weight` in third place.
    one, other = regression(), regression()
    one.train_on_batch(X, Y, {0: 1.0, 1: 3.0})
    other.train_on_batch(X, Y, np.where(Y, 3.0, 1.0))
    np.testing.assert_allclose(one.get_weights()[0], other.get_weights()[0], rtol=1e-6)


@pytest.mark.slow
def test_plain_calls_give_the_figures_of_keras_3(installed):
    from keras_bigdata.legacy import patching

    def figures():
        model = classifier("acc", run_eagerly=True)
        history = model.fit(X, Y, epochs=2, shuffle=False, verbose=0, validation_data=(X, Y))
        return history.history, model.evaluate(X, Y, verbose=0), model.predict(X, verbose=0)

    after = figures()
    patching.restore_all()
    before = figures()
    assert {name: after[0][name] for name in before[0]} == before[0]
    assert after[1] == before[1]
    np.testing.assert_array_equal(after[2], before[2])
    legacy.install()
