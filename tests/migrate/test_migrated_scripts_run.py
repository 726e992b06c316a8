"""Migrated scripts run on Keras 3, and the tables of `migrate` agree with Keras 3."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
from skimage import data, io

from keras_bigdata.migrate import Migration, Note, migrate_text
from keras_bigdata.old_keras.locations import (
    MOVED_MODULES,
    MOVED_NAMES,
    PUBLIC_NAMES,
    REMOVED_NAMES,
    SUBMODULES,
)
from tests.helpers.paths import ROOT

MODEL = """\
from __future__ import print_function
import numpy as np
from keras.models import Sequential
from keras.layers.core import Dense, Flatten, Activation
from keras.layers.convolutional import Conv2D
from keras.layers.pooling import MaxPooling2D
from keras.preprocessing.image import ImageDataGenerator, img_to_array
from keras.utils import np_utils
from keras.constraints import maxnorm
from keras.callbacks import ModelCheckpoint, EarlyStopping, ReduceLROnPlateau, TensorBoard
from keras.optimizers import SGD
import keras.backend as K

model = Sequential()
model.add(Conv2D(4, (3, 3), input_shape=(24, 24, 3), kernel_constraint=maxnorm(3)))
model.add(MaxPooling2D(pool_size=(2, 2)))
model.add(Flatten())
model.add(Dense(2))
model.add(Activation('softmax'))
model.compile(SGD(lr=0.01, momentum=0.9, decay=0.0), 'categorical_crossentropy', ['accuracy'])
assert np_utils.to_categorical([1], 2).tolist() == [[0, 1]]

datagen = ImageDataGenerator(rescale=1./255, rotation_range=20, horizontal_flip=True)
train = datagen.flow_from_directory('photos', target_size=(24, 24), batch_size=8)
val = datagen.flow_from_directory('photos', target_size=(24, 24), batch_size=8, shuffle=False)
callbacks = [
    ModelCheckpoint('best.hdf5', monitor='val_acc', save_best_only=True, period=1),
    ModelCheckpoint('w-{epoch:02d}-{val_acc:.2f}.h5', save_weights_only=True),
    EarlyStopping(monitor='val_acc', patience=5),
    ReduceLROnPlateau(monitor='val_loss', epsilon=1e-3),
    TensorBoard(log_dir='logs', batch_size=8, write_grads=False),
]
"""

PLAIN = (
    MODEL
    + """\
history = model.fit_generator(train, steps_per_epoch=len(train), epochs=2, callbacks=callbacks,
                              validation_data=val, validation_steps=len(val))
model.load_weights('best.hdf5')
loss, accuracy = model.evaluate_generator(val)
predicted = model.predict_generator(val, steps=len(val))
assert predicted.shape == (30, 2), predicted.shape
assert len(history.history['acc']) == len(history.history['val_acc']) == 2
print('learning rate %.3f' % float(model.optimizer.lr))
model.save_weights('last.h5')
model.load_weights('last.h5')
"""
)

LEGACY = (
    MODEL
    + """\
def batches():
    while True:
        x, y = next(train)
        yield [x, y]

history = model.fit_generator(batches(), samples_per_epoch=30, nb_epoch=2, callbacks=callbacks,
                              validation_data=val, nb_val_samples=30, max_q_size=2, nb_worker=1,
                              pickle_safe=False, class_weight={0: 1., 1: 2.})
