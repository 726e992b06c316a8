"""`part=`: several processes serve disjoint slices of the same global batches."""

import numpy as np
import pytest

import keras_bigdata as kb
from keras_bigdata import Arrays, ShardSequence
from keras_bigdata.loading.order import epoch_plan
from keras_bigdata.loading.order.epoch_plan import EpochPlan
from keras_bigdata.loading.parts.batch_parts import Part
from keras_bigdata.permutation import permutation_at

ROWS = 101


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    path = tmp_path_factory.mktemp("parts") / "set"
    rows = np.arange(ROWS)
    source = Arrays(x=np.repeat(rows[:, None], 3, axis=1).astype("float32"), labels=rows % 3)
    kb.pack(source, path, shard_samples=17, verbose=0)
    return path


def epoch_of(sequence):
    sequence.on_epoch_begin()
    batches = [sequence[i] for i in range(len(sequence))]
    sequence.on_epoch_end()
    return batches


def joined(directory, size, **options):
    """Returns the batches of two epochs, each joined from all parts, without the padding."""
    parts = [ShardSequence(directory, 16, seed=5, part=(r, size), **options) for r in range(size)]
    assert len({len(part) for part in parts}) == 1
    epochs = []
    for _ in range(2):
        batches = []
        for slices in zip(*map(epoch_of, parts), strict=True):
            assert len({len(each[0]) for each in slices}) == 1, "collectives need equal shapes"
            x = np.concatenate([each[0] for each in slices])
            real = np.ones(len(x), bool)
            if len(slices[0]) == 3:
                weights = np.concatenate([each[2] for each in slices])
                real = weights > 0
                np.testing.assert_allclose(weights.sum(), len(x), rtol=1e-6)
            batches.append(x[real][:, 0])
        epochs.append(batches)
    return epochs


@pytest.mark.quick_cases(5)
@pytest.mark.parametrize("size", [2, 4, 8])
@pytest.mark.parametrize(
    "options",
    [{}, {"shuffle": "global"}, {"shuffle": None}, {"last_batch": "drop"}, {"workers": 0}],
    ids=str,
)
def test_all_parts_together_are_the_batches_of_one_process(directory, size, options):
    for ours, theirs in zip(
        joined(directory, size, **options), joined(directory, 1, **options), strict=True
    ):
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_part_computes_the_order_of_its_own_rows_only(directory, monkeypatch):
    plan = EpochPlan(np.full(300, 1000), 100_000, shuffle="global", seed=1)
    whole = plan.rows(2, 1)
    computed = []

    def counted(positions, *more):
        computed.append(len(positions))
        return permutation_at(positions, *more)

    monkeypatch.setattr(epoch_plan, "permutation_at", counted)
    for start in (0, 8150, 99_900):
        ours = plan.row_range(2, 100_000 + start, 100_100 + start)
        for one, other in zip(ours, whole, strict=True):
            np.testing.assert_array_equal(one, other[start : start + 100])
    assert computed == [100] * 3

    sequence = ShardSequence(directory, 16, seed=5, part=(1, 4), workers=0)
    loader = sequence.server.prefetcher.loader
    monkeypatch.setattr(loader, "_rows", None)  # the order of the whole batch
    assert len(sequence[2][0]) == 4


def test_balanced_classes_are_divided_too(directory):
    options = {"balance": "labels", "last_batch": "drop"}
    for ours, theirs in zip(
        joined(directory, 4, **options), joined(directory, 1, **options), strict=True
    ):
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_state_is_continued_by_another_number_of_processes(directory):
    first = ShardSequence(directory, 16, seed=5, part=(1, 2))
    state = {**first.state_dict(), "batch": 3}
    whole = epoch_of(ShardSequence(directory, 16, seed=5))
    parts = [ShardSequence(directory, 16, seed=5, part=(rank, 4)) for rank in range(4)]
    for part in parts:
        part.load_state_dict(state)
        part.on_epoch_begin()
    ours = np.concatenate([part[0][0] for part in parts])
    np.testing.assert_array_equal(ours, whole[3][0])


def test_the_weighted_mean_of_a_padded_batch_is_the_mean_of_its_rows():
    values = np.random.default_rng(0).normal(size=101 % 16)
    for size, devices in ((2, 1), (4, 1), (8, 1), (2, 2), (2, 4)):
        parts = [Part(rank, size, devices=devices) for rank in range(size)]
        assert parts[0].rows_of(len(values)) % devices == 0
        places = np.concatenate([part.places([len(values)]) for part in parts])
        weights = np.concatenate([part.weights(len(values)) for part in parts])
        assert np.isclose((values[places] * weights).mean(), values.mean())


