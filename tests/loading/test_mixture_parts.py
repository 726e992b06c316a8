"""`Mixture(part=)`: several processes serve slices of the same mixed batches."""

from __future__ import annotations

import itertools
import warnings

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import keras_bigdata as kb
from keras_bigdata import Arrays, Mixture, RandomResizedCrop, ShardSequence
from keras_bigdata.loading.mixtures.mixture_parts import PartOfSets
from keras_bigdata.loading.parts import part_argument
from keras_bigdata.loading.parts.batch_parts import Part
from tests.helpers.image_sets import pack_photographs
from tests.loading.test_parts import epoch_of

SIZES = {"web": 203, "own": 41, "new": 17}


@pytest.fixture(scope="module")
def directories(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mixed")
    first = 0
    for name, count in SIZES.items():
        ids = np.arange(first, first + count)
        x = np.repeat(ids[:, None], 3, axis=1).astype("float32")
        kb.pack(
            Arrays(x=x, y=ids % 3, inputs="x", targets="y"),
            folder / name,
            shard_samples=20,
            verbose=0,
        )
        first += 1000
    return {name: folder / name for name in SIZES}


def mixture(directories, weights, batch_size=24, part=None, set_options=None, **options):
    sets = {
        name: ShardSequence(path, seed=number, window_shards=3, **(set_options or {}))
        for number, (name, path) in enumerate(directories.items())
        if number < len(weights)
    }
    return Mixture(sets, weights, batch_size, part=part, **options)


def check_parts(whole, parts, epochs=2):
    """All parts together are the batches of one process, in its order, and then the padding."""
    assert {len(part) for part in parts} == {len(whole)}
    for _ in range(epochs):
        for batch, *slices in zip(epoch_of(whole), *map(epoch_of, parts), strict=True):
            assert len({len(each[0]) for each in slices}) == 1, "collectives need equal shapes"
            joined = [np.concatenate(each) for each in zip(*slices, strict=True)]
            rows = len(batch[0])
            np.testing.assert_array_equal(joined[0][:rows], batch[0])
            np.testing.assert_array_equal(joined[1][:rows], batch[1])
            if len(joined) == 3:
                padded = len(joined[0])
                expected = np.where(np.arange(padded) < rows, padded / rows, 0)
                np.testing.assert_allclose(joined[2], expected, rtol=1e-6)
            else:
                assert len(joined[0]) == rows


@pytest.mark.quick_cases(4)
@pytest.mark.parametrize("size", [1, 2, 3, 4, 8])
@pytest.mark.parametrize(
    ("weights", "set_options", "options"),
    [
        ((3, 1), {}, {}),
        ((3, 2, 1), {"shuffle": "global"}, {"workers": 0}),
        ((20, 1, 1), {"shuffle": None}, {"steps_per_epoch": 7}),
        ((1, 5), {"balance": "y"}, {}),
    ],
    ids=str,
)
def test_all_parts_together_are_the_mixed_batches_of_one_process(
    directories, size, weights, set_options, options
):
    options = {"set_options": set_options, **options}
    parts = [mixture(directories, weights, part=(r, size), **options) for r in range(size)]
    check_parts(mixture(directories, weights, **options), parts)


@pytest.mark.slow
@settings(deadline=None, max_examples=200)
@given(
    rows=st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3), min_size=1, max_size=4),
    size=st.integers(2, 6),
    devices=st.integers(1, 3),
)
def test_slices_of_sets_are_those_of_the_joined_batch(rows, size, devices):
    rows = np.array([each for each in rows if sum(each)] or [[0, 1, 0]])
    names = [
        [(b, s, r) for s, n in enumerate(batch) for r in range(n)] for b, batch in enumerate(rows)
    ]
    slices = [PartOfSets.of(Part(rank, size, devices=devices), rows) for rank in range(size)]
    for batch, expected in enumerate(names):
        got = []
        for each in slices:
            of_part = []
            for number in range(3):
                of_set = [name for name in expected if name[1] == number]
                places = each.places_by_batch(number)[batch]
                assert len(places) == each.lengths(number)[batch]
                of_part += [of_set[place] for place in places]
            got.append(of_part)
        per_part = Part(0, size, devices=devices).rows_of(len(expected))
        assert [len(each) for each in got] == [per_part] * size
        joined = list(itertools.chain(*got))
        padding = [expected[-1]] * (len(joined) - len(expected))
        assert joined == expected + padding


