"""Batches of generators are stored: rows, values, order and structure stay."""

from __future__ import annotations

from collections import namedtuple

import keras
import numpy as np
import pytest

from keras_bigdata import ShardSequence, capture
from tests.helpers.recording import recording_model
from tests.helpers.unindexed_pickles import rows_of
from tests.packing.captured import TOTAL, W, X, Y, batches, stored, stored_ids

# ---- Batches are regrouped; rows, values and order stay


@pytest.mark.parametrize("shard_samples", [None, 1, 7, 1000])
def test_rows_come_back_as_they_were(tmp_path, shard_samples):
    index = capture(batches(), tmp_path / "s", shard_samples=shard_samples)
    assert index.num_samples == TOTAL
    if shard_samples == 7:
        assert index.samples.tolist() == [7, 7, 7, 7, 7, 3]
    assert stored_ids(tmp_path / "s") == list(range(TOTAL))
    for x, ids in stored(tmp_path / "s"):
        np.testing.assert_array_equal(x, rows_of(ids))
        assert (x.dtype, ids.dtype) == (np.float32, np.int64)


@pytest.mark.slow
def test_a_model_sees_exactly_what_the_generator_yielded(tmp_path):
    """The same weights, bit by bit, from `fit` on the generator and on its shards."""

    def generator():
        rng = np.random.default_rng(0)
        for _ in range(12):
            x = rng.normal(size=(8, 3)).astype(np.float32)
            yield x, x.sum(axis=1, keepdims=True)

    capture(generator(), tmp_path / "s", shard_samples=20)
    weights = []
    for source in (generator(), ShardSequence(tmp_path / "s", 8, shuffle=None)):
        keras.utils.set_random_seed(3)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        model.compile("adam", "mse", run_eagerly=True)
        model.fit(source, verbose=0, shuffle=False, steps_per_epoch=12)
        weights.append(model.get_weights())
    for first, second in zip(*weights, strict=True):
        np.testing.assert_array_equal(first, second)


def test_every_row_is_trained_once(tmp_path):
    capture(batches(), tmp_path / "s")
    model = recording_model(built=True)
    model.fit(ShardSequence(tmp_path / "s", 7), verbose=0, shuffle=False)
    assert sorted(id_ for batch in model.take() for id_ in batch) == list(range(TOTAL))


def test_arrays_that_the_generator_fills_again_are_copied(tmp_path):
    def refilling():
        x, ids = np.empty((4, 3), np.float32), np.empty(4, np.int64)
        for start in range(0, 20, 4):
            ids[:] = np.arange(start, start + 4)
            x[:] = rows_of(ids)
            yield x, ids
        x[:], ids[:] = -1, -1

    capture(refilling(), tmp_path / "s")
    assert stored_ids(tmp_path / "s") == list(range(20))


def test_small_sets_of_known_length_make_several_shards(tmp_path):
    big = [(np.zeros((64, 100, 100)), np.zeros(64)) for _ in range(2)]
    assert len(capture(big, tmp_path / "known")) == 2
    assert len(capture(iter(big), tmp_path / "unknown")) == 1


# ---- Structure is kept


def flat(batch):
    return keras.tree.map_structure(lambda a: (a.shape[1:], a.dtype.name), batch)


Pair = namedtuple("Pair", "x y")


ROW, ID, WEIGHT, ONE = ((3,), "float32"), ((), "int64"), ((), "float64"), ((), "float32")


