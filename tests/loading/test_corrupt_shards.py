"""`ShardSequence(on_corrupt="skip")`: training goes on without the shards that are corrupt."""

from __future__ import annotations

import os
import pickle
import warnings

import keras
import numpy as np
import pytest

from keras_bigdata import Arrays, CorruptShardError, ShardSequence, pack
from tests.helpers.transforms import identity
from tests.helpers.unindexed_pickles import rows_of

ROWS, SHARD = 200, 20


@pytest.fixture
def packed(tmp_path):
    ids = np.arange(ROWS, dtype=np.int32)
    wide = np.repeat(ids[:, None], 1200, axis=1)  # rows that are read from the file, not by column
    arrays = Arrays(x=rows_of(ids), id=ids, wide=wide, inputs=("x", "wide"), targets="id")
    pack(arrays, tmp_path / "packed", shard_samples=SHARD, shuffle=False)
    return tmp_path / "packed"


def flat(batches):
    return [row for batch in batches for row in batch]


def harm(directory, *numbers):
    for number in numbers:
        path = directory / f"shard-{number:05d}.pkl"
        os.truncate(path, path.stat().st_size // 2)


def of_shards(*numbers):
    return {SHARD * number + row for number in numbers for row in range(SHARD)}


def epoch_of(sequence):
    batches = [sequence[i] for i in range(len(sequence))]
    for (x, wide), ids in batches:
        np.testing.assert_array_equal(x, rows_of(ids))
        np.testing.assert_array_equal(wide[:, 7], ids)
    return [ids.tolist() for _, ids in batches]


@pytest.mark.quick_cases(3)
@pytest.mark.parametrize("shuffle", ["window", "shards", "global", None])
@pytest.mark.parametrize("workers", [0, 2])
def test_other_rows_stand_in_and_shapes_stay(packed, shuffle, workers):
    settings = {"batch_size": 16, "shuffle": shuffle, "seed": 4, "window_shards": 3}
    before = epoch_of(ShardSequence(packed, **settings))
    harm(packed, 3, 8)
    with pytest.raises(CorruptShardError, match=r"shard-0000[38]\.pkl: the shard has"):
        epoch_of(ShardSequence(packed, **settings))
    data = ShardSequence(packed, **settings, workers=workers, on_corrupt="skip")
    with pytest.warns(UserWarning, match="The shard is skipped: 20 other rows") as told:
        after = epoch_of(data)
    assert sorted(str(one.message).partition(": ")[0] for one in told) == [
        str(packed / "shard-00003.pkl"),
        str(packed / "shard-00008.pkl"),
    ]
    gone = of_shards(3, 8)
    assert [len(batch) for batch in after] == [len(batch) for batch in before]
    for old, new in zip(before, after, strict=True):
        for was, now in zip(old, new, strict=True):
            assert now not in gone
            assert was in gone or now == was
    assert {path[-15:]: shard.rows for path, shard in data.skipped_shards.items()} == {
        "shard-00003.pkl": 20,
        "shard-00008.pkl": 20,
    }
    assert "expected" in next(iter(data.skipped_shards.values())).error


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("shuffle", ["window", None])
def test_the_choice_depends_on_what_is_corrupt_and_not_on_when_it_was_found(packed, shuffle):
    harm(packed, 0, 1, 2, 5, 6)
    settings = {"batch_size": 13, "shuffle": shuffle, "seed": 9, "on_corrupt": "skip"}
    in_order = ShardSequence(packed, **settings)
    first = epoch_of(in_order)
    assert epoch_of(in_order) == first  # all are known now
    backwards = ShardSequence(packed, **settings, workers=0)
    found = {i: backwards[i][1].tolist() for i in reversed(range(len(backwards)))}
    assert [found[i] for i in range(len(found))] == first
    joined = ShardSequence(packed, **settings)
    whole = joined.server.prefetcher.loader.read_joined(range(len(joined) - 1))["id"]
    assert whole.tolist() == flat(first[:-1])
    other = ShardSequence(packed, **{**settings, "seed": 10})
    assert epoch_of(other) != first
    # Whole batches of shuffle=None have no healthy shard of their own.
    assert not of_shards(0, 1, 2, 5, 6) & set(flat(first))
    assert len(set(flat(first)) & of_shards(3, 4, 7, 8, 9)) == 5 * SHARD


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_processes_tell_what_they_find(packed):
    harm(packed, 4)
    settings = {"batch_size": 16, "seed": 1, "on_corrupt": "skip", "transform": identity}
    here = ShardSequence(packed, **settings, workers=0)
    expected = [here[i][1].tolist() for i in range(len(here))]
    there = ShardSequence(packed, **settings, workers=2, use_multiprocessing=True)
    with pytest.warns(UserWarning, match=r"shard-00004\.pkl: .*is skipped"):
        assert [there[i][1].tolist() for i in range(len(there))] == expected
    assert list(there.skipped_shards) == [str(packed / "shard-00004.pkl")]
    there.release()


def test_fit_warns_at_once_and_at_the_end_of_each_epoch(packed):
    harm(packed, 2)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    data = ShardSequence(
        packed, 16, seed=0, inputs="x", targets="id", on_corrupt="skip", shuffle="window"
    )
    with pytest.warns(UserWarning, match="is skipped|without") as told:
        history = model.fit(data, epochs=2, shuffle=False, verbose=0).history
    messages = [str(one.message) for one in told]
    at_once = [text for text in messages if "is skipped" in text]
    ends = [text for text in messages if "was served without" in text]
    assert len(at_once) == 1
    assert messages[0] == at_once[0]
    assert [text[:32] for text in ends] == [
        "Epoch 0 was served without 20 ro",
        "Epoch 1 was served without 20 ro",
    ]
    assert str(packed / "shard-00002.pkl") in ends[0]
    assert len(history["loss"]) == 2
    assert data.epoch == 2


@pytest.mark.filterwarnings("ignore:.*is skipped:UserWarning")
def test_a_loop_of_ones_own_is_told_too(packed):
    harm(packed, 2)
    data = ShardSequence(packed, 16, seed=0, on_corrupt="skip")
    with pytest.warns(UserWarning, match="Epoch 0 was served without 20 rows"):
        assert sum(len(ids) for _, ids in data) == ROWS
    assert data.epoch == 1


def test_a_shard_that_fails_in_the_middle_of_an_epoch(packed):
    data = ShardSequence(packed, 20, shuffle=None, workers=0, on_corrupt="skip")
    data[3]
    os.unlink(packed / "shard-00005.pkl")
    with pytest.warns(UserWarning, match=r"shard-00005\.pkl: .*cannot be opened"):
        ids = data[5][1]
    assert len(ids) == 20
    assert not set(ids.tolist()) & of_shards(5)
    view = data.unshuffled()
    assert list(view.skipped_shards) == list(data.skipped_shards)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        view[5]
        pickle.loads(pickle.dumps(data))[5]


def test_a_pickle_that_came_to_run_code_is_left_out(packed):
    path = packed / "shard-00001.pkl"
    hostile = b"cos\nsystem\n(S'true'\ntR."
    path.write_bytes(hostile + bytes(path.stat().st_size - len(hostile)))
    data = ShardSequence(packed, 20, shuffle=None, workers=0, on_corrupt="skip")
    with pytest.warns(UserWarning, match=r"os\.system"):
        data[1]


@pytest.mark.filterwarnings("ignore:.*is skipped:UserWarning")
def test_where_all_are_corrupt_there_is_an_end(packed):
    harm(packed, *range(10))
    data = ShardSequence(packed, 50, on_corrupt="skip", workers=0)
    with pytest.raises(CorruptShardError, match="every shard is corrupt"):
        data[0]


@pytest.mark.filterwarnings("ignore:.*is skipped:UserWarning")
def test_one_healthy_shard_serves_them_all(packed):
    harm(packed, *range(9))
    data = ShardSequence(packed, 50, on_corrupt="skip", seed=3)
    served = flat(epoch_of(data))
    assert len(served) == ROWS
    assert set(served) == of_shards(9)


def test_the_argument_is_checked(packed):
    with pytest.raises(ValueError, match=r"`on_corrupt` must be .*on_corrupt='ignore'"):
        ShardSequence(packed, on_corrupt="ignore")
