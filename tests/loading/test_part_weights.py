"""`part=`: the weights of a padded batch, for targets and losses of every shape."""

import warnings

import keras
import numpy as np
import pytest

import keras_bigdata as kb
from keras_bigdata import ShardSequence
from keras_bigdata.keras_internals.processes import Processes
from keras_bigdata.loading.epochs.part_warnings import PartWarnings

ROWS = 13  # a batch of 8 rows and one of 5
TARGETS = {
    "masks": np.arange(ROWS * 64).reshape(ROWS, 8, 8) % 3,
    "binary": (np.arange(ROWS * 64).reshape(ROWS, 8, 8, 1) % 2).astype("float32"),
    "words": np.arange(ROWS * 6).reshape(ROWS, 6) % 3,
    "one_hot": np.eye(3, dtype="float32")[np.arange(ROWS) % 3],
    "voxels": np.arange(ROWS * 24).reshape(ROWS, 2, 3, 4) % 3,
}
SPARSE = keras.losses.SparseCategoricalCrossentropy()
LOSSES = {
    "masks": SPARSE,
    "binary": keras.losses.BinaryCrossentropy(),
    "words": SPARSE,
    "one_hot": keras.losses.CategoricalCrossentropy(),
    "voxels": SPARSE,
}


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "set"
    with kb.ShardWriter(path, inputs="x", targets="one_hot") as writer:
        writer.write({"x": np.arange(ROWS, dtype="float32"), **TARGETS})
    return path


@pytest.mark.quick_cases(5)
@pytest.mark.parametrize("size", [2, 4, 8])
@pytest.mark.parametrize("target", TARGETS)
def test_the_loss_of_a_padded_batch_is_that_of_its_rows(directory, target, size):
    """Weights of shape `(rows,)` failed, or weighed columns of 8 instead of rows."""
    options = {"inputs": "x", "targets": target, "shuffle": None, "seed": 1}
    parts = [ShardSequence(directory, 8, part=(r, size), **options) for r in range(size)]
    x, y, weights = (np.concatenate(each) for each in zip(*[p[1] for p in parts], strict=True))
    shape = y.shape if target == "binary" else (*TARGETS[target].shape[1:], 3)
    shape = (3,) if target == "one_hot" else shape[1:] if target == "binary" else shape
    predictions = np.random.default_rng(0).dirichlet([1, 1, 1], (ROWS, *shape[:-1]))
    predictions = predictions[..., : shape[-1]].astype("float32")
    expected = LOSSES[target](TARGETS[target][8:], predictions[8:])
    actual = LOSSES[target](y, predictions[x.astype(int)], weights)
    np.testing.assert_allclose(float(actual), float(expected), rtol=1e-5)


def warnings_of(warn, sequence, model):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn.warn_once(sequence.server, model, Processes())
    return [str(each.message) for each in caught]


def test_an_output_of_words_without_class_weights_counts_as_without_them(directory):
    data = ShardSequence(
        directory, 8, inputs="x", targets=("words", "one_hot"), class_weights=(None, "balanced")
    )
    _, (words, _), (ones, _) = data[0]
    predictions = np.full((8, 6, 3), [0.5, 0.3, 0.2], "float32")
    np.testing.assert_allclose(
        float(SPARSE(words, predictions, ones)), float(SPARSE(words, predictions)), rtol=1e-6
    )


def test_balanced_class_weights_of_a_part_count_the_rows_of_all(directory):
    """With a transform, each process counted its own rows, and the padding."""
    options = {"inputs": "x", "targets": "label", "transform": classes, "seed": 1}
    options["class_weights"] = "balanced"
    whole = ShardSequence(directory, 8, **options).class_weights
    assert whole == {0: pytest.approx(13 / 6), 1: pytest.approx(13 / 20)}
    for rank in range(4):
        part = ShardSequence(directory, 8, part=(rank, 4), **options)
        assert part.class_weights == part.class_weight() == whole


def test_an_unshuffled_view_without_targets_does_not_serve_rows_twice(directory):
    """Without a last batch, the sequence needs no padding; the view has the last batch."""
    options = {"inputs": "x", "targets": None, "last_batch": "drop", "seed": 1}
    view = ShardSequence(directory, 8, part=(0, 2), **options).unshuffled()
    assert len(view[0][0]) == 4
    with pytest.raises(ValueError, match="rows would be served twice"):
        view[1]


