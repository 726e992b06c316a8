"""Names that scripts use without an import, because `from keras.layers import *` bound them."""

from __future__ import annotations

import importlib
import textwrap
from typing import Any

import pytest

from keras_bigdata.legacy import layers
from keras_bigdata.migrate import new_imports
from tests.migrate.migrated import migrate, notes

SCRIPT = """\
from keras.models import Model
from keras.layers.core import *
from keras.callbacks import *

class Own(Layer):
    pass

x = Input((3,))
y = Lambda(lambda t: K.sum(t, axis=1))(Dense(2, kernel_regularizer=regularizers.l2(0.1))(x))
rows = np.zeros((4, 3))
os.makedirs('logs', exist_ok=True)
"""


def test_numpy_and_the_backend_are_imported():
    lines = migrate(SCRIPT).splitlines()
    assert lines[:2] == ["from keras.models import Model", "from keras import backend as K"]
    assert "import numpy as np" in lines
    assert "from keras import regularizers" in lines
    assert "import os" in lines
    assert "from keras.layers import *" in lines
    assert "y = Lambda(lambda t: ops.sum(t, axis=1))" in lines[-3]
    assert "from keras import ops" in lines
    assert notes(SCRIPT) == {}


@pytest.mark.parametrize(
    "code",
    [
        "import numpy as np\nfrom keras.layers import *\nnp.zeros(3)\n",
        "from keras.layers import *\ndef f(np):\n    return np.zeros(3)\n",
        "from keras.layers import *\na.np, f(K=3)\n",
        "from tensorflow.keras.layers import *\nnp.zeros(3)\n",  # its stars never bound it
        "from keras.layers import *\nfrom helpers import *\nnp.zeros(3)\n",  # perhaps from there
        "from keras.layers import Dense\nnp.zeros(3)\n",
    ],
)
def test_no_import_where_the_name_does_not_come_from_a_star_of_keras(code):
    assert migrate(code) == code


def test_names_of_removed_modules_are_noted():
    code = textwrap.dedent("""\
        from keras.layers import *
        conv_utils.normalize_tuple(2, 2, 'strides')
    """)
    assert migrate(code) == code
    assert "keras.utils.conv_utils was removed" in notes(code)[2]


# In Keras 3, `from keras.optimizers import *` binds a module `legacy`.
STARS = """\
from keras.models import *
from keras.layers import *
from keras.optimizers import *
"""
CALL = "m.fit_generator(gen, steps_per_epoch=3)\n"


def test_a_later_star_of_keras_does_not_replace_the_new_import():
    """`legacy` was keras.optimizers.legacy: AttributeError."""
    assert migrate(STARS + CALL) == (
        f"{STARS}from keras_bigdata import legacy\n"
        "legacy.fit_generator(m, gen, steps_per_epoch=3)\n"
    )
    namespace: dict[str, Any] = {}
    exec(migrate(STARS + CALL).rpartition("legacy.")[0], namespace)
    assert namespace["legacy"].__name__ == "keras_bigdata.legacy"
    assert migrate(migrate(STARS + CALL)) == migrate(STARS + CALL)


@pytest.mark.parametrize(
    "star", ["from keras.utils.np_utils import *", "from helpers import *", "from .nets import *"]
)
def test_a_star_that_may_bind_the_new_name_comes_before_the_import(star):
    start = f"from keras.layers import Dense\n'''text'''\ndef f(x): return x\n{star}\n"
    new = migrate(start + CALL)
    assert new.index("import *") < new.index("from keras_bigdata import legacy")


def test_a_star_after_the_first_use_leads_to_another_name():
    new = migrate(f"from keras.models import *\n{CALL}from keras.optimizers import *\n{CALL}")
    lines = new.splitlines()
    assert lines[1] == "from keras_bigdata import legacy as keras_bigdata_legacy"
    assert new.count("keras_bigdata_legacy.fit_generator(m, gen, steps_per_epoch=3)") == 2


def test_an_import_that_a_later_star_replaces_is_not_used():
    start = "from keras_bigdata import legacy\nfrom keras.optimizers import *\n"
    assert "\nkeras_bigdata_legacy.fit_generator(m, gen" in migrate(start + CALL)


def test_other_new_names_that_a_star_would_replace():
    new = migrate("""\
        from keras.layers import LSTM
        from keras.activations import *
        LSTM(3, inner_init='zero')
    """)
    own = "from keras_bigdata.legacy.layers import hard_sigmoid"
    assert new.index("import *") < new.index(own)


def test_removed_layers_from_a_star_had_no_note():
    code = "from keras.layers import *\nCuDNNLSTM(3)\nCuDNNLSTM(4)\nCuDNNGRU(5)\n"
    assert migrate(code) == code
    assert notes(code).keys() == {2, 4}
    assert "GRU and LSTM use cuDNN automatically" in notes(code)[2]
    assert notes("from keras.layers import *\nclass CuDNNGRU: pass\nCuDNNGRU(5)\n") == {}


@pytest.mark.parametrize(
    "module",
    [
        *("keras", "keras.activations", "keras.applications", "keras.callbacks"),
        *("keras.constraints", "keras.datasets", "keras.initializers", "keras.layers"),
        *("keras.losses", "keras.metrics", "keras.models", "keras.optimizers"),
        *("keras.preprocessing", "keras.preprocessing.image", "keras.regularizers", "keras.utils"),
    ],
)
def test_which_new_names_the_stars_of_keras_bind(module):
    bound = {name for name in vars(importlib.import_module(module)) if not name.startswith("_")}
    new = {"legacy", *layers.__all__}
    assert bound & new == new_imports._STAR_NAMES.get(module, set())
