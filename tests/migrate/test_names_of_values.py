"""Names of constraints, regularizers and initializers in arguments of layers."""

from __future__ import annotations

from tests.migrate.migrated import migrate, notes

CODE = """\
    from keras.layers import Dense
    Dense(3, kernel_constraint='maxnorm', bias_constraint="nonneg", bias_initializer='constant')
    Dense(3, W_constraint='unitnorm')
    Dense(3, kernel_regularizer='l1_l2', activation='constant')
"""


def test_names_are_those_that_keras_3_knows():
    text = migrate(CODE)
    assert """kernel_constraint='max_norm', bias_constraint="non_neg", bias_initial""" in text
    assert "bias_initializer='zeros'" in text
    assert "Dense(3, kernel_constraint='unit_norm')" in text
    assert "activation='constant'" in text


def test_a_regularizer_without_factors_is_noted():
    assert "write keras.regularizers.L1L2(l1=0.01, l2=0.01)" in notes(CODE)[4]
    assert notes(CODE).keys() == {4}


def test_other_libraries_are_left():
    assert "kernel_constraint='maxnorm'" in migrate("Dense(3, kernel_constraint='maxnorm')\n")
