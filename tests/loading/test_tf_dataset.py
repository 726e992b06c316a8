"""A ShardSequence as a `tf.data.Dataset`, used as tf.data users do; and datasets captured."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from keras_bigdata import PackError, ShardSequence, capture
from tests.helpers.unindexed_pickles import ROLES, rows_of

if keras.backend.backend() != "tensorflow":
    pytest.skip("tf.data", allow_module_level=True)

import tensorflow as tf

SIZES = [7, 1, 12, 30, 5, 18, 9, 21]
TOTAL = sum(SIZES)


def sequence(directory, batch_size=10, **settings):
    return ShardSequence(directory, batch_size, **ROLES, seed=5, **settings)


def epoch_ids(directory, epoch=0, batch_size=10, **settings):
    plain = sequence(directory, batch_size, workers=0, **settings)
    return [plain.batch_of(epoch, index)[1].tolist() for index in range(len(plain))]


# ---- as_dataset()


def test_map_and_prefetch(shards):
    directory = shards(SIZES)

    def preprocess(x, ids):
        assert x.shape.as_list() == [None, 3]
        return tf.cast(x, tf.float64) * 2, ids

    dataset = sequence(directory).as_dataset().map(preprocess, tf.data.AUTOTUNE).prefetch(2)
    assert int(dataset.cardinality()) == len(dataset) == 11
    for epoch in range(2):
        got = list(dataset.as_numpy_iterator())
        assert [ids.tolist() for _, ids in got] == epoch_ids(directory, epoch)
        for x, ids in got:
            np.testing.assert_array_equal(x, 2.0 * rows_of(ids))


def test_unbatch_gives_every_row_once(shards):
    dataset = sequence(shards(SIZES)).as_dataset().unbatch()
    assert dataset.element_spec[0].shape.as_list() == [3]
    ids = [int(id_) for _, id_ in dataset]
    assert sorted(ids) == list(range(TOTAL))
    again = dataset.shuffle(50).batch(16, drop_remainder=True)
    assert again.element_spec[0].shape.as_list() == [16, 3]
    assert len(list(again)) == TOTAL // 16


def test_batches_without_the_last_one_are_of_static_shape(shards):
    train = sequence(shards(SIZES), 16, last_batch="drop")
    dataset = train.as_dataset()
    assert dataset.element_spec[0].shape.as_list() == [16, 3]
    assert dataset.element_spec[1].shape.as_list() == [16]
    assert [x.shape[0] for x, _ in dataset] == [16] * (TOTAL // 16)


def test_take_and_repeat(shards):
    directory = shards(SIZES)
    train = sequence(directory)
    dataset = train.as_dataset()
    assert [ids.numpy().tolist() for _, ids in dataset.take(3)] == epoch_ids(directory)[:3]
    # What was broken off is served again; then epoch follows epoch.
    got = [ids.numpy().tolist() for _, ids in dataset.repeat(2)]
    assert got == epoch_ids(directory, 0) + epoch_ids(directory, 1)


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("transform", [None, lambda batch, rng: batch])
def test_the_epoch_has_ended_when_fit_returns(shards, transform):
    """Also if ending it takes a while: a thread of TensorFlow ended it after `fit` returned."""

    class SlowEnd(ShardSequence):
        def on_epoch_end(self):
            time.sleep(0.2)
            super().on_epoch_end()

    train = SlowEnd(shards(SIZES), 16, **ROLES, transform=transform)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(train.as_dataset(), epochs=2, shuffle=False, verbose=0)
    assert train.epoch == 2
    assert train.state_dict()["epoch"] == 2


def test_dicts_and_weights(tmp_path):
    x, w = np.arange(12.0).reshape(6, 2), np.linspace(0, 1, 6)
    capture([({"a": x, "b": -x}, (w, w), (None, w))], tmp_path / "s")
    dataset = ShardSequence(tmp_path / "s", 4, shuffle=None).as_dataset()
    inputs, targets, weights = next(iter(dataset))
    np.testing.assert_array_equal(inputs["b"], -x[:4])
    np.testing.assert_array_equal(targets[1], w[:4])
    np.testing.assert_array_equal(weights[0], np.ones(4))


@pytest.mark.slow
def test_augmentation_in_the_model(tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 64)
    images = (labels[:, None, None, None] * 150 + rng.integers(0, 60, (64, 16, 16, 3))).astype("u1")
    capture([(images, labels)], tmp_path / "s")
    dataset = ShardSequence(tmp_path / "s", 16).as_dataset()
    layers = keras.layers
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            layers.Rescaling(1 / 255),
            layers.RandomFlip(seed=1),
            layers.RandomRotation(0.1, seed=2),
            layers.Conv2D(4, 3, activation="tanh"),  # relu may die at this rate
            layers.GlobalAveragePooling2D(),
            layers.Dense(2, activation="softmax"),
        ]
    )
    model.compile(
        keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    history = model.fit(dataset, epochs=12, shuffle=False, verbose=0).history
    assert history["accuracy"][-1] > 0.9
    assert len(history["loss"]) == 12


MIRRORED = """
import sys
import numpy as np
import tensorflow as tf

cpus = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpus[0], [tf.config.LogicalDeviceConfiguration()] * 2)

import keras
from keras_bigdata import ShardSequence

strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
assert strategy.num_replicas_in_sync == 2
seen = []

class Recording(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1, kernel_initializer="zeros")

    def call(self, x):
        return self.dense(x)

    def train_step(self, data):
        tf.numpy_function(lambda ids: seen.append(ids.tolist()), [data[1]], [])
        return super().train_step(data)

