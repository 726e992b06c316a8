"""Functions of `keras.losses` and `keras.metrics` under names that Keras 3 does not have."""

from __future__ import annotations

import pytest

from keras_bigdata.old_keras.public_names import names_by_module
from tests.migrate.migrated import migrate, notes


@pytest.mark.parametrize(
    ("code", "new"),
    [
        (
            "from keras.losses import mse, kullback_leibler_divergence as kl, hinge",
            "from keras.losses import mean_squared_error as mse, kl_divergence as kl, hinge",
        ),
        ("from keras.metrics import MAE", "from keras.metrics import mean_absolute_error as MAE"),
        (
            "from keras.metrics import cosine",
            "from keras.losses import cosine_similarity as cosine",
        ),
        ("from keras.objectives import mse", "from keras.losses import mean_squared_error as mse"),
        (
            "from keras import objectives\nobjectives.mse(a, b)",
            "from keras import losses as objectives\nobjectives.mean_squared_error(a, b)",
        ),
        (
            "import keras\nkeras.objectives.mse(keras.objectives.hinge(a, b), c)",
            "import keras\nkeras.losses.mean_squared_error(keras.losses.hinge(a, b), c)",
        ),
        ("from keras import losses\nlosses.logcosh", "from keras import losses\nlosses.log_cosh"),
        ("import keras\nkeras.losses.mse", "import keras\nkeras.losses.mean_squared_error"),
        ("import keras.losses as l\nl.mse", "import keras.losses as l\nl.mean_squared_error"),
        (
            "from keras.losses import *\nf(mse(a, b), mse=1)",
            "from keras.losses import *\nf(mean_squared_error(a, b), mse=1)",
        ),
        # `tensorflow.keras` of Keras 3 has the short names only.
        ("from tensorflow.keras.losses import mse", None),
        (
            "from tensorflow.keras.losses import mean_squared_error",
            "from tensorflow.keras.losses import mse as mean_squared_error",
        ),
        ("import tensorflow as tf\ntf.keras.losses.mae", None),
        (
            "import tensorflow as tf\ntf.keras.losses.mean_absolute_error",
            "import tensorflow as tf\ntf.keras.losses.mae",
        ),
    ],
)
def test_a_short_name_of_a_loss_was_an_import_error(code, new):
    assert migrate(code) == (new or code)
    assert notes(code) == {}
    assert migrate(migrate(code)) == migrate(code)


@pytest.mark.parametrize(
    "module",
    [
        *("keras.losses", "keras.metrics", "keras.objectives"),
        *("tensorflow.keras.losses", "tensorflow.keras.metrics"),
    ],
)
def test_each_function_of_keras_2_can_be_imported(module):
    for name in sorted(names_by_module(2)[module.removeprefix("tensorflow.")]):
        code = migrate(f"from {module} import {name}")
        namespace: dict[str, object] = {}
        exec(code, namespace)
        assert callable(namespace[name]), code


def test_names_that_cannot_be_changed_are_noted():
    assert (
        "metrics.cosine is keras.losses.cosine_similarity"
        in notes("from keras import metrics\nmetrics.cosine(a, b)")[2]
    )
    assert "keras.metrics.F1Score" in notes("from keras.metrics import fmeasure")[1]
    assert "keras.metrics.F1Score" in notes("from keras import metrics\nmetrics.precision")[2]
    code = "from keras.losses import *\nmean_squared_error = None\nmse(a, b)\n"
    assert migrate(code) == code
    assert "mse is keras.losses.mean_squared_error" in notes(code)[3]
