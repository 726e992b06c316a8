"""Files that import each other are migrated as one program."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from keras_bigdata.cli import main
from keras_bigdata.migrate.migration import Migration, migrate_program
from keras_bigdata.migrate.module_files import ModuleFiles


def write(directory: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))


def migrated(directory: Path, *names: str) -> dict[str, str]:
    """Returns the texts of migrated files; a second run must not change them."""
    names = names or tuple(str(p.relative_to(directory)) for p in sorted(directory.rglob("*.py")))
    contents = {directory / name: (directory / name).read_bytes() for name in names}
    module_files = ModuleFiles([directory])
    results = migrate_program(contents, module_files=module_files)
    texts = {}
    for path, result in results.items():
        assert isinstance(result, Migration), result
        texts[str(path.relative_to(directory))] = result.content.decode()
    after = {
        path: result.content for path, result in results.items() if isinstance(result, Migration)
    }
    again = migrate_program(after, module_files=module_files)
    for path, result in again.items():
        assert isinstance(result, Migration)
        assert result.content == after[path]
    return texts


def notes_of(directory: Path, name: str) -> list[tuple[int, str]]:
    contents = {path: path.read_bytes() for path in sorted(directory.rglob("*.py"))}
    result = migrate_program(contents, module_files=ModuleFiles([directory]))[directory / name]
    assert isinstance(result, Migration)
    return [(note.line, note.message) for note in result.notes]


MODELS = """
    from keras.models import Sequential
    def build():
        model = Sequential()
        model.compile('sgd', 'mse', metrics=['accuracy'])
        return model
    """


def test_metrics_that_another_file_compiles(tmp_path):
    write(
        tmp_path,
        {
            "models.py": MODELS,
            "stops.py": """
                from keras.callbacks import EarlyStopping, ModelCheckpoint
                from settings import MONITOR
                stop = EarlyStopping(MONITOR)
                best = ModelCheckpoint('w-{val_acc:.2f}.keras', monitor='val_acc')
                """,
            "settings.py": "MONITOR = 'val_acc'\n",
            "train.py": """
                from models import build
                import stops
                history = build().fit(x, y, callbacks=[stops.stop])
                print(history.history['acc'])
                """,
            "alone.py": "print(model.fit(x, y).history['acc'])\n",
        },
    )
    new = migrated(tmp_path)
    assert "history.history['accuracy']" in new["train.py"]
    assert new["settings.py"] == "MONITOR = 'val_accuracy'\n"
    assert "'w-{val_accuracy:.2f}.keras', monitor='val_accuracy'" in new["stops.py"]
    assert "history['acc']" in new["alone.py"]


def test_a_module_that_two_programs_share_is_changed_only_if_both_agree(tmp_path):
    files = {
        "stops.py": "from keras.callbacks import EarlyStopping\nstop = EarlyStopping('val_acc')\n",
        "a.py": "import stops\nm.compile('sgd', 'mse', metrics=['acc'])\nh.history['accuracy']\n",
        "b.py": "import stops\nm.compile('sgd', 'mse', metrics=['accuracy'])\nh.history['acc']\n",
    }
    write(tmp_path, files)
    new = migrated(tmp_path)
    assert new["stops.py"] == files["stops.py"]
    assert "h.history['acc']" in new["a.py"]
    assert "h.history['accuracy']" in new["b.py"]
    ((line, message),) = notes_of(tmp_path, "stops.py")
    assert line == 2
    assert "which is 'acc' and 'accuracy'. Write 'val_acc' or 'val_accuracy'" in message


@pytest.mark.quick_cases(4)
@pytest.mark.parametrize(
    ("imports", "is_known"),
    [
        ("from mymodels import *", True),
        ("from mymodels import Adam", True),
        ("from mymodels import Adam as A; Adam = A", False),
        ("from middle import *", True),
        ("from package import *", True),
        ("from package.inner import Adam", True),
        ("from mymodels import *\nfrom numpy import *", False),
        ("from mymodels import *\nfrom keras.layers import *", True),
        ("from hidden import *", False),
        ("from listed import *", True),
        ("from unlisted import *", False),
    ],
)
def test_names_of_keras_that_come_through_own_modules(tmp_path, imports, is_known):
    write(
        tmp_path,
        {
            "mymodels.py": "from keras.optimizers import Adam\n",
            "middle.py": "from mymodels import *\nfrom os.path import join\n",
            "hidden.py": "from unknown_library import *\nfrom mymodels import *\n",
            "listed.py": "__all__ = ['Adam']\nfrom mymodels import *\nfrom keras import *\n",
            "unlisted.py": "__all__ = ['build']\nfrom mymodels import *\n",
            "package/__init__.py": "from .inner import *\n",
            "package/inner.py": "from ..mymodels import *\nfrom mymodels import Adam\n",
            "train.py": f"{imports}\nopt = Adam(lr=1)\n",
        },
    )
    if "hidden" in imports:  # its last `import *` has the name, so it is known after all
        is_known = True
    assert ("learning_rate=1" in migrated(tmp_path, "train.py")["train.py"]) == is_known


def test_own_names_are_not_taken_for_those_of_keras(tmp_path):
    write(
        tmp_path,
        {
            "mine.py": "class Adam:\n    pass\ndef fit_generator(model, **options):\n    pass\n",
            "a.py": "from keras.optimizers import *\nfrom mine import *\nopt = Adam(lr=1)\n",
            "b.py": "import mine\nmine.fit_generator(steps_per_epoch=3)\n",
        },
    )
    new = migrated(tmp_path)
    assert new["a.py"].endswith("opt = Adam(lr=1)\n")
    assert new["b.py"].endswith("mine.fit_generator(steps_per_epoch=3)\n")


def test_models_and_generators_of_other_files(tmp_path):
    write(
        tmp_path,
        {
            "parts.py": """
                from keras.preprocessing.image import ImageDataGenerator
                from keras.models import Sequential
                net = Sequential()
                class Trainer:
                    model = net
                trainer = Trainer()
                train = ImageDataGenerator().flow_from_directory('d')
                def batches():
                    yield 1
                """,
            "run.py": """
                import parts
                from parts import train, net, batches, Trainer
                parts.net.fit_generator(parts.batches(), steps_per_epoch=3)
                parts.trainer.model.fit_generator(batches(), steps_per_epoch=4)
                Trainer().model.fit_generator(batches(), steps_per_epoch=5)
                net.fit_generator(train, epochs=6)
                """,
        },
    )
    new = migrated(tmp_path)["run.py"]
    assert "legacy.fit_generator(parts.net, parts.batches(), steps_per_epoch=3)" in new
    assert "legacy.fit_generator(parts.trainer.model, batches(), steps_per_epoch=4)" in new
    assert "legacy.fit_generator(Trainer().model, batches(), steps_per_epoch=5)" in new
    assert "net.fit(train, epochs=6)" in new


def test_results_of_imported_functions_are_models(tmp_path):
    write(
        tmp_path,
        {"a.py": "from keras.models import load_model\nload_model('m.h5').predict_generator(g)\n"},
    )
    assert "legacy.predict_generator(load_model('m.h5'), g)" in migrated(tmp_path)["a.py"]


def test_circles_of_imports_and_relative_imports(tmp_path):
    write(
        tmp_path,
        {
            "p/__init__.py": "from . import a\nfrom .b import *\n",
            "p/a.py": "from .b import *\nfrom keras.optimizers import SGD\nopt = Adam(lr=1)\n",
            "p/b.py": "from .a import *\nfrom . import c\nfrom keras.optimizers import Adam\n"
            "o = SGD(lr=2)\n",
            "p/c.py": "from .. import p\nfrom p.b import Adam\no = Adam(lr=3)\n"
            "from .c import gone\n",
        },
    )
    new = migrated(tmp_path)
    assert "Adam(learning_rate=1)" in new["p/a.py"]
    assert "SGD(learning_rate=2)" in new["p/b.py"]
    assert "Adam(learning_rate=3)" in new["p/c.py"]


def test_files_that_are_not_given_are_read_and_named_and_not_written(tmp_path, capsys, monkeypatch):
    write(
        tmp_path,
        {
            "models.py": MODELS + "\n    keras_opt = __import__('keras').optimizers\n",
            "fine.py": "from models import build\n",
            "train.py": "from fine import *\nimport models\n"
            "print(model.fit(x, y).history['acc'])\n",
        },
    )
    (tmp_path / "models.py").write_text(
        "import keras\no = keras.optimizers.SGD(lr=1)\n" + textwrap.dedent(MODELS)
    )
    before = (tmp_path / "models.py").read_bytes()
    monkeypatch.chdir(tmp_path)
    assert main(["migrate", "--write", "train.py"]) == 0
    output = capsys.readouterr()
    assert (tmp_path / "models.py").read_bytes() == before
    assert "['accuracy']" in (tmp_path / "train.py").read_text()
    assert output.err == (
        "train.py:1: models.py must be migrated too and was not given: migrate all files of a "
        "program in one call.\n"
    )
    assert main(["migrate", "--write", "."]) == 0
    output = capsys.readouterr()
    assert output.out == "models.py: changed\n"
    assert output.err == ""


def test_python_2_files_of_a_program_do_not_stop_the_others(tmp_path, capsys):
    write(
        tmp_path,
        {
            "old.py": "from keras.optimizers import Adam\nprint 'x'\n",
            "train.py": "from old import *\nfrom keras.optimizers import *\nopt = Adam(lr=1)\n",
        },
    )
    assert main(["migrate", "--write", str(tmp_path)]) == 1
    assert "old.py:2: this is not Python 3" in capsys.readouterr().err
    # What comes through old.py is not known, so a name that may come from there is not changed.
    assert (tmp_path / "train.py").read_text().endswith("Adam(lr=1)\n")


def test_the_project_keras_itself_is_never_an_own_module(tmp_path):
    write(
        tmp_path,
        {
            "keras/__init__.py": "",
            "keras/optimizers.py": "class Adam:\n    pass\n",
            "train.py": "from keras.optimizers import Adam\nopt = Adam(lr=1)\n",
        },
    )
    assert "learning_rate=1" in migrated(tmp_path, "train.py")["train.py"]


def test_weights_that_another_file_loads(tmp_path):
    write(
        tmp_path,
        {
            "train.py": """
                import os, predict
                from settings import PATH
                model.save_weights(os.path.join('out', 'best.h5'))
                model.save_weights(PATH)
                """,
            "predict.py": """
                import os
                where = os.path.join('copied', 'best.h5')
                model.load_weights(where)
                model.load_weights('other.h5')
                """,
            "settings.py": "PATH = 'last.hdf5'\n",
        },
    )
    new = migrated(tmp_path)
    assert "'best.weights.h5'" in new["train.py"]
    assert "os.path.join('copied', 'best.weights.h5')" in new["predict.py"]
    assert "load_weights('other.h5')" in new["predict.py"]
    ((line, message),) = notes_of(tmp_path, "settings.py")
    assert (line, "write 'last.weights.h5' if no other" in message) == (1, True)


def test_keras_1_shows_in_another_file(tmp_path):
    write(
        tmp_path,
        {
            "net.py": "from keras.layers import Dense\nlayer = Dense(3, W_regularizer='l2')\n",
            "train.py": "import net\nmodel.fit_generator(gen, 2000, 3)\n",
            "later.py": "import keras\nmodel.fit_generator(gen, 2000, 3)\n",
        },
    )
    new = migrated(tmp_path)
    assert "legacy.fit_generator(model, gen, samples_per_epoch=2000, nb_epoch=3)" in new["train.py"]
    assert "model.fit_generator(gen, 2000, 3)" in new["later.py"]
    ((_, message),) = notes_of(tmp_path, "later.py")
    assert "samples_per_epoch=2000, nb_epoch=3 for Keras 1, or steps_per_epoch=2000, " in message