train = ShardSequence(sys.argv[1], 10, inputs="x", targets="id", seed=5, last_batch=sys.argv[2])
with strategy.scope():
    model = Recording()
    model.compile(keras.optimizers.SGD(1e-6), "mse")
epochs = []
for epoch in range(3):
    losses = model.fit(train.as_dataset(), epochs=1, shuffle=False, verbose=0).history["loss"]
    assert np.isfinite(losses[0])
    epochs.append([id_ for part in seen for id_ in part])
    assert max(map(len, seen)) == 5  # half a batch for each of the two
    seen.clear()
for epoch, ids in enumerate(epochs):
    plain = [train.batch_of(epoch, index)[1].tolist() for index in range(len(train))]
    assert sorted(ids) == sorted(sum(plain, [])), epoch
    assert len(set(ids)) == len(ids)
print("each row once an epoch:", [len(ids) for ids in epochs], train.epoch)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("last_batch", "rows"), [("keep", 103), ("drop", 100)])
def test_mirrored_strategy_on_two_devices(shards, last_batch, rows):
    result = subprocess.run(
        [sys.executable, "-c", MIRRORED, str(shards(SIZES)), last_batch],
        env={**os.environ, "KERAS_BACKEND": "tensorflow"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert f"each row once an epoch: {[rows] * 3} 3" in result.stdout


# ---- capture(dataset)


def dataset_of(ids):
    return tf.data.Dataset.from_tensor_slices((rows_of(np.array(ids)), ids))


def stored_ids(directory, variant=0):
    plain = ShardSequence(directory, 7, shuffle=None)
    return [int(i) for index in range(len(plain)) for i in plain.batch_of(variant, index)[1]]


def test_a_dataset_is_captured(tmp_path):
    index = capture(dataset_of(range(20)).batch(6), tmp_path / "s")
    assert stored_ids(tmp_path / "s") == list(range(20))
    assert index.fields["x"].dtype == np.float32


def test_a_dataset_has_a_pass_for_each_variant(tmp_path):
    dataset = dataset_of(range(20)).shuffle(20, seed=1).batch(6)
    capture(dataset, tmp_path / "s", variants=2)
    first, second = (stored_ids(tmp_path / "s", variant) for variant in range(2))
    assert sorted(first) == sorted(second) == list(range(20))
    assert first != second  # shuffled anew


def test_an_infinite_dataset_needs_steps(tmp_path):
    dataset = dataset_of(range(20)).repeat().batch(6)
    with pytest.raises(ValueError, match="that never ends needs `steps`"):
        capture(dataset, tmp_path / "s")
    capture(dataset, tmp_path / "s", steps=5, variants=2)
    expected = [number % 20 for number in range(60)]
    assert [stored_ids(tmp_path / "s", variant) for variant in range(2)] == [
        expected[:30],
        expected[30:],
    ]


def test_a_dataset_of_unknown_length_is_captured_to_its_end(tmp_path):
    dataset = dataset_of(range(20)).filter(lambda x, id_: id_ % 2 == 0).batch(3)
    assert int(dataset.cardinality()) == tf.data.UNKNOWN_CARDINALITY
    capture(dataset, tmp_path / "s")
    assert stored_ids(tmp_path / "s") == list(range(0, 20, 2))
    with pytest.raises(PackError, match="nothing to store"):
        capture(dataset.filter(lambda x, id_: False), tmp_path / "t")


def test_dicts_of_a_dataset_are_kept(tmp_path):
    dataset = dataset_of(range(8)).map(
        lambda x, id_: (
            {"rows": x, "more": (x, id_)},
            {"out": id_},
            {"out": tf.cast(id_, "float32")},
        )
    )
    capture(dataset.batch(3), tmp_path / "s")
    plain = ShardSequence(tmp_path / "s", 8, shuffle=None)
    x, y, w = plain[0]
    np.testing.assert_array_equal(x["more"][0], rows_of(np.arange(8)))
    assert (y["out"].tolist(), w["out"].tolist()) == (list(range(8)), list(range(8)))


def test_sparse_tensors_and_texts_are_refused(tmp_path):
    rows = tf.ragged.constant([[1, 2], [3], [4, 5, 6]])
    sparse = tf.sparse.from_dense([[0, 1], [1, 0]])
    with pytest.raises(PackError, match="field 'x' is of type SparseTensor, which is not an array"):
        capture(tf.data.Dataset.from_tensors((sparse, tf.constant([1, 2]))), tmp_path / "s")
    with pytest.raises(PackError, match=r"texts, missing values .* or other objects|strings"):
        capture(tf.data.Dataset.from_tensors((tf.constant(["a", "b"]),)), tmp_path / "s")
    padded = tf.data.Dataset.from_tensors((rows.to_tensor(), tf.constant([1, 2, 3])))
    capture(padded, tmp_path / "s")
    assert stored_ids(tmp_path / "s") == [1, 2, 3]


class Doubled(ShardSequence):
    def __getitem__(self, index):
        x, y = super().__getitem__(index)
        return np.concatenate([x, x], axis=1) * 2, y


@pytest.mark.parametrize("workers", [0, 2])
def test_a_subclass_with_its_own_batches_is_not_bypassed(shards, workers):
    train = Doubled(shards([7, 12]), 4, **ROLES, seed=1, workers=workers)
    expected = [[train[index] for index in range(len(train))]]
    train.epoch = 1
    expected.append([train[index] for index in range(len(train))])
    train.epoch = 0
    dataset = train.as_dataset()
    assert dataset.element_spec[0].shape.as_list() == [None, 6]
    for epoch in expected:
        for (x, y), (wanted_x, wanted_y) in zip(dataset, epoch, strict=True):
            np.testing.assert_array_equal(x, wanted_x)
            np.testing.assert_array_equal(y, wanted_y)
