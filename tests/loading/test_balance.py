"""`balance`: all classes evenly, each row of a class once before any again, in a pure order."""

from __future__ import annotations

import pickle
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_bigdata import (
    Arrays,
    ResumeTraining,
    ShardError,
    ShardIndex,
    Shards,
    ShardSequence,
    pack,
)
from keras_bigdata.loading.classes.read_class_rows import read_class_rows
from keras_bigdata.loading.order.balanced_plan import BalancedPlan
from keras_bigdata.loading.order.class_rows import ClassRows, VariantRows
from tests.helpers.recording import EpochIds, recording_model
from tests.helpers.unindexed_pickles import rows_of

MODES = ["window", "shards", "global"]
LABELS = np.random.default_rng(5).choice(4, 203, p=[0.7, 0.2, 0.07, 0.03])
SETTINGS = {"inputs": "x", "targets": "id", "balance": "labels"}


def write(directory, labels=LABELS, shard_rows=20):
    """Bare pickles of ids and labels, as `write_shards` writes those of ids."""
    directory.mkdir()
    for number, start in enumerate(range(0, len(labels), shard_rows)):
        ids = np.arange(start, min(start + shard_rows, len(labels)), dtype=np.int32)
        content = {"x": rows_of(ids), "id": ids, "labels": np.asarray(labels)[ids]}
        (directory / f"{number:05d}.pkl").write_bytes(pickle.dumps(content))
    return directory


@pytest.fixture
def directory(tmp_path):
    return write(tmp_path / "shards")


def class_rows_of(labels_of, variants=1):
    """The rows of each class, from the labels in each shard, computed in the plainest way."""
    count = len(labels_of)
    ends = np.cumsum([len(labels) for labels in labels_of])
    everything = np.concatenate(labels_of).astype(np.int64)
    found, counts = np.unique(everything, return_counts=True)
    positions = np.concatenate([np.flatnonzero(everything == label) for label in found])
    return ClassRows(
        "labels",
        found,
        np.cumsum(counts),
        tuple(
            VariantRows(np.arange(count) + v * count, ends, positions.astype(np.uint32))
            for v in range(variants)
        ),
    )


def served(plan, epoch):
    """The rows of an epoch, batch by batch, as (shard, row)."""
    batches = [plan.rows(epoch, batch) for batch in range(plan.num_batches)]
    return [list(zip(s.tolist(), r.tolist(), strict=True)) for s, r in batches]


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(
    labels_of=st.lists(st.lists(st.integers(0, 6), max_size=90), min_size=1, max_size=9).filter(
        any
    ),
    batch_size=st.integers(1, 30),
    shuffle=st.sampled_from(MODES),
    window_shards=st.integers(1, 4),
    last_batch=st.sampled_from(["keep", "drop"]),
    variants=st.integers(1, 2),
    seed=st.integers(0, 2**63),
)
def test_every_epoch_is_even_and_every_row_of_a_class_comes_before_any_comes_again(
    labels_of, batch_size, shuffle, window_shards, last_batch, variants, seed
):
    labels_of = [np.array(labels, np.int64) for labels in labels_of]
    plan = BalancedPlan(
        class_rows_of(labels_of, variants),
        batch_size,
        shuffle=shuffle,
        window_shards=window_shards,
        last_batch=last_batch,
        seed=seed,
    )
    total = sum(map(len, labels_of))
    classes = np.unique(np.concatenate(labels_of)).tolist()
    sizes = Counter(np.concatenate(labels_of).tolist())
    streams, totals = defaultdict(list), Counter()
    for epoch in range(4):
        counts = Counter()
        for batch in served(plan, epoch):
            of_batch = Counter(int(labels_of[s % len(labels_of)][r]) for s, r in batch)
            if len(classes) <= batch_size:
                assert max(of_batch.values()) - min(of_batch[c] for c in classes) <= 1
            else:
                assert max(of_batch.values()) <= 2
            counts.update(of_batch)
        for shard, row in [pair for batch in served(plan, epoch) for pair in batch]:
            streams[int(labels_of[shard % len(labels_of)][row])].append((shard, row))
        assert sum(counts.values()) == (
            total if last_batch == "keep" else total // batch_size * batch_size
        )
        for some in (counts, totals + counts):
            assert max(some[c] for c in classes) - min(some[c] for c in classes) <= 1
        totals.update(counts)
    # Within a batch the rows are mixed, so passes are compared by how often each row was served.
    for label, stream in streams.items():
        number = Counter((shard % len(labels_of), row) for shard, row in stream)
        passes, rest = divmod(len(stream), sizes[label])
        every = number.values()
        assert max(every) <= passes + (rest > 0)
        assert len(number) == sizes[label] or not passes
        assert min(every) >= passes


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("shuffle", MODES)
def test_a_pass_is_over_before_the_next_one_begins(shuffle):
    labels_of = [np.zeros(50, int), np.ones(7, int), np.arange(100) % 2, np.zeros(3, int)]
    plan = BalancedPlan(class_rows_of(labels_of), 1, shuffle=shuffle, window_shards=2, seed=1)
    streams = defaultdict(list)
    for epoch in range(6):
        for ((shard, row),) in served(plan, epoch):
            streams[int(labels_of[shard][row])].append((shard, row))
    for label, size in ((0, 103), (1, 57)):
        passes = [streams[label][i : i + size] for i in range(0, len(streams[label]), size)]
        for one in passes[:-1]:
            assert len(set(one)) == size
        assert len(set(passes[-1])) == len(passes[-1])
        # The few rows in shard 1 are joined with those in the next shard.
        if label == 0 or shuffle != "shards":
            assert len({tuple(one) for one in passes[:-1]}) > 1


