"""Rows of any length in batches: padded, of open length for Keras, exactly once."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_bigdata import (
    Mixture,
    Ragged,
    ShardError,
    Shards,
    ShardSequence,
    ShardWriter,
    predict_rows,
)
from keras_bigdata.loading.order.bucket_plan import BucketPlan
from keras_bigdata.loading.order.epoch_plan import EpochPlan
from tests.helpers.ragged_sets import token_rows, write_tokens

ROWS = token_rows(330)
MODES = ["window", "shards", "global"]


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return write_tokens(tmp_path_factory.mktemp("ragged") / "set", ROWS)


def batches_of(sequence, epoch=0):
    return [sequence.batch_of(epoch, index) for index in range(len(sequence))]


def check_rows(batches, rows=None, step=1):
    """Checks that each batch holds its rows, padded with 0, and returns their numbers."""
    rows = ROWS if rows is None else rows
    served = []
    for texts, ids in batches:
        longest = max(len(rows[row]) for row in ids)
        assert texts.shape == (len(ids), max(step, -(-longest // step) * step))
        for padded, row in zip(texts, ids.tolist(), strict=True):
            assert (padded[: len(rows[row])] == rows[row]).all()
            assert not padded[len(rows[row]) :].any()
        served += ids.tolist()
    return served


@pytest.mark.parametrize(
    "options",
    [{"shuffle": mode} for mode in [*MODES, None]]
    + [{"shuffle": mode, "bucket": "texts"} for mode in MODES]
    + [{"pad_to": 8}, {"bucket": "texts", "pad_to": 8, "workers": 0}],
    ids=str,
)
def test_every_row_is_served_once_and_padded_to_the_longest_of_its_batch(directory, options):
    sequence = ShardSequence(directory, 16, seed=3, **options)
    for epoch in range(2):
        served = check_rows(batches_of(sequence, epoch), step=options.get("pad_to", 1))
        assert sorted(served) == list(range(len(ROWS)))
    again = ShardSequence(directory, 16, seed=3, **options)
    order = np.random.default_rng(0).permutation(len(again)).tolist()
    for index in order[:6]:
        ids = again.server.prefetcher.loader.load(index)["id"]
        assert (ids == sequence.batch_of(0, index)[1]).all()


def count_padding(sequence):
    return sum(int((texts == 0).sum()) for texts, _ in batches_of(sequence))


@pytest.mark.parametrize("mode", MODES)
def test_buckets_pad_less(directory, mode):
    plain = count_padding(ShardSequence(directory, 16, seed=1, shuffle=mode))
    buckets = count_padding(ShardSequence(directory, 16, seed=1, shuffle=mode, bucket="texts"))
    assert buckets * 3 < plain


def test_buckets_have_another_order_in_each_epoch_and_the_short_batch_last(directory):
    sequence = ShardSequence(directory, 16, seed=1, bucket="texts")
    epochs = [batches_of(sequence, epoch) for epoch in range(2)]
    assert [len(ids) for _, ids in epochs[0]] == [16] * 20 + [10]
    lengths = [[texts.shape[1] for texts, _ in epoch] for epoch in epochs]
    assert lengths[0] != lengths[1]
    assert lengths[0] != sorted(lengths[0])
    dropping = ShardSequence(directory, 16, seed=1, bucket="texts", last_batch="drop")
    assert len(set(check_rows(batches_of(dropping)))) == 320


def pairs_of(batches):
    return sorted(p for s, r in batches for p in zip(s.tolist(), r.tolist(), strict=True))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=12),
    st.integers(1, 17),
    st.sampled_from(MODES),
    st.sampled_from(["keep", "drop"]),
    st.integers(0, 3),
    st.randoms(use_true_random=False),
)
def test_a_bucket_plan_serves_the_rows_that_it_groups(sizes, size, mode, last, epoch, random):
    samples = np.array(sizes)
    plan = EpochPlan(samples, size, shuffle=mode, window_shards=3, seed=5, last_batch=last)
    table = {(s, r): random.randrange(9) for s, n in enumerate(sizes) for r in range(n)}

    def lengths_of(shards, rows):
        return np.array([table[pair] for pair in zip(shards.tolist(), rows.tolist(), strict=True)])

    buckets = BucketPlan(plan, lengths_of)
    rows = [buckets.rows(epoch, batch) for batch in range(buckets.num_batches)]
    expected = [plan.rows(epoch, batch) for batch in range(plan.num_batches)]
    assert pairs_of(rows) == pairs_of(expected)
    if plan.num_batches > 1:
        joined = buckets.rows(epoch, 0, plan.num_batches)
        assert (joined[1] == np.concatenate([numbers for _, numbers in rows])).all()
        assert [len(numbers) for _, numbers in rows] == [len(numbers) for _, numbers in expected]


def test_selected_rows_are_grouped_too(directory):
    some = Shards(directory).where(lambda columns: columns["id"] % 3 == 1)
    served = check_rows(batches_of(ShardSequence(some, 16, bucket="texts", seed=1)))
    assert sorted(served) == list(range(1, 330, 3))


def text_model():
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            layers.Embedding(50, 4, mask_zero=True),
            layers.GlobalAveragePooling1D(),
            layers.Dense(1),
        ]
    )
    model.compile("sgd", "mse")
    return model


@pytest.mark.slow
@pytest.mark.every_backend
def test_fit_takes_batches_of_every_length_when_the_first_two_are_equally_long(tmp_path):
    """On TensorFlow, equal lengths of the first two batches would be those of all."""
    rows = [np.ones(4, np.int32)] * 32 + [np.full(n, 2, np.int32) for n in range(1, 33)]
    write_tokens(tmp_path / "set", rows)
    model = text_model()
    lengths = []

    def record(batch, rng):
        lengths.append(batch["texts"].shape[1])
        return batch

    train = ShardSequence(tmp_path / "set", 16, shuffle=None, workers=0, transform=record)
    options = {"epochs": 2, "verbose": 0, "shuffle": False}
    history = model.fit(train, validation_data=train.unshuffled(), **options)
    assert np.isfinite(history.history["loss"]).all()
    assert {4, 16, 32} <= set(lengths)
    assert train[1][0].shape == (16, 4)
    outputs = predict_rows(model, ShardSequence(tmp_path / "set", 16), columns=("id",))
    expected = model.predict(Ragged.from_rows(rows, np.int32).padded(), verbose=0)
    np.testing.assert_allclose(outputs["outputs"], expected, rtol=1e-4, atol=1e-5)


def test_epochs_of_one_batch_are_padded_to_the_longest_row(tmp_path):
    rows = [np.ones(n, np.int32) for n in (1, 2, 3, 4, 5, 30)]
    write_tokens(tmp_path / "set", rows)
    train = ShardSequence(tmp_path / "set", 4, last_batch="drop", seed=1)
    assert {train.batch_of(epoch, 0)[0].shape for epoch in range(4)} == {(4, 30)}


def test_the_unshuffled_view_of_epochs_of_one_batch_is_padded_as_any_other(directory):
    train = ShardSequence(directory, 16, steps_per_epoch=1)
    check_rows(batches_of(train.unshuffled()))


def test_epochs_of_one_batch_skip_a_corrupt_shard(tmp_path):
    write_tokens(tmp_path / "set", ROWS[:90], shard_rows=30)
    damaged = tmp_path / "set" / "shard-00001.pkl"
    damaged.write_bytes(damaged.read_bytes()[:60])
    with pytest.warns(UserWarning, match="skipped"):
        train = ShardSequence(tmp_path / "set", 90, on_corrupt="skip")
    texts, ids = train[0]
    assert list(train.skipped_shards) == [str(damaged)]
    assert texts.shape == (90, max(len(ROWS[row]) for row in (*range(30), *range(60, 90))))
    assert not {*range(30, 60)} & set(ids.tolist())


def test_a_tf_dataset_has_an_open_length(directory):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("tf.data")
    sequence = ShardSequence(directory, 16, seed=1, bucket="texts")
    dataset = sequence.as_dataset()
    assert dataset.element_spec[0].shape.as_list() == [None, None]
    expected = batches_of(sequence)
    found = [(texts.numpy(), ids.numpy()) for texts, ids in dataset]
    for one, other in zip(found, expected, strict=True):
        assert (one[0] == other[0]).all()
        assert (one[1] == other[1]).all()
    assert sequence.epoch == 1


def test_a_transform_receives_padded_rows_and_may_not_change_their_dtype(directory):
    double = ShardSequence(directory, 16, seed=1, transform=doubled)
    plain = ShardSequence(directory, 16, seed=1)
    for (texts, _), (expected, _) in zip(batches_of(double), batches_of(plain), strict=True):
        assert (texts == 2 * expected).all()


def doubled(batch, rng):
    return {**batch, "texts": 2 * batch["texts"]}


def test_ragged_targets_of_a_writer_are_padded_with_their_own_number(tmp_path):
    rows = [np.arange(n, dtype=np.int32) for n in (3, 1, 0, 2)]
    with ShardWriter(tmp_path / "set", inputs="texts", targets="tags") as writer:
        writer.write({"texts": rows, "tags": Ragged.from_rows(rows, padding=-1)})
    x, y = ShardSequence(tmp_path / "set", 4, shuffle=None)[0]
    assert x.tolist() == [[0, 1, 2], [0, 0, 0], [0, 0, 0], [0, 1, 0]]
    assert y.tolist() == [[0, 1, 2], [0, -1, -1], [-1, -1, -1], [0, 1, -1]]
    with pytest.raises(ShardError, match="'tags' is a target of lists of whole numbers"):
        ShardWriter(tmp_path / "other", inputs="texts", targets="tags").write(
            {"texts": rows, "tags": rows}
        )


@pytest.mark.slow
@pytest.mark.every_backend
def test_a_transform_makes_one_length_under_another_name(directory):
    def cut(batch, rng):
        return {"first": np.pad(batch["texts"], ((0, 0), (0, 8)))[:, :8], "id": batch["id"]}

    train = ShardSequence(directory, 64, inputs="first", targets="id", transform=cut)
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(train, verbose=0)
    assert model.layers[0].kernel.shape == (8, 1)

    def shift(batch, rng):
        return {"now": batch["texts"][:, :-1], "next": batch["texts"][:, 1:]}

    shifted = ShardSequence(directory, 8, inputs="now", targets="next", transform=shift, workers=0)
    with pytest.raises(ShardError, match="under the name of their field: 'texts'"):
        batches_of(shifted)


@pytest.mark.slow
def test_worker_processes_return_batches_of_every_length(tmp_path):
    # The largest batch does not fit into the memory that a batch is given at first.
    rows = [np.full(length, 3, np.int64) for length in (1, 90_000, 2, 0) * 4]
    write_tokens(tmp_path / "set", rows)
    options = {"shuffle": None, "transform": doubled}
    inside = ShardSequence(tmp_path / "set", 2, use_multiprocessing=True, workers=1, **options)
    expected = batches_of(ShardSequence(tmp_path / "set", 2, **options))
    for (texts, ids), (same, numbers) in zip(batches_of(inside), expected, strict=True):
        assert (ids == numbers).all()
        np.testing.assert_array_equal(texts, same)


def test_a_mixture_pads_the_rows_of_all_sets_to_one_length(tmp_path, directory):
    long_rows = [np.full(n + 50, 3, np.int32) for n in range(40)]
    write_tokens(tmp_path / "long", long_rows)
    folders = {"a": directory, "b": tmp_path / "long"}
    sets = {name: ShardSequence(folder, 8, seed=1) for name, folder in folders.items()}
    mixed = Mixture(sets, weights=(3, 1), batch_size=8)
    texts, ids = mixed[0]
    check_rows([(texts[:6, : max(len(ROWS[row]) for row in ids[:6])], ids[:6])])
    assert texts.shape[1] == max(len(long_rows[row]) for row in ids[6:])
    assert not texts[:6, 41:].any()
    refused = [({"pad_to": 8}, "`pad_to` is 1 in"), ({"bucket": "texts"}, "`bucket`")]
    for options, message in refused:
        other = ShardSequence(tmp_path / "long", 8, seed=1, **options)
        with pytest.raises(ValueError, match=message):
            Mixture({"a": sets["a"], "b": other}, weights=(1, 1), batch_size=8)


def test_rows_of_vectors_and_another_padding(tmp_path):
    rng = np.random.default_rng(0)
    rows = [rng.normal(size=(n, 3)).astype(np.float32) for n in (2, 0, 5, 1)]
    with ShardWriter(tmp_path / "set", inputs="series") as writer:
        writer.write({"series": Ragged.from_rows(rows, padding=-1)})
    (series,) = ShardSequence(tmp_path / "set", 4, shuffle=None)[0]
    assert series.shape == (4, 5, 3)
    for padded, row in zip(series, rows, strict=True):
        assert (padded[: len(row)] == row).all()
        assert (padded[len(row) :] == -1).all()


def test_a_state_continues_in_the_same_buckets(directory):
    one = ShardSequence(directory, 16, seed=1, bucket="texts")
    state = {**one.state_dict(), "batch": 7}
    two = ShardSequence(directory, 16, seed=9, bucket="texts")
    two.load_state_dict(state)
    assert (two.batch_of(0, 9)[1] == one.batch_of(0, 9)[1]).all()
    with pytest.raises(ValueError, match="'bucket' is 'texts' in the state and None here"):
        ShardSequence(directory, 16, seed=1).load_state_dict(state)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bucket": "id"}, "`bucket` must name a field of rows of any length: 'texts'"),
        ({"bucket": "texts", "shuffle": None}, "order of the files"),
        ({"bucket": "texts", "balance": "id"}, "`bucket` and `balance`"),
        ({"bucket": "texts", "on_corrupt": "skip"}, "on_corrupt"),
        ({"pad_to": 0}, "`pad_to` must be"),
    ],
)
def test_arguments_that_contradict_one_another_are_refused(directory, options, message):
    with pytest.raises(ValueError, match=message):
        ShardSequence(directory, 8, **options)
