"""Whole scripts for Keras 1 and 2, run by `python -m keras_bigdata.legacy`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap

import keras
import pytest

from tests.helpers.paths import ROOT

EXAMPLE = ROOT / "examples/legacy_fit_generator.py"


def run(*arguments, backend=None, fails=False):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    if backend is not None:
        environment["KERAS_BACKEND"] = backend
    result = subprocess.run(
        [sys.executable, "-m", "keras_bigdata.legacy", *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode != 0) == fails, result.stderr[-3000:]
    return result.stderr if fails else result.stdout


def write_script(folder, name, code):
    path = folder / name
    path.write_text(textwrap.dedent(code))
    return path


def test_wrong_calls_say_how_to_call():
    assert "there is no script 'nothing.py'" in run("nothing.py", fails=True)
    assert "SCRIPT" in run(fails=True)


def test_keras_is_imported_when_it_is_used():
    code = "import sys; from keras_bigdata import legacy; assert 'keras' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


KERAS_1 = """
    import sys
    import numpy as np
    import helper  # in the directory of the script
    from keras.callbacks import ModelCheckpoint
    from keras.layers import Dense
    from keras.models import Sequential

    assert __name__ == "__main__" and sys.argv[1:] == ["--rate", "3"], sys.argv
    counted = []

    def generate(rows, batch_size):
        while 1:
            for start in range(0, rows, batch_size):
                size = min(batch_size, rows - start)
                counted.append(size)
                x = np.random.rand(size, 8)
                yield x, (x.sum(axis=1) > 4).astype(int)

    model = Sequential()
    model.add(Dense(12, input_dim=8, activation="relu"))
    model.add(Dense(1, activation="sigmoid"))
    model.compile(loss="binary_crossentropy", optimizer="adam", metrics=["accuracy"])
    history = model.fit_generator(
        generate(100, 32), samples_per_epoch=100, nb_epoch=3, verbose=2, nb_worker=2,
        max_q_size=5, pickle_safe=True, validation_data=generate(50, 32), nb_val_samples=50,
        callbacks=[ModelCheckpoint(helper.path, monitor="val_acc", save_best_only=True)])
    assert sum(counted) == 3 * 150, counted
    assert model.predict_generator(generate(70, 32), 70).shape == (70, 1)
    assert len(model.evaluate_generator(generate(70, 32), 70)) == 2
    assert sum(counted) == 3 * 150 + 2 * 70
    print("val_acc", len(history.history["val_acc"]))
"""

SEGMENTATION = """
    import os, sys
    import numpy as np
    from skimage import data
    from tensorflow.keras.callbacks import ModelCheckpoint, TensorBoard
    from tensorflow.keras.layers import Conv2D, Input, MaxPooling2D, UpSampling2D, concatenate
    from tensorflow.keras.models import Model
    from tensorflow.keras.preprocessing.image import ImageDataGenerator

    coins = data.coins().astype("float32")
    X = np.stack([coins[i:i + 32, j:j + 32, None] for i in range(0, 200, 40)
                  for j in range(0, 300, 60)])
    Y = (X > 110).astype("float32")
    same = dict(rotation_range=10, horizontal_flip=True)
    images = ImageDataGenerator(rescale=1 / 255., **same).flow(X, batch_size=7, seed=1)
    masks = ImageDataGenerator(**same).flow(Y, batch_size=7, seed=1)

    inputs = Input((32, 32, 1))
    c = Conv2D(4, 3, activation="relu", padding="same")(inputs)
    up = UpSampling2D()(MaxPooling2D()(c))
    outputs = Conv2D(1, 1, activation="sigmoid")(concatenate([up, c]))
    model = Model(inputs=[inputs], outputs=[outputs])
    model.compile("adam", "binary_crossentropy", metrics=["acc"])
    checkpoint = ModelCheckpoint("unet_membrane.hdf5", monitor="loss", save_best_only=True,
                                 save_weights_only=True, period=2)
    board = TensorBoard(log_dir="logs", histogram_freq=0, batch_size=7, write_grads=True)
    history = model.fit_generator(
        zip(images, masks), steps_per_epoch=len(X) / 7, epochs=2, verbose=2, workers=3,
        validation_data=(X[:5] / 255, Y[:5]), callbacks=[checkpoint, board])
    assert sorted(os.listdir("."))[-1] == "unet_membrane.hdf5", os.listdir(".")
    model.load_weights("unet_membrane.hdf5")

    def test():
        for x in X:
            yield x[None] / 255

    assert model.predict_generator(test(), len(X), verbose=1).shape == X.shape
    print("accuracy", history.history["accuracy"], history.history["val_accuracy"])
