"""`part=`: what is refused or warned of, and the options that work with it."""

import warnings

import keras
import numpy as np
import pytest

import keras_bigdata as kb
from keras_bigdata import Arrays, Mixture, Shards, ShardSequence, predict_rows
from keras_bigdata.loading.parts import part_argument
from tests.loading.test_parts import epoch_of

ROWS = 40


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    path = tmp_path_factory.mktemp("parts") / "set"
    rows = np.arange(ROWS)
    x = np.repeat(rows[:, None], 3, axis=1).astype("float32")
    source = Arrays(x=x, a=rows % 3, b=rows % 2, inputs="x", targets={"a": "a", "b": "b"})
    kb.pack(source, path, shard_samples=7, verbose=0)
    return path


def sources(monkeypatch, **parts):
    monkeypatch.setattr(part_argument, "active_parts", lambda: parts)


def test_sources_of_auto_that_disagree_are_refused(directory, monkeypatch):
    sources(monkeypatch, JAX=(0, 2), torch=(0, 4))
    with pytest.raises(ValueError, match=r"JAX says .*\(0, 2\), and torch says \(0, 4\)"):
        ShardSequence(directory, 16, seed=1, part="auto")
    sources(monkeypatch, JAX=(1, 2), torch=(1, 2))
    assert ShardSequence(directory, 16, seed=1, part="auto").part == (1, 2)


def test_a_part_that_was_read_before_the_processes_were_connected_is_refused(
    directory, monkeypatch
):
    early = ShardSequence(directory, 16, seed=1, part="auto")
    sources(monkeypatch, JAX=(1, 2))
    with pytest.raises(ValueError, match=r"was .* \(0, 1\) .* is \(1, 2\) now"):
        early.on_epoch_begin()
    ShardSequence(directory, 16, seed=1, part=(0, 1)).on_epoch_begin()  # as it was said
    sources(monkeypatch)
    none = ShardSequence(directory, 16)
    sources(monkeypatch, JAX=(1, 2))
    with pytest.raises(ValueError, match="part='auto'"):
        none.on_epoch_begin()


def test_a_mixture_takes_the_part_itself_and_refuses_several_processes(directory, monkeypatch):
    with pytest.raises(ValueError, match="Pass `part` to the Mixture"):
        Mixture([ShardSequence(directory, 8, seed=1, part=(0, 2))], (1,), 8)
    mixed = Mixture([ShardSequence(directory)], (1,), 8)
    divided_by_user = Mixture([ShardSequence(directory, part=(0, 1))], (1,), 8, part=(0, 1))
    sources(monkeypatch, JAX=(1, 2))
    with pytest.raises(ValueError, match="divides each batch among 2 processes"):
        mixed.on_epoch_begin()
    divided_by_user.on_epoch_begin()


def test_predict_rows_refuses_a_part(directory):
    with pytest.raises(ValueError, match="in one process"):
        predict_rows(None, ShardSequence(directory, 16, seed=1, part=(0, 2)))


@pytest.mark.parametrize("selected", [False, True], ids=["all rows", "some rows"])
def test_targets_by_name_weights_of_classes_and_selections_are_divided(directory, selected):
    shards = Shards(directory).rows(range(5, 31)) if selected else directory
    options = {"seed": 1, "class_weights": {"a": {0: 1, 1: 2, 2: 3}, "b": "balanced"}}
    (whole,) = (ShardSequence(shards, 12, **options),)
    parts = [ShardSequence(shards, 12, part=(rank, 4), **options) for rank in range(4)]
    for batch, *slices in zip(epoch_of(whole), *map(epoch_of, parts), strict=True):
        x = np.concatenate([each[0] for each in slices])
        rows = len(batch[0])
        scale = len(x) / rows
        np.testing.assert_array_equal(x[:rows], batch[0])
        for name in ("a", "b"):
            weights = np.concatenate([each[2][name] for each in slices])
            np.testing.assert_allclose(weights[:rows], scale * batch[2][name], rtol=1e-6)
            assert not weights[rows:].any()


def test_an_epoch_of_a_number_of_steps_is_a_slice_of_the_same_stream(directory):
    # A pass has 3 batches and one of 4 rows, the epochs have 3 batches.
    whole = ShardSequence(directory, 12, seed=1, steps_per_epoch=3)
    parts = [ShardSequence(directory, 12, seed=1, steps_per_epoch=3, part=(r, 2)) for r in range(2)]
    for _ in range(4):
        for batch, *slices in zip(epoch_of(whole), *map(epoch_of, parts), strict=True):
            np.testing.assert_array_equal(np.concatenate([s[0] for s in slices]), batch[0])


def test_an_unshuffled_view_keeps_the_part(directory):
    view = ShardSequence(directory, 16, seed=1, part=(1, 2)).unshuffled()
    assert view.part == (1, 2)
    np.testing.assert_array_equal(view[0][0], ShardSequence(directory, 16).unshuffled()[0][0][8:])


@pytest.mark.slow
def test_one_fit_warns_of_separate_models_and_of_padding_and_keeps_the_order(directory):
    class Seen(ShardSequence):
        def __getitem__(self, index):
            batch = super().__getitem__(index)
            self.rows.append(batch[0][:, 0].copy())
            return batch

    sequence = Seen(
        directory, 16, inputs="x", targets="a", shuffle=None, seed=1, part=(0, 16), workers=0
    )
    sequence.rows = []
    model = keras.Sequential([keras.layers.BatchNormalization(), keras.layers.Dense(3)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(True), metrics=["accuracy"])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(sequence, epochs=2, verbose=0)  # shuffle=True, in another order in each process
    texts = [str(each.message) for each in caught]
    assert len([text for text in texts if "shares nothing with those of other" in text]) == 1
    (padded,) = [text for text in texts if "padded" in text]
    assert "`compile(metrics=...)` and BatchNormalization count them" in padded
    assert "weighted_metrics" in padded
    assert 'last_batch="drop"' in padded
    whole = ShardSequence(directory, 16, shuffle=None)
    assert np.concatenate(sequence.rows[-3:]).tolist() == [whole[i][0][0, 0] for i in range(3)]


def test_predict_of_a_part_is_warned_of(directory):
    sequence = ShardSequence(directory, 20, inputs="x", shuffle=None, seed=1, part=(0, 2))
    model = keras.Sequential([keras.layers.Dense(1)])
    with pytest.warns(UserWarning, match=r"receives part \(0, 2\) of each batch"):
        assert len(model.predict(sequence, verbose=0)) == ROWS // 2
