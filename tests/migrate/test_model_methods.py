"""Methods and members of models in old scripts: new text, or a note that has it."""

from __future__ import annotations

import textwrap

import keras
import numpy as np
import pytest

from tests.migrate.migrated import migrate, notes

MODEL = """\
from keras.models import Sequential, Model
from keras.layers import Activation, Dense
model = Sequential()
model.add(Dense(4, input_dim=3))
model.add(Dense({units}))
model.add(Activation("softmax"))
"""


def after_model(line: str, units: str = "2") -> tuple[str, str]:
    """Returns the last line of a script after the migration, and the note on it."""
    code = MODEL.format(units=units) + line + "\n"
    new, by_line = migrate(code), notes(code)
    assert set(by_line) <= {7}
    return new.splitlines()[-1], by_line.get(7, "")


@pytest.mark.parametrize(
    ("old", "units", "new"),
    [
        ("c = model.predict_classes(x)", "2", "c = model.predict(x, verbose=0).argmax(axis=-1)"),
        ("c = model.predict_classes(x, 8, 1)", "2", "c = model.predict(x, 8, 1).argmax(axis=-1)"),
        (
            "c = model.predict_classes(x, verbose=1)[0]",
            "1",
            'c = (model.predict(x, verbose=1) > 0.5).astype("int32")[0]',
        ),
        ("p = model.predict_proba(x)", "n", "p = model.predict(x, verbose=0)"),
        ("model.train_on_batch(x, y, reset_metrics=True)", "2", "model.train_on_batch(x, y)"),
        ("model.fit(x, y, 8, max_q_size=2, workers=3)", "2", "model.fit(x, y, 8)"),
        ('model.compile("sgd", "mse", class_mode="b")', "2", 'model.compile("sgd", "mse")'),
        (
            'model.compile("sgd", "mse", ["acc"], [1, 0.5])',
            "2",
            'model.compile("sgd", "mse", metrics=["acc"], loss_weights=[1, 0.5])',
        ),
        ("f = model.layers[1].get_output_at(0)", "2", "f = model.layers[1].output"),
        ("f = layer.get_input_shape_at(0)", "2", "f = layer.input.shape"),
        ("f = model.layers[1].output_shape", "2", "f = model.layers[1].output.shape"),
        ('f = model.get_layer("a").input_shape[1]', "2", 'f = model.get_layer("a").input.shape[1]'),
        ("f = model.output_shape", "2", "f = model.output_shape"),
    ],
)
def test_what_is_certain_is_changed(old, units, new):
    assert after_model(old, units) == (new, "")


@pytest.mark.parametrize(
    ("line", "units", "note"),
    [
        ("model.predict_classes(x)", "n", "write model.predict(...).argmax(axis=-1), or, if the"),
        ("other.predict_classes(x)", "2", "write other.predict(...).argmax(axis=-1)"),
        ("other.predict_proba(x)", "2", "write other.predict(...)"),
        ("model.train_on_batch(x, y, reset_metrics=False)", "2", "resets the metrics in every"),
        ("model.to_yaml()", "2", "use model.to_json"),
        ("model.layers.pop()", "2", "Write model.layers[-2] for the one before it"),
        ("layer.get_output_at(1)", "2", "`layer.output` is that of the first call"),
        ("model.get_layer('dense_1')", "2", "it is 'dense' or similar in Keras 3"),
        ("model.get_layer('conv2d_3')", "2", "it is 'conv2d_2' or similar in Keras 3"),
        ("model.fit(x, y, show_accuracy=True)", "2", 'pass metrics=["accuracy"] to `compile`'),
        ("model.compile('sgd', 'mse', target_tensors=t)", "2", "pass the targets to `fit` as `y`"),
        (
            "model.compile('sgd', 'mse', loss_weights={'a': 1, 'b': 2})",
            "2",
            "Write loss=['mse', 'mse']",
        ),
        (
            "model.compile('sgd', ['mse', 'mae'], metrics=['acc'])",
            "2",
            "Write metrics=[['acc'], ['acc']]",
        ),
    ],
)
def test_what_is_not_certain_is_noted(line, units, note):
    new, message = after_model(line, units)
    assert new == line
    assert note in message


def test_epochs_that_keras_1_trained_by_default():
    code = MODEL.format(units=2) + "d = Dense(2, W_regularizer='l2')\nmodel.fit(x, y)\n"
    assert "Add epochs=10" in notes(code)[8]
    assert 8 not in notes(code.replace("fit(x, y)", "fit(x, y, 32, 3)"))
    assert notes(MODEL.format(units=2) + "model.fit(x, y)\n") == {}


def test_subclasses_of_model():
    code = textwrap.dedent("""\
        from keras.models import Model
        class Own(Model):
            def __init__(self, a, b):
                super(Own, self).__init__(input=a, output=[b])
        class Other(Base):
            def __init__(self, a):
                super().__init__(input=a)
    """)
    new = migrate(code)
    assert "super(Own, self).__init__(inputs=a, outputs=[b])" in new
    assert "super().__init__(input=a)" in new


def test_layers_with_names_of_their_own():
    line = "Dense(2, name='dense_1'); model.get_layer('dense_1'); model.get_layer('features')"
    assert after_model(line) == (line, "")
    code = "from tensorflow.keras.models import Model\nmodel.get_layer('dense_1')\n"
    assert notes(code) == {}  # tf.keras gave the names of Keras 3


@pytest.mark.slow
def test_new_text_means_what_the_old_text_meant():
    x = np.random.default_rng(0).random((5, 3), np.float32)
    for units in (1, 3):
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(units)])
        line, _ = after_model("c = model.predict_classes(x)", str(units))
        names = {"model": model, "x": x}
        exec(line, names)
        outputs = model.predict(x, verbose=0)
        expected = outputs.argmax(axis=1) if units > 1 else outputs > 0.5
        np.testing.assert_array_equal(names["c"], expected)
        assert model.layers[-1].output.shape == (None, units)
    model.layers.pop()
    assert len(model.layers) == 1  # what the note on `layers.pop()` says


def test_a_second_compile_without_metrics_is_noted():
    code = """\
        from keras.models import Sequential
        model.compile('sgd', 'mse')
        model.compile('sgd', 'mse', metrics=['mae'])
        other.compile('sgd', 'mse')
        model.compile('adam', 'mse')
    """
    assert list(notes(code)) == [5]
    assert "For none, write metrics=[]" in notes(code)[5]


def test_losses_of_tensors_and_of_train_steps_are_noted():
    code = """\
        from keras.models import Model
        vae = Model(x, y)
        vae.add_loss(kl)
        class Own(Model):
            def train_step(self, data):
                loss = self.compiled_loss(y, y_pred, regularization_losses=self.losses)
                self.add_loss(other)
    """
    found = notes(code)
    assert "takes no symbolic tensor" in found[3]
    assert "loss = self.compute_loss(y=y, y_pred=y_pred)" in found[6]
    assert 7 not in found


def test_the_loss_of_a_batch_is_noted():
    code = """\
        from keras.callbacks import Callback
        class Losses(Callback):
            def on_batch_end(self, batch, logs={}):
                self.losses.append(logs.get('loss'))
            def on_epoch_end(self, epoch, logs={}):
                self.losses.append(logs.get('loss'))
    """
    assert list(notes(code)) == [4]
    assert "mean since the begin of the epoch" in notes(code)[4]