def test_a_window_keeps_to_its_shards():
    labels_of = [np.arange(80) % 2 for _ in range(12)]
    plan = BalancedPlan(class_rows_of(labels_of), 40, window_shards=3, seed=2)
    # 3 shards hold 240 rows: six batches, in which classes of equal size share their shards.
    for first in range(0, plan.num_batches, 6):
        shards, _ = plan.rows(0, first, 6)
        assert len(np.unique(shards)) == 3


def test_batches_do_not_depend_on_how_many_are_asked_for_together():
    labels_of = [np.arange(80) % 3 for _ in range(5)]
    rows = class_rows_of(labels_of)
    plan, other = (BalancedPlan(rows, 13, window_shards=2, seed=4) for _ in range(2))
    whole = np.stack(plan.rows(2, 0, plan.num_batches), axis=1)
    for batch in reversed(range(plan.num_batches)):
        one = np.stack(other.rows(2, batch), axis=1)
        np.testing.assert_array_equal(one, whole[batch * 13 : (batch + 1) * 13])


def test_the_order_is_frozen_across_releases():
    labels_of = [np.arange(40) % 3, np.zeros(9, int), np.arange(33) % 2]
    golden = {
        "window": GOLDEN_WINDOW,
        "shards": GOLDEN_SHARDS,
        "global": GOLDEN_GLOBAL,
    }
    for shuffle, expected in golden.items():
        plan = BalancedPlan(class_rows_of(labels_of), 8, shuffle=shuffle, window_shards=2, seed=7)
        assert served(plan, 3)[2] == expected
    many = BalancedPlan(class_rows_of([np.arange(60) % 20]), 6, seed=7)
    assert [row for _, row in served(many, 1)[4]] == GOLDEN_MANY


GOLDEN_WINDOW = [(2, 28), (1, 0), (0, 25), (0, 7), (2, 23), (0, 2), (0, 11), (0, 35)]
GOLDEN_SHARDS = [(0, 27), (0, 24), (0, 1), (0, 7), (0, 4), (0, 29), (0, 35), (0, 32)]
GOLDEN_GLOBAL = [(1, 5), (2, 20), (0, 10), (2, 5), (0, 13), (0, 11), (0, 8), (0, 35)]
GOLDEN_MANY = [33, 23, 55, 10, 0, 12]


# ---- Real shards


def epoch_ids(data, epochs):
    return [[id_ for _, y in data for id_ in y.tolist()] for _ in range(epochs)]


def test_fit_trains_on_even_classes_and_goes_on_through_the_rows(directory):
    train = ShardSequence(directory, 16, **SETTINGS, seed=3, window_shards=2)
    ids = EpochIds()
    recording_model(built=True).fit(train, epochs=4, verbose=0, callbacks=[ids])
    assert ids.epochs == epoch_ids(
        ShardSequence(directory, 16, **SETTINGS, seed=3, window_shards=2, workers=0), 4
    )
    for epoch in ids.epochs:
        counts = np.bincount(LABELS[epoch])
        assert counts.sum() == 203
        assert counts.max() - counts.min() <= 1
    served = np.bincount(np.concatenate(ids.epochs), minlength=203)
    for label in range(4):
        of_class = served[label == LABELS]
        assert of_class.max() - of_class.min() <= 1