@pytest.mark.parametrize(
    ("batch", "structure"),
    [
        (X, (ROW,)),
        ((X,), (ROW,)),
        ((X, None), (ROW,)),
        ((X, Y, None), (ROW, ID)),
        ([X, Y], (ROW, ID)),
        (Pair(X, Y), (ROW, ID)),
        ((X, Y, W), (ROW, ID, WEIGHT)),
        ({"a": X, "b": Y}, ({"a": ROW, "b": ID},)),
        (([X, Y], Y), ((ROW, ID), ID)),
        (([X], [Y]), ((ROW,), (ID,))),
        (({"a": X, "b": [X, {"c": Y}]}, Y), ({"a": ROW, "b": (ROW, {"c": ID})}, ID)),
        ((X, [Y, Y], [None, W]), (ROW, (ID, ID), (ONE, WEIGHT))),
        (
            (X, {"p": Y, "q": Y}, {"p": W, "q": None}),
            (ROW, {"p": ID, "q": ID}, {"p": WEIGHT, "q": ONE}),
        ),
    ],
)
def test_nesting_is_restored_with_lists_as_tuples(tmp_path, batch, structure):
    capture([batch, batch], tmp_path / "s")
    got = stored(tmp_path / "s", batch_size=12)[0]
    assert flat(got) == structure
    flattened = [a for a in keras.tree.flatten(got) if a.dtype != np.float32 or a.ndim == 2]
    values = [a for a in keras.tree.flatten(batch) if a is not None]
    for mine, theirs in zip(flattened, values, strict=True):
        np.testing.assert_array_equal(mine, np.concatenate([theirs, theirs]))


def test_none_among_weights_is_ones(tmp_path):
    capture([(X, [Y, Y], [None, W])], tmp_path / "s")
    ((_, _, (ones, weights)),) = stored(tmp_path / "s")
    np.testing.assert_array_equal(ones, np.ones(6))
    np.testing.assert_array_equal(weights, W)


def test_fields_are_named_by_their_path(tmp_path):
    index = capture([({"image": X}, [Y, Y], W)], tmp_path / "s")
    assert list(index.fields) == ["x.image", "y.0", "y.1", "w"]
    assert list(capture([(X, Y)], tmp_path / "t").fields) == ["x", "y"]


@pytest.mark.slow
def test_several_inputs_outputs_and_weights_train(tmp_path):
    """As with the generator itself, with weights per output."""
    rng = np.random.default_rng(0)

    def generator():
        for _ in range(10):
            a, b = rng.normal(size=(2, 8, 3)).astype(np.float32)
            targets = {"sum": a.sum(axis=1), "sign": (b[:, 0] > 0).astype(np.int32)}
            yield {"a": a, "b": b}, targets, {"sum": np.full(8, 0.5), "sign": None}

    capture(generator(), tmp_path / "s")
    keras.utils.set_random_seed(1)
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    model = keras.Model(
        {"a": a, "b": b},
        {
            "sum": keras.layers.Dense(1, name="sum")(a),
            "sign": keras.layers.Dense(1, activation="sigmoid", name="sign")(b),
        },
    )
    model.compile(
        keras.optimizers.Adam(0.1),
        {"sum": "mse", "sign": "binary_crossentropy"},
        weighted_metrics={"sum": ["mae"], "sign": ["accuracy"]},
    )
    train = ShardSequence(tmp_path / "s", 16)
    history = model.fit(train, epochs=15, verbose=0, shuffle=False).history
    assert history["loss"][-1] < 0.3 * history["loss"][0]
    assert history["sign_accuracy"][-1] > 0.9


def test_class_counts_of_integer_targets(tmp_path):
    capture([(X, np.array([0, 1, 1, 1, 0, 1]))], tmp_path / "s")
    assert ShardSequence(tmp_path / "s", 2).class_weight() == {0: 1.5, 1: 0.75}


@pytest.mark.parametrize(
    "backend",
    ["tensorflow", *(pytest.param(name, marks=pytest.mark.slow) for name in ("jax", "torch"))],
)
def test_tensors(tmp_path, backend):
    module = pytest.importorskip(backend)
    if backend == "tensorflow":
        x = module.constant(X)
    elif backend == "jax":
        x = module.numpy.asarray(X)
    else:
        x = module.from_numpy(X.copy()).requires_grad_()
        rows = module.utils.data.TensorDataset(x.detach(), module.from_numpy(Y))
        capture(module.utils.data.DataLoader(rows, batch_size=4), tmp_path / "loader", variants=2)
        assert stored_ids(tmp_path / "loader", variant=1) == Y.tolist()
    capture([(x, Y)], tmp_path / "s")
    ((got, _),) = stored(tmp_path / "s")
    np.testing.assert_array_equal(got, X)


def test_numpy_integers_are_steps(tmp_path):
    capture(batches(), tmp_path / "s", steps=np.int64(2))
    assert stored_ids(tmp_path / "s") == list(range(6))
