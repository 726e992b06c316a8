"""`class_weights` of a sequence are served as sample weights of its batches."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_bigdata import ShardError, ShardSequence, WeightedValidation
from keras_bigdata.callbacks.resuming.training_state import _data_identity
from tests.helpers.transforms import double_labels, identity
from tests.helpers.unindexed_pickles import dump

LABELS = np.array([0, 1, 0, 0, 2, 0, 1, 0, 0, 0])
WEIGHTS = {0: 0.5, 1: 2.0, 2: 3.0}
TABLE = np.array([0.5, 2.0, 3.0], np.float32)
RNG = np.random.default_rng(0)
MASKS = RNG.integers(0, 3, (10, 4, 6)).astype(np.uint8)
FIELDS = {
    "x": RNG.normal(size=(10, 3)).astype(np.float32),
    "images": RNG.normal(size=(10, 4, 6, 1)).astype(np.float32),
    "labels": LABELS,
    "one_hot": np.eye(3, dtype=np.float32)[LABELS],
    "several": np.eye(3, dtype=np.float32)[LABELS] + (LABELS == 1)[:, None] * [1, 0, 0],
    "masks": MASKS,
    "deep_masks": MASKS[..., None],
    "age": RNG.normal(size=10).astype(np.float32),
    "w": np.linspace(0.1, 1, 10).astype(np.float32),
    "w_column": np.linspace(0.1, 1, 10)[:, None],
    "w_pixels": RNG.uniform(size=(10, 4, 6)),
    "w_wrong": RNG.uniform(size=(10, 4, 5)),
}


@pytest.fixture
def directory(tmp_path):
    for number, rows in enumerate((slice(6), slice(6, 10))):
        dump(tmp_path / f"s/{number}.pkl", {name: array[rows] for name, array in FIELDS.items()})
    return tmp_path / "s"


def sequence(directory, targets="labels", class_weights=WEIGHTS, **arguments):
    settings = {"inputs": "x", "seed": 3, **arguments}
    return ShardSequence(directory, 4, targets=targets, class_weights=class_weights, **settings)


def dense(units=3):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(units, activation="softmax")])
    # What Keras computes is the same in a graph, which is traced in half a second.
    model.compile(keras.optimizers.Adam(0.1), "sparse_categorical_crossentropy", run_eagerly=True)
    return model


# ---- What Keras computes with them. (On torch it cannot train a softmax of pixels with class
# numbers, with and without weights: "grad_input must be contiguous".)


@pytest.mark.slow
@pytest.mark.every_backend
def test_training_is_that_with_class_weight_of_fit_bit_for_bit(directory):
    weights = []
    for ours in (WEIGHTS, None):
        model = dense()
        theirs = None if ours else WEIGHTS
        model.fit(
            sequence(directory, class_weights=ours),
            epochs=2,
            shuffle=False,
            verbose=0,
            class_weight=theirs,
        )
        weights.append(model.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


def crossentropies(model, images, masks):
    predictions = model.predict(images, verbose=0)
    return -np.log(np.take_along_axis(predictions, masks[..., None].astype(int), -1))[..., 0]


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("targets", ["masks", "deep_masks"])
def test_pixels_of_masks_have_the_weight_of_their_class(directory, targets):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4, 6, 1)), keras.layers.Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", run_eagerly=True)
    data = ShardSequence(
        directory, 10, inputs="images", targets=targets, class_weights=WEIGHTS, shuffle=None
    )
    x, y, w = data[0]
    assert w.shape == MASKS.shape
    assert w.dtype == np.float32
    expected = (crossentropies(model, x, MASKS) * TABLE[MASKS]).mean()
    assert model.evaluate(data, verbose=0) == pytest.approx(expected, rel=1e-5)
    explicit = model.test_on_batch(x, y, sample_weight=TABLE[MASKS])
    assert explicit == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
@pytest.mark.every_backend
def test_several_outputs_have_weights_each(directory):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4, 6, 1))
    pixels = keras.layers.Dense(3, activation="softmax", name="pixels")(inputs)
    flat = keras.layers.Flatten()(inputs)
    kind = keras.layers.Dense(3, activation="softmax", name="kind")(flat)
    age = keras.layers.Dense(1, name="age")(flat)
    model = keras.Model(inputs, {"kind": kind, "age": age, "pixels": pixels})
    crossentropy = "sparse_categorical_crossentropy"
    losses = {"kind": crossentropy, "age": "mse", "pixels": crossentropy}
    model.compile("sgd", losses, run_eagerly=True)
    data = ShardSequence(
        directory,
        10,
        inputs="images",
        targets={"kind": "labels", "age": "age", "pixels": "masks"},
        class_weights={"kind": "balanced", "age": None, "pixels": WEIGHTS},
        shuffle=None,
    )
    balanced = {0: 10 / 21, 1: 10 / 6, 2: 10 / 3}
    assert data.class_weights == {"kind": balanced, "age": None, "pixels": WEIGHTS}
    x, y, w = data[0]
    assert {name: array.shape for name, array in w.items()} == {
        "kind": (10,), "age": (10,), "pixels": (10, 4, 6)
    }  # fmt: skip
    out = model.predict(x, verbose=0)
    losses = -np.log(out["kind"][np.arange(10), LABELS]) * [balanced[c] for c in LABELS]
    of_pixels = -np.log(np.take_along_axis(out["pixels"], MASKS[..., None].astype(int), -1))[..., 0]
    expected = (
        losses.mean()
        + ((out["age"][:, 0] - y["age"]) ** 2).mean()
        + (of_pixels * TABLE[MASKS]).mean()
    )
    logs = model.test_on_batch(x, y, sample_weight=w, return_dict=True)
    assert logs["loss"] == pytest.approx(expected, rel=1e-5)


def test_an_output_without_weights_counts_as_without_them(directory):
    """Its ones fit a loss with one value for each pixel, as one with a value for each row."""
    data = ShardSequence(
        directory,
        10,
        inputs="images",
        targets=("masks", "images", "one_hot"),
        class_weights=(None, None, "balanced"),
    )
    _, y, (masks, images, one_hot) = data[0]
    assert (masks.shape, images.shape, one_hot.shape) == ((10, 1, 1), (10, 1, 1, 1), (10,))
    losses = keras.losses.SparseCategoricalCrossentropy(), keras.losses.MeanSquaredError()
    predictions = np.full((10, 4, 6, 3), [0.5, 0.3, 0.2], np.float32), np.zeros((10, 4, 6, 1))
    for loss, target, prediction, ones in zip(
        losses, y, predictions, (masks, images), strict=False
    ):
        assert float(loss(target, prediction, ones)) == float(loss(target, prediction))


# ---- Every way to the batches


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize("targets", ["labels", "one_hot", "masks", "deep_masks"])
def test_all_ways_serve_the_same_weights(directory, targets):
    batches = list(sequence(directory, targets, workers=0))
    for _, y, w in batches:
        numbers = y.argmax(-1) if targets == "one_hot" else y.reshape(w.shape)
        np.testing.assert_array_equal(w, TABLE[numbers])
    ways = [
        sequence(directory, targets, workers=2),
        sequence(directory, targets, transform=identity),
    ]
    if keras.backend.backend() == "tensorflow":  # by run and by batch
        ways += [
            sequence(directory, targets, transform=transform).as_dataset()
            for transform in (None, identity)
        ]
    for way in ways:
        for served, expected in zip(way, batches, strict=True):
            for left, right in zip(served, expected, strict=True):
                np.testing.assert_array_equal(left, right)


@pytest.mark.slow
@pytest.mark.parametrize("processes", [False, True])
def test_they_are_those_of_what_a_transform_returns(directory, processes):
    arguments = {"transform": double_labels, "use_multiprocessing": processes}
    data = sequence(directory, class_weights="balanced", **arguments)
    assert set(data.class_weights) == {0, 2, 4}
    for _, y, w in data:
        np.testing.assert_array_equal(w, [np.float32(data.class_weights[c]) for c in y])


@pytest.mark.slow
@pytest.mark.every_backend
def test_evaluation_is_not_weighted(directory):
    data = sequence(directory)
    assert len(data[0]) == 3
    assert len(data.unshuffled()[0]) == 2
    assert data.unshuffled().class_weights is None
    model = dense()
    validation = WeightedValidation(data, train=data)
    validation.set_model(model)
    validation.on_train_begin()
    logs = {"loss": 1.0}
    validation.on_epoch_end(0, logs)
    x, y = FIELDS["x"], LABELS
    assert logs["val_loss"] == pytest.approx(model.evaluate(x, y, verbose=0), rel=1e-5)


def test_a_resumed_training_keeps_them(directory):
    data = sequence(directory)
    state = {**data.state_dict(), "seed": 9, "batch": 1}
    data.load_state_dict(state)
    assert [len(batch) for batch in data] == [3, 3]
    plain = _data_identity(sequence(directory, class_weights=None))
    weighted = _data_identity(sequence(directory))
    assert weighted == {**plain, "class_weights": repr(WEIGHTS)}
    assert repr(WEIGHTS) in sequence(directory)._repr_html_().replace("&#x27;", "'")


# ---- Together with sample weights


@pytest.mark.parametrize(
    ("targets", "sample_weights", "expected"),
    [
        ("labels", "w", FIELDS["w"] * TABLE[LABELS]),
        ("labels", "w_column", FIELDS["w"] * TABLE[LABELS]),
        ("masks", "w", FIELDS["w"][:, None, None] * TABLE[MASKS]),
        ("deep_masks", "w_column", FIELDS["w"][:, None, None] * TABLE[MASKS]),
        ("masks", "w_pixels", FIELDS["w_pixels"] * TABLE[MASKS]),
        ("labels", "w_pixels", FIELDS["w_pixels"] * TABLE[LABELS][:, None, None]),
    ],
)
def test_they_are_multiplied_with_sample_weights(directory, targets, sample_weights, expected):
    data = sequence(directory, targets, sample_weights=sample_weights, shuffle=None)
    w = np.concatenate([batch[2] for batch in data])
    assert w.dtype == np.float32
    np.testing.assert_allclose(w, expected, rtol=1e-6)


def test_sample_weights_of_several_targets_are_their_own_or_one_for_all(directory):
    arguments = {"class_weights": (WEIGHTS, None), "shuffle": None}
    for given in (("w", "w"), "w"):
        data = sequence(directory, ("labels", "age"), sample_weights=given, **arguments)
        first, second = data[0][2]
        np.testing.assert_allclose(first, FIELDS["w"][:4] * TABLE[LABELS[:4]], rtol=1e-6)
        np.testing.assert_array_equal(second, FIELDS["w"][:4])
    with pytest.raises(ValueError, match="must be one field for all targets, or have the struct"):
        sequence(directory, ("labels", "age"), sample_weights=("w", "w", "w"), **arguments)
    data = sequence(directory, "masks", sample_weights="w_wrong")
    with pytest.raises(ShardError, match=r"of 'masks' have row shape \(4, 5\)"):
        data[0]


# ---- Refused


@pytest.mark.parametrize("targets", ["labels", "one_hot", "masks"])
def test_a_class_without_a_weight_is_named(directory, targets):
    data = sequence(directory, targets, class_weights={0: 1.0, 2: 1.0}, shuffle=None)
    message = rf"at epoch 0, batch 0: the targets '{targets}' have the class 1, without a weight"
    with pytest.raises(ShardError, match=message):
        data[0]
    data = sequence(directory, targets, class_weights={0: 1.0, 1: 1.0}, shuffle=None)
    with pytest.raises(ShardError, match=r"batch \d: .* the class 2, without .* those of 0, 1"):
        list(data)


def test_rows_of_several_classes_are_refused_with_the_alternative(directory):
    with pytest.raises(ShardError, match=r"'several' have rows with several.*`class_weight\(\)`"):
        sequence(directory, "several", class_weights="balanced")
    data = sequence(directory, "several", shuffle=None)
    with pytest.raises(ShardError, match=r"epoch 0, batch 0: .*several classes or none"):
        data[0]


def test_numbers_to_predict_are_refused_by_the_batch(directory):
    with pytest.raises(ShardError, match=r"'age' have the value .* of dtype float32"):
        sequence(directory, "age")[0]


def test_one_hot_rows_that_could_be_masks_are_refused(tmp_path):
    dump(tmp_path / "0.pkl", {"x": np.zeros((4, 2)), "y": np.eye(3)[np.zeros((4, 2), int)]})
    data = ShardSequence(tmp_path, 2, inputs="x", targets="y", class_weights=WEIGHTS)
    with pytest.raises(ShardError, match="can be read in two ways"):
        data[0]


@pytest.mark.parametrize(
    ("targets", "weights", "error", "message"),
    [
        ("labels", "even", ValueError, "must be 'balanced' or a dict of class number to weight"),
        ("labels", {}, ValueError, "must be 'balanced' or a dict"),
        ("labels", [1.0, 2.0], ValueError, "must be 'balanced' or a dict"),
        ("labels", {"cat": 1.0}, TypeError, "must be an integer of at least 0"),
        ("labels", {-1: 1.0}, ValueError, "must be an integer of at least 0"),
        ("labels", {10**9: 1.0}, ValueError, "are below 10,000,000"),
        ("labels", {0: -1.0}, ValueError, "class_weights"),
        ("labels", {0: float("nan")}, ValueError, "class_weights"),
        ("labels", {0: True}, TypeError, "class_weights"),
        (("labels", "age"), WEIGHTS, ValueError, "a tuple of length 2 as the targets"),
        (("labels", "age"), (WEIGHTS,), ValueError, "a tuple of length 2 as the targets"),
        ({"a": "labels", "b": "age"}, {"a": WEIGHTS}, ValueError, r"the keys \['a', 'b'\]"),
        ({"a": "labels", "b": "age"}, WEIGHTS, ValueError, r"the keys \['a', 'b'\]"),
        ({"a": "labels", "b": "age"}, "balanced", ShardError, "'age' has the value"),
    ],
)
def test_weights_that_do_not_fit_the_targets_are_refused(
    directory, targets, weights, error, message
):
    with pytest.raises(error, match=message):
        sequence(directory, targets, weights)
