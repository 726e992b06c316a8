"""A `ShardSequence`: its batches, its state, and Keras around it."""

from __future__ import annotations

import copy
import os
import pickle
import shutil
import warnings

import keras
import numpy as np
import pytest

from keras_bigdata import (
    Arrays,
    ShardSequence,
    pack,
)
from tests.helpers.unindexed_pickles import ROLES, dump, ids_of, rows_of

# ---- Batches


@pytest.mark.parametrize("protocol", range(6))
def test_every_protocol(shards, protocol):
    data = ShardSequence(shards([5, 6], protocol), 4, **ROLES, shuffle=None)
    assert ids_of(data) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]
    x, ids = data[1]
    np.testing.assert_array_equal(x, rows_of(ids))
    assert (x.dtype, ids.dtype) == (np.float32, np.int32)


def test_roles_as_tuple_dict_and_weights(tmp_path):
    content = {
        "images": np.zeros((6, 8, 8, 3), np.uint8),
        "texts": np.ones((6, 4), np.int32),
        "labels": np.arange(6),
        "weights": np.linspace(0, 1, 6, dtype=np.float32),
    }
    dump(tmp_path / "a.pkl", content)
    settings = {"batch_size": 4, "shuffle": None}
    (texts, images), y = ShardSequence(
        tmp_path, inputs=("texts", "images"), targets="labels", **settings
    )[0]
    assert (texts.shape, images.shape, y.tolist()) == ((4, 4), (4, 8, 8, 3), [0, 1, 2, 3])
    x, y, w = ShardSequence(
        tmp_path,
        inputs={"image": "images"},
        targets={"a": "labels", "b": "labels"},
        sample_weights="weights",
        **settings,
    )[0]
    assert list(x) == ["image"]
    assert list(y) == ["a", "b"]
    np.testing.assert_array_equal(w, content["weights"][:4])
    # A list becomes a tuple: TensorFlow refuses lists.
    (x,) = ShardSequence(tmp_path, inputs=["texts", "images"], **settings)[0]
    assert isinstance(x, tuple)


def test_tuple_pickles_have_numbered_fields(tmp_path):
    dump(tmp_path / "a.pkl", (np.zeros((3, 2)), [0, 1, 0]))
    data = ShardSequence(tmp_path, inputs="0", targets="1", shuffle=None)
    x, y = data[0]
    assert x.shape == (3, 2)
    assert y.tolist() == [0, 1, 0]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f4", ">f4", ">i2", "?", "<c8", "<f2"])
def test_layouts_come_out_native_and_equal(tmp_path, dtype, order):
    values = np.arange(10 * 3 * 4).reshape(10, 3, 4).astype(dtype)
    dump(tmp_path / "a.pkl", {"x": np.array(values, order=order), "id": np.arange(10)})
    data = ShardSequence(tmp_path, 4, **ROLES, shuffle="global", seed=1)
    for index in range(3):
        x, ids = data[index]
        np.testing.assert_array_equal(x, values[ids])
        assert x.dtype.isnative
        assert x.flags.c_contiguous


def test_big_rows_are_read_row_by_row(tmp_path):
    ids = np.arange(40)
    images = np.broadcast_to(ids[:, None, None], (40, 64, 64)).astype(np.int32)
    for number in range(4):
        part = slice(number * 10, number * 10 + 10)
        dump(tmp_path / f"{number}.pkl", {"x": images[part], "id": ids[part]}, 2 + number)
    for shuffle in ("window", "shards", "global", None):
        data = ShardSequence(tmp_path, 7, **ROLES, shuffle=shuffle, seed=3)
        seen = []
        for x, y in data:
            np.testing.assert_array_equal(x, images[y])
            seen += y.tolist()
        assert sorted(seen) == ids.tolist()


def test_numbers_of_python_are_fields_too(tmp_path):
    dump(tmp_path / "a.pkl", {"x": [[1.0, 2.0], [3.0, 4.0]], "id": [5, 6], "name": "train"})
    data = ShardSequence(tmp_path, **ROLES, shuffle=None)
    x, y = data[0]
    assert x.tolist() == [[1, 2], [3, 4]]
    assert y.tolist() == [5, 6]
    assert set(data.fields) == {"x", "id"}


def test_a_directory_is_searched_with_its_subdirectories(shards, tmp_path):
    parent = tmp_path / "parent"
    parent.mkdir()
    for name in ("b", "a"):
        os.rename(shards([3, 2]), parent / name)
    (parent / "notes.txt").write_text("not a shard")
    data = ShardSequence(parent, 100, **ROLES, shuffle=None)
    assert data.num_samples == 10
    assert data[0][1].tolist() == [0, 1, 2, 3, 4] * 2


