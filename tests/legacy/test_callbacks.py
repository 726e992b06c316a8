"""History, monitors, checkpoints and logs under old names, and batches of all old forms."""

from __future__ import annotations

import csv
import itertools

import h5py
import keras
import numpy as np
import pytest

from keras_bigdata import legacy
from keras_bigdata.legacy.generators.class_weights import (
    class_weight_function,
    compute_sample_weights,
)
from keras_bigdata.legacy.metric_names import metric_alias
from tests.legacy.small_classifier import X, Y, batches, classifier

RNG = np.random.default_rng(0)
SLOW_ENDINGS = (".h5", ".weights.h5", ".ckpt")


@pytest.fixture(scope="module")
def shared():
    """A model for tests that do not depend on what it was trained on."""
    return classifier()


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("metric", ["acc", "accuracy"])
def test_history_monitors_and_file_names_answer_to_both(tmp_path, metric):
    class ReadLogs(keras.callbacks.Callback):
        names = ()

        def on_epoch_end(self, epoch, logs=None):
            self.names = sorted(logs)
            assert logs["acc"] == logs["accuracy"]

        def on_train_batch_end(self, batch, logs=None):
            assert logs["acc"] == logs["accuracy"]

    read_logs, log_file = ReadLogs(), tmp_path / "log.csv"
    stop = keras.callbacks.EarlyStopping("val_acc", patience=2, mode="auto")
    callbacks = [
        read_logs,
        stop,
        keras.callbacks.EarlyStopping("val_accuracy", patience=9),
        keras.callbacks.ReduceLROnPlateau("acc", patience=1),
        keras.callbacks.ModelCheckpoint(
            tmp_path / "{epoch:02d}-{val_acc:.2f}-{val_accuracy:.2f}.keras", "val_acc"
        ),
        keras.callbacks.CSVLogger(log_file),
    ]
    model = classifier(metric, run_eagerly=True)
    history = legacy.fit_generator(model, batches(), 2, 2, 0, callbacks, (X, Y)).history
    assert {"acc", "accuracy", "val_acc", "val_accuracy", "loss", "val_loss"} <= set(history)
    assert history["val_acc"] == history["val_accuracy"]
    assert history["lr"] == history["learning_rate"]
    assert type(history) is dict
    assert "val_acc" in read_logs.names
    assert (stop.mode, stop.best) == ("auto", max(history["val_acc"]))
    names = [f"{e + 1:02d}-{a:.2f}-{a:.2f}.keras" for e, a in enumerate(history["val_acc"])]
    assert sorted(path.name for path in tmp_path.glob("*.keras")) == names
    with open(log_file) as file:
        row = next(csv.DictReader(file))
    assert row["val_acc"] == row["val_accuracy"]


@pytest.mark.slow
@pytest.mark.every_backend
def test_the_progress_bar_shows_each_figure_once(capsys, shared):
    legacy.fit_generator(shared, batches(), 2, 1, 2, None, (X, Y))
    output = capsys.readouterr().out
    assert "val_accuracy" in output
    assert "val_acc:" not in output
    legacy.fit_generator(shared, batches(), samples_per_epoch=24, nb_epoch=1, verbose=2)
    assert "3/3" in capsys.readouterr().out


def test_other_names():
    assert metric_alias("val_output_accuracy") == "val_output_acc"
    assert metric_alias("output_acc") == "output_accuracy"
    assert (
        metric_alias("categorical_accuracy")
        is metric_alias("val_binary_accuracy")
        is metric_alias("loss")
        is None
    )
    assert metric_alias("macc") is None


def test_auto_mode_of_a_function_is_that_of_keras_2():
    def dice(y_true, y_pred):
        return keras.ops.mean(y_pred)

    stop = keras.callbacks.EarlyStopping("val_dice", patience=1)
    model = classifier(dice, run_eagerly=True)
    with pytest.warns(UserWarning, match="greater or a smaller 'val_dice'"):
        legacy.fit_generator(model, batches(), 1, 1, 0, [stop], (X, Y))
    assert stop.mode == "auto"


@pytest.mark.parametrize(
    "ending", [".hdf5", "", *(pytest.param(e, marks=pytest.mark.slow) for e in SLOW_ENDINGS)]
)
def test_weights_are_written_under_the_name_that_was_given(tmp_path, ending, shared):
    path = tmp_path / f"new/best{ending}"
    model = shared
    checkpoint = legacy.ModelCheckpoint(str(path), "val_acc", 0, True, True, "max")
    legacy.fit_generator(model, batches(), 2, 1, 0, [checkpoint], (X, Y))
    weights = model.get_weights()
    other = classifier()
    if ending in (".h5", ".hdf5", ".weights.h5"):
        other.load_weights(path)
        for one, two in zip(weights, other.get_weights(), strict=True):
            np.testing.assert_array_equal(one, two)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    assert h5py.is_hdf5(path)


