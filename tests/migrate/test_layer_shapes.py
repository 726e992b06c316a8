"""Shapes of layers, whose attributes Keras 3 has removed."""

from __future__ import annotations

import pytest

from tests.migrate.migrated import migrate, notes

START = """\
from keras.layers import Add, Dense
from keras.models import Sequential
dense, total, model = Dense(3), Add(), Sequential()
first = Dense(2)
merged = Add()
deep = model.get_layer('deep')
"""


@pytest.mark.parametrize(
    ("line", "new"),
    [
        ("first.output_shape[1:]", "first.output.shape[1:]"),
        ("merged.output_shape", "merged.output.shape"),
        ("deep.input_shape", "deep.input.shape"),
        ("model.layers[2].output_shape", "model.layers[2].output.shape"),
        ("(first.input_shape)", "(first.input.shape)"),
    ],
)
def test_the_shape_of_a_layer_was_an_attribute_error(line, new):
    assert migrate(START + line) == START + new
    assert notes(START + line) == {}


@pytest.mark.parametrize(
    "line",
    [
        "for layer in model.layers: print(layer.output_shape)",
        "shapes = [one.output_shape for one in reversed(model.layers)]",
        "def f(layer): return layer.output_shape",
        "for n, one in enumerate(model.layers): print(n, one.output_shape)",
        "self.last_layer.output_shape",
    ],
)
def test_the_shape_of_what_may_be_a_layer_is_noted(line):
    code = START + line
    assert migrate(code) == code
    assert ".output.shape, or [one.shape for one in " in notes(code)[7]


def test_a_merge_has_several_inputs():
    assert "[one.shape for one in merged.input]" in notes(START + "merged.input_shape")[7]


@pytest.mark.parametrize(
    "line",
    [
        "model.output_shape",  # models of Keras 3 have it
        "self.output_shape",
        "image.output_shape",
        "layer.output_shape = 3",
        "layer.output_shape()",
    ],
)
def test_other_shapes_are_left_alone(line):
    assert migrate(START + line) == START + line
    assert notes(START + line) == {}
