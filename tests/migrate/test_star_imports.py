"""Names that scripts use without an import, because `from keras.layers import *` bound them."""

from __future__ import annotations

import textwrap

import pytest

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