@pytest.mark.parametrize(
    "ending", [".hdf5", pytest.param(".keras", marks=pytest.mark.slow), ".model"]
)
def test_models_are_written_under_the_name_that_was_given(tmp_path, ending, shared):
    path = tmp_path / f"model{ending}"
    # Once Keras has saved a model as HDF5, it no longer saves its optimizer.
    model = classifier() if ending == ".keras" else shared
    legacy.fit_generator(model, batches(), 1, 1, 0, [legacy.ModelCheckpoint(path)])
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    if ending != ".model":
        loaded = keras.models.load_model(path)
        np.testing.assert_allclose(
            loaded.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-6
        )


@pytest.mark.parametrize("by_position", [True, False])
def test_period(tmp_path, by_position, shared):
    path = str(tmp_path / "{epoch}.h5")
    if by_position:
        checkpoint = legacy.ModelCheckpoint(path, "val_loss", 0, False, True, "auto", 2)
    else:
        checkpoint = legacy.ModelCheckpoint(path, save_weights_only=True, period=2)
    legacy.fit_generator(shared, batches(), 1, 5, 0, [checkpoint])
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["2.h5", "4.h5"]


def test_checkpoint_arguments():
    with pytest.raises(ValueError, match="`period` must be at least 1"):
        legacy.ModelCheckpoint("a.h5", period=0)
    with pytest.warns(UserWarning, match="load_weights_on_restart"):
        legacy.ModelCheckpoint("a.h5", load_weights_on_restart=True)
    assert legacy.ModelCheckpoint("a.h5", "loss", 0, True, True, "min", "epoch").period == 1
    assert legacy.ModelCheckpoint("a.h5", save_freq=7).save_freq == 7


def test_checkpoint_works_in_plain_fit(tmp_path, shared):
    checkpoint = legacy.ModelCheckpoint(
        str(tmp_path / "{epoch}-{val_acc:.1f}.hdf5"), "val_acc", save_best_only=True
    )
    shared.fit(X, Y, validation_data=(X, Y), verbose=0, callbacks=[checkpoint])
    assert len(list(tmp_path.glob("1-*.hdf5"))) == 1


BOARDS = {
    "Keras 1": ((1, True, False), {}),
    "Keras 2": ((1, 32, True, False, False, 0, None, None, None, "epoch"), {}),
    "tf.keras 2": ((1, True, False, False, "epoch", 0, 0, None), {}),
    "names": ((), {"batch_size": 32, "write_grads": True, "embeddings_layer_names": None}),
}


@pytest.mark.parametrize("release", BOARDS)
def test_tensorboard_takes_the_arguments_of(tmp_path, release, shared):
    pytest.importorskip("tensorboard")
    others, named = BOARDS[release]
    board = legacy.TensorBoard(str(tmp_path), *others, **named)
    assert board.histogram_freq == (1 if others else 0)
    assert (board.write_graph, board.write_images, board.update_freq) == (True, False, "epoch")
    if release == "names":
        legacy.fit_generator(shared, batches(), 1, 1, 0, [board])
        assert list(tmp_path.rglob("events*"))
    with pytest.raises(TypeError, match="no argument 'foo'"):
        legacy.TensorBoard(foo=1)
    with pytest.raises(TypeError, match="'write_graph' twice"):
        legacy.TensorBoard("logs", 0, True, write_graph=True)


def two_in_two_out():
    keras.utils.set_random_seed(2)
    a, b = keras.Input((2,), name="a"), keras.Input((3,), name="b")
    joined = keras.layers.Concatenate()([a, b])
    outputs = [
        keras.layers.Dense(3, activation="softmax", name="kind")(joined),
        keras.layers.Dense(1, name="size")(joined),
    ]
    model = keras.Model(inputs=[a, b], outputs=outputs)
    model.compile(
        "sgd",
        {"kind": "categorical_crossentropy", "size": "mse"},
        metrics={"kind": ["accuracy"]},
        run_eagerly=True,
    )
    return model


A, B = RNG.random((6, 2)), RNG.random((6, 3))
KIND, SIZE = np.eye(3)[[0, 1, 2, 0, 1, 2]], RNG.random((6, 1))
ONES = np.ones(6)
FORMS = [
    ([A, B], [KIND, SIZE]),
    [[A, B], [KIND, SIZE]],
    ({"a": A, "b": B}, {"kind": KIND, "size": SIZE}),
    ({"b": B, "a": A}, [KIND, SIZE]),
    ([A, B], {"size": SIZE, "kind": KIND}),
    ([A, B], [KIND, SIZE], [ONES, None]),
    ([A, B], {"size": SIZE, "kind": KIND}, {"kind": ONES}),
]


@pytest.mark.slow
def test_all_shapes_of_several_inputs_and_outputs_train_alike():
    class_weight = {"kind": {0: 1.0, 1: 1.0, 2: 3.0}}
    model = two_in_two_out()
    start = model.get_weights()
    for weights in (None, class_weight, [class_weight["kind"], None]):
        results = []
        for form in FORMS:
            model.set_weights(start)
            history = legacy.fit_generator(
                model, itertools.repeat(form), 2, 1, 0, class_weight=weights
            ).history
            assert history["kind_acc"] == history["kind_accuracy"]
            results.append(model.get_weights())
        for other in results[1:]:
            for one, two in zip(results[0], other, strict=True):
                np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-7)
    assert len(legacy.evaluate_generator(model, itertools.repeat(FORMS[-1]), steps=1)) == 4