"""

SEQUENCE = """
    import numpy as np
    import keras

    class DataGenerator(keras.utils.Sequence):
        def __init__(self, ids, batch_size=4):
            self.ids, self.batch_size, self.served = ids, batch_size, []
            self.on_epoch_end()

        def __len__(self):
            return int(np.floor(len(self.ids) / self.batch_size))

        def __getitem__(self, index):
            rows = self.order[index * self.batch_size:(index + 1) * self.batch_size]
            self.served.extend(rows)
            return np.array([[i, 1.0] for i in rows]), keras.utils.to_categorical(rows % 2, 2)

        def on_epoch_end(self):
            self.order = np.random.permutation(self.ids)

    model = keras.models.Sequential([keras.layers.Dense(2, activation="softmax")])
    model.compile("rmsprop", "categorical_crossentropy", metrics=["accuracy"])
    train = DataGenerator(np.arange(24))
    model.fit_generator(generator=train, validation_data=DataGenerator(np.arange(8)), epochs=2,
                        use_multiprocessing=True, workers=6, verbose=0)
    assert sorted(train.served) == sorted(2 * list(range(24))), train.served
    print("accuracy", model.history.history["val_acc"])
"""

FAILS = """
    import numpy as np
    import keras

    def read_images():
        yield np.ones((2, 3)), np.ones(2)
        yield np.ones((2, 3)), np.ones(2)
        yield np.ones((2, 3)), np.ones(2)
        raise FileNotFoundError("photos/0017.jpg")

    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit_generator(read_images(), 2, 5, verbose=0)
"""

on_one_backend = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the scripts choose their backends"
)


@pytest.mark.slow
@on_one_backend
def test_a_script_of_keras_1(tmp_path):
    path = str(tmp_path / "w-{epoch:02d}-{val_acc:.2f}.hdf5")
    write_script(tmp_path, "helper.py", f"path = {path!r}")
    script = write_script(tmp_path, "keras1.py", KERAS_1)
    assert "val_acc 3" in run(script, "--rate", 3)
    assert list(tmp_path.glob("w-01-*.hdf5"))


@pytest.mark.slow
@on_one_backend
def test_a_script_that_zips_pictures_and_masks(tmp_path, monkeypatch):
    pytest.importorskip("tensorboard")
    script = write_script(tmp_path, "unet.py", SEGMENTATION)
    monkeypatch.chdir(tmp_path)
    assert "accuracy [0." in run(script)
    assert list((tmp_path / "logs").rglob("events*"))


@pytest.mark.slow
@on_one_backend
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_a_script_with_a_sequence_on_other_backends(tmp_path, backend):
    pytest.importorskip(backend)
    assert "accuracy [" in run(write_script(tmp_path, "sequence.py", SEQUENCE), backend=backend)


@pytest.mark.slow
@on_one_backend
def test_an_error_of_the_script_ends_it_with_its_traceback(tmp_path):
    output = run(write_script(tmp_path, "fails.py", FAILS), fails=True)
    assert output.rstrip().endswith("FileNotFoundError: photos/0017.jpg")
    assert "in read_images" in output
    assert "OutOfRange" not in output


@pytest.mark.slow
@on_one_backend
def test_the_example_learns(tmp_path):
    output = run(EXAMPLE, tmp_path)
    best = re.search(r"best: ([\d.]+), by predict_generator ([\d.]+)", output)
    assert best is not None
    assert float(best[1]) > 0.9
    assert best[1] == best[2]
    assert (tmp_path / "first_try.h5").exists()
    assert re.search(r"\d\d-[01]\.\d\d\.hdf5", " ".join(os.listdir(tmp_path)))
