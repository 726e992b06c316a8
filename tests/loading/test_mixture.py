"""`Mixture`: rows of several sequences in every batch, in given proportions."""

from __future__ import annotations

import pickle
from collections import Counter

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_bigdata import (
    Arrays,
    Mixture,
    ResumeTraining,
    ShardError,
    ShardSequence,
    WeightedValidation,
    pack,
)
from keras_bigdata.loading.order.proportions import Proportions, checked_weights
from tests.helpers.recording import EpochIds, recording_model
from tests.helpers.reused import reused
from tests.helpers.transforms import add_noise
from tests.helpers.unindexed_pickles import ROLES, rows_of

# ---- Proportions


@settings(deadline=None)
@given(
    weights=st.lists(st.integers(1, 60), min_size=1, max_size=5),
    batch_size=st.integers(1, 40),
    sizes=st.lists(st.integers(1, 300), min_size=5, max_size=5),
    steps=st.sampled_from([None, 7]),
)
def test_shares_of_any_prefix_are_within_one_row(weights, batch_size, sizes, steps):
    weights = checked_weights(weights, [str(n) for n in range(len(weights))])
    sizes = sizes[: len(weights)]
    plan = Proportions(weights, batch_size, sizes, steps)
    length = plan.length
    before = plan.before(np.arange(3 * length + 1))
    of_batch = np.diff(before, axis=0)
    assert (of_batch >= 0).all()
    assert (of_batch <= plan.max_rows).all()
    rows = of_batch.sum(axis=1)
    full = rows if steps else np.delete(rows, slice(length - 1, None, length))
    assert (full == batch_size).all()
    assert ((rows > 0) & (rows <= batch_size)).all()
    prefix = before if steps else before[:length]
    exact = np.arange(len(prefix))[:, None] * batch_size * np.array(weights) / sum(weights)
    assert (np.abs(prefix - exact) < 1 + 1e-9).all()
    if steps is None:
        # One pass over the set that is exhausted last, in every epoch.
        last = int(np.argmax(np.array(sizes) / weights))
        assert (before[::length][:, last] == np.arange(4) * sizes[last]).all()
        exact = sizes[last] * np.array(weights) / weights[last]
        assert (np.abs(before[length] - exact) <= 1 + len(weights) / 2).all()
        assert plan.num_samples == before[length].sum()


def test_weights_that_divide_the_batch_give_the_same_numbers_always():
    plan = Proportions((3, 1), 64, [960, 100])
    assert np.unique(np.diff(plan.before(np.arange(50)), axis=0), axis=0).tolist() == [[48, 16]]
    assert plan.length == 20


def test_weights_are_taken_as_written():
    assert checked_weights((0.75, 0.25), "ab") == (3, 1)
    assert checked_weights((0.1, 0.2, 0.3), "abc") == (1, 2, 3)
    assert checked_weights((1 / 3, 2 / 3), "ab") == (1, 2)
    assert checked_weights((np.int64(30), np.float32(10)), "ab") == (3, 1)
    with pytest.raises(ValueError, match=r"integers such as \(1, 2\)"):
        checked_weights((0.123456789012, 1), "ab")
    for weight in (0, float("inf")):
        with pytest.raises(ValueError, match=r"positive number|must be"):
            checked_weights((1, weight), "ab")
    with pytest.raises(ValueError, match="less than one row per batch"):
        Proportions((1_000_000, 1, 1), 8, [9, 9, 9])


# ---- Sets


def write(directory, first, count, shard_rows=20):
    """Bare pickles of ids from `first` on."""
    directory.mkdir()
    for start in range(first, first + count, shard_rows):
        ids = np.arange(start, min(start + shard_rows, first + count), dtype=np.int32)
        content = {"x": rows_of(ids), "id": ids, "labels": ids % 3}
        (directory / f"{start:05d}.pkl").write_bytes(pickle.dumps(content))
    return directory


@pytest.fixture
def sets(tmp_path):
    web, own = write(tmp_path / "web", 0, 203), write(tmp_path / "own", 1000, 41)
    return {"web": sequence(web, seed=3), "own": sequence(own, seed=4)}


def sequence(path, **options):
    return ShardSequence(path, **{**ROLES, "window_shards": 3, **options})


def batches(mixture, epochs=1):
    """The ids of each batch of each epoch."""
    return [[np.asarray(y).tolist() for _, y in mixture] for _ in range(epochs)]