@pytest.mark.slow
@pytest.mark.every_backend
def test_several_inputs_and_outputs():
    model = two_in_two_out()
    weights = {"kind": {0: 1.0, 1: 1.0, 2: 3.0}}
    history = legacy.fit_generator(
        model, itertools.repeat(FORMS[4]), 2, 1, 0, class_weight=weights
    ).history
    assert history["kind_acc"] == history["kind_accuracy"]
    predicted = legacy.predict_generator(model, iter([[A, B], [A, B]]), 2)
    assert [part.shape for part in predicted] == [(12, 3), (12, 1)]


@pytest.mark.parametrize("dtype", ["int64", "int8", "bool", "float16", "float32", "float64"])
def test_class_weights_keep_their_fractions_with_sample_weights_of_any_dtype(dtype):
    apply = class_weight_function({0: 0.5, 1: 2.7}, ["out"])
    x, y = np.ones((3, 1)), np.array([0, 1, 1])
    for shape in ((3,), (3, 1)):
        _, _, sample_weight = apply((x, y, np.ones(shape, dtype)))
        np.testing.assert_allclose(sample_weight.reshape(3), [0.5, 2.7, 2.7], rtol=1e-7)


def test_class_weights_are_those_of_the_classes():
    weights = {0: 0.5, 1: 2.0, 2: 4.0}
    expected = np.array([4.0, 0.5, 2.0], np.float32)
    for y in (np.array([2, 0, 1]), np.array([[2], [0], [1]]), np.eye(3)[[2, 0, 1]]):
        np.testing.assert_array_equal(compute_sample_weights(y, weights), expected)
    x, y = np.ones((3, 1)), np.array([2, 0, 1])
    for class_weight in (weights, [0.5, 2.0, 4.0], np.array([0.5, 2.0, 4.0]), {"out": weights}):
        apply = class_weight_function(class_weight, ["out"])
        _, _, sample_weight = apply((x, y, np.array([1.0, 2.0, 3.0])))
        np.testing.assert_array_equal(sample_weight, [4.0, 1.0, 6.0])
    with pytest.raises(ValueError, match=r"Missing: \[2\]"):
        compute_sample_weights(y, {0: 1.0, 1: 1.0})
    with pytest.raises(ValueError, match=r"numbers of classes.*the values \[0\.4\]"):
        compute_sample_weights(np.array([0.0, 0.4]), weights)
    with pytest.raises(ValueError, match=r"whole numbers\. Received: \{0\.5: 1\.0\}"):
        class_weight_function({0.5: 1.0}, ["out"])
    with pytest.raises(ValueError, match="one class per row"):
        compute_sample_weights(np.ones((3, 4, 2)), weights)
    with pytest.raises(ValueError, match="not outputs of the model"):
        class_weight_function({"other": weights}, ["out"])
    with pytest.warns(UserWarning, match="ignored, as it was in Keras 2"):
        assert class_weight_function("auto", []) is None


@pytest.mark.slow
@pytest.mark.every_backend
def test_a_warning_names_the_call_of_the_script(shared):
    def files_of_warnings(record, message):
        return [one.filename for one in record if message in str(one.message)]

    with pytest.warns(UserWarning, match="'auto' is ignored") as record:
        legacy.fit_generator(shared, batches(), 1, 1, 0, class_weight="auto")
    assert files_of_warnings(record, "'auto' is ignored") == [__file__]
    for call, arguments in (
        (legacy.fit_generator, {"steps_per_epoch": 2, "verbose": 0}),
        (legacy.evaluate_generator, {"steps": 2}),
        (legacy.predict_generator, {"steps": 2}),
    ):
        with pytest.warns(UserWarning, match="ended after 1 batches") as record:
            call(shared, iter([(X, Y)]), **arguments)
        assert files_of_warnings(record, "ended after 1 batches") == [__file__]


@pytest.mark.slow
@pytest.mark.every_backend
def test_dimensions_that_the_model_leaves_open_may_vary():
    inputs = keras.Input((None, None, 1))
    outputs = keras.layers.Conv2D(1, 3, padding="same")(inputs)
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse")

    def images_of_several_sizes():
        for size in (4, 4, 6, 8, 5):
            yield np.ones((2, size, size, 1)), np.zeros((2, size, size, 1))

    legacy.fit_generator(model, images_of_several_sizes(), 5, verbose=0)
    legacy.evaluate_generator(model, images_of_several_sizes(), 5)


def test_a_batch_that_does_not_go_with_the_others_is_named():
    def last_is_wider():
        for columns in (3, 3, 3, 4):
            yield np.ones((2, columns)), np.ones(2)

    model = classifier()
    if keras.backend.backend() == "tensorflow":
        with pytest.raises(ValueError, match=r"Batch 3 \(from 0\).*\(2, 4\)"):
            legacy.fit_generator(model, last_is_wider(), 4, verbose=0)
    else:
        with pytest.raises(ValueError, match=r"incompatible|shape"):
            legacy.fit_generator(model, last_is_wider(), 4, verbose=0)
