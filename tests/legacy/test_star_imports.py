"""Names that a script uses without an import, because `from keras.layers import *` bound them."""

from __future__ import annotations

import importlib
import json
import os
import textwrap
import types
from copy import copy

import keras
import numpy as np
import pytest

from keras_bigdata.old_keras.public_names import old_modules
from keras_bigdata.old_keras.star_names import meaning_of, star_names


def names_of(code):
    names = {}
    exec(textwrap.dedent(code), names)
    return names


@pytest.mark.parametrize("module", ["keras.layers", "keras.layers.core", "keras.layers.recurrent"])
def test_the_star_of_a_module_of_layers_binds_numpy_and_the_backend(installed, module):
    names = names_of(f"""
        from {module} import *

        class Scaled(Layer):
            def build(self, input_shape):
                self.input_spec = [InputSpec(shape=input_shape)]
                size = int(np.prod(input_shape[1:]))
                self.scale = self.add_weight((size,), initializers.get('ones'), name='s')

            def call(self, x):
                return K.sum(x * self.scale, axis=-1)

        result = Scaled()(np.ones((2, 3), 'float32'))
        regularizers.l2(0.1), constraints.max_norm(2), activations.get('relu')
    """)
    assert keras.ops.convert_to_numpy(names["result"]).tolist() == [3, 3]
    assert names["np"] is np
    assert names["K"] is keras.backend


def test_stars_of_other_modules(installed):
    names = names_of("""
        from keras.models import *
        from keras.callbacks import *
        from keras.preprocessing.image import *
    """)
    assert names["os"] is os
    assert names["json"] is json
    assert names["np"] is np
    assert names["OrderedDict"]([(1, 2)]) == {1: 2}
    assert names["ndi"].zoom(np.ones((2, 2)), 2).shape == (4, 4)


def test_a_star_does_not_replace_a_function_of_the_script_by_a_module(installed):
    names = {"copy": copy}
    exec("from keras.layers import *\nfrom keras.models import *", names)
    assert names["copy"] is copy


def test_a_star_of_tensorflow_keras_binds_its_public_names_only(installed):
    pytest.importorskip("tensorflow")
    names = names_of("from tensorflow.keras.layers import *")
    assert "Dense" in names
    assert "np" not in names
    assert "K" not in names


def test_every_name_of_the_table_is_bound_or_not_installed(installed):
    assert "np" in star_names("keras.layers")
    for module in {*old_modules(), "keras.backend"}:
        found = importlib.import_module(module)
        for name in star_names(module) - {"tf", "six", "yaml"}:
            value = getattr(found, name)
            if (meaning_of(name) or "").startswith("keras."):
                assert isinstance(value, types.ModuleType), f"{module}.{name}"