def flat(epoch):
    return [id_ for batch in epoch for id_ in batch]


def check_epochs(epochs, sets, rows=(12, 4)):
    """Full batches hold the rows of each set, each set goes through passes in its own order."""
    for epoch in epochs:
        for batch in epoch[:-1]:
            assert [id_ < 1000 for id_ in batch] == [True] * rows[0] + [False] * rows[1]
    served = [id_ for epoch in epochs for id_ in flat(epoch)]
    for name, data in sets.items():
        of_set = [id_ for id_ in served if (id_ < 1000) == (name == "web")]
        alone = ShardSequence(
            data.index.directory, 7, **ROLES, window_shards=3, seed=data.seed, workers=0
        )
        assert of_set == [id_ for _ in range(20) for id_ in flat(batches(alone)[0])][: len(of_set)]


def test_fit_trains_on_both_in_proportion_and_goes_on_through_their_rows(sets):
    mixture = Mixture(sets, weights=(3, 1), batch_size=16)
    assert len(mixture) == 17
    expected = batches(Mixture(sets, (3, 1), 16, workers=0), 4)
    check_epochs(expected, sets)
    for epoch in expected:
        assert sorted(id_ for id_ in flat(epoch) if id_ < 1000) == list(range(203))
    model, ids = recording_model(built=True), EpochIds()
    model.fit(mixture, epochs=2, verbose=0, callbacks=[ids])  # shuffle=True
    model.fit(mixture, epochs=1, verbose=0, shuffle=False, callbacks=[ids])
    assert ids.epochs == [flat(epoch) for epoch in expected[:3]]
    assert mixture.epoch == 3
    model.fit(mixture.as_dataset(), epochs=1, verbose=0, shuffle=False, callbacks=[ids])
    assert ids.epochs[3] == flat(expected[3])


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("options", [{}, {"shuffle": "global"}, {"shuffle": None}])
def test_any_order_of_requests_and_of_the_sets(sets, options):
    sets = {n: sequence(s.index.directory, seed=s.seed, **options) for n, s in sets.items()}
    mixture = Mixture(sets, (2, 1), 10)
    expected = batches(Mixture(sets, (2, 1), 10, workers=0), 3)
    requests = [(epoch, index) for epoch in range(3) for index in range(len(mixture))]
    for epoch, index in sorted(requests, key=lambda request: hash((*request, 1))):
        x, y = mixture.batch_of(epoch, index)
        assert y.tolist() == expected[epoch][index]
        np.testing.assert_array_equal(x, rows_of(y))
    assert Counter(flat(expected[1])).most_common(1)[0][1] <= 3


def test_steps_per_epoch_are_full_batches_of_an_endless_stream(sets):
    mixture = Mixture(sets, (3, 1), 16, steps_per_epoch=5)
    epochs = batches(mixture, 12)
    assert {len(batch) for epoch in epochs for batch in epoch} == {16}
    check_epochs(epochs, sets)
    for x, _ in mixture.as_dataset().take(1):
        assert x.shape == (16, 3)
    assert mixture.as_dataset().element_spec[0].shape == (16, 3)


def test_each_transform_receives_the_rows_of_its_set(sets):
    seen = []

    def shift(batch, rng):
        seen.append((batch["id"].tolist(), rng.random()))
        return {**batch, "x": batch["x"] + 1}

    def check(workers):
        seen.clear()
        moved = sequence(sets["own"].index.directory, seed=4, transform=shift)
        mixture = Mixture({"web": sets["web"], "own": moved}, (3, 1), 16, workers=workers)
        for x, y in mixture:
            own = y >= 1000
            np.testing.assert_array_equal(x, rows_of(y) + own[:, None].astype(np.float32))
        return sorted(seen[: 2 * len(mixture)])

    first = check(0)
    assert all(id_ >= 1000 for ids, _ in first for id_ in ids)
    assert len({number for _, number in first}) == len(first)
    assert first == [entry for entry in check(2) if entry in first]


def test_dtypes_that_transforms_make_are_compared(sets):
    def widen(batch, rng):
        return {**batch, "x": batch["x"].astype(np.float64)}

    wide = sequence(sets["own"].index.directory, transform=widen)
    with pytest.raises(
        ShardError, match=r"'web' has \['float32 \(rows, 3\)'.*'own' has \['float64"
    ):
        Mixture({"web": sets["web"], "own": wide}, (1, 1), 8, workers=0)[0]


