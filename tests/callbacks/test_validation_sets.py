from __future__ import annotations

import copy
import pickle

import keras
import numpy as np
import pytest

from keras_bigdata import ShardSequence, WeightedValidation
from keras_bigdata.errors import ShardError
from keras_bigdata.shards.writing.writer import ShardWriter
from tests.helpers.small_models import (
    Chain,
    assert_results,
    classifier_with_variables,
    make_data,
    validate,
)


@pytest.fixture(scope="module")
def model():
    return classifier_with_variables()


@pytest.mark.slow
def test_kinds_of_sets(tmp_path, model):
    import tensorflow as tf

    x, y = make_data(70, 1)
    expected = model.evaluate(x, y, batch_size=10, verbose=0, return_dict=True)

    with ShardWriter(tmp_path / "bare", inputs="x", targets="y") as writer:
        writer.write({"x": x[:30], "y": y[:30]})
        writer.write({"x": x[30:], "y": y[30:]})

    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(10)
    unknown = batches.filter(lambda x, y: True)
    assert unknown.cardinality() < 0
    sets = {
        "arrays": (x, y),
        "wide": (x.astype("float64"), y.astype("float64")),
        "lists": (x.tolist(), y.tolist()),
        "weighted": (x, y, [1.0] * 70),
        "dict": {"pixels": x, "labels": y},
        "dataset": Chain([(x, y)], 10),
        "tf": batches,
        "tf of unknown length": unknown,
        "shards": str(tmp_path / "bare"),
        "path of shards": tmp_path / "bare",
        "sequence": ShardSequence(tmp_path / "bare", batch_size=10, shuffle="global", seed=1),
    }
    logs = validate(model, sets, batch_size=10)
    for name in sets:
        assert_results(logs, expected, f"val_{name}_")
    assert_results(logs, expected)
    twice = validate(model, sets, batch_size=10, per_set=False)
    assert_results(twice, expected)


def test_pandas_and_backend_tensors(model):
    import pandas as pd

    x, y = make_data(40, 2)
    expected = model.evaluate(x, y, verbose=0, return_dict=True)
    sets = {
        "frames": (pd.DataFrame(x), pd.DataFrame(y)),
        "tensors": (keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(y)),
    }
    logs = validate(model, sets)
    assert_results(logs, expected, "val_frames_")
    assert_results(logs, expected, "val_tensors_")


def test_arrays_on_disk_are_read_slice_by_slice(tmp_path, model):
    import h5py

    x, y = make_data(40, 2)
    expected = model.evaluate(x, y, verbose=0, return_dict=True)
    np.save(tmp_path / "x.npy", x)
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["x"], file["y"] = x, y
        sets = [(file["x"], file["y"]), (np.load(tmp_path / "x.npy", mmap_mode="r"), y)]
        logs = validate(model, sets)
    assert_results(logs, expected, "val_0_")
    assert_results(logs, expected, "val_1_")


@pytest.mark.slow
def test_a_users_sequence_is_never_iterated(tmp_path, model):
    x, y = make_data(40, 2)
    with ShardWriter(tmp_path / "shards", inputs="x", targets="y") as writer:
        writer.write({"x": x, "y": y})
    train = ShardSequence(tmp_path / "shards", batch_size=8, shuffle="window", seed=0)
    served = []
    original = ShardSequence.batch_of
    train.batch_of = lambda epoch, index: (
        served.append((epoch, index)) or original(train, epoch, index)
    )
    model.fit(
        train,
        epochs=3,
        shuffle=False,
        verbose=0,
        callbacks=[WeightedValidation({"train": train, "other": make_data(9)})],
    )
    assert train.epoch == 3
    assert {epoch for epoch, _ in served} <= {0, 1, 2, 3}
    assert [index for epoch, index in served if epoch == 1][:5] == [0, 1, 2, 3, 4]


class FakeShards(keras.utils.PyDataset):
    def __init__(self, batches, view=None):
        super().__init__()
        self.batches, self.view, self.fetched = batches, view, 0

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        self.fetched += 1
        return self.batches[index]

    def unshuffled(self):
        return self.view


def test_the_unshuffled_view_is_what_is_evaluated(model):
    view = Chain([make_data(30, 1)])
    shuffled = FakeShards(Chain([make_data(30, 2)]).batches, view)
    expected = model.evaluate(view, verbose=0, return_dict=True)
    assert_results(validate(model, shuffled), expected)
    assert shuffled.fetched == 0


def two_inputs(names=("images", "texts"), as_dict=False, seed=0):
    keras.utils.set_random_seed(seed)
    images, texts = keras.Input((6,), name=names[0]), keras.Input((4,), name=names[1])
    y = keras.layers.Dense(4, activation="softmax")(
        keras.layers.Concatenate()([images, keras.layers.Dense(2)(texts)])
    )
    inputs = {names[0]: images, names[1]: texts} if as_dict else [images, texts]
    model = keras.Model(inputs, y)
    # The tests concern the arrays that reach a step, and not its graph.
    model.compile("sgd", "categorical_crossentropy", metrics=["accuracy"], run_eagerly=True)
    return model


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("as_dict", [False, True])
def test_dicts_of_arrays_are_matched_with_the_inputs_by_name(as_dict):
    model = two_inputs(as_dict=as_dict)
    x, y = make_data(50)
    texts = np.random.default_rng(1).normal(size=(50, 4)).astype("float32")
    inputs = {"images": x, "texts": texts}
    expected = model.evaluate(inputs, y, verbose=0, return_dict=True)
    article = {"labels": y, "texts": texts, "images": x}
    assert_results(validate(model, article), expected)
    assert_results(
        validate(model, {"article": article, "more": (inputs, y)}), expected, "val_article_"
    )


