"""A `ShardSequence` among forks, moved files, the files of other tools and bad arguments."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import textwrap
import threading

import keras
import pytest

from keras_bigdata import (
    CorruptShardError,
    ShardError,
    ShardSequence,
)
from tests.helpers.unindexed_pickles import ROLES, dump, ids_of

# ---- Living with others


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc"), reason="looks into /proc")
def test_sequences_that_keras_keeps_alive_hold_neither_threads_nor_files(shards):
    # On TensorFlow `fit` never lets go of a dataset.
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    directory = shards([20] * 10)
    counts = []
    for _ in range(12):
        model.fit(ShardSequence(directory, 8, **ROLES), verbose=0, shuffle=False)
        counts.append((threading.active_count(), len(os.listdir("/proc/self/fd"))))
    assert counts[-1][0] <= counts[4][0] + 2
    assert counts[-1][1] <= counts[4][1] + 10


def test_a_sequence_that_was_released_goes_on(shards):
    directory = shards([20, 20])
    sequences = [ShardSequence(directory, 6, **ROLES, seed=seed) for seed in range(7)]
    expected = [ids_of(ShardSequence(directory, 6, **ROLES, seed=s, workers=0)) for s in range(7)]
    got = [[] for _ in sequences]
    for index in range(len(sequences[0])):
        for sequence, ids in zip(sequences, got, strict=True):
            ids.append(sequence[index][1].tolist())
    assert got == expected


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_forked_in_mid_epoch_reads_on(shards):
    code = textwrap.dedent(
        """
        import os, sys
        from keras_bigdata import ShardSequence
        data = ShardSequence(sys.argv[1], 4, inputs="x", targets="id", shuffle=None)
        data.on_epoch_begin()
        first = data[0][1].tolist()
        child = os.fork()
        ids = [data[index][1].tolist() for index in range(len(data))]
        assert ids[0] == first and sum(ids, []) == list(range(40)), ids
        if not child:
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        """
    )
    subprocess.run([sys.executable, "-c", code, str(shards([40]))], check=True, timeout=60)


def test_a_relative_path_outlives_chdir(shards, monkeypatch):
    directory = shards([10])
    monkeypatch.chdir(directory.parent)
    by_directory = ShardSequence(directory.name, 4, **ROLES, shuffle=None)
    by_list = ShardSequence([f"{directory.name}/00000.pkl"], 4, **ROLES, shuffle=None)
    monkeypatch.chdir("/")
    assert ids_of(by_directory) == ids_of(by_list)


def test_linked_subdirectories_are_searched(shards, tmp_path):
    parent = tmp_path / "parent"
    parent.mkdir()
    (parent / "a").symlink_to(shards([3]))
    (parent / "loop").symlink_to(parent)
    assert ShardSequence(parent, **ROLES).num_samples == 3


def test_an_index_of_another_tool_does_not_forbid_a_list(shards):
    directory = shards([3])
    (directory / "index.json").write_text('{"version": 2}')
    assert ShardSequence([directory / "00000.pkl"], **ROLES).num_samples == 3
    with pytest.raises(CorruptShardError, match="pass a list of the shards"):
        ShardSequence(directory, **ROLES)


def test_a_copy_elsewhere_does_not_mind_other_times(shards):
    directory = shards([10])
    pickled = pickle.dumps(ShardSequence(directory, 4, **ROLES, shuffle=None))
    os.utime(directory / "00000.pkl", ns=(1, 1))
    assert ids_of(pickle.loads(pickled))[0] == [0, 1, 2, 3]


def test_a_pickle_that_is_no_shard_is_named_with_the_reason(shards):
    directory = shards([10])
    dump(directory / "history.pkl", {"loss": [0.5, 0.4], "accuracy": [0.7, 0.8]})
    with pytest.raises(ShardError, match=r"no field in common: .*history\.pkl \('loss'"):
        ShardSequence(directory)
    with pytest.raises(ShardError, match=r"history\.pkl: there is no array 'x'"):
        ShardSequence(directory, **ROLES)


# ---- Bad arguments


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"batch_size": 0}, ValueError, "`batch_size` must be an integer of at least 1"),
        ({"batch_size": 2.5}, TypeError, "Received: batch_size=2.5 of type float"),
        ({"batch_size": True}, TypeError, "batch_size=True"),
        ({"window_shards": 0}, ValueError, "`window_shards`"),
        ({"workers": -1}, ValueError, "`workers`"),
        ({"max_queue_size": 0}, ValueError, "`max_queue_size`"),
        ({"steps_per_epoch": 0}, ValueError, "`steps_per_epoch`"),
        ({"steps_per_epoch": 2.0}, TypeError, "`steps_per_epoch` must be an integer"),
        ({"seed": -1}, ValueError, "`seed`"),
        ({"shuffle": True}, ValueError, "Received: shuffle=True"),
        ({"last_batch": "pad"}, ValueError, "Received: last_batch='pad'"),
        ({"transform": "flip"}, TypeError, "`transform` must be a function"),
        ({"inputs": None}, ValueError, r"'x': float32 \(rows, 3\), 'id': int32 \(rows\)"),
        ({"inputs": 3}, ValueError, "`inputs` must be a field's name"),
        ({"inputs": ()}, ValueError, "`inputs` must be a field's name"),
        ({"inputs": "images"}, ShardError, "there is no array 'images'.*The arrays in it: 'x'"),
        ({"targets": None, "sample_weights": "id"}, ValueError, "need `targets`"),
        ({"last_batch": "drop", "batch_size": 21}, ValueError, "20 samples are fewer"),
        (
            {"last_batch": "drop", "batch_size": 21, "steps_per_epoch": 3},
            ValueError,
            "20 samples are fewer",
        ),
    ],
)
def test_bad_arguments_are_refused_in_the_constructor(shards, arguments, error, message):
    with pytest.raises(error, match=message):
        ShardSequence(shards([10, 10]), **{**ROLES, **arguments})


def test_an_index_out_of_range(shards):
    data = ShardSequence(shards([10]), 4, **ROLES)
    with pytest.raises(IndexError, match="an epoch has 3 batches of 4 rows"):
        data[3]