@pytest.mark.slow
def test_transforms_run_in_processes(sets):
    noisy = {n: sequence(s.index.directory, seed=1, transform=add_noise) for n, s in sets.items()}
    serial = Mixture(noisy, (3, 1), 16, workers=0)
    parallel = Mixture(noisy, (3, 1), 16, workers=2, use_multiprocessing=True)
    for (x, y), (x2, y2) in zip(serial, parallel, strict=True):
        np.testing.assert_array_equal(x, x2)
        np.testing.assert_array_equal(y, y2)
    parallel.release()


def test_a_balanced_set_stays_balanced(tmp_path):
    web, own = write(tmp_path / "web", 0, 90), write(tmp_path / "own", 1000, 40)
    even = sequence(own, balance="labels", seed=1)
    epochs = batches(Mixture({"web": sequence(web), "own": even}, (1, 1), 12), 2)
    own_ids = [id_ for epoch in epochs for id_ in flat(epoch) if id_ >= 1000]
    counts = np.bincount(np.array(own_ids) % 3)
    # Two of its epochs end within this stream, each with one more row of some class.
    assert counts.max() - counts.min() <= 2


def test_fields_may_have_other_names(tmp_path, sets):
    (tmp_path / "other").mkdir()
    ids = np.arange(1000, 1030, dtype=np.int32)
    content = {"pixels": rows_of(ids), "number": ids}
    (tmp_path / "other/0.pkl").write_bytes(pickle.dumps(content))
    other = ShardSequence(tmp_path / "other", inputs="pixels", targets="number", seed=1)
    for x, y in Mixture([sets["web"], other], (1, 1), 8):
        np.testing.assert_array_equal(x, rows_of(y))


def test_corrupt_shards_of_a_set_are_skipped(sets):
    own = sequence(sets["own"].index.directory, seed=4, on_corrupt="skip")
    mixture = Mixture({"web": sets["web"], "own": own}, (3, 1), 16, workers=0)
    own.index.path(1).unlink()
    with (
        pytest.warns(UserWarning, match="Epoch 0 was served without 20 rows"),
        pytest.warns(UserWarning, match="The shard is skipped"),
    ):
        (epoch,) = batches(mixture)
    check = [sum(id_ >= 1000 for id_ in batch) for batch in epoch[:-1]]
    assert check == [4] * 16
    assert len(own.skipped_shards) == 1
    assert not set(flat(epoch)) & set(range(1020, 1040))


# ---- State, and the callbacks


def test_state_goes_on_with_other_seeds(sets):
    mixture = Mixture(sets, (3, 1), 16)
    batches(mixture)
    state = pickle.loads(pickle.dumps(mixture.state_dict()))
    fresh = {name: sequence(data.index.directory) for name, data in sets.items()}
    again = Mixture(fresh, (3, 1), 16)
    again.load_state_dict(state)
    assert again.seed == [3, 4]
    assert batches(again, 2) == batches(mixture, 2)
    with pytest.raises(ValueError, match=r"'weights' is \[3, 1\] in the state and \[2, 1\] here"):
        Mixture(fresh, (2, 1), 16).load_state_dict(state)
    copied = pickle.loads(pickle.dumps(mixture))
    assert batches(copied) == batches(mixture)
    # The order of the sets was not compared, and their seeds were exchanged.
    alike = [sequence(next(iter(sets.values())).index.directory) for _ in range(2)]
    state = Mixture({"a": alike[0], "b": alike[1]}, (1, 1), 16).state_dict()
    with pytest.raises(ValueError, match=r"'order' is \['a', 'b'\] in the state"):
        Mixture({"b": alike[1], "a": alike[0]}, (1, 1), 16).load_state_dict(state)


