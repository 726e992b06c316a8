"""The rules of `migrate`, on whole scripts and one by one, and the files that it writes."""

from __future__ import annotations

import ast
import difflib
import functools
import re
import subprocess
import sys
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_bigdata.cli import main
from keras_bigdata.migrate import migrate_text
from tests.helpers.legacy_scripts import CATS_AND_DOGS, SCRIPTS

migrated = functools.cache(migrate_text)  # 0.1 s a script, and many tests look at one


def migrate(code: str) -> str:
    return migrated(textwrap.dedent(code).encode()).content.decode()


def notes(code: str) -> dict[int, str]:
    """Returns the messages of the notes by line."""
    messages_by_line: dict[int, str] = {}
    for note in migrated(textwrap.dedent(code).encode()).notes:
        messages_by_line[note.line] = messages_by_line.get(note.line, "") + note.message
    return messages_by_line


def messages(content: bytes) -> list[str]:
    """Returns the notes without the lines that they name, which new imports move."""
    return [re.sub(r"lines? [\d, ]+", "line ", note.message) for note in migrated(content).notes]


def new_lines(name: str) -> list[str]:
    """Returns the lines of a migrated script that it did not have before."""
    before = SCRIPTS[name].decode("latin-1").splitlines()
    after = migrated(SCRIPTS[name]).content.decode("latin-1").splitlines()
    lines = difflib.unified_diff(before, after, n=0)
    return [line[1:] for line in lines if line.startswith("+") and not line.startswith("+++")]


# ---- Whole scripts


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
    assert any("Model(inputs=a, outputs=Dense(output_dim=10" in line for line in new)
    by_line = notes(SCRIPTS["locked"].decode())
    assert "keras.layers.merge was removed: use" in by_line[3]
    assert "Python 3 calls __next__" in by_line[8]
    assert "init is kernel_initializer" in by_line[25]


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
    assert "fit no longer takes workers" in by_line[24]


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
        "net = keras.layers.Dense(3, W_constraint=maxnorm(3))",
        "y = keras.utils.to_categorical(loss)",
        "other = ImageDataGenerator()",
    ):
        assert line in text
    by_line = notes(text.replace("latin-1", "utf-8"))
    assert any("set_image_dim_ordering was removed: use" in note for note in by_line.values())
    assert any("keras.backend no longer has sum." in note for note in by_line.values())


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


# ---- Single rules


def test_keras_1_positions_become_names():
    new = migrate("""
        model.fit_generator(gen, 2000, 3, max_q_size=2)
        model.evaluate_generator(gen, 500, nb_worker=2)
    """)
    assert (
        "legacy.fit_generator(model, gen, samples_per_epoch=2000, nb_epoch=3, max_q_size=2)" in new
    )
    assert "legacy.evaluate_generator(model, gen, val_samples=500, nb_worker=2)" in new


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


def test_metric_names_are_those_that_compile_is_given():
    new = migrate("""
        from keras.callbacks import EarlyStopping, ModelCheckpoint
        m.compile("sgd", "mse", metrics=["accuracy", "mae"])
        es = EarlyStopping(monitor="val_acc")
        mc = ModelCheckpoint("{epoch}-{val_acc:.2f}-{mean_absolute_error}.keras", "val_acc")
        h = m.fit(x, y).history
        print(h["acc"], h["val_mean_absolute_error"], h["loss"], table["acc"])
    """)
    assert 'EarlyStopping(monitor="val_accuracy")' in new
    assert 'ModelCheckpoint("{epoch}-{val_accuracy:.2f}-{mae}.keras", "val_accuracy")' in new
    assert 'print(h["accuracy"], h["val_mae"], h["loss"], table["acc"])' in new


def test_metric_names_that_are_not_certain():
    code = textwrap.dedent("""\
        from keras.callbacks import EarlyStopping
        es = EarlyStopping("val_acc")
        print(model.fit(x, y).history["dense_1_acc"], h.history["binary_acc"])
        names = model.metrics_names
    """)
    assert migrate(code) == code
    by_line = notes(code)
    assert "which is not found in this file" in by_line[2]
    assert "'dense_1_acc'" in by_line[3]
    assert "binary" not in by_line[3]
    assert "compile_metrics" in by_line[4]
    both = code.replace("es =", "m.compile('sgd', metrics=['acc', 'accuracy']); es =")
    assert migrate(both) == both
    assert "'acc' and 'accuracy'" in notes(both)[2]


