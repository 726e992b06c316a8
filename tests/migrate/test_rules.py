"""The rules of `migrate` one by one."""

from __future__ import annotations

import textwrap

import pytest

from tests.migrate.migrated import migrate, migrated, notes


def test_keras_1_positions_become_names():
    new = migrate("""
        model.fit_generator(gen, 2000, 3, nb_worker=2)
        model.evaluate_generator(gen, 500, nb_worker=2)
    """)
    assert (
        "legacy.fit_generator(model, gen, samples_per_epoch=2000, nb_epoch=3, nb_worker=2)" in new
    )
    assert "legacy.evaluate_generator(model, gen, val_samples=500, nb_worker=2)" in new


@pytest.mark.parametrize("name", ["max_q_size=2", "pickle_safe=True"])
def test_names_that_keras_2_0_still_had_do_not_make_steps_samples(name):
    """`fit_generator(gen, 2000, 3, max_q_size=2)` became 2,000 samples, 63 batches of 32."""
    code = f"model.fit_generator(gen, 2000, 3, {name})\n"
    assert migrate(code) == code
    (told,) = notes(code).values()
    assert (
        "samples_per_epoch=2000, nb_epoch=3 for Keras 1, or steps_per_epoch=2000, epochs=3" in told
    )
    assert f"legacy.evaluate_generator(model, gen, {name})" in migrate(
        f"model.evaluate_generator(gen, {name})"
    )


def test_old_names_beside_new_ones_are_only_names():
    new = migrate("model.fit_generator(gen, steps_per_epoch=9, nb_epoch=3, pickle_safe=True)")
    assert "(model, gen, steps_per_epoch=9, epochs=3, use_multiprocessing=True)" in new
    code = "model.fit_generator(gen, samples_per_epoch=9, validation_steps=3)\n"
    assert migrate(code) == code
    assert "of Keras 1 and of Keras 2" in notes(code)[1]


def test_what_is_called_legacy_already():
    new = migrate("import legacy\nmodel.fit_generator(gen, steps_per_epoch=3)\n")
    assert "from keras_bigdata import legacy as keras_bigdata_legacy\n" in new
    assert "keras_bigdata_legacy.fit_generator(model, gen" in new
    new = migrate(
        "from keras_bigdata import legacy as old\nm.fit_generator(g, steps_per_epoch=3)\n"
    )
    assert new.count("import") == 1
    assert "old.fit_generator(m, g" in new


@pytest.mark.parametrize(
    "iterator",
    [
        "datagen.flow(x, y)",  # may have several inputs
        "datagen.flow_from_dataframe(f, class_mode='multi_output')",
        "datagen.flow_from_directory(d, class_mode=mode)",
        "datagen.flow_from_directory(d, **options)",
        "other.flow_from_directory(d)",
        "batches()",
    ],
)
def test_iterators_that_are_not_surely_known_go_to_legacy(iterator):
    new = migrate(f"""
        from tensorflow.keras.preprocessing.image import ImageDataGenerator
        datagen = ImageDataGenerator()
        train = {iterator}
        model.fit_generator(train, epochs=2)
    """)
    assert "legacy.fit_generator(model, train, epochs=2)" in new


@pytest.mark.parametrize(
    "arguments",
    [
        "train, workers=2",
        "train, steps_per_epoch=10",
        "train, samples_per_epoch=10",
        "train, validation_data=other",
        "train, validation_data=train, validation_steps=4",
        "train, **options",
        "again",
    ],
)
def test_arguments_that_need_legacy(arguments):
    new = migrate(f"""
        from tensorflow.keras.preprocessing.image import ImageDataGenerator
        datagen = ImageDataGenerator()
        train = datagen.flow_from_directory(d)
        again = train
        again = None
        model.fit_generator({arguments})
    """)
    assert f"legacy.fit_generator(model, {arguments})" in new


def test_one_file_is_called_alike_where_it_is_saved_and_loaded():
    new = migrate("""
        import os
        from keras.callbacks import ModelCheckpoint
        from keras.models import load_model
        best = os.path.join(out, "best.hdf5")
        cb = ModelCheckpoint(best, save_best_only=True)
        cc = ModelCheckpoint(filepath=f"{out}/w.h5", save_weights_only=True)
        if os.path.exists("a/m.h5"):
            model = load_model("a/m.h5")
        cd = ModelCheckpoint("a/m.h5")
        model.save("a/m.h5")
        model.load_weights(f"{out}/w.h5")
        model.load_weights("vgg16_weights.h5")
        ce = ModelCheckpoint("%s/x.{epoch}.h5" % out)
        cf = ModelCheckpoint(out + r'\\y.h5', save_weights_only=True)
    """)
    for line in (
        'best = os.path.join(out, "best.keras")',
        'cc = ModelCheckpoint(filepath=f"{out}/w.weights.h5", save_weights_only=True)',
        'if os.path.exists("a/m.keras"):',
        '    model = load_model("a/m.keras")',
        'cd = ModelCheckpoint("a/m.keras")',
        'model.save("a/m.keras")',
        'model.load_weights(f"{out}/w.weights.h5")',
        'model.load_weights("vgg16_weights.h5")',
        'ce = ModelCheckpoint("%s/x.{epoch}.keras" % out)',
        "cf = ModelCheckpoint(out + r'\\y.weights.h5', save_weights_only=True)",
    ):
        assert line in new.splitlines()