@pytest.mark.slow
def test_a_training_that_was_interrupted_goes_on_in_the_middle(sets, tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 3 and self.stops:
                raise ZeroDivisionError

    @reused
    def build():
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        model.compile("adam", "mse")
        return model

    def train(directory, stops):
        model = build()
        mixture = Mixture(sets, (3, 1), 16)
        stop = Stop()
        stop.stops = stops
        resume = ResumeTraining(directory, mixture, every=0)
        fit = {"epochs": 2, "shuffle": False, "verbose": 0}
        try:
            model.fit(mixture, **fit, callbacks=[*resume.around(), stop])
        except ZeroDivisionError:
            return None
        return np.concatenate([np.ravel(weights) for weights in model.get_weights()])

    whole = train(tmp_path / "whole", False)
    assert train(tmp_path / "killed", True) is None
    np.testing.assert_array_equal(train(tmp_path / "killed", False), whole)
    other = Mixture(sets, (1, 1), 16)
    model = recording_model(built=True)
    resume = ResumeTraining(tmp_path / "killed", other)
    with pytest.raises(ValueError, match="weights is"):
        model.fit(other, shuffle=False, verbose=0, callbacks=resume.around())


def test_weighted_validation_compares_every_set(tmp_path):
    for name, classes in {"a": "xy", "b": "xyz", "val": "xz"}.items():
        source = Arrays(x=np.zeros((8, 3)), labels=np.arange(8) % 2, classes=list(classes))
        pack(source, tmp_path / name, workers=1, verbose=0)
    mixture = Mixture([ShardSequence(tmp_path / n) for n in "ab"], (1, 1), 4)
    validation = WeightedValidation(tmp_path / "val", train=mixture)
    with pytest.raises(ValueError, match="does not number its classes"):
        recording_model(built=True).fit(mixture, verbose=0, callbacks=[validation])


# ---- What is refused, and what is shown


def test_sets_that_do_not_fit_together(tmp_path, sets):
    for name, classes in {"cats": ["cat", "dog"], "dogs": ["dog", "cat"]}.items():
        source = Arrays(x=np.zeros((4, 3), np.float32), labels=[0, 1] * 2, classes=classes)
        pack(source, tmp_path / name, workers=1, verbose=0)
    cats, dogs = ShardSequence(tmp_path / "cats"), ShardSequence(tmp_path / "dogs")
    with pytest.raises(ValueError, match=r"classes are \[cat, dog\] and \[dog, cat\]"):
        Mixture([cats, dogs], (1, 1))
    with pytest.raises(ValueError, match=r"`targets` is 'id': int32 \(rows\) in '0' and 'labels'"):
        Mixture([sets["web"], cats], (1, 1))
    nested = sequence(sets["own"].index.directory, inputs={"image": "x"})
    with pytest.raises(ValueError, match=r"inputs='x', targets='id' and inputs=\{'image': 'x'\}"):
        Mixture([sets["web"], nested], (1, 1))


def test_settings_without_effect_are_refused(sets):
    directory = sets["own"].index.directory

    class Custom(ShardSequence):
        def __getitem__(self, index):
            return super().__getitem__(index)

    for data, match in (
        (sequence(directory, last_batch="drop"), "drops no rows"),
        (sequence(directory, steps_per_epoch=2), "Pass that to the Mixture"),
        (sequence(directory).unshuffled(), "unshuffled view"),
        (Custom(directory, **ROLES), "Custom makes its own batches"),
    ):
        with pytest.raises(ValueError, match=match):
            Mixture([sets["web"], data], (1, 1))


def test_arguments(sets):
    with pytest.raises(TypeError, match="Received: str for the set '0'"):
        Mixture(["shards/train"], (1,))
    with pytest.raises(TypeError, match="a dict of name -> ShardSequence, or a list"):
        Mixture(sets["web"], (1,))
    with pytest.raises(ValueError, match="must not be empty"):
        Mixture({}, ())
    with pytest.raises(ValueError, match="a number for each of the 2 sets"):
        Mixture(sets, (1, 2, 3))
    with pytest.raises(ValueError, match=r"the names of the sets, \['web', 'own'\]"):
        Mixture(sets, {"web": 1, "others": 2})
    with pytest.raises(ValueError, match="has no unshuffled view"):
        Mixture(sets, {"own": 1, "web": 3}).unshuffled()
    assert Mixture(sets, {"own": 1, "web": 3}).weights == {"web": 3, "own": 1}


def test_it_is_shown_in_a_few_words(sets):
    mixture = Mixture(sets, (3, 1), 16)
    assert repr(mixture) == "Mixture(3 web + 1 own: batch 16, 17 per epoch)"
    html = mixture._repr_html_()
    assert "weight 3, 203 rows" in html
    many = Mixture([sets["web"]] * 30, [1] * 30, 60)
    assert len(repr(many)) < 200
    assert len(many._repr_html_()) < 8000