def test_optimizers():
    new = migrate("""
        import tensorflow as tf
        from keras import optimizers
        from keras.optimizers import SGD
        a = optimizers.Adam(lr=0.1, decay=0.0, epsilon=None)
        b = tf.keras.optimizers.Nadam(learning_rate=0.1)
        c = mine.Adam(lr=0.1, decay=0.)
        d = optimizers.sgd(lr=0.1,  # quick
                           decay=0.)
        print(a.lr, c.lr, model.optimizer.lr)
    """)
    assert "a = optimizers.Adam(learning_rate=0.1)\n" in new
    assert "c = mine.Adam(lr=0.1, decay=0.)" in new
    assert "d = optimizers.SGD(learning_rate=0.1  # quick\n" in new
    assert "print(a.learning_rate, c.lr, model.optimizer.learning_rate)" in new
    by_line = notes("""\
        from keras.optimizers import SGD, Adam
        SGD(0.1, 0.9, 1e-6, True)
        Adam(lr=0.1, decay=1e-6)
    """)
    assert "after the first 2 mean something else" in by_line[2]
    assert "InverseTimeDecay" in by_line[3]


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
    """)
    assert migrate(code) == code
    by_line = notes(code)
    assert "import of *" in by_line[4]
    assert "no longer has max, sum." in by_line[5]
    assert set(by_line) == {4, 5}


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


# ---- Files


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "train.py"
    path.write_bytes(CATS_AND_DOGS.replace("\n", "\r\n").encode())
    path.chmod(0o754)
    return path


def test_the_diff_is_a_patch(script, capfdbinary):
    assert main(["migrate", str(script)]) == 0
    patch = capfdbinary.readouterr().out
    assert patch.startswith(b"--- " + str(script).encode())
    before = script.read_bytes()
    subprocess.run(
        ["patch", "--binary", "-s", str(script)], input=patch, check=True, capture_output=True
    )
    assert script.read_bytes() == migrate_text(before).content


def test_write_keeps_mode_and_line_ends(script, capsys):
    before = script.read_bytes()
    link = script.with_name("link.py")
    link.symlink_to(script)
    assert main(["migrate", "--write", str(link)]) == 0
    assert capsys.readouterr().out == f"{link}: changed\n"
    after = script.read_bytes()
    assert after == migrate_text(before).content != before
    assert after.count(b"\r\n") == after.count(b"\n")
    assert script.stat().st_mode & 0o777 == 0o754
    assert link.is_symlink()
    assert main(["migrate", "--write", str(script)]) == 0
    assert capsys.readouterr().out == ""
    assert script.read_bytes() == after


def test_notes_name_the_lines_of_the_file_as_it_is_then(tmp_path, capsys):
    path = tmp_path / "a.py"
    path.write_bytes(SCRIPTS["driving"])
    for options in ([], ["--write"]):
        assert main(["migrate", str(path), *options]) == 0
        for line in capsys.readouterr().err.splitlines():
            number = int(line.removeprefix(f"{path}:").partition(":")[0])
            assert "Convolution2D(24" in path.read_text().splitlines()[number - 1]


def test_a_file_that_fails_does_not_stop_the_others(script, tmp_path, capsys):
    (tmp_path / "old.py").write_text("import keras\nprint 'Python 2'\n")
    (tmp_path / "bad.py").write_bytes(b"x = '\xff'\n")
    (tmp_path / "book.ipynb").write_text("{}")
    paths = [str(tmp_path / name) for name in ("old.py", "bad.py", "none.py", "book.ipynb")]
    assert main(["migrate", "--write", *paths, str(script)]) == 1
    output = capsys.readouterr()
    assert output.out == f"{script}: changed\n"
    lines = output.err.splitlines()
    assert lines[0].startswith(f"{paths[0]}:2: this is not Python 3: Missing parentheses")
    assert lines[1].startswith(f"{paths[1]}:")
    assert lines[2] == f"{paths[2]}: No such file or directory"
    assert "is a notebook" in lines[3]
    assert (tmp_path / "old.py").read_text() == "import keras\nprint 'Python 2'\n"


def test_a_file_that_cannot_be_written_stays_as_it_was(script, monkeypatch, capsys):
    before = script.read_bytes()

    def refuse(self, mode):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("pathlib.Path.chmod", refuse)
    assert main(["migrate", "--write", str(script)]) == 1
    assert "Operation not permitted" in capsys.readouterr().err
    assert script.read_bytes() == before
    assert [path.name for path in script.parent.iterdir()] == ["train.py"]


def test_without_libcst_it_says_what_to_install(script, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "libcst", None)
    assert main(["migrate", str(script)]) == 1
    assert "Install it with: pip install 'libcst>=1.8'\n" in capsys.readouterr().err


def test_neither_keras_nor_a_backend_is_imported():
    code = (
        "import sys, keras_bigdata.migrate.script_files\n"
        "heavy = {'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
