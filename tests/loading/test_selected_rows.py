"""Batches of selected rows: the plan over these rows, each of them once per epoch."""

from __future__ import annotations

import gzip
import itertools
import os
import pickle

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_bigdata import (
    Arrays,
    ResumeTraining,
    ShardIndex,
    Shards,
    ShardSequence,
    WeightedValidation,
    pack,
)
from keras_bigdata.bench.measure import _select_shards, _spread_places
from keras_bigdata.callbacks.validation.requested_roles import RequestedRoles
from keras_bigdata.callbacks.validation.validation_data import open_set
from keras_bigdata.loading.order.epoch_plan import EpochPlan
from keras_bigdata.loading.rows import open_files
from tests.helpers.matrix import all_pairs
from tests.helpers.recording import EpochIds, recording_model
from tests.helpers.transforms import identity
from tests.helpers.unindexed_pickles import ROLES, rows_of, write_shards

SIZES = [7, 1, 12, 30, 5, 18, 9, 21]
TOTAL = sum(SIZES)
MODES = ["window", "shards", "global", None]

RNG = np.random.default_rng(0)
SELECTIONS = {
    "most": np.flatnonzero(np.arange(TOTAL) % 5 != 2),
    "few": np.array([3, 21, 22, 60, 102]),
    "a stretch": np.arange(10, 60),
}


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return write_shards(tmp_path_factory.mktemp("selected") / "all", SIZES)


@pytest.fixture(scope="module")
def variants(tmp_path_factory):
    """Two variants of the rows; those of the second have negative ids."""
    folder = write_shards(tmp_path_factory.mktemp("variants"), [*SIZES, *SIZES])
    infos = []
    scanned = Shards(folder).index
    for number in range(len(scanned)):
        path = scanned.path(number)
        content = pickle.loads(path.read_bytes())
        if number >= len(SIZES):
            content["id"] = -(content["id"] - TOTAL)
            content["x"] = rows_of(content["id"])
            path.write_bytes(pickle.dumps(content, protocol=4))
        info = scanned[number]
        infos.append(
            type(info)(
                info.name,
                info.samples,
                path.stat().st_size,
                info.offsets,
                variant=number // len(SIZES),
            )
        )
    return ShardIndex.from_shards(folder, scanned.fields, infos, variants=2)


def epoch_of(data, epoch=0):
    """The ids of an epoch, after a look at the inputs that belong to them."""
    data.epoch = epoch
    ids = []
    for index in range(len(data)):
        x, y = data[index]
        np.testing.assert_array_equal(x, rows_of(y))
        ids += y.tolist()
    return ids


@pytest.mark.quick_cases(5)
@all_pairs(
    selected=list(SELECTIONS),
    shuffle=MODES,
    workers=[0, 2],
    last_batch=["keep", "drop"],
    batch_size=[1, 5, 16],
    several=[False, True],
)
def test_selected_rows_once_per_epoch(
    directory, variants, selected, shuffle, workers, last_batch, batch_size, several
):
    rows = SELECTIONS[selected]
    if last_batch == "drop":
        batch_size = min(batch_size, len(rows))
    shards = Shards(variants if several else directory).rows(rows)
    data = ShardSequence(
        shards,
        batch_size,
        **ROLES,
        shuffle=shuffle,
        window_shards=3,
        seed=3,
        workers=workers,
        last_batch=last_batch,
    )
    assert data.num_samples == len(rows)
    for epoch in range(3):
        sign = -1 if several and epoch % 2 else 1
        ids = [sign * one for one in epoch_of(data, epoch)]
        if last_batch == "keep":
            assert sorted(ids) == rows.tolist()
        else:
            assert len(ids) == len(set(ids)) == len(rows) // batch_size * batch_size
            assert set(ids) <= set(rows.tolist())
    assert epoch_of(data.unshuffled()) == rows.tolist()


