"""The rules of `migrate` on whole scripts."""

from __future__ import annotations

import ast
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_bigdata.migrate import migrate_text
from tests.helpers.legacy_scripts import SCRIPTS
from tests.migrate.migrated import messages, migrated, new_lines, notes

# ---- Whole scripts


@pytest.mark.quick_cases(5)
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_second_run_changes_nothing_and_says_the_same(name):
    first = migrated(SCRIPTS[name])
    second = migrated(first.content)
    assert second.content == first.content
    assert messages(first.content) == messages(SCRIPTS[name])
    ast.parse(first.content)


@pytest.mark.parametrize("name", SCRIPTS)
def test_comments_are_kept(name):
    def comments(content: bytes) -> list[bytes]:
        return sorted(line.partition(b"#")[2] for line in content.splitlines() if b"#" in line)

    assert comments(migrated(SCRIPTS[name]).content) == comments(SCRIPTS[name])


def test_keras_1_calls_keep_their_arguments_and_their_layout():
    new = "\n".join(new_lines("driving"))
    assert (
        textwrap.dedent("""
        history = legacy.fit_generator(model, batches(train_rows),
                                       samples_per_epoch=len(train_rows),
                                       nb_epoch=5,
                                       max_q_size=1,
                                       validation_data=batches(val_rows),
                                       nb_val_samples=len(val_rows),
                                       callbacks=[checkpoint],
                                       verbose=1)""").strip()
        in new
    )
    assert "from keras.layers import Dense, Flatten, Lambda, Dropout" in new
    assert "checkpoint = ModelCheckpoint('model-{epoch:03d}.keras'," in new


def test_directory_iterators_with_computed_steps():
    assert new_lines("cats_and_dogs") == [
        "from keras.preprocessing.image import img_to_array, load_img",
        "from tensorflow.keras.preprocessing.image import ImageDataGenerator",
        "from keras_bigdata import legacy",
        "legacy.fit_generator(",
        "    model,",
        "model.save_weights('first_try.weights.h5')",
    ]


def test_iterators_of_known_length_go_to_keras_itself():
    assert new_lines("known_lengths") == [
        "    hist = model.fit(train_it, epochs=3,",
        "                     validation_data=val_it  # held out",
        "                     )",
        "    print(model.evaluate(val_it, verbose=0), model.predict(x=val_it, verbose=0))",
    ]


def test_a_class_with_everything_by_keyword():
    new = new_lines("locked")
    assert "        legacy.fit_generator(" in new
    assert "            self.model," in new
    assert "from keras import utils as np_utils" in new
    assert "from keras.utils import to_categorical" in new
    assert any('metrics=["accuracy"]' in line for line in new)
    dense = 'Dense(units=10, kernel_initializer="uniform")(a)'
    assert f"        self.model = Model(inputs=a, outputs={dense})" in new
    assert "from keras_bigdata.legacy.layers import merge" in new
    by_line = notes(SCRIPTS["locked"].decode())
    assert list(by_line) == [8, 19, 26]
    assert "Adadelta(learning_rate=1.0)" in by_line[26]
    assert "Python 3 calls __next__" in by_line[8]
    assert "write next(self.it)" in by_line[19]


def test_segmentation():
    assert new_lines("segmentation") == [
        "from keras_bigdata import legacy",
        "from tensorflow.keras.preprocessing.image import ImageDataGenerator",
        "model.compile(optimizer=Adam(learning_rate=1e-4), "
        'loss="binary_crossentropy", metrics=["accuracy", dice])',
        "filepath = 'unet_membrane.weights.h5'",
        "    ModelCheckpoint(filepath, monitor='val_accuracy', save_weights_only=True),",
        "    EarlyStopping('val_accuracy', patience=10),",
        "    ReduceLROnPlateau(factor=0.1, min_delta=1e-4),   # plateau",
        "    TensorBoard(log_dir='logs', write_graph=True)]",
        "history = legacy.fit_generator(model, combined(), steps_per_epoch=300, epochs=1, "
        "callbacks=callbacks)",
        "acc = history.history['accuracy']",
        'val_acc = history.history["val_accuracy"]',
        "results = legacy.predict_generator(model, test_gen(), 30, verbose=1)",
    ]


def test_arguments_that_fit_took_until_keras_3():
    new = new_lines("tf2")
    assert (
        "    h = legacy.fit_generator(model, Batches(), epochs=3, workers=4, "
        "use_multiprocessing=True)" in new
    )
    assert any(
        "model.optimizer.learning_rate, legacy.predict_generator(model, generator=Batches(), "
        "workers=2, verbose=1)" in line
        for line in new
    )
    assert any('h.history["mae"], h.history["val_mae"]' in line for line in new)
    by_line = notes(SCRIPTS["tf2"].decode())
    assert "steps_per_epoch must be an int in Keras 3" in by_line[23]
    assert "    model.fit(x, y, epochs=3)" in new  # `workers` had no effect on arrays