def test_each_process_reads_its_rows_of_a_mixture_only(directories):
    parts = [mixture(directories, (3, 1), part=(rank, 4), workers=0) for rank in range(4)]
    for part in parts:
        readers = [each.reader for each in part.server.prefetcher.loader._sets]
        counts = []
        for reader in readers:
            read_into = reader.read_into

            def counted(shards, rows, outs, read_into=read_into, counts=counts):
                counts.append(len(rows))
                read_into(shards, rows, outs)

            reader.read_into = counted
        batches = epoch_of(part)
        assert sum(counts) == sum(len(each[0]) for each in batches)


def test_a_state_of_a_mixture_is_continued_by_another_number_of_processes(directories):
    whole = epoch_of(mixture(directories, (3, 1)))
    state = {**mixture(directories, (3, 1), part=(1, 2)).state_dict(), "batch": 5}
    parts = [mixture(directories, (3, 1), part=(rank, 3)) for rank in range(3)]
    for part in parts:
        part.load_state_dict(state)
        part.on_epoch_begin()
    joined = np.concatenate([part[0][0] for part in parts])
    np.testing.assert_array_equal(joined, whole[5][0])


def test_as_dataset_serves_the_same_part_of_a_mixture(directories):
    for options in ({"steps_per_epoch": 6}, {}):  # by runs, and by batches because of the padding
        expected = epoch_of(mixture(directories, (3, 1), part=(1, 4), **options))
        dataset = mixture(directories, (3, 1), part=(1, 4), **options).as_dataset()
        for one, other in zip(dataset, expected, strict=True):
            for ours, theirs in zip(one, other, strict=True):
                np.testing.assert_array_equal(ours, theirs)


def add_noise(batch, rng):
    return {**batch, "x": batch["x"] + rng.random(batch["x"].shape).astype("float32") / 2}


@pytest.mark.slow
@pytest.mark.parametrize("processes", [False, True])
def test_transforms_of_parts_of_a_mixture_draw_their_own_numbers(directories, processes):
    options = {"set_options": {"transform": add_noise}, "use_multiprocessing": processes}
    parts = [mixture(directories, (3, 1), part=(r, 2), workers=1, **options) for r in range(2)]
    again = mixture(directories, (3, 1), part=(1, 2), workers=0, set_options=options["set_options"])
    whole = mixture(directories, (3, 1))
    for index in (0, len(whole) - 1):
        slices = [part[index] for part in parts]
        joined = np.concatenate([each[0] for each in slices])
        rows = whole[index][0]
        np.testing.assert_array_equal(np.floor(joined)[: len(rows)], rows)
        noise = joined - np.floor(joined)
        assert len(np.unique(noise)) == noise.size, "also of the padding, which has weight 0"
        np.testing.assert_array_equal(again[index][0], slices[1][0])


def test_random_crops_of_parts_of_a_mixture_are_those_of_one_process(tmp_path):
    paths = {"a": tmp_path / "a", "b": tmp_path / "b"}
    for path, rows in zip(paths.values(), (30, 20), strict=True):
        pack_photographs(path, "png", rows)
    crop = {"decode": RandomResizedCrop((4, 4)), "inputs": "images", "targets": "id"}
    parts = [mixture(paths, (1, 2), 12, part=(r, 3), set_options=crop) for r in range(3)]
    check_parts(mixture(paths, (1, 2), 12, set_options=crop), parts, epochs=3)