def test_weights_of_rows_and_of_the_padding_are_multiplied(tmp_path):
    weights = np.linspace(1, 2, 5).astype("float32")
    with kb.ShardWriter(tmp_path / "w", inputs="x", targets="y", sample_weights="w") as writer:
        writer.write({"x": np.arange(5.0), "y": np.arange(5.0), "w": weights})
    parts = [
        ShardSequence(tmp_path / "w", 4, shuffle=None, seed=1, part=(rank, 4)) for rank in range(4)
    ]
    last = [part[1] for part in parts]
    np.testing.assert_allclose([each[2][0] for each in last], [4 * weights[4], 0, 0, 0])


def test_as_dataset_serves_the_same_part(directory):
    sequence = ShardSequence(directory, 16, seed=5, part=(1, 2))
    dataset = ShardSequence(directory, 16, seed=5, part=(1, 2)).as_dataset()
    expected = epoch_of(sequence)
    for one, other in zip(dataset, expected, strict=True):
        for ours, theirs in zip(one, other, strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("part", "error", "reason"),
    [
        ((2, 2), ValueError, "ranks are 0 to size - 1"),
        ((0, 3), ValueError, "multiple of 3"),
        ("all", TypeError, "None, 'auto' or"),
        ((0.5, 2), TypeError, r"part\[0\]"),
        ((0, 2), ValueError, "the same order: pass `seed`"),
    ],
)
def test_a_wrong_part_is_refused(directory, part, error, reason):
    with pytest.raises(error, match=reason):
        ShardSequence(directory, 16, part=part)


def test_padding_without_targets_is_refused(directory):
    with pytest.raises(ValueError, match="without `targets`"):
        ShardSequence(directory, 16, inputs="x", targets=None, part=(0, 4), seed=1)


@pytest.fixture(scope="module")
def ragged(tmp_path_factory):
    path = tmp_path_factory.mktemp("ragged") / "w"
    rows = [np.arange(1 + n * n % 7) for n in range(33)]
    with kb.ShardWriter(path, inputs="x", targets="y") as writer:
        for start in range(0, 33, 11):
            y = np.arange(start, start + 11)
            writer.write({"x": rows[start : start + 11], "y": y})
    return path


@pytest.mark.parametrize(
    "options", [{}, {"bucket": "x"}, {"shuffle": None, "pad_to": 2}, {"shuffle": "shards"}], ids=str
)
def test_parts_of_rows_of_any_length_are_padded_as_the_batch_of_one_process(ragged, options):
    whole = ShardSequence(ragged, 8, seed=1, window_shards=2, **options)
    parts = [
        ShardSequence(ragged, 8, seed=1, window_shards=2, part=(rank, 4), **options)
        for rank in range(4)
    ]
    lengths = set()
    for batch, *slices in zip(epoch_of(whole), *map(epoch_of, parts), strict=True):
        joined = np.concatenate([each[0] for each in slices])
        np.testing.assert_array_equal(joined[: len(batch[0])], batch[0])
        lengths.add(joined.shape[1])
    assert len(lengths) > 1


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize(
    "options", [{"shuffle": "global"}, {"balance": "y"}, {"on_corrupt": "skip"}], ids=str
)
def test_parts_of_rows_of_any_length_have_the_longest_of_the_data(ragged, options):
    """Where a process does not know the rows of the others, or would read many shards for them."""
    parts = [ShardSequence(ragged, 8, seed=1, part=(rank, 4), **options) for rank in range(4)]
    assert {part[i][0].shape[1] for part in parts for i in range(4)} == {5}


@pytest.mark.slow
@pytest.mark.parametrize("transform", ["threads", "processes"])
def test_a_transform_of_a_part_has_its_own_random_numbers(directory, transform):
    options = {"workers": 1, "use_multiprocessing": transform == "processes", "transform": noise}
    parts = [ShardSequence(directory, 16, seed=1, part=(rank, 2), **options) for rank in range(2)]
    first, second = (part[6] for part in parts)
    assert len(first) == 3, "the padded batch has its weights"
    assert not np.array_equal(first[0], second[0])
    again = ShardSequence(directory, 16, seed=1, part=(1, 2), transform=noise)[6]
    np.testing.assert_array_equal(again[0], second[0])


def noise(batch, rng):
    return {**batch, "x": rng.normal(size=batch["x"].shape)}