model.load_weights('best.hdf5')
loss, accuracy = model.evaluate_generator(batches(), val_samples=30)
predicted = model.predict_generator(val, val_samples=30)
assert predicted.shape == (30, 2), predicted.shape
assert len(history.history['acc']) == len(history.history['val_acc']) == 2
"""
)


@pytest.fixture
def folder(tmp_path):
    """A folder with photographs of two classes."""
    for label in ("coffee", "cat"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        image = getattr(data, label)()
        for number in range(15):
            crop = image[number * 9 : number * 9 + 60, number * 9 : number * 9 + 60]
            io.imsave(tmp_path / f"photos/{label}/{number}.png", crop, check_contrast=False)
    return tmp_path


def run(code: bytes, folder, backend: str = "tensorflow") -> subprocess.CompletedProcess[str]:
    (folder / "script.py").write_bytes(code)
    return subprocess.run(
        [sys.executable, "script.py"],
        cwd=folder,
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.slow
def test_a_migrated_script_runs_on_keras_itself(folder):
    migration = migrate_text(PLAIN.encode())
    assert migration.notes == []
    assert b"legacy" not in migration.content
    before, after = run(PLAIN.encode(), folder), run(migration.content, folder)
    assert "ModuleNotFoundError" in before.stderr
    assert after.returncode == 0, after.stderr
    assert "learning rate 0.010" in after.stdout
    files = {path.name for path in folder.iterdir()}
    assert {"best.keras", "last.weights.h5", "logs"} <= files
    assert sum(name.startswith("w-") and name.endswith(".weights.h5") for name in files) == 2


@pytest.mark.slow
def test_a_migrated_script_runs_with_legacy_generators(folder):
    migration = migrate_text(LEGACY.encode())
    assert migration.notes == []
    assert migration.content.count(b"legacy.") == 3
    after = run(migration.content, folder)
    assert after.returncode == 0, after.stderr


@pytest.mark.parametrize("backend", ["jax", "torch"])
@pytest.mark.slow
def test_a_migrated_script_runs_on_other_backends(folder, backend):
    pytest.importorskip(backend)
    after = run(migrate_text(PLAIN.encode()).content, folder, backend)
    assert after.returncode == 0, after.stderr


# ---- The tables


def has(module: str, name: str) -> bool:
    return hasattr(importlib.import_module(module), name)


def test_names_are_where_the_tables_say():
    for module, names in MOVED_MODULES.values():
        for name in names:
            assert has(module, name), (module, name)
    for module, name in MOVED_NAMES.values():
        assert has(module, name), (module, name)
    for module, names in PUBLIC_NAMES.items():
        for name in names:
            assert has(f"tensorflow.{module}", name), (module, name)
    for former, submodule in SUBMODULES.items():
        module = getattr(importlib.import_module(submodule.module), submodule.name)
        for name in submodule.names:
            assert hasattr(module, name), (former, name)
        for name in submodule.unmoved:
            assert has(former, name), (former, name)


def assert_removed():
    for module in MOVED_MODULES:
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module(module)
    for name in [*MOVED_NAMES, *REMOVED_NAMES]:
        former, _, last = name.rpartition(".")
        try:
            assert not has(former, last), name
        except ModuleNotFoundError:
            continue


@pytest.mark.slow
def test_what_has_moved_or_is_gone_is_not_where_it_was():
    # In a separate process, because `legacy.install()` of another test restores some of it.
    code = "from tests.migrate.test_migrated_scripts_run import assert_removed; assert_removed()"
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.slow
def test_what_the_rules_take_for_granted_of_keras(tmp_path):
    with pytest.raises(ValueError, match=r"\.weights\.h5"):
        keras.callbacks.ModelCheckpoint("a.h5", save_weights_only=True)
    with pytest.raises(TypeError, match="period"):
        keras.callbacks.ModelCheckpoint("a.keras", period=1)
    with pytest.raises(TypeError, match="batch_size"):
        keras.callbacks.TensorBoard("logs", batch_size=8)
    with pytest.raises(ValueError, match="lr"):
        keras.optimizers.Adam(lr=0.1)
    with pytest.warns(UserWarning, match="decay"):
        keras.optimizers.Adam(decay=0.1)
    assert not hasattr(keras.optimizers.Adam(), "lr")
    # Positional arguments whose meaning has changed.
    assert keras.layers.Convolution2D(24, 5, 5).strides == (5, 5)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["acc", "mae"])
    history = model.fit(np.zeros((4, 2)), np.zeros((4, 1)), verbose=0).history
    assert set(history) == {"loss", "acc", "mae"}
    with pytest.raises(ValueError, match=r"\.weights\.h5"):
        model.save_weights(tmp_path / "a.h5")


def test_a_whole_model_needs_the_new_file_name(tmp_path):
    def train_and_save():  # newer releases check when the callback is made, Keras 3.8 when it saves
        checkpoint = keras.callbacks.ModelCheckpoint(tmp_path / "a.hdf5")
        model.fit(np.zeros((4, 2)), np.zeros((4, 1)), verbose=0, callbacks=[checkpoint])

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"\.keras"):
        train_and_save()


def test_decay_as_a_schedule_is_what_the_note_says():
    schedule = keras.optimizers.schedules.InverseTimeDecay(0.1, decay_steps=1, decay_rate=1e-2)
    for step in (0, 7, 1000):
        assert float(schedule(step)) == pytest.approx(0.1 / (1 + 1e-2 * step))


@pytest.mark.parametrize("documented", [Migration, Note, migrate_text])
def test_docstring_example_runs(documented):
    code = documented.__doc__.split("```python")[1].split("```")[0]
    exec(compile(textwrap.dedent(code), "docstring", "exec"), {})