def test_a_list_of_files_is_taken_in_the_order_given(shards):
    directory = shards([2, 3, 4])
    files = [directory / "00002.pkl", directory / "00000.pkl"]
    data = ShardSequence(files, 100, **ROLES, shuffle=None)
    assert data[0][1].tolist() == [5, 6, 7, 8, 0, 1]


# ---- State


def test_state_goes_on_where_another_sequence_was(shards):
    directory = shards([10, 10])
    first = ShardSequence(directory, 6, **ROLES, seed=8)
    first.epoch = 3
    second = ShardSequence(directory, 6, **ROLES, seed=1)
    second.load_state_dict(first.state_dict())
    assert (second.epoch, second.seed) == (3, 8)
    assert ids_of(second) == ids_of(first)


def test_state_of_other_data_is_refused_with_both_values(shards):
    state = ShardSequence(shards([10, 10]), 6, **ROLES).state_dict()
    with pytest.raises(ValueError, match="'num_samples' is 20 in the state and 21 here"):
        ShardSequence(shards([10, 11]), 6, **ROLES).load_state_dict(state)


def test_the_state_of_other_data_of_the_same_size_is_refused(tmp_path):
    # Half of the rows were served twice, the others not at all.
    folders = []
    for number in range(2):
        rows = np.arange(20) + 100 * number
        pack(Arrays(x=rows, labels=rows), tmp_path / f"{number}", shard_samples=5, verbose=0)
        folders.append(tmp_path / f"{number}")
    state = ShardSequence(folders, 5, seed=1).state_dict()
    ShardSequence(folders, 5).load_state_dict(state)
    with pytest.raises(ValueError, match=r"other data.*Open the same sets, in the same order"):
        ShardSequence(folders[::-1], 5).load_state_dict(state)
    state = ShardSequence(folders[0], 5, seed=1).state_dict()
    with pytest.raises(ValueError, match="other data"):
        ShardSequence(folders[1], 5).load_state_dict(state)
    copied = shutil.copytree(folders[0], tmp_path / "elsewhere")
    ShardSequence(copied, 5).load_state_dict(state)
    del state["fingerprint"]  # of a state that an earlier release wrote
    ShardSequence(copied, 5).load_state_dict(state)


def test_an_epoch_is_served_from_the_batch_in_the_state_once(shards):
    data = ShardSequence(shards([10, 10]), 6, **ROLES, seed=8, workers=0)
    data.epoch = 3
    whole = ids_of(data)
    data.load_state_dict({**data.state_dict(), "batch": 1})
    assert (len(data), data.num_batches) == (4, 4)  # Keras asks before the epoch, for all of them
    data.on_epoch_begin()
    assert (len(data), data.num_batches) == (4, 3)
    assert [data[i][1].tolist() for i in range(3)] == whole[1:]
    with pytest.raises(IndexError):
        data[3]
    data.on_epoch_end()
    assert (data.epoch, data.num_batches) == (4, 4)
    data.on_epoch_begin()
    assert data.state_dict()["batch"] == 0
    assert data[0][1].tolist() != whole[0]
    assert data.num_batches == 4


def test_an_epoch_that_was_resumed_and_stopped_is_resumed_again(shards):
    data = ShardSequence(shards([10, 10]), 6, **ROLES, seed=8, workers=0)
    whole = ids_of(data)
    data.load_state_dict({**data.state_dict(), "batch": 2})
    for _ in range(2):
        data.on_epoch_begin()
        assert data[0][1].tolist() == whole[2]
        data.on_epoch_end()
    assert data.epoch == 0
    assert data.unshuffled().num_batches == 4
    data.epoch = 0
    data.on_epoch_begin()
    assert data[0][1].tolist() == whole[0]


@pytest.mark.parametrize("begun", [False, True])
def test_a_loop_begins_at_the_batch_in_the_state(shards, begun):
    # It served the whole epoch, and trained twice on its first rows.
    data = ShardSequence(shards([10, 10]), 6, **ROLES, seed=8, workers=0)
    whole = [y.tolist() for _, y in data]
    following = [y.tolist() for _, y in data]
    data.load_state_dict({**data.state_dict(), "epoch": 0, "batch": 2})
    for _, y in data:
        assert y.tolist() == whole[2]
        break  # the epoch is served again from this batch on
    assert (data.epoch, data.num_batches, data.state_dict()["batch"]) == (0, 4, 2)
    if begun:
        data.on_epoch_begin()
    epochs = [[y.tolist() for _, y in epoch] for epoch in data.epochs(2)]
    if begun:
        data.on_epoch_end()
    assert epochs == [whole[2:], following]
    assert (data.epoch, data.num_batches, data.state_dict()["batch"]) == (2, 4, 0)


