"""Image and mask pairs, augmented together while they are packed: a small segmentation.

    python examples/image_and_mask.py [FOLDER] [--epochs E] [--variants K]

The coins that come with scikit-image are outlined once with a watershed. Pieces of the image's
left side, with their masks, are packed in K variants, each turned, shifted, zoomed, flipped and
brightened at random, the mask like its image. A small U-shaped network learns from them in plain
`fit` to find the coins of the right side, which it never saw. What is printed: the intersection
over union of coins there, and that of the best threshold on brightness. Also writes an image of
some pairs, `pairs.png`, to look at. Nothing is downloaded. Takes some 15 seconds on two cores.
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

PIECE = 64  # pixels


def outlined_coins() -> tuple[np.ndarray, np.ndarray]:
    """The image, `(height, width, 1)`, and 1 where there is a coin."""
    coins = data.coins()
    sure = np.where(coins > 150, 2, np.where(coins < 30, 1, 0))
    regions = segmentation.watershed(filters.sobel(coins), sure)
    mask = ndimage.binary_fill_holes(regions == 2).astype(np.uint8)
    return coins[:, :, None], mask[:, :, None]


def pieces(image: np.ndarray, stride: int) -> np.ndarray:
    height, width = image.shape[:2]
    return np.stack(
        [
            image[y : y + PIECE, x : x + PIECE]
            for y in range(0, height - PIECE + 1, stride)
            for x in range(0, width - PIECE + 1, stride)
        ]
    )


def build_model() -> keras.Model:
    """Down twice, up twice, with the finer features beside the coarser ones."""
    layers = keras.layers

    def block(x, filters):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        return layers.Activation("relu")(layers.BatchNormalization(momentum=0.9)(x))

    image = keras.Input((PIECE, PIECE, 1), dtype="uint8")
    fine = block(layers.Rescaling(1 / 255)(image), 8)
    middle = block(layers.MaxPooling2D()(fine), 16)
    coarse = block(layers.MaxPooling2D()(middle), 32)
    middle = block(layers.Concatenate()([layers.UpSampling2D()(coarse), middle]), 16)
    fine = block(layers.Concatenate()([layers.UpSampling2D()(middle), fine]), 8)
    model = keras.Model(image, layers.Conv2D(1, 1, activation="sigmoid")(fine))
    # Class 1 are the coins.
    coin_iou = keras.metrics.BinaryIoU(target_class_ids=[1], name="coin_iou")
    model.compile(keras.optimizers.Adam(0.005), "binary_crossentropy", metrics=[coin_iou])
    return model


def best_threshold(images: np.ndarray, masks: np.ndarray) -> float:
    """Intersection over union of "a coin is what is brighter than t", for the best t."""
    coin = masks == 1
    return max(((images > t) & coin).sum() / ((images > t) | coin).sum() for t in range(40, 200, 2))


def draw_pairs(shards: Path, file: Path) -> None:
    """The first pairs, each image above its mask."""
    images, masks = ShardSequence(shards, batch_size=10, shuffle=None)[0]
    both = [np.hstack(list(images)), np.hstack(list(masks * 255))]
    io.imsave(file, np.vstack(both)[:, :, 0].astype(np.uint8), check_contrast=False)


def main(folder: Path, epochs: int, variants: int) -> None:
    keras.utils.set_random_seed(1)
    images, masks = outlined_coins()
    middle = images.shape[1] * 2 // 3
    train = Arrays(
        images=pieces(images[:, :middle], 24),
        masks=pieces(masks[:, :middle], 24),
        targets="masks",
    )
    unseen = pieces(images[:, middle:], 32), pieces(masks[:, middle:], 32)

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
    draw_pairs(folder / "shards", folder / "pairs.png")
    print(f"{len(train)} pairs in {variants} variants, {index.sizes.sum() / 1e6:.1f} MB on disk")

    best = BestWeightsEarlyStopping(folder / "best.weights.h5", "val_coin_iou", patience=10)
    model = build_model()
    model.fit(
        ShardSequence(folder / "shards", batch_size=16),
        epochs=epochs,
        verbose=0,
        shuffle=False,
        validation_data=unseen,
        callbacks=[best],
    )
    print(f"coins of the other side: intersection over union {best.best:.3f}")
    print(f"the best threshold on brightness: {best_threshold(*unseen):.3f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--variants", type=int, default=8)
    given = parser.parse_args()
    main(
        given.folder or Path(tempfile.mkdtemp(prefix="image-and-mask-")),
        given.epochs,
        given.variants,
    )