@pytest.mark.slow
@settings(deadline=None, max_examples=25)
@given(
    rows=st.lists(st.integers(0, TOTAL - 1), min_size=1, unique=True),
    shuffle=st.sampled_from(MODES),
    batch_size=st.integers(1, 40),
    window=st.integers(1, 4),
    seed=st.integers(0, 2**40),
    epoch=st.integers(0, 5),
)
def test_the_order_is_the_plan_over_the_selected_rows(
    directory, rows, shuffle, batch_size, window, seed, epoch
):
    settings = {"shuffle": shuffle, "window_shards": window, "seed": seed}
    shards = Shards(directory).rows(rows)
    data = ShardSequence(shards, batch_size, **ROLES, **settings, workers=0)
    # The ids of the shards that have any selected rows: what a packed selection would hold.
    firsts = np.cumsum(SIZES) - SIZES
    kept = [
        [r for r in sorted(rows) if a <= r < a + size]
        for a, size in zip(firsts, SIZES, strict=True)
    ]
    kept = [np.array(ids) for ids in kept if ids]
    plan = EpochPlan(np.array([len(ids) for ids in kept]), batch_size, **settings)
    expected = [
        kept[shard][row]
        for batch in range(plan.num_batches)
        for shard, row in zip(*plan.rows(epoch, batch), strict=True)
    ]
    assert epoch_of(data, epoch) == expected
    # In any order of requests, and in another object.
    again = ShardSequence(Shards(directory).rows(rows), batch_size, **ROLES, **settings, workers=0)
    last = len(again) - 1
    np.testing.assert_array_equal(again.batch_of(epoch, last)[1], expected[last * batch_size :])


def test_all_rows_selected_are_served_as_without_a_selection(directory):
    for shuffle in MODES:
        plain = ShardSequence(directory, 16, **ROLES, seed=1, shuffle=shuffle)
        all_rows = Shards(directory).rows(range(TOTAL))
        assert epoch_of(ShardSequence(all_rows, 16, **ROLES, seed=1, shuffle=shuffle)) == epoch_of(
            plain
        )
    assert "selection" not in plain.state_dict()


# ---- fit


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize(("shuffle", "processes"), [("window", False), ("global", True)])
def test_a_fit_trains_on_the_selected_rows(directory, shuffle, processes):
    rows = SELECTIONS["most"]
    data = ShardSequence(
        Shards(directory).rows(rows),
        16,
        **ROLES,
        shuffle=shuffle,
        seed=2,
        use_multiprocessing=processes,
        transform=identity if processes else None,
    )
    ids = EpochIds()
    recording_model(built=True).fit(data, epochs=2, verbose=0, shuffle=False, callbacks=[ids])
    assert [sorted(epoch) for epoch in ids.epochs] == [rows.tolist()] * 2
    expected = ShardSequence(Shards(directory).rows(rows), 16, **ROLES, shuffle=shuffle, seed=2)
    assert ids.epochs[1] == epoch_of(expected, 1)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="of tf.data")
def test_as_dataset_serves_the_selected_rows(directory):
    shards = Shards(directory).rows(SELECTIONS["most"])
    data = ShardSequence(shards, 16, **ROLES, seed=2)
    served = [y for _, ys in data.as_dataset() for y in ys.numpy().tolist()]
    assert served == epoch_of(ShardSequence(shards, 16, **ROLES, seed=2))


# ---- State


def test_a_state_of_another_selection_is_refused_with_both(directory):
    def sequence(shards):
        return ShardSequence(shards, 8, **ROLES, seed=1)

    everything, some = Shards(directory), Shards(directory).rows(range(20))
    others = Shards(directory).rows(range(1, 21))
    state = sequence(some).state_dict()
    assert state["selection"]["description"] == "rows(20 of 103)"
    assert pickle.loads(pickle.dumps(state)) == state
    sequence(Shards(directory).where(lambda columns: columns["id"] < 20)).load_state_dict(state)
    both = r"selection was rows\(20 of 103\) \(digest \w+\) and is rows\(20 of 103\) \(digest \w+\)"
    with pytest.raises(ValueError, match=both):
        sequence(others).load_state_dict(state)
    with pytest.raises(ValueError, match="and is all rows here"):
        sequence(everything).load_state_dict(state)
    with pytest.raises(ValueError, match="the selection was all rows and is rows"):
        sequence(some).load_state_dict(sequence(everything).state_dict())


def test_resume_training_refuses_another_selection(directory, tmp_path):
    def train(shards):
        data = ShardSequence(shards, 8, **ROLES, seed=1)
        callback = ResumeTraining(tmp_path / "checkpoint", data)
        recording_model(built=True).fit(
            data, epochs=1, verbose=0, shuffle=False, callbacks=callback.around([])
        )

    train(Shards(directory).rows(range(20)))
    with pytest.raises(ValueError, match=r"selection was rows\(20 of 103\).* is rows\(20 of 103\)"):
        train(Shards(directory).rows(range(1, 21)))


# ---- What depends on the rows of an epoch


