"""Names of constraints, regularizers and initializers in layers, after `install()`."""

from __future__ import annotations

import keras
import numpy as np
import pytest


@pytest.mark.parametrize(
    ("old", "new"), [("maxnorm", "MaxNorm"), ("nonneg", "NonNeg"), ("unitnorm", "UnitNorm")]
)
def test_constraints(old, new, installed):
    layer = keras.layers.Dense(2, kernel_constraint=old, bias_constraint=new)
    assert type(layer.kernel_constraint) is type(layer.bias_constraint)
    assert layer.kernel_constraint.get_config() == layer.bias_constraint.get_config()
    assert type(keras.constraints.get(old)).__name__ == new


@pytest.mark.parametrize("name", ["l1_l2", "l1l2"])
def test_the_regularizer_without_factors_has_those_of_keras_2(name, installed):
    layer = keras.layers.Dense(2, kernel_regularizer=name, kernel_initializer="ones")
    layer.build((None, 3))
    assert float(sum(layer.losses)) == pytest.approx(0.01 * 6 + 0.01 * 6)


@pytest.mark.parametrize("name", ["constant", "Constant"])
def test_the_initializer_without_a_value_is_zero(name, installed):
    layer = keras.layers.Dense(2, bias_initializer=name)
    layer.build((None, 3))
    np.testing.assert_array_equal(layer.bias, [0, 0])
