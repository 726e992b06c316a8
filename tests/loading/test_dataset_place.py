"""Where an epoch of `as_dataset()` begins and ends, and from which sequence a dataset comes."""

from __future__ import annotations

import keras
import pytest

from keras_bigdata import ShardSequence
from keras_bigdata.loading.epochs.dataset_origin import dataset_origin
from tests.helpers.unindexed_pickles import ROLES

tf = pytest.importorskip("tensorflow")

SIZES = [7, 1, 12, 30, 5, 18, 9, 21]


def keep(batch, rng):
    return batch


class Custom(ShardSequence):
    def __getitem__(self, index):
        x, y = super().__getitem__(index)
        return x * 2, y


def ids_of(dataset):
    return [ids.numpy().tolist() for _, ids in dataset]


@pytest.fixture(params=["runs", "batches", "custom", "workers"])
def train(request, shards):
    """103 rows in 11 batches, the last one smaller."""
    kind = Custom if request.param == "custom" else ShardSequence
    settings = {
        "workers": 2 if request.param == "workers" else 0,
        "transform": keep if request.param == "batches" else None,
    }
    return kind(shards(SIZES), 10, **ROLES, seed=5, **settings)


@pytest.mark.quick_cases(2)
def test_an_epoch_begins_at_the_batch_of_a_loaded_state(train):
    whole = [[train.batch_of(e, i)[1].tolist() for i in range(11)] for e in range(3)]
    dataset = train.as_dataset()
    for batch in (4, 10, 1):
        train.load_state_dict({**train.state_dict(), "epoch": 1, "batch": batch})
        assert len(dataset) == int(dataset.cardinality()) == 11
        assert train.state_dict()["batch"] == batch  # nothing has begun
        assert ids_of(dataset) == whole[1][batch:]
        assert (train.epoch, train.state_dict()["batch"]) == (2, 0)
        assert ids_of(dataset) == whole[2]
        assert train.epoch == 3
    # What is broken off is served again from the same batch.
    train.load_state_dict({**train.state_dict(), "epoch": 0, "batch": 3})
    assert ids_of(dataset.take(2)) == whole[0][3:5]
    assert ids_of(dataset) == whole[0][3:]


@pytest.mark.quick_cases(1)
def test_a_state_with_another_seed_is_served(train):
    other = ShardSequence(train.index, 10, **ROLES, seed=8, workers=0)
    dataset = train.as_dataset()
    ids_of(dataset)
    train.load_state_dict({**other.state_dict(), "batch": 2})
    assert ids_of(dataset) == [other.batch_of(0, i)[1].tolist() for i in range(2, 11)]


@pytest.mark.quick_cases(2)
def test_an_iterator_that_was_left_does_not_end_the_epoch_of_another(train):
    dataset = train.as_dataset()
    left = iter(dataset)
    next(left)
    train.load_state_dict({**train.state_dict(), "epoch": 0, "batch": 5})
    iterator = iter(dataset)
    next(iterator)
    assert len(list(left)) == 10
    assert train.epoch == 0
    assert len(list(iterator)) == 5
    assert train.epoch == 1


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("batch_size", [16, 60])
def test_the_batch_that_builds_a_model_is_not_an_epoch(shards, batch_size):
    """On JAX and torch an epoch of 2 batches was prefetched meanwhile, and was never trained."""
    train = ShardSequence(shards([30, 37]), batch_size, **ROLES)
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    epochs = []
    callback = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: epochs.append(train.epoch)
    )
    model.fit(train.as_dataset(), epochs=2, shuffle=False, verbose=0, callbacks=[callback])
    assert epochs == [0, 1]
    assert train.epoch == 2


@pytest.mark.quick_cases(2)
def test_the_sequence_of_a_dataset_is_found_through_what_keeps_its_batches(train):
    dataset = train.as_dataset()
    origin = dataset_origin(dataset)
    assert (origin.sequence, origin.is_transformed, origin.change) == (train, False, None)
    mapped = dataset.map(lambda x, y: (x, y)).prefetch(1).map(lambda x, y: (x, y), 2)
    origin = dataset_origin(mapped)
    assert (origin.sequence, origin.is_transformed, origin.change) == (train, True, None)
    assert dataset_origin(mapped.shuffle(2).take(3)).change == "shuffle"
    assert dataset_origin(tf.data.Dataset.zip((mapped, mapped))).change == "zip"
    assert dataset_origin(tf.data.Dataset.range(3)) is None