def test_dicts_of_arrays_with_roles_given():
    model = two_inputs(names=("first", "second"))
    x, y = make_data(50)
    texts = np.random.default_rng(1).normal(size=(50, 4)).astype("float32")
    weight = np.linspace(0, 2, 50)
    expected = model.evaluate((x, texts), y, sample_weight=weight, verbose=0, return_dict=True)
    article = {"images": x, "texts": texts, "label": y, "w": weight}
    roles = {"targets": "label", "sample_weights": "w"}
    for inputs in (("images", "texts"), {"first": "images", "second": "texts"}):
        assert_results(validate(model, article, inputs=inputs, **roles), expected)
    with pytest.raises(ValueError, match=r"Pass `inputs=`"):
        validate(model, article, **roles)
    with pytest.raises(ValueError, match=r"\['labels'\] are missing.*Received: \['images'"):
        WeightedValidation(article)
    with pytest.raises(ValueError, match=r"no inputs\. Received: \['labels'\]"):
        WeightedValidation({"labels": y})


def test_pickles_without_an_index_with_roles(shards):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    directory = shards([5, 9])
    logs = validate(model, {"pickles": directory}, inputs="x", targets="id", batch_size=4)
    sequence = ShardSequence(directory, 4, inputs="x", targets="id", shuffle=None)
    expected = model.evaluate(sequence, verbose=0, return_dict=True)
    assert_results(logs, expected)
    with pytest.raises(ValueError, match="say which fields are `inputs`"):
        WeightedValidation(directory)


@pytest.mark.parametrize(
    ("sets", "error", "match"),
    [
        ({}, ValueError, "at least one"),
        ([], ValueError, "at least one"),
        ((np.zeros((0, 6)), np.zeros((0, 4))), ValueError, "at least one row"),
        ((np.zeros((3, 6)), np.zeros((2, 4))), ValueError, r"same number of rows.*\(3, 6\)"),
        ((np.zeros((3, 6)), np.zeros(3), np.zeros(2)), ValueError, "sample_weight"),
        ((np.float32(3), np.float32(3)), ValueError, "must have rows"),
        ((np.array(["a"]), np.zeros(1)), TypeError, "must hold numbers"),
        ({"a": [np.zeros((3, 6)), np.zeros(3)]}, TypeError, r"set 'a'.*\(x, y\)"),
        ([np.zeros((3, 6)), np.zeros(3)], TypeError, r"as a tuple, \(x, y\)"),
        ({3: (np.zeros((3, 6)), np.zeros(3))}, TypeError, "non-empty string"),
        ((batch for batch in [1]), TypeError, "run only once"),
        ({"a": None}, TypeError, "NoneType"),
        ({"a": {"labels": np.zeros(3), "x": np.zeros((2, 6))}}, ValueError, "number of rows"),
    ],
)
def test_sets_that_cannot_be_evaluated_are_refused(sets, error, match):
    with pytest.raises(error, match=match):
        WeightedValidation(sets)


def test_datasets_without_batches_or_without_end_are_refused():
    import tensorflow as tf

    class Endless(Chain):
        num_batches = None

    x, y = make_data(4)
    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(2)
    for endless in (batches.repeat(), Endless([(x, y)])):
        with pytest.raises(ValueError, match="is infinite"):
            WeightedValidation(endless)
    for empty in (batches.take(0), Chain([])):
        with pytest.raises(ValueError, match="has no batches"):
            WeightedValidation(empty)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"batch_size": 0}, ValueError),
        ({"batch_size": 2.5}, TypeError),
        ({"freq": 0}, ValueError),
        ({"freq": [1, 3]}, TypeError),
        ({"verbose": 2}, ValueError),
        ({"inputs": 3}, ValueError),
    ],
)
def test_bad_arguments_are_refused(arguments, error):
    name = next(iter(arguments))
    with pytest.raises(error, match=f"`{name}` must be"):
        WeightedValidation(make_data(3), **arguments)


def test_a_copy_shares_the_data(model):
    x, y = make_data(10)
    validation = WeightedValidation({"a": (x, y)})
    copied = copy.deepcopy([validation])[0]
    assert copied is not validation
    assert copied._sets["a"] is validation._sets["a"]
    model.fit(x, y, verbose=0, callbacks=[copied])


def test_pickles_that_can_be_read_in_two_ways_are_passed_as_a_sequence(tmp_path, model):
    for name in ("noisy", "clean"):
        (tmp_path / f"{name}.pkl").write_bytes(pickle.dumps(make_data(40, 1)[0]))
    with pytest.raises(ShardError, match=r"Here, pass ShardSequence\('.*', layout=\.\.\.\)"):
        WeightedValidation(str(tmp_path), inputs="data", targets=None)