def test_files_that_a_person_has_to_name():
    code = textwrap.dedent("""\
        from keras.callbacks import ModelCheckpoint
        a = ModelCheckpoint("m.h5")
        model.save_weights("m.h5")
        name = "n.h5"
        b = ModelCheckpoint(name)
        upload(name)
        c = ModelCheckpoint(options.path)
        d = ModelCheckpoint("x.{epoch}.ckpt", save_weights_only=True)
        e = ModelCheckpoint(*names)
    """)
    assert migrate(code) == code
    by_line = notes(code)
    assert "in lines 2, 3: use two file names" in by_line[2]
    assert "used for something else too (line 6)" in by_line[5]
    assert "the value of options.path is not known here" in by_line[7]
    assert "must end in '.weights.h5'" in by_line[8]
    assert "passed with `*` or `**`" in by_line[9]


def test_nothing_is_done_to_other_libraries():
    code = textwrap.dedent("""\
        import re
        from sklearn.linear_model import SGDClassifier
        from torch.optim import Adam
        from mylib.layers import Convolution2D, Merge
        from .keras import ModelCheckpoint
        pattern = re.compile(a, b, c)
        Adam(lr=0.1)
        SGDClassifier().fit(x, y, nb_epoch=3, workers=2)
        Convolution2D(24, 5, 5, border_mode="same")
        ModelCheckpoint("a.h5", period=3)
        print(history["acc"])
    """)
    migration = migrated(code.encode())
    assert migration.content == code.encode()
    assert migration.notes == []


def test_a_star_that_may_hide_keras():
    code = textwrap.dedent("""\
        from model import *
        import tensorflow.keras.backend as T
        from keras import backend as K
        c = ModelCheckpoint("a.hdf5", period=3)
        K.sum(K.epsilon())
        K.max(T.sum(K.sum(x)))
        K.variable(1)
    """)
    new = code.replace("K.sum", "ops.sum").replace("K.max", "ops.max")
    keras_import = "import tensorflow.keras.backend as T\n"
    assert migrate(code) == new.replace(keras_import, keras_import + "from keras import ops\n")
    by_line = notes(code)
    assert "import of *" in by_line[4]
    assert "keras.Variable(value" in by_line[7]
    assert set(by_line) == {4, 7}


def test_code_of_today_is_left_as_it_is():
    code = textwrap.dedent("""\
        import keras
        from keras.utils import to_categorical
        from tensorflow.keras.preprocessing.image import ImageDataGenerator
        from keras_bigdata import ShardSequence, legacy
        m = keras.Sequential([keras.layers.Conv2D(8, 3, 2), keras.layers.Dense(3)])
        m.compile(keras.optimizers.Adam(learning_rate=0.1), "mse", [1.0], metrics=["accuracy"])
        cb = keras.callbacks.ModelCheckpoint("a.weights.h5", "val_accuracy", 0, True, True)
        h = m.fit(ShardSequence("shards"), epochs=3, callbacks=[cb], shuffle=False)
        legacy.fit_generator(m, gen, 10, 3)
        m.save("a.keras"); m.save_weights("b.weights.h5"); print(h.history["val_accuracy"])
    """)
    assert migrate(code) == code


IMPORTED = """
from keras.layers.core import Dense  # one
from keras.layers.core import (Dense,  # two
                               Dropout)
from keras.utils import np_utils, to_categorical as one_hot, HDF5Matrix
from tensorflow.python.keras.layers import Dense
from tensorflow.keras.preprocessing import image
from keras.preprocessing import image as images
from keras.engine import Layer, InputSpec, Model
from keras.preprocessing.image import *
import keras.layers.core
import os; from keras.layers.core import Dense
from keras.optimizers import SGD, adam
print(images.load_img("a.png"), ImageDataGenerator())
"""


def test_imports():
    assert migrate(IMPORTED).splitlines()[1:-1] == [
        "from keras.layers import Dense  # one",
        "from keras.layers import (Dense,  # two",
        "                               Dropout)",
        "from keras.utils import to_categorical as one_hot, HDF5Matrix",
        "from keras import utils as np_utils",
        "from tensorflow.keras.layers import Dense",
        "from tensorflow.keras.preprocessing import image",
        "from keras.preprocessing import image as images",
        "from keras.models import Model",
        "from keras.layers import Layer, InputSpec",
        "from tensorflow.keras.preprocessing.image import *",
        "import keras.layers.core",
        "import os; from keras.layers.core import Dense",
        "from keras.optimizers import SGD, Adam as adam",
    ]
    by_line = notes(IMPORTED)
    assert "HDF5Matrix was removed: pack" in by_line[5]
    assert "keras.layers.core was removed or has moved" in by_line[11]
    assert "import from the new location: keras.layers.Dense." in by_line[12]
