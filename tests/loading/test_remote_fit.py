"""Every row once per epoch through a real `fit` on a set behind a URL."""

from __future__ import annotations

import pytest

from keras_bigdata import ShardSequence
from tests.helpers.recording import EpochIds, recording_model
from tests.helpers.store import Store
from tests.helpers.unindexed_pickles import ROLES

pytest.importorskip("fsspec")


def test_fit_receives_every_row_once_in_the_same_order(shards):
    directory = shards([30] * 8)
    ShardSequence(directory, **ROLES).index.save()
    with Store() as store:
        store.delay = 0.005
        data = ShardSequence(store.upload(directory), 8, window_shards=2, seed=1, **ROLES)
        ids = EpochIds()
        recording_model(built=True).fit(data, epochs=3, verbose=0, callbacks=[ids])
        assert [sorted(epoch) for epoch in ids.epochs] == [list(range(240))] * 3
        assert data.epoch == 3
        local = ShardSequence(directory, 8, window_shards=2, seed=1, workers=0, **ROLES)
        expected = [
            [id_ for index in range(len(local)) for id_ in local.batch_of(epoch, index)[1].tolist()]
            for epoch in range(3)
        ]
        assert ids.epochs == expected
        data.server.prefetcher.release()