def test_a_batch_beyond_the_epoch_is_refused(shards):
    data = ShardSequence(shards([10, 10]), 6, **ROLES, seed=8)
    with pytest.raises(ValueError, match="at batch 4, but an epoch has 4"):
        data.load_state_dict({**data.state_dict(), "batch": 4})


def test_copies_serve_the_same_batches(shards):
    data = ShardSequence(shards([10, 10]), 6, **ROLES, seed=8)
    data.epoch = 2
    expected = ids_of(data)
    assert ids_of(pickle.loads(pickle.dumps(data))) == expected
    assert ids_of(copy.deepcopy(data)) == expected


def test_unshuffled_is_a_view_of_its_own(shards):
    data = ShardSequence(shards([10, 10]), 6, **ROLES, seed=8, last_batch="drop", steps_per_epoch=2)
    data.epoch = 5
    view = data.unshuffled()
    assert [i for batch in ids_of(view) for i in batch] == list(range(20))
    assert data.epoch == 5
    assert len(data) == 2


# ---- Keras


def test_predict_without_targets(shards):
    directory = shards([10, 10])
    model = keras.Sequential([keras.Input((3,)), keras.layers.Lambda(lambda x: x[:, :1])])
    data = ShardSequence(directory, 6, inputs="x", shuffle=None)
    np.testing.assert_array_equal(model.predict(data, verbose=0)[:, 0], np.arange(20))


def test_predict_on_a_shuffled_sequence_warns_once_and_names_unshuffled(shards):
    directory = shards([10, 10])
    model = keras.Sequential([keras.Input((3,)), keras.layers.Lambda(lambda x: x[:, :1])])
    data = ShardSequence(directory, 6, inputs="x", seed=1)
    with pytest.warns(UserWarning, match=r"in shuffled order.*`sequence\.unshuffled\(\)`"):
        shuffled = model.predict(data, verbose=0)[:, 0]
    assert sorted(shuffled) == list(range(20)) != list(shuffled)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model.predict(data, verbose=0)
        rows = model.predict(data.unshuffled(), verbose=0)[:, 0]
    np.testing.assert_array_equal(rows, np.arange(20))
    dropping = ShardSequence(directory, 6, inputs="x", shuffle=None, last_batch="drop")
    with pytest.warns(UserWarning, match=r"without some"):
        model.predict(dropping, verbose=0)


def test_keras_is_shown_one_worker(shards):
    data = ShardSequence(shards([10]), 4, **ROLES, workers=4, use_multiprocessing=True)
    assert (data.workers, data.use_multiprocessing) == (1, False)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.data")
@pytest.mark.parametrize("workers", [0, 1, 3])
def test_as_dataset_has_static_shapes_and_the_next_epoch_each_time(shards, workers):
    directory = shards([10, 10])
    data = ShardSequence(directory, 5, **ROLES, seed=8, workers=workers)
    dataset = data.as_dataset()
    assert int(dataset.cardinality()) == 4
    assert dataset.element_spec[0].shape == (5, 3)
    plain = ShardSequence(directory, 5, **ROLES, seed=8)
    for epoch in range(3):
        plain.epoch = epoch
        assert [y.numpy().tolist() for _, y in dataset] == ids_of(plain)
    assert data.epoch == 3
    ragged = ShardSequence(directory, 6, **ROLES).as_dataset()
    assert ragged.element_spec[0].shape.as_list() == [None, 3]


def test_unshuffled_is_the_same_in_every_epoch(tmp_path):
    def noisy(sample, rng):
        return sample | {"x": sample["x"] + rng.normal()}

    def jitter(batch, rng):
        return batch | {"x": batch["x"] + rng.normal()}

    source = Arrays(x=np.zeros((30, 2)), labels=np.arange(30))
    pack(source, tmp_path / "packed", variants=3, augment=noisy, workers=1)
    view = ShardSequence(tmp_path / "packed", 8, transform=jitter).unshuffled()
    model = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x[:, :1])])
    model.compile("sgd", "mse")
    losses = {model.evaluate(view, verbose=0) for _ in range(4)}
    assert len(losses) == 1