@pytest.mark.parametrize("form", ["one-hot", "column", "bool"])
def test_labels_of_any_form(tmp_path, form):
    labels = LABELS if form != "bool" else LABELS > 0
    stored = {"one-hot": np.eye(4, dtype=np.float32)[LABELS], "column": LABELS[:, None]}
    plain = write(tmp_path / "plain", labels.astype(int))
    other = write(tmp_path / "other", stored.get(form, labels))
    sequences = [ShardSequence(path, 16, **SETTINGS, seed=1) for path in (plain, other)]
    assert epoch_ids(sequences[0], 1) == epoch_ids(sequences[1], 1)


def test_selected_rows_only(directory):
    index = ShardSequence(directory, **SETTINGS).index
    chosen = np.random.default_rng(0).random(203) < 0.5
    masks = np.split(chosen, np.cumsum(index.samples)[:-1])
    for select in (masks.__getitem__, lambda shard: np.flatnonzero(masks[shard])):
        rows = read_class_rows(index, "labels", trust=False, selected=select)
        found = rows.variants[0].positions
        np.testing.assert_array_equal(np.sort(found), np.flatnonzero(chosen))
        np.testing.assert_array_equal(np.sort(LABELS[chosen]), LABELS[found])
        plan = BalancedPlan(rows, 10, seed=1)
        assert plan.num_samples == chosen.sum()


def test_variants_come_in_turn_class_by_class(tmp_path):
    def mark(sample, rng):
        return {**sample, "x": sample["x"] + 1000 * rng.integers(1, 999)}

    source = Arrays(x=np.arange(60.0)[:, None], labels=np.arange(60) % 3)
    pack(source, tmp_path / "s", variants=2, augment=mark, workers=1, shard_samples=9, verbose=0)
    train = ShardSequence(tmp_path / "s", 12, balance="labels", seed=1)
    epochs = [sorted(x for batch, _ in train for x in batch[:, 0].tolist()) for _ in range(3)]
    assert set(ShardIndex.load(tmp_path / "s").variant.tolist()) == {0, 1}
    for epoch in epochs:
        assert sorted(x % 1000 for x in epoch) == list(range(60))
    assert epochs[1] != epochs[0] == epochs[2]


def test_state_unshuffled_view_and_steps(directory):
    train = ShardSequence(directory, 16, **SETTINGS, seed=3, steps_per_epoch=5)
    epoch_ids(train, 1)
    state = train.state_dict()
    again = ShardSequence(directory, 16, **SETTINGS, steps_per_epoch=5)
    again.load_state_dict(state)
    assert epoch_ids(again, 2) == epoch_ids(train, 2)
    plain = ShardSequence(directory, 16, inputs="x", targets="id", seed=3, steps_per_epoch=5)
    with pytest.raises(ValueError, match="'balance' is 'labels' in the state and None here"):
        plain.load_state_dict(state)
    assert [id_ for _, y in train.unshuffled() for id_ in y.tolist()] == list(range(203))
    assert repr(train).endswith("window of 6, balance='labels')")
    assert "balance" in train._repr_html_()


def test_workers_and_processes_serve_the_same(directory):
    expected = epoch_ids(ShardSequence(directory, 16, **SETTINGS, seed=3, workers=0), 2)
    dataset = ShardSequence(directory, 16, **SETTINGS, seed=3).as_dataset()
    assert [[id_ for _, y in dataset for id_ in y.numpy().tolist()] for _ in range(2)] == expected


def test_resume_refuses_another_balance(directory, tmp_path):
    model = recording_model(built=True)
    for balance in ("labels", None):
        options = {**SETTINGS, "balance": balance}
        train = ShardSequence(directory, 64, **options, seed=3)
        resume = ResumeTraining(tmp_path / "checkpoints", train)
        fit = {"epochs": 1, "shuffle": False, "verbose": 0, "callbacks": resume.around()}
        if balance:
            model.fit(train, **fit)
        else:
            with pytest.raises(ValueError, match="balance is 'labels' in the checkpoint"):
                model.fit(train, **fit)


