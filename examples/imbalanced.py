"""Trains on classes of very different size: as they are, with class weights, and balanced.

    python examples/imbalanced.py [FOLDER]

The script cuts 32x32 pixels from three textures of scikit-image: 1,500 crops of gravel, 90 of
brick and 30 of grass, all with noise that makes them hard to tell apart. It packs them once and
trains the same model three times:

- as they are: the model sees fifty times as much gravel as grass;
- `class_weight=train.class_weight()`: rows of small classes count more, and are as rare as before;
- `balance="labels"`: each batch holds as many rows of each class, so that the rows of small classes
  are served more often.

It prints the recall of each class on crops of other parts of the textures, 200 of each class: the
share of the rows of a class that the model finds. It downloads nothing and takes about 20 seconds
on two cores. Its files are removed at the end, unless FOLDER is passed.
"""

import sys
import tempfile
from pathlib import Path

import keras
import numpy as np
from skimage import data

from keras_bigdata import Arrays, ShardSequence, pack, predict_rows

TEXTURES = ("gravel", "brick", "grass")
TRAIN_ROWS = (1500, 90, 30)
VALIDATION_ROWS = (200, 200, 200)
CROP = 32  # pixels
NOISE = 60


def cut_crops(counts: tuple[int, ...], left_half: bool, seed: int) -> Arrays:
    """Cuts crops from one half of each texture, so that training and validation share no pixel."""
    rng = np.random.default_rng(seed)
    crops, labels = [], []
    for label, (name, count) in enumerate(zip(TEXTURES, counts, strict=True)):
        texture = getattr(data, name)().astype(np.float32)
        middle = texture.shape[1] // 2
        half = texture[:, :middle] if left_half else texture[:, middle:]
        for _ in range(count):
            y, x = (rng.integers(0, side - CROP) for side in half.shape)
            crop = half[y : y + CROP, x : x + CROP] + rng.normal(0, NOISE, (CROP, CROP))
            crops.append(crop.clip(0, 255).astype(np.uint8)[..., None])
            labels.append(label)
    return Arrays(images=np.stack(crops), labels=np.array(labels))


def build_model() -> keras.Model:
    """A small convolutional network, with the same initial weights at each call."""
    keras.utils.set_random_seed(1)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((CROP, CROP, 1), dtype="uint8"),
            layers.Rescaling(1 / 128, offset=-1),
            layers.Conv2D(8, 5, strides=2, activation="relu"),
            layers.Conv2D(16, 3, strides=2, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(len(TEXTURES), activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.005), "sparse_categorical_crossentropy")
    return model


def recalls(model: keras.Model, validation: ShardSequence) -> list[float]:
    """Returns the share of the rows of each class that the model finds."""
    result = predict_rows(model, validation, columns="labels")
    predicted = result["outputs"].argmax(-1)
    return [
        float((predicted[result["labels"] == label] == label).mean())
        for label in range(len(TEXTURES))
    ]


def main(folder: Path, epochs: int = 8) -> None:
    pack(cut_crops(TRAIN_ROWS, True, 0), folder / "train")
    pack(cut_crops(VALIDATION_ROWS, False, 1), folder / "validation")
    validation = ShardSequence(folder / "validation", 64)

    plain = ShardSequence(folder / "train", 32, seed=1)
    balanced = ShardSequence(folder / "train", 32, seed=1, balance="labels")
    print(f"{'':15}" + "".join(f"{name:>9}" for name in TEXTURES) + f"{'mean':>9}")
    for name, sequence, options in (
        ("as they are", plain, {}),
        ("class weights", plain, {"class_weight": plain.class_weight()}),
        ("balanced", balanced, {}),
    ):
        model = build_model()
        model.fit(sequence, epochs=epochs, shuffle=False, verbose=0, **options)
        found = recalls(model, validation)
        print(f"{name:15}" + "".join(f"{value:9.2f}" for value in [*found, np.mean(found)]))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory(prefix="imbalanced-") as temporary:
            main(Path(temporary))
