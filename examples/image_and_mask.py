"""Trains a segmentation model on images and masks that were augmented together while packing.

    python examples/image_and_mask.py [FOLDER] [--epochs E] [--variants K]

The script segments the coins image of scikit-image once with a watershed. It packs crops of its
left side and their masks in K variants, in which an image and its mask are rotated, shifted, zoomed
and flipped in the same way and the image is brightened. A small U-Net learns from them in plain
`fit` to find the coins on the right side. The script prints the intersection over union there, and
that of the best threshold on brightness. With FOLDER, it writes some pairs as an image,
`pairs.png`, there, and its files stay; otherwise they are removed at the end. It downloads nothing
and takes about 20 seconds on two cores.
"""

import argparse
import tempfile
from pathlib import Path

import keras
import numpy as np
from scipy import ndimage
from skimage import data, filters, io, segmentation

from keras_bigdata import Arrays, BestWeightsEarlyStopping, ShardSequence, pack
from keras_bigdata.packing.augment import Augment, brightness, flip, rotate, shift, zoom

CROP = 64  # pixels


def segment_coins() -> tuple[np.ndarray, np.ndarray]:
    """Returns the image, `(height, width, 1)`, and a mask that is 1 where there is a coin."""
    coins = data.coins()
    markers = np.where(coins > 150, 2, np.where(coins < 30, 1, 0))
    regions = segmentation.watershed(filters.sobel(coins), markers)
    mask = ndimage.binary_fill_holes(regions == 2).astype(np.uint8)
    return coins[:, :, None], mask[:, :, None]


def all_crops(image: np.ndarray, stride: int) -> np.ndarray:
    height, width = image.shape[:2]
    return np.stack(
        [
            image[y : y + CROP, x : x + CROP]
            for y in range(0, height - CROP + 1, stride)
            for x in range(0, width - CROP + 1, stride)
        ]
    )


def build_model() -> keras.Model:
    """A small U-Net: down twice and up twice, with skip connections."""
    layers = keras.layers

    def block(x, filters):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        return layers.Activation("relu")(layers.BatchNormalization(momentum=0.9)(x))

    image = keras.Input((CROP, CROP, 1), dtype="uint8")
    fine = block(layers.Rescaling(1 / 255)(image), 8)
    middle = block(layers.MaxPooling2D()(fine), 16)
    coarse = block(layers.MaxPooling2D()(middle), 32)
    middle = block(layers.Concatenate()([layers.UpSampling2D()(coarse), middle]), 16)
    fine = block(layers.Concatenate()([layers.UpSampling2D()(middle), fine]), 8)
    model = keras.Model(image, layers.Conv2D(1, 1, activation="sigmoid")(fine))
    coin_iou = keras.metrics.BinaryIoU(target_class_ids=[1], name="coin_iou")
    model.compile(keras.optimizers.Adam(0.005), "binary_crossentropy", metrics=[coin_iou])
    return model


def best_threshold(images: np.ndarray, masks: np.ndarray) -> float:
    """Returns the intersection over union of the pixels brighter than t, for the best t."""
    coin = masks == 1
    return max(((images > t) & coin).sum() / ((images > t) | coin).sum() for t in range(40, 200, 2))


def draw_pairs(shards: Path, file: Path) -> None:
    """Draws the first pairs, each image above its mask."""
    images, masks = ShardSequence(shards, batch_size=10, shuffle=None)[0]
    rows = [np.hstack(list(images)), np.hstack(list(masks * 255))]
    io.imsave(file, np.vstack(rows)[:, :, 0].astype(np.uint8), check_contrast=False)


def main(folder: Path, epochs: int, variants: int, drawing: Path | None) -> None:
    keras.utils.set_random_seed(1)
    images, masks = segment_coins()
    boundary = images.shape[1] * 2 // 3
    train = Arrays(
        images=all_crops(images[:, :boundary], 24),
        masks=all_crops(masks[:, :boundary], 24),
        targets="masks",
    )
    validation = all_crops(images[:, boundary:], 32), all_crops(masks[:, boundary:], 32)

    augment = Augment(
        rotate(180),
        shift(0.1, 0.1),
        zoom(0.8, 1.2),
        flip(),
        brightness(0.7, 1.3),
        fill_mode="reflect",
        masks="masks",
    )
    index = pack(train, folder / "shards", variants=variants, augment=augment, workers=2)
    if drawing is not None:
        draw_pairs(folder / "shards", drawing)
    print(f"{len(train)} pairs in {variants} variants, {index.sizes.sum() / 1e6:.1f} MB on disk")

    best = BestWeightsEarlyStopping(folder / "best.weights.h5", "val_coin_iou", patience=10)
    model = build_model()
    model.fit(
        ShardSequence(folder / "shards", batch_size=16),
        epochs=epochs,
        verbose=0,
        shuffle=False,
        validation_data=validation,
        callbacks=[best],
    )
    print(f"coins on the right side: intersection over union {best.best:.3f}")
    threshold = best_threshold(*validation)
    print(f"best threshold on brightness: intersection over union {threshold:.3f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--variants", type=int, default=8)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="image-and-mask-") as temporary:
        folder = arguments.folder or Path(temporary)
        drawing = None if arguments.folder is None else folder / "pairs.png"
        main(folder, arguments.epochs, arguments.variants, drawing)
