"""Arguments of `fit`, and what Keras makes datasets and inputs with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from keras_bigdata import Arrays, ShardSequence, capture, pack
from tests.fits_in.in_memory import (
    ROWS,
    X,
    Y,
    classifier,
    compare_with_memory,
    in_order,
    pack_rows,
    rows_seen,
)
from tests.helpers.small_models import assert_equal

EXACT = keras.backend.backend() == "tensorflow"


@pytest.mark.slow
def test_class_weights_and_a_sequence_as_validation_data(tmp_path: Path):
    train = in_order(pack_rows(tmp_path / "train"))
    weights = train.class_weight()
    counts = np.bincount(Y)
    assert weights == pytest.approx({i: ROWS / 3 / count for i, count in enumerate(counts)})
    arguments = {"epochs": 2, "verbose": 0, "shuffle": False, "class_weight": weights}
    compare_with_memory(
        lambda: classifier(run_eagerly=True),
        lambda model: model.fit(X, Y, batch_size=8, validation_data=(X, Y), **arguments),
        lambda model: model.fit(train, validation_data=in_order(tmp_path / "train"), **arguments),
        exact=EXACT,
    )


class Stop(keras.callbacks.Callback):
    """Raises an exception in the second epoch."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if (self.epoch, batch) == (1, 3):
            raise InterruptedError


@pytest.mark.slow
def test_backup_and_restore_begins_the_interrupted_epoch_again(tmp_path: Path):
    """Three epochs with an interruption learn what three epochs without one learn."""
    directory = pack_rows(tmp_path / "train")

    def fit(model: keras.Model, *callbacks: Any) -> Any:
        arguments = {"epochs": 3, "verbose": 0, "shuffle": False, "callbacks": list(callbacks)}
        return model.fit(in_order(directory), **arguments)

    def model() -> keras.Model:
        keras.utils.set_random_seed(5)
        return classifier(run_eagerly=True)

    whole = model()
    fit(whole)
    backup = tmp_path / "backup"
    with pytest.raises(InterruptedError):
        fit(model(), keras.callbacks.BackupAndRestore(backup), Stop())
    resumed = model()
    history = fit(resumed, keras.callbacks.BackupAndRestore(backup))
    assert history.epoch == [1, 2]
    assert_equal(whole.get_weights(), resumed.get_weights())


@pytest.mark.skipif(not EXACT, reason="it returns a tf.data.Dataset")
def test_image_dataset_from_directory_keeps_its_class_names(tmp_path: Path):
    rng = np.random.default_rng(0)
    for name in ("cat", "dog", "owl"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(4):
            image = rng.integers(0, 256, (6, 6, 3)).astype("float32")
            keras.utils.save_img(tmp_path / "photos" / name / f"{number}.png", image, scale=False)
    dataset = keras.utils.image_dataset_from_directory(
        tmp_path / "photos", image_size=(6, 6), batch_size=5, shuffle=True, seed=1, verbose=False
    )
    index = capture(dataset, tmp_path / "shards", verbose=0)
    assert index.classes == ["cat", "dog", "owl"]
    assert index.class_counts == [4, 4, 4]
    one_hot = keras.utils.image_dataset_from_directory(
        tmp_path / "photos",
        class_names=["owl", "cat", "dog"],
        label_mode="categorical",
        image_size=(6, 6),
        verbose=False,
    )
    index = capture(one_hot, tmp_path / "one_hot", verbose=0)
    assert (index.classes, index.class_counts) == (["owl", "cat", "dog"], [4, 4, 4])
    train = ShardSequence(tmp_path / "shards", 5, seed=1)
    seen = {int(image.sum()): int(y) for x, ys in train for image, y in zip(x, ys, strict=True)}
    expected = {
        int(image.sum()): int(y)
        for x, ys in dataset.as_numpy_iterator()
        for image, y in zip(x, ys, strict=True)
    }
    assert len(expected) == 12
    assert seen == expected


@pytest.mark.slow
def test_preprocessing_of_keras_applications_as_a_transform(tmp_path: Path):
    preprocess = keras.applications.mobilenet_v2.preprocess_input  # changes floats in place
    images = np.random.default_rng(0).integers(0, 256, (ROWS, 2, 2, 3)).astype("uint8")
    pack(Arrays(images=images, labels=Y), tmp_path / "train", shuffle=False, verbose=0)

    def transform(batch: Any, rng: Any) -> Any:
        return {**batch, "images": preprocess(batch["images"].astype("float32"))}

    train = in_order(tmp_path / "train", transform=transform)
    expected = preprocess(images.astype("float32"))
    for _ in range(2):
        np.testing.assert_array_equal(np.concatenate([x for x, _ in train]), expected)

    def build() -> keras.Model:
        layers = [keras.Input((2, 2, 3)), keras.layers.Flatten(), keras.layers.Dense(3, "softmax")]
        model = keras.Sequential(layers)
        model.compile("sgd", "sparse_categorical_crossentropy", run_eagerly=True)
        return model

    compare_with_memory(
        build,
        lambda model: model.fit(expected, Y, batch_size=8, verbose=0, shuffle=False),
        lambda model: model.fit(train, verbose=0, shuffle=False),
        exact=EXACT,
    )


def test_scikeras_takes_arrays_only(tmp_path: Path):
    """It checks X as scikit-learn does. `Shards.folds` is for cross-validation."""
    pytest.importorskip("scikeras", reason="pip install scikeras")
    from scikeras.wrappers import KerasClassifier

    train = in_order(pack_rows(tmp_path / "train"))
    with pytest.raises(ValueError, match=r"array|scalar"):
        KerasClassifier(classifier, run_eagerly=True).fit(train, Y)
    assert sorted(row for x, _ in train for row in rows_seen(x)) == list(range(ROWS))