def classes(batch, rng):
    return {"x": batch["x"], "label": (batch["x"] < 10).astype("int64")}


@pytest.mark.parametrize(
    ("target", "loss", "reason"),
    [
        ("one_hot", keras.losses.CategoricalCrossentropy(reduction="sum"), "instead of"),
        ("binary", keras.losses.Dice(), "instead of"),
        ("binary", keras.losses.Dice(axis=(1, 2, 3)), "instead of|does not accept the weights"),
        ("one_hot", keras.losses.CategoricalCrossentropy(), None),
        ("binary", "binary_crossentropy", None),
        ("masks", SPARSE, None),
    ],
)
def test_a_loss_that_the_padding_would_change_is_refused(directory, target, loss, reason):
    sequence = ShardSequence(
        directory, 8, inputs="x", targets=target, shuffle=None, seed=1, part=(1, 2)
    )
    shape = (8, 8, 3) if target == "masks" else TARGETS[target].shape[1:]
    inputs = keras.Input(shape)
    model = keras.Model(inputs, keras.layers.Activation("sigmoid")(inputs))
    model.compile("sgd", loss)
    rows = TARGETS[target][:2]
    model.compute_loss(y=rows, y_pred=np.full((2, *shape), 0.3, "float32"))
    warn = PartWarnings()
    if reason is None:
        text = warnings_of(warn, sequence, model)[-1]
        # Without unweighted metrics too: the logged loss counts the padding.
        assert "of 5 rows, is padded to 6" in text
        assert "Its loss and gradients are those of its 5 rows. The logged `loss`" in text
        assert "count it as 6 rows" in text
        assert "`weighted_metrics`, or last_batch=" in text
        return
    with (
        pytest.warns(UserWarning, match="shares nothing"),
        pytest.raises(ValueError, match=f'({reason})(.|\\n)*last_batch="drop"'),
    ):
        warn.warn_once(sequence.server, model, Processes())


def test_a_warning_of_padding_names_what_is_not_exact(directory):
    inputs = keras.Input((6,), dtype="int32")
    embedded = keras.layers.Embedding(5, 4, mask_zero=True)(inputs)
    outputs = keras.layers.Dense(3, activity_regularizer="l2")(embedded)
    outputs = keras.layers.BatchNormalization()(outputs)
    model = keras.Model(inputs, outputs)
    model.compile("sgd", SPARSE)
    sequence = ShardSequence(directory, 8, inputs="words", targets="words", seed=1, part=(0, 2))
    text = warnings_of(PartWarnings(), sequence, model)[-1]
    assert "BatchNormalization counts them" in text
    assert (
        "except for BatchNormalization, for the number of values that a mask leaves out and for "
        "activity regularizers" in text
    )


class InADict(keras.layers.Layer):
    def __init__(self, layer):
        super().__init__()
        self.by_name = {"only": layer}

    def call(self, values):
        return self.by_name["only"](values)


@pytest.mark.parametrize("holder", [keras.layers.TimeDistributed, InADict])
def test_a_warning_of_padding_sees_layers_that_others_hold(directory, holder):
    layers = keras.layers
    normalized = holder(layers.BatchNormalization())
    model = keras.Sequential(
        [layers.Input((1,)), layers.Reshape((1, 1)), normalized, layers.Flatten(), layers.Dense(3)]
    )
    model.compile("sgd", SPARSE)
    sequence = ShardSequence(directory, 8, inputs="x", targets="one_hot", seed=1, part=(0, 2))
    assert "BatchNormalization counts them" in warnings_of(PartWarnings(), sequence, model)[-1]


def test_a_prediction_before_the_fit_does_not_suppress_its_warnings(directory):
    sequence = ShardSequence(directory, 8, inputs="x", targets="one_hot", seed=1, part=(0, 2))
    warn = PartWarnings()
    warn.warn_once(sequence.server, None, Processes())  # a loop without a model
    model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(3)])
    assert "is padded to 6" in warnings_of(warn, sequence, model)[-1]


def test_a_dataset_of_a_part_that_is_divided_again_is_refused(directory):
    pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("the error of a thread of TensorFlow")
    sequence = ShardSequence(directory, 4, inputs="x", targets="one_hot", seed=1, part=(0, 2))
    model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(3)])
    model.compile("sgd", "mse")
    with pytest.raises(Exception, match="divided again, by `shard`"):
        model.fit(sequence.as_dataset().shard(2, 0), verbose=0, shuffle=False)
