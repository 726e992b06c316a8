"""A transform adds and removes keys, and roles name the keys that it makes."""

from __future__ import annotations

import os
import time

import keras
import numpy as np
import pytest

from keras_bigdata import ShardError, ShardSequence, ShardWriter
from keras_bigdata.packing.augment import Augment, flip
from tests.helpers.transforms import shift_tokens
from tests.helpers.unindexed_pickles import dump

SETTINGS = {"inputs": "now", "targets": "next", "transform": shift_tokens, "seed": 1}
SHARDS = (slice(6), slice(6, 10))
WORKERS = [(0, False), (2, False), (1, True)]


def write_texts(directory, packed):
    """Ten rows of five tokens, and a field that no role names."""
    tokens = np.arange(50, dtype=np.int32).reshape(10, 5)
    fields = {"tokens": tokens, "length": np.full(10, 5)}
    parts = [{name: array[rows] for name, array in fields.items()} for rows in SHARDS]
    if packed:
        with ShardWriter(directory, inputs="tokens") as writer:
            for part in parts:
                writer.write(part)
    else:
        for number, part in enumerate(parts):
            dump(directory / f"{number}.pkl", part)
    return directory


@pytest.fixture
def texts(tmp_path):
    return write_texts(tmp_path / "texts", packed=True)


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize(("workers", "processes"), WORKERS)
def test_roles_name_keys_that_only_the_transform_makes(tmp_path, workers, processes):
    texts = write_texts(tmp_path / "texts", packed=bool(workers))
    data = ShardSequence(
        texts, 4, **SETTINGS, workers=workers, use_multiprocessing=processes, last_batch="keep"
    )
    found = []
    for now, following in data:
        np.testing.assert_array_equal(now + 1, following)
        assert now.shape[1:] == (4,)
        found += (now[:, 0] // 5).tolist()
    assert sorted(found) == list(range(10))
    assert data.roles.names == ("now", "next")
    assert "tokens" in data._repr_html_()


def test_they_are_the_same_as_a_dataset_of_tensorflow(texts):
    pytest.importorskip("tensorflow")
    expected = list(ShardSequence(texts, 4, **SETTINGS))
    for batch, wanted in zip(
        ShardSequence(texts, 4, **SETTINGS).as_dataset(), expected, strict=True
    ):
        for tensor, array in zip(batch, wanted, strict=True):
            np.testing.assert_array_equal(np.asarray(tensor), array)


@pytest.mark.slow
@pytest.mark.every_backend
def test_a_language_model_trains_on_tokens_and_the_next_ones(texts):
    model = keras.Sequential(
        [keras.Input((4,), dtype="int32"), keras.layers.Embedding(50, 4), keras.layers.Dense(50)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.5), loss, run_eagerly=True)
    history = model.fit(ShardSequence(texts, 5, **SETTINGS), epochs=8, verbose=0).history
    assert history["loss"][-1] < history["loss"][0] / 4


def test_a_transform_receives_all_fields_only_if_a_role_names_a_made_key(texts):
    received = []

    def record(batch, rng):
        received.append(sorted(batch))
        return {"made": batch["tokens"], **batch}

    for inputs in ("tokens", "made"):
        ShardSequence(texts, 4, inputs=inputs, transform=record, workers=0)[0]
    assert received == [["tokens"], ["length", "tokens"]]


def test_two_views_of_an_image_are_two_inputs(tmp_path):
    images = np.arange(6 * 2 * 4, dtype=np.float32).reshape(6, 2, 4, 1)
    dump(tmp_path / "images/0.pkl", {"images": images})
    augment = Augment(flip())

    def views(batch, rng):
        one, two = (augment.transform_batch(batch, rng)["images"] for _ in "ab")
        return {"one": one, "two": two}

    settings = {"inputs": {"a": "one", "b": "two"}, "transform": views, "shuffle": None, "seed": 3}
    batches = [list(ShardSequence(tmp_path / "images", 3, **settings, workers=n)) for n in (0, 2)]
    first, second = (np.concatenate([x["a"] for (x,) in side]) for side in batches)
    np.testing.assert_array_equal(first, second)
    other = np.concatenate([x["b"] for (x,) in batches[0]])
    assert (first != other).any()
    np.testing.assert_array_equal(np.sort(first, axis=2), images)
    np.testing.assert_array_equal(np.sort(other, axis=2), images)


@pytest.mark.slow
@pytest.mark.every_backend
def test_an_autoencoder_names_one_field_twice(shards):
    data = ShardSequence(shards([6, 6]), 4, inputs="x", targets="x", seed=0)
    for x, y in data:
        np.testing.assert_array_equal(x, y)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])
    model.compile("sgd", "mse")
    model.set_weights([np.eye(3), np.zeros(3)])
    assert model.fit(data, verbose=0).history["loss"] == [0.0]


