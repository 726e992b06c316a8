"""Keras's image generators are captured as they are."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest
from skimage import data

from keras_bigdata import PackError, ShardSequence, capture
from tests.packing.captured import is_empty, stored

# Keras's image generators call deprecated functions of SciPy.
LEGACY_SCIPY = pytest.mark.filterwarnings("ignore:Please import:DeprecationWarning")


def patches(count=10):
    image = data.astronaut()
    starts = np.arange(count) * 20
    return np.stack([image[s : s + 24, s : s + 24] for s in starts]).astype(np.float32)


def augmenting(**more):
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    return ImageDataGenerator(
        rotation_range=30, width_shift_range=0.1, zoom_range=0.2, horizontal_flip=True, **more
    )


@LEGACY_SCIPY
def test_image_data_generator_is_read_by_index(tmp_path):
    x, ids = patches(), np.arange(10)

    def flow():
        return augmenting().flow(x, ids, batch_size=4, seed=7)

    index = capture(flow(), tmp_path / "s", variants=3)
    assert (index.num_samples, index.variants) == (10, 3)
    by_hand = flow()
    for variant in range(3):
        if variant:
            by_hand.on_epoch_end()
        expected = [by_hand[number] for number in range(len(by_hand))]
        got = stored(tmp_path / "s", variant, batch_size=10)[0]
        np.testing.assert_array_equal(got[0], np.concatenate([part[0] for part in expected]))
        np.testing.assert_array_equal(got[1], np.concatenate([part[1] for part in expected]))
        assert sorted(got[1].tolist()) == list(range(10))
    first, second = (
        stored(tmp_path / "s", variant, 10)[0][0].sum(axis=(1, 2, 3)) for variant in (0, 1)
    )
    assert not np.allclose(np.sort(first), np.sort(second))


@LEGACY_SCIPY
def test_flow_from_directory_gives_the_classes(tmp_path):
    from skimage import io

    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number, patch in enumerate(patches(3)):
            path = tmp_path / "photos" / name / f"{number}.png"
            io.imsave(path, patch.astype(np.uint8), check_contrast=False)
    flow = augmenting().flow_from_directory(tmp_path / "photos", target_size=(24, 24), batch_size=4)
    index = capture(flow, tmp_path / "s")
    assert index.classes == ["cat", "dog"]
    x, y = stored(tmp_path / "s", batch_size=6)[0]
    assert (x.shape, y.shape) == ((6, 24, 24, 3), (6, 2))
    assert y.sum(axis=0).tolist() == [3, 3]


def image_and_mask():
    """Returns the `zip` of many segmentation scripts."""
    images = patches()
    masks = (images.mean(axis=-1, keepdims=True) > 100).astype(np.float32)
    flows = [augmenting().flow(part, batch_size=4, seed=3) for part in (images, masks)]
    return zip(*flows, strict=False)


@pytest.mark.slow
@LEGACY_SCIPY
def test_image_and_mask_pairs_train(tmp_path):
    with pytest.raises(ValueError, match="a zip that never ends needs `steps`"):
        capture(image_and_mask(), tmp_path / "s")
    capture(image_and_mask(), tmp_path / "s", steps=3, variants=2)
    by_hand = image_and_mask()
    for variant in range(2):
        images, masks = (
            np.concatenate(part) for part in zip(*itertools.islice(by_hand, 3), strict=True)
        )
        x, y = stored(tmp_path / "s", variant, batch_size=10)[0]
        np.testing.assert_array_equal(x, images)
        np.testing.assert_array_equal(y, masks)
    layers = keras.layers
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((24, 24, 3)),
            layers.Rescaling(1 / 127.5, -1),
            layers.Conv2D(8, 3, padding="same", activation="relu"),
            layers.Conv2D(1, 1, activation="sigmoid"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.03), "binary_crossentropy")
    losses = model.fit(
        ShardSequence(tmp_path / "s", 5), epochs=10, verbose=0, shuffle=False
    ).history["loss"]
    assert losses[-1] < 0.7 * losses[0]


@LEGACY_SCIPY
def test_variants_that_differ_in_rows(tmp_path):
    # 4 + 4 rows, then 2 + 4: `steps` does not fit the passes.
    with pytest.raises(PackError, match=r"same number of rows, but zip yielded \[8, 6\]"):
        capture(image_and_mask(), tmp_path / "s", steps=2, variants=2)
    assert is_empty(tmp_path / "s")
