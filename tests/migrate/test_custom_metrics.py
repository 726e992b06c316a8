"""Metric functions of `compile`."""

from __future__ import annotations

import pytest

from tests.migrate.migrated import notes

SCRIPT = """\
from keras import backend as K
def accuracy(y_true, y_pred):
    {line}
    return K.mean({result})
model.compile('sgd', 'mse', metrics=[accuracy])
"""


@pytest.mark.parametrize(
    ("line", "result"),
    [
        ("pass", "K.equal(y_true, K.cast(y_pred < 0.5, y_true.dtype))"),
        ("pass", "K.cast(K.equal(y_true, K.round(y_pred)), 'float32')"),
        ("y_pred = K.reshape(y_pred, K.shape(y_true))", "y_true * y_pred"),
        ("same = K.equal(y_true, K.round(y_pred))", "K.cast(same, 'float32')"),
        ("rows = K.cast(K.shape(y_true)[0], 'float32')", "y_true * y_pred / rows"),
        ("rows = K.cast(K.sum(y_true), 'float32')", "y_true * y_pred / rows"),
        ("y_pred = (y_pred > 0.5).astype('float32')", "y_true * y_pred"),
    ],
)
def test_a_metric_that_casts_only_outputs_or_its_result_was_not_noted(line, result):
    assert "(rows, 1)" in notes(SCRIPT.format(line=line, result=result))[2]


@pytest.mark.parametrize(
    ("line", "result"),
    [
        ("y_true = K.cast(y_true, y_pred.dtype)", "y_true * y_pred"),
        ("t = y_true[:, 0]", "K.reshape(t, (-1, 1)) * y_pred"),
        ("t = K.flatten(y_true)", "t * K.flatten(y_pred)"),
        ("t = y_true.astype('float32')", "t * y_pred"),
        ("t = y_true.reshape(-1, 1)", "t * y_pred"),
        ("t = K.round(y_true).reshape(-1, 1)", "t * y_pred"),
        ("t = K.cast(K.round(y_true), 'bool')", "K.equal(t, y_pred > 0.5)"),
        (
            "y_true = keras.ops.cast(keras.ops.reshape(y_true, keras.ops.shape(y_pred)), 'int32')",
            "y_true * y_pred",
        ),
    ],
)
def test_a_metric_that_converts_its_targets_is_not_noted(line, result):
    assert 2 not in notes(SCRIPT.format(line=line, result=result))


def test_the_targets_of_a_method_are_its_second_parameter():
    code = """\
        import keras
        class Own:
            def near(self, y_true, y_pred):
                return keras.ops.mean(y_true - y_pred)
            def build(self):
                model.compile('sgd', 'mse', metrics=[self.near])
    """
    assert "Begin the function with y_true = keras.ops.cast(" in notes(code)[3]