def test_what_cannot_be_balanced(tmp_path, directory):
    with pytest.raises(ShardError, match="there is no array 'sex'"):
        ShardSequence(directory, inputs="x", targets="id", balance="sex")
    packed = pack(Arrays(x=np.zeros((4, 1)), labels=[0, 1, 0, 1]), tmp_path / "packed", verbose=0)
    with pytest.raises(ValueError, match=r"there is no field 'sex'\. The fields are: 'x'"):
        ShardSequence(packed.directory, balance="sex")
    with pytest.raises(TypeError, match="`balance` must be the name of a field"):
        ShardSequence(directory, inputs="x", targets="id", balance=["labels"])
    with pytest.raises(ValueError, match=r'shuffle="shards".*or leave `balance` out'):
        ShardSequence(directory, **SETTINGS, shuffle=None)
    two = write(tmp_path / "two", np.eye(4, dtype=int)[LABELS] + np.eye(4, dtype=int)[0])
    with pytest.raises(ShardError, match=r"row \d+ of 'labels' has 2 labels"):
        ShardSequence(two, **SETTINGS)
    negative = write(tmp_path / "negative", LABELS - 1)
    with pytest.raises(ShardError, match="has the label -1 in row"):
        ShardSequence(negative, **SETTINGS)
    real = write(tmp_path / "real", LABELS * 0.5)
    with pytest.raises(ShardError, match=r"needs one class number per row, or one-hot rows"):
        ShardSequence(real, **SETTINGS)
    with pytest.raises(ValueError, match="weights would correct a second time"):
        ShardSequence(directory, inputs="x", targets="labels", balance="labels").class_weight()


def test_a_class_without_rows_is_left_out_with_a_warning(tmp_path):
    source = Arrays(x=np.arange(20.0)[:, None], labels=np.arange(20) % 2, classes=["a", "b", "c"])
    pack(source, tmp_path / "s", workers=1, verbose=0)
    with pytest.warns(UserWarning, match=r"no rows of 1 of the 3 classes of 'labels': c\."):
        train = ShardSequence(tmp_path / "s", 4, balance="labels")
    assert np.bincount(np.concatenate([y for _, y in train])).tolist() == [10, 10]


def test_variants_with_other_labels_are_refused(tmp_path):
    def relabel(sample, rng):
        return {**sample, "labels": rng.integers(0, 2)}

    source = Arrays(x=np.arange(20.0)[:, None], labels=np.arange(20) % 2)
    pack(source, tmp_path / "s", variants=2, augment=relabel, workers=1, verbose=0)
    with pytest.raises(ShardError, match="`augment` has changed labels"):
        ShardSequence(tmp_path / "s", 4, balance="labels")


def test_memory_is_a_few_bytes_per_row():
    labels = np.random.default_rng(0).integers(0, 50, 200_000)
    rows = class_rows_of(np.split(labels, 200))
    plan = BalancedPlan(rows, 64, seed=1)
    for batch in range(0, plan.num_batches, 20):
        plan.rows(0, batch, 20)
    orders = [plan._class(number, 0) for number in range(50)]
    kept = sum(o._starts.nbytes + o._first_shards.nbytes + 16 * len(o._starts) for o in orders)
    assert kept < 200_000 * 1.5
    assert rows.variants[0].positions.nbytes == 200_000 * 4


def test_selected_rows_are_balanced(tmp_path):
    labels = np.array([0] * 70 + [1] * 20 + [2] * 10)
    pack(Arrays(x=np.arange(100.0), labels=labels), tmp_path / "s", shard_samples=30)
    shards = Shards(tmp_path / "s").where(lambda columns: columns["x"] % 2 == 0)
    train = ShardSequence(shards, 10, balance="labels", seed=3, workers=0)
    assert train.num_samples == 50
    passes = [[batch for batch in epoch] for epoch in train.epochs(3)]
    served = np.concatenate([x for epoch in passes for x, _ in epoch])
    classes = np.concatenate([y for epoch in passes for _, y in epoch])
    assert (served % 2 == 0).all()
    assert sorted(np.bincount(classes).tolist()) == [50, 50, 50]
    # 50 rows of each class: ten passes over its 5 rows, one over its 35 and a part of the next.
    assert np.unique(served[classes == 2], return_counts=True)[1].tolist() == [10] * 5
    assert np.unique(served[classes == 1], return_counts=True)[1].tolist() == [5] * 10
    assert (
        sorted(np.unique(served[classes == 0], return_counts=True)[1].tolist())
        == [1] * 20 + [2] * 15
    )


def test_classes_are_not_corrected_twice(directory):
    with pytest.raises(ValueError, match="`class_weights` would correct a second time"):
        ShardSequence(directory, 10, **SETTINGS, class_weights="balanced")