@pytest.fixture(scope="module")
def ragged(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ragged")
    paths = {}
    for name, longest in (("a", 4), ("b", 9)):
        rows = [np.arange(1, 2 + n * n % longest) for n in range(40)]
        with kb.ShardWriter(folder / name, inputs="x", targets="y") as writer:
            for start in range(0, 40, 10):
                writer.write({"x": rows[start : start + 10], "y": np.arange(start, start + 10)})
        paths[name] = folder / name
    return paths


@pytest.mark.quick_cases(1)
@pytest.mark.parametrize("options", [{}, {"steps_per_epoch": 3}, {"weights": (9, 1)}], ids=str)
def test_parts_of_a_mixture_of_rows_of_any_length_are_padded_as_one_batch(ragged, options):
    options = {"weights": (1, 1), **options}
    parts = [mixture(ragged, batch_size=8, part=(rank, 4), **options) for rank in range(4)]
    whole = mixture(ragged, batch_size=8, **options)
    check_parts(whole, parts)


def test_parts_of_a_mixture_of_global_order_have_the_longest_of_the_data(ragged):
    options = {"set_options": {"shuffle": "global"}}
    parts = [mixture(ragged, (1, 1), 8, part=(rank, 4), **options) for rank in range(4)]
    assert {part[index][0].shape for part in parts for index in range(3)} == {(2, 8)}


def shorter(batch, rng):
    return {**batch, "x": batch["x"][:, :-1]}


def longer(batch, rng):
    return {**batch, "x": np.pad(batch["x"], ((0, 0), (0, 7)))}


def test_transforms_of_rows_of_any_length_keep_one_length_in_all_parts(ragged):
    sets = {"set_options": {"transform": shorter}}
    parts = [mixture(ragged, (1, 1), 8, part=(rank, 4), **sets) for rank in range(4)]
    for index in range(len(parts[0])):
        assert {part[index][0].shape for part in parts} == {(2, 8)}
    part = mixture(ragged, (1, 1), 8, part=(0, 4), set_options={"transform": longer}, workers=0)
    with pytest.raises(kb.ShardError, match="must not make rows of any length longer"):
        part[0]


def test_part_of_a_mixture_stands_in_its_repr_and_attributes(directories):
    part = mixture(directories, (3, 1), part=(2, 4))
    assert part.part == (2, 4)
    assert "part=(2, 4)" in repr(part)
    assert "part=(2, 4)" in part._repr_html_()
    alone = mixture(directories, (3, 1))
    assert alone.part == (0, 1)
    assert "part" not in repr(alone)


def test_what_parts_of_a_mixture_refuse(directories, monkeypatch):
    with pytest.raises(ValueError, match=r"'0' cannot be mixed: it has part=\(0, 2\).*Mixture"):
        Mixture([ShardSequence(directories["web"], 8, seed=1, part=(0, 2))], (1,), 8)
    with pytest.raises(ValueError, match=r"it has part='auto'.*Pass `part` to the Mixture"):
        Mixture([ShardSequence(directories["web"], 8, seed=1, part="auto")], (1,), 8)
    with pytest.raises(ValueError, match="must be a multiple of 5"):
        mixture(directories, (3, 1), part=(0, 5))
    with pytest.raises(ValueError, match="of a Mixture, to each set"):
        Mixture([ShardSequence(directories["web"])], (1,), 8, part=(0, 2))
    no_targets = {"inputs": "x", "targets": None}
    with pytest.raises(ValueError, match=r"without `targets`.*Pass steps_per_epoch"):
        mixture(directories, (3, 1), part=(0, 8), set_options=no_targets)
    mixture(directories, (3, 1), part=(0, 8), set_options=no_targets, steps_per_epoch=3)

    monkeypatch.setattr(part_argument, "active_parts", lambda: {"JAX": (1, 2)})
    inner = {"part": (0, 1)}
    with pytest.raises(ValueError, match=r"(?s)part='auto'.*part=\(0, 1\) for each of its sets"):
        mixture(directories, (3, 1), set_options=inner)
    auto = mixture(directories, (3, 1), part="auto", set_options=inner)
    assert auto.part == (1, 2)
    auto.on_epoch_begin()
    mixture(directories, (3, 1), part=(0, 1), set_options=inner).on_epoch_begin()


@pytest.mark.slow
def test_fit_of_a_part_of_a_mixture_warns_of_its_padding(directories):
    sequence = mixture(directories, (3, 1), part=(0, 8), workers=0)
    model = keras.Sequential([keras.layers.Dense(3)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(True), metrics=["accuracy"])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(sequence, epochs=1, verbose=0)
    (padded,) = [str(each.message) for each in caught if "padded" in str(each.message)]
    assert "or steps_per_epoch to the Mixture" in padded
