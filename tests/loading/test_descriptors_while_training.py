"""A process trains on many more shards than the files that it may have open."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.programs import ended, none_left, program, started
from tests.helpers.unindexed_pickles import write_shards

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc"),
]


FEW = """
    import os, resource, sys
    import numpy as np
    import keras
    from keras_bigdata import ShardError, ShardSequence
    from tests.helpers.transforms import identity

    resource.setrlimit(resource.RLIMIT_NOFILE, (384, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    count = int(sys.argv[2])

    class Recorded(ShardSequence):
        def __getitem__(self, index):
            x, ids = super().__getitem__(index)
            np.testing.assert_array_equal(x[:, 0], ids)
            given.append(ids.copy())
            return x, ids

    def train(**settings):
        data = Recorded(sys.argv[1], 60, inputs="x", targets="id", **settings)
        given.clear()
        model.fit(data, shuffle=False, verbose=0)
        assert sorted(np.concatenate(given[-len(data):]).tolist()) == list(range(count))
        return data

    given = []
    kept = [
        train(workers=0, shuffle="global"), train(workers=2), train(workers=2, shuffle="global")
    ]
    processes = dict(workers=2, use_multiprocessing=True, transform=identity)
    train(**processes).release()
    print("few", flush=True)

    taken = []
    try:
        while True:
            taken.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        pass
    for _ in range(20):
        os.close(taken.pop())
    for data in kept:
        data.epoch = 0
        given.clear()
        model.fit(data, shuffle=False, verbose=0)
        assert sorted(np.concatenate(given[-len(data):]).tolist()) == list(range(count))
    print("very few", flush=True)

    for data in kept:
        data.release()
    try:
        while True:
            taken.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        pass
    # Nothing left: for files, and for memory shared with workers. No fit: it would want some too.
    for settings in (dict(workers=0), dict(workers=2), processes):
        # Opened by its index before.
        data = kept[0].unshuffled() if settings == dict(workers=0) else None
        if data is None:
            data = ShardSequence(kept[0].index, 60, inputs="x", targets="id", **settings)
        try:
            data[3]
        except ShardError as error:
            assert "ulimit -n" in str(error), error
            print("said", flush=True)
    for fd in taken:
        os.close(fd)
    assert len(kept[0][0][1]) == 60
"""


def test_many_more_shards_than_files_that_may_be_open(tmp_path):
    shards = write_shards(tmp_path / "shards", [4] * 3000)
    from keras_bigdata.shards.opening.open_shards import open_shards

    open_shards(shards).save()
    with started(program(tmp_path, FEW), shards, 12_000) as process:
        out, error, _ = ended(process, 100)
    assert process.returncode == 0, error
    assert out.split("\n") == ["few", "very few", "said", "said", "said", ""]
    assert none_left(process.pid)