def test_full_names_in_another_encoding():
    content = migrated(SCRIPTS["full_names"]).content
    text = content.decode("latin-1")
    assert "# Größe" in text
    assert "load_img('é.png')" in text
    for line in (
        "from keras.preprocessing import sequence\n",
        "from tensorflow.keras.preprocessing import image\n",
        "from keras import losses as objectives",
        "from keras.constraints import max_norm as maxnorm",
        "net = keras.layers.Dense(3, kernel_constraint=maxnorm(3))",
        "y = keras.utils.to_categorical(loss)",
        "other = ImageDataGenerator()",
    ):
        assert line in text
    assert "set_image_data_format(" in text
    assert "print(ops.sum(y), net.predict_classes(img))" in text


def test_metrics_that_compile_calls_acc():
    new = "\n".join(new_lines("captions"))
    assert "h.history['acc']" in new
    assert "logs" not in new  # logs.get('acc') is right as it is
    assert "from keras.utils import plot_model as plot" in new
    by_line = notes(SCRIPTS["captions"].decode())
    assert "period of 5 epochs" in by_line[20]
    assert "keras_bigdata.legacy.install() first" in by_line[20]
    assert "Here save_weights_only is flag" in by_line[20]


def test_what_is_not_understood_is_left_and_said():
    for name in ("ambiguous", "own_methods"):
        assert new_lines(name) == []
    by_line = notes(SCRIPTS["ambiguous"].decode())
    assert "was `samples_per_epoch` in Keras 1 and is `steps_per_epoch`" in by_line[3]
    assert "was `val_samples`" in by_line[4]
    assert "from a list" in by_line[5]
    assert "more than 7 positional arguments" in by_line[6]
    by_line = notes(SCRIPTS["own_methods"].decode())
    assert "defines a function of that name" in by_line[7]
    assert "is not called here" in by_line[8]
    assert new_lines("positional") == [
        "from keras_bigdata import legacy",
        "legacy.fit_generator(m, gen, 100, 10, 1, [], val_gen, 20)",
        "legacy.evaluate_generator(m, val_gen, 20)",
    ]


# ---- Any script

STATEMENTS = [
    "from keras.preprocessing.image import ImageDataGenerator, load_img",
    "from keras.layers.core import (Dense,  # old\n                               Merge)",
    "from keras.utils import np_utils",
    "import keras",
    "import tensorflow as tf",
    "from keras.callbacks import *",
    "legacy = 3",
    "it = ImageDataGenerator().flow_from_directory('a')",
    "it = 3",
    "m.compile('sgd', 'mse', ['accuracy'])",
    "m.compile(keras.optimizers.adam(lr=1,  # one\n    decay=0.0, epsilon=None,), metrics=['acc'])",
    "m.fit_generator(it, steps_per_epoch=len(it), epochs=3)",
    "m.fit_generator(it, 10, 3, verbose=1)",
    "h = m.fit_generator(generator=it,\n            nb_epoch=3,  # few\n    samples_per_epoch=7)",
    "m.evaluate_generator(it)",
    "m.predict_generator(\n    it  # all\n)",
    "m.fit(it, workers=2)",
    "m.predict(it, max_queue_size=3, batch_size=2)",
    "print(h.history['acc'], h.history['val_accuracy'])",
    "c = ModelCheckpoint(path, 'val_acc', period=1)",
    "c = keras.callbacks.ModelCheckpoint('w.{val_acc}.h5', save_weights_only=True, period=2)",
    "c = tf.keras.callbacks.ModelCheckpoint('w.h5')",
    "path = 'p.hdf5'",
    "m.save_weights('w.h5'); m.load_weights(path)",
    "t = keras.callbacks.TensorBoard(batch_size=3, write_grads=True)",
    "d = keras.layers.core.Dense(3, init='x')",
    "y = np_utils.to_categorical(keras.utils.np_utils.to_categorical(x))",
    "# a comment",
]


def test_tf_keras_through_a_star_import_shows_keras_2_in_the_first_run():
    """`import tensorflow as tf`, which the first run adds, decided the call in the second run."""
    content = b"""from keras.callbacks import *
c = tf.keras.callbacks.ModelCheckpoint('w.h5')
m.fit_generator(it, 10, 3)
"""
    first = migrate_text(content)
    assert b"legacy.fit_generator(m, it, 10, 3)" in first.content
    assert migrate_text(first.content).content == first.content


@pytest.mark.parametrize("examples", [5, pytest.param(100, marks=pytest.mark.slow)])
def test_any_script_is_migrated_once(examples):
    @settings(max_examples=examples, deadline=None)
    @given(
        st.lists(st.sampled_from(STATEMENTS), max_size=12),
        st.sampled_from(["\n", "\r\n"]),
        st.booleans(),
        st.booleans(),
    )
    def check(statements, newline, in_function, ends_with_newline):
        code = "\n".join(statements)
        if in_function and "*" not in code:
            code = "def main():\n" + textwrap.indent(code + "\npass", "    ")
        content = (code + "\n" * ends_with_newline).replace("\n", newline).encode()
        first = migrate_text(content)
        second = migrate_text(first.content)
        assert second.content == first.content
        assert messages(first.content) == messages(content)
        ast.parse(first.content)
        assert first.content.count(b"#") == content.count(b"#")
        # The line ending of one line without an end is unknown.
        carriage_returns = first.content.count(b"\n") if b"\r\n" in content else 0
        assert first.content.count(b"\r\n") == carriage_returns

    check()
