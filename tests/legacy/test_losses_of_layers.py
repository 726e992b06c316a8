"""`add_loss` in the `call` of a layer, after `install()`."""

from __future__ import annotations

import keras
import numpy as np
import pytest

X = np.full((4, 2), 3.0)


class Activity(keras.layers.Layer):
    """Adds the mean of its inputs in one of the forms of `add_loss`."""

    def __init__(self, form):
        super().__init__()
        self.form = form

    def call(self, inputs):
        loss = keras.ops.mean(inputs)
        match self.form:
            case "inputs":
                self.add_loss(loss, inputs=inputs)
            case "position":
                self.add_loss([loss], inputs)
            case "losses":
                self.add_loss(losses=[loss], inputs=True)
            case "keras 3":
                self.add_loss(loss)
        return inputs


@pytest.mark.parametrize("form", ["inputs", "position", "losses", "keras 3"])
def test_a_layer_adds_a_loss_with_its_inputs(form, installed):
    inputs = keras.Input((2,))
    model = keras.Model(inputs, Activity(form)(inputs))
    model.compile("sgd", "mse", run_eagerly=True)
    assert model.evaluate(X, X, verbose=0) == pytest.approx(3)


def test_an_unknown_argument_is_refused(installed):
    with pytest.raises(TypeError, match="unknown"):
        Activity("").add_loss(keras.ops.ones(()), unknown=1)
