"""What `migrate` does about `keras.backend`: new text that runs, and advice that is true."""

from __future__ import annotations

import re

import keras
import numpy as np
import pytest

from keras_bigdata.old_keras.backend_functions import (
    KEPT,
    KEPT_BY_TF_KERAS,
    REMOVED,
    REPLACED,
    Renamed,
    advice,
    readable,
)
from keras_bigdata.old_keras.public_names import all_names
from tests.legacy.test_backend_functions import VALUES
from tests.migrate.migrated import migrate, notes


def test_calls_get_their_new_text():
    new = migrate("""
        import keras.backend as K
        loss = K.mean(K.square(a - b), axis=-1) + K.epsilon()
        a = K.clip(K.sqrt(x), min_value=0.0, max_value=K.epsilon())
        b = K.sum(K.concatenate([a, b]),
                  axis=1)
        c = K.argmax(x) + K.repeat_elements(x, 2, axis=1) + K.hard_sigmoid(y)
        K.set_value(model.optimizer.lr, 0.5 * K.get_value(model.optimizer.lr))
        d = K.permute_dimensions(x, pattern=(1, 0)) + K.int_shape(x)[0] + K.dtype(x)
        e = K.maximum(K.random_normal((3, 4), 0.0, 1.0), 0) + K.exp(x, name="exp")
    """)
    assert new.strip().splitlines() == [
        "import keras.backend as K",
        "from keras import ops",
        "from keras import random",
        "loss = ops.mean(ops.square(a - b), axis=-1) + K.epsilon()",
        "a = ops.clip(ops.sqrt(ops.maximum(x, 0)), x_min=0.0, x_max=K.epsilon())",
        "b = ops.sum(ops.concatenate([a, b], axis=-1),",
        "            axis=1)",
        "c = ops.argmax(x, axis=-1) + ops.repeat(x, 2, axis=1) + ops.clip(0.2 * y + 0.5, 0.0, 1.0)",
        "model.optimizer.learning_rate.assign("
        "0.5 * ops.convert_to_numpy(model.optimizer.learning_rate)[()])",
        "d = ops.transpose(x, axes=(1, 0)) + tuple(x.shape)[0] + K.standardize_dtype(x.dtype)",
        "e = ops.maximum(random.normal((3, 4), 0.0, 1.0), 0) + ops.exp(x)",
    ]


def test_orders_of_dimensions_that_are_compared_or_set():
    new = migrate("""
        from keras import backend as K
        if K.image_dim_ordering() == 'th':
            shape = (3, 8, 8)
        K.set_image_dim_ordering("tf")
        other = K.image_dim_ordering() != "tf"
    """)
    assert new.strip().splitlines() == [
        "from keras import backend as K",
        "if K.image_data_format() == 'channels_first':",
        "    shape = (3, 8, 8)",
        'K.set_image_data_format("channels_last")',
        'other = K.image_data_format() != "channels_last"',
    ]
    calls = "print(K.image_dim_ordering(), K.image_dim_ordering() == x)"
    text = f"from keras import backend as K\n{calls}\n"
    assert migrate(text) == text
    assert "use keras.backend.image_data_format()" in notes(text)[2]


@pytest.mark.parametrize(
    "call",
    [
        "K.relu(x, alpha=0.1)",
        "K.sum(*arguments)",
        "K.mean(x, 1, True, 4)",
        "K.int_shape(a + b)",
        "K.hard_sigmoid(-x)",
        "K.random_normal((3,), seed=4)",
        "K.function([model.input, K.learning_phase()], [y])",
        "K.variable(3)",
        "f = K.softmax",
    ],
)
def test_what_is_not_certain_is_noted(call):
    code = f"from keras import backend as K\n{call}\n"
    assert migrate(code) == code
    name = re.search(r"K\.(\w+)", call)[1]
    assert f"keras.backend.{name} " in notes(code)[2]
    assert "write" in notes(code)[2]


def test_what_tf_keras_still_has_is_left():
    code = "from tensorflow.keras import backend as K\nK.sum(K.max(x))\nK.learning_phase()\n"
    assert migrate(code) == code
    assert list(notes(code)) == [3]


def test_imports_of_lost_functions():
    by_line = notes("""\
        from keras.backend import epsilon, mean
        import keras.backend.tensorflow_backend as KTF
        KTF.set_session(session)
        from tensorflow.keras.backend import set_session
    """)
    assert by_line[1] == "keras.backend.mean moved: write keras.ops.mean."
    assert "import keras.backend." in by_line[2]
    assert "remove it" in by_line[3]
    assert "remove it" in by_line[4]


def test_metrics_that_are_functions_are_noted():
    code = """\
        from keras import backend as K
        def recall(y_true, y_pred):
            return K.sum(y_true * y_pred) / K.sum(y_true)
        model.compile("sgd", "mse", metrics=["accuracy", recall])
    """
    note = (
        "y_true = keras.ops.cast(keras.ops.reshape(y_true, keras.ops.shape(y_pred)), y_pred.dtype)"
    )
    assert note in notes(code)[2]
    assert 4 not in notes(code)


def test_the_tables_are_those_of_the_installed_keras():
    assert {name for name in dir(keras.backend) if not name.startswith("_")} >= KEPT
    tf_keras = pytest.importorskip("keras._tf_keras.keras.backend")
    from keras_bigdata.legacy import patching

    patching.restore_all()
    assert {name for name in dir(tf_keras) if not name.startswith("_")} >= KEPT | KEPT_BY_TF_KERAS


def test_every_old_function_has_advice_whose_names_exist():
    """Each `keras.x.y` in an advice is a name of the installed Keras."""
    missing = []
    for name in sorted((all_names("keras.backend") | set(REMOVED) | set(REPLACED)) - KEPT):
        text = advice(name)
        assert text, name
        for found in re.findall(r"\bkeras(?:\.\w+)+", text):
            try:
                exec(f"import keras\n{found}")
            except AttributeError:
                missing.append((name, found))
    assert missing == []


def test_new_text_gives_the_old_figures():
    """The new functions and expressions, run with the arguments of the old calls."""
    wrong, tried = [], set()
    for name, arguments, expected in VALUES:
        new = REPLACED.get(name)
        if new is None or expected is None or len(arguments) > len(new.parameters):
            continue
        if name == "clip" and arguments[1] > arguments[2]:
            continue  # an invalid range, which Keras 2 corrected
        tried.add(name)
        if isinstance(new, Renamed):
            module, _, function = new.name.rpartition(".")
            value = getattr(eval(module, {"keras": keras}), function)(*arguments)
        else:
            names = [parameter.partition("=")[0] for parameter in new.parameters]
            values = {
                parameter.partition("=")[0]: eval(parameter.partition("=")[2])
                for parameter in new.parameters
                if "=" in parameter
            }
            values |= dict(zip(names, arguments, strict=False))
            value = eval(readable(new), {"keras": keras, **values})
        if not np.allclose(keras.ops.convert_to_numpy(value), expected, atol=1e-5):
            wrong.append((name, value, expected))
    assert wrong == []
    assert len(tried) > 45
