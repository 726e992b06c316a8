"""A set with more classes than a model has outputs is refused before training."""

from __future__ import annotations

from pathlib import Path

import keras
import pytest

from keras_bigdata import ShardSequence
from keras_bigdata.keras_internals.fit import calling_model
from keras_bigdata.loading.epochs import epoch_server
from keras_bigdata.loading.epochs.model_outputs import check_outputs
from tests.helpers.appended_sets import pack_first, pack_more


def compiled(outputs: int, loss: object = "sparse_categorical_crossentropy") -> keras.Model:
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(outputs)])
    model.compile("sgd", loss)
    return model


@pytest.mark.slow
def test_classes_that_were_appended_need_outputs(tmp_path: Path):
    pack_first(tmp_path / "all")
    model = compiled(2, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(ShardSequence(tmp_path / "all", 5), verbose=0)
    pack_more(tmp_path / "all")
    weights = [value.tolist() for value in model.get_weights()]
    for which in (model, compiled(3)):
        with pytest.raises(ValueError, match=r"'labels' has 4 classes.* outputs.*cow"):
            which.fit(ShardSequence(tmp_path / "all", 5), verbose=0)
    assert [value.tolist() for value in model.get_weights()] == weights
    compiled(4).fit(ShardSequence(tmp_path / "all", 5), steps_per_epoch=1, verbose=0)


@pytest.mark.parametrize(
    "loss",
    [keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=3), "mse"],
)
def test_other_losses_are_not_checked(tmp_path: Path, loss: object):
    pack_first(tmp_path / "all")
    index = pack_more(tmp_path / "all")
    check_outputs(compiled(3, loss), index, "labels")


@pytest.mark.slow
def test_the_model_is_looked_up_at_the_beginning_of_a_fit_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """In later epochs it would drop TensorFlow's iterator, and wait for one of its threads."""
    pack_first(tmp_path / "all")
    data = ShardSequence(tmp_path / "all", 5)
    found = []
    monkeypatch.setattr(epoch_server, "calling_model", lambda: found.append(calling_model()))
    model = compiled(2, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    for _ in range(2):
        found.clear()
        model.fit(data, epochs=4, shuffle=False, verbose=0)
        # JAX and PyTorch begin an epoch before the first fit, to build the model.
        assert found in ([model], [model, model])
