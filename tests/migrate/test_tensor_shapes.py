"""Shapes as TensorFlow 1 had them, and the ends of a `Sequential`."""

from __future__ import annotations

import pytest

from tests.migrate.migrated import migrate

START = "from keras.models import Sequential, Model\nmodel = Sequential()\n"


@pytest.mark.parametrize(
    ("line", "new"),
    [
        ("n = x.get_shape().as_list()[1]", "n = list(x.shape)[1]"),
        ("n = x.shape.as_list()", "n = list(x.shape)"),
        ("n = a(b).get_shape()", "n = a(b).shape"),
        ("n = x.get_shape()[-1].value", "n = x.shape[-1]"),
        ("n = x.shape[1].value + x.shape[2]", "n = x.shape[1] + x.shape[2]"),
        ("n = x.get_shape().ndims + x.shape.ndims", "n = len(x.shape) + len(x.shape)"),
        ("m = Model(model.input, model.output)", "m = Model(model.inputs[0], model.outputs[0])"),
        ("f(model.input.get_shape())", "f(model.inputs[0].shape)"),
        ("m = Model(other.input, model.layers[0].output)", None),
        ("n = x.get_shape(3).as_list() + frame.as_list() + x[1].value + x.shape[1]", None),
    ],
)
def test_shapes(line, new):
    assert migrate(START + line) == START + (new or line)


def test_a_method_of_the_script_is_left_alone():
    code = START + "def get_shape(self): return 3\nn = image.get_shape().ndims"
    assert migrate(code) == code