@pytest.mark.slow
@pytest.mark.every_backend
@pytest.mark.parametrize(("workers", "processes"), [(0, False), (1, True)])
def test_other_keys_in_a_later_batch_are_refused(texts, workers, processes):
    def sometimes(batch, rng):
        made = shift_tokens(batch, rng)
        return made if len(batch["tokens"]) == 4 else {**made, "more": batch["tokens"]}

    settings = {**SETTINGS, "transform": sometimes, "workers": workers}
    data = ShardSequence(texts, 4, **settings, use_multiprocessing=processes)
    message = r"epoch 0, batch 2 returned the keys \['more', 'next', 'now'\], but \['next', 'now'\]"
    with pytest.raises(ShardError, match=message):
        list(data)


@pytest.mark.parametrize("change", [lambda x: x.astype("f4"), lambda x: x[..., None]])
@pytest.mark.parametrize("workers", [0, 2])
def test_another_dtype_or_rank_in_a_later_batch_is_refused(texts, change, workers):
    def last(batch, rng):
        made = shift_tokens(batch, rng)
        return made if len(batch["tokens"]) == 4 else {**made, "now": change(made["now"])}

    data = ShardSequence(texts, 4, **{**SETTINGS, "transform": last, "workers": workers})
    with pytest.raises(ShardError, match=r"epoch 0, batch \d returned 'now' with dtype"):
        list(data)


@pytest.mark.slow
@pytest.mark.every_backend
def test_worker_processes_that_differ_from_each_other_are_refused(texts, tmp_path):
    """The batches of each process are alike."""
    first = tmp_path / "first"

    def by_process(batch, rng):
        time.sleep(0.1)
        try:
            first.touch(exist_ok=False)
            first.write_text(str(os.getpid()))
        except FileExistsError:
            pass
        while not (text := first.read_text()):
            time.sleep(0.001)
        dtype = "f4" if text == str(os.getpid()) else "i4"
        return {name: array.astype(dtype) for name, array in shift_tokens(batch, rng).items()}

    settings = {**SETTINGS, "transform": by_process, "workers": 2, "use_multiprocessing": True}
    with pytest.raises(ShardError, match=r"of the stream returned 'now' with dtype"):
        list(ShardSequence(texts, 1, **settings))


def test_a_key_that_the_transform_removes_is_named_with_its_role(texts):
    settings = {**SETTINGS, "transform": lambda batch, rng: {"now": batch["tokens"]}}
    with pytest.raises(ShardError, match=r"'next' is missing, which `targets` names.*\['now'\]"):
        ShardSequence(texts, 4, **settings)[0]


def test_without_a_transform_every_role_names_a_field(texts):
    with pytest.raises((ShardError, ValueError), match="'next'"):
        ShardSequence(texts, 4, inputs="tokens", targets="next")


def test_a_field_that_cannot_be_read_is_not_made_by_the_transform(tmp_path):
    dump(tmp_path / "0.pkl", {"x": np.zeros((4, 2)), "words": np.zeros(3)})
    with pytest.raises((ShardError, ValueError), match="'words'"):
        ShardSequence(tmp_path, 2, inputs="x", targets="words", transform=shift_tokens)