def test_class_weights_are_those_of_the_selected_rows(tmp_path):
    labels = np.repeat([0, 1, 2], [30, 20, 10])
    pack(Arrays(x=labels[:, None] * 1.0, labels=labels), tmp_path / "s", shard_samples=7, verbose=0)
    shards = Shards(tmp_path / "s").where(lambda columns: columns["labels"] != 1)
    weights = ShardSequence(shards).class_weight()
    assert weights == {0: 40 / (2 * 30), 2: 40 / (2 * 10)}


def test_representations_have_both_numbers_of_rows(directory):
    data = ShardSequence(Shards(directory).rows(range(20)), 8, **ROLES)
    assert "20 of 103 rows in 8 shards, batch 8, window of 6)" in repr(data)
    assert "rows(20 of 103)" in data._repr_html_()


def test_substitutes_of_corrupt_shards_are_selected_rows(tmp_path):
    ids = np.arange(200, dtype=np.int32)
    pack(
        Arrays(x=rows_of(ids), id=ids, inputs="x", targets="id"),
        tmp_path / "s",
        shard_samples=20,
        shuffle=False,
        verbose=0,
    )
    chosen = Shards(tmp_path / "s").where(lambda columns: columns["id"] % 3 == 0)
    lost = tmp_path / "s/shard-00003.pkl"
    os.truncate(lost, lost.stat().st_size // 2)
    for shuffle, batch_size in itertools.product(MODES, (1, 16)):
        data = ShardSequence(chosen, batch_size, seed=1, shuffle=shuffle, on_corrupt="skip")
        with pytest.warns(UserWarning, match="skipped: 7 other rows"):
            served = epoch_of(data)
        assert len(served) == chosen.num_samples == 67
        assert all(one % 3 == 0 and not 60 <= one < 80 for one in served)
        (skipped,) = data.skipped_shards.values()
        assert skipped.rows == 7


# ---- Reading


def read_bytes(monkeypatch, shards, **settings):
    """The bytes that an epoch reads from the files."""
    read = open_files.read_into
    sizes = []

    def counting(fd, places, offset):
        sizes.append(int(places[:, 1].sum()))
        return read(fd, places, offset)

    with monkeypatch.context() as patch:
        patch.setattr(open_files, "read_into", counting)
        epoch_of(ShardSequence(shards, 64, **ROLES, seed=1, workers=0, **settings))
    return sum(sizes)


@pytest.mark.parametrize("shuffle", MODES)
def test_a_contiguous_tenth_reads_at_most_a_quarter(tmp_path, monkeypatch, shuffle):
    # One shard of which a tenth is selected, and small rows, which are read as columns.
    shards = Shards(write_shards(tmp_path / "one", [8000]))
    whole = read_bytes(monkeypatch, shards, shuffle=shuffle)
    tenth = read_bytes(monkeypatch, shards.rows(range(3000, 3800)), shuffle=shuffle)
    assert whole == 8000 * 16
    assert tenth == whole / 10


def test_compressed_shards_keep_the_selected_part_only(tmp_path):
    for number in range(3):
        ids = np.arange(number * 50, number * 50 + 50, dtype=np.int32)
        with gzip.open(tmp_path / f"{number}.pkl.gz", "wb") as file:
            pickle.dump({"x": rows_of(ids), "id": ids}, file)
    data = ShardSequence(Shards(tmp_path).rows(range(40, 60)), 8, **ROLES, seed=1, workers=0)
    assert sorted(epoch_of(data)) == list(range(40, 60))
    column = data.server.prefetcher.loader.reader.column(0, "id")
    assert column.tolist() == list(range(40, 50))
    assert column.base is None


def test_a_validation_set_may_be_selected(directory):
    shards = Shards(directory).rows(range(20))
    data = open_set("val", shards, 8, RequestedRoles.check("x", "id", None))
    assert epoch_of(data) == list(range(20))
    WeightedValidation({"val": shards}, inputs="x", targets="id")


def test_a_benchmark_measures_the_shards_that_have_selected_rows(directory):
    shards = Shards(directory).rows(range(8, 40))
    part = _select_shards(shards.index, 2**30, shards.selection)
    assert part.names == ["00002.pkl", "00003.pkl"]
    places = _spread_places(shards.index, 2**30, shards.selection)
    some = Shards.of_index(part, shards.selection.of_shards(places))
    assert some.columns("id")["id"].tolist() == list(range(8, 40))
