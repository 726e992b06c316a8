"""`"accuracy"` of several outputs is decided by the loss of each output."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_bigdata.legacy.training import binary_accuracy

X = np.float32([[0.1, 0.2, 0.7], [0.6, 0.9, 0.2], [0.3, 0.4, 0.2]])
Y_A = np.float32([[0, 0, 1], [1, 1, 0], [1, 0, 0]])
Y_C = np.float32([[0, 0, 1], [1, 0, 0], [0, 1, 0]])
# 8 of the 9 numbers; in no row but the first is the greatest of X where that of Y_A is.
OF_NUMBERS = np.mean((X > 0.5) == Y_A)
# Rows 0 and 2: the greatest of X is where that of Y_C is.
OF_POSITIONS = np.mean(X.argmax(1) == Y_C.argmax(1))
BINARY, CATEGORICAL = "binary_crossentropy", "categorical_crossentropy"

pytestmark = pytest.mark.filterwarnings("ignore:metrics=")


@pytest.fixture
def model(installed, monkeypatch):
    monkeypatch.setattr(binary_accuracy, "keras_root", lambda: "keras")
    inputs = keras.Input((3,))
    outputs = [keras.layers.Activation("linear", name=name)(inputs) for name in "ac"]
    return keras.Model(inputs, outputs)


def accuracies(model):
    logs = model.evaluate(X, [Y_A, Y_C], verbose=0, return_dict=True)
    return [logs[name] for name in logs if name.endswith(("acc", "accuracy"))]


def test_the_numbers_differ():
    assert OF_NUMBERS == 8 / 9
    assert OF_POSITIONS == 2 / 3
    assert np.mean(X.argmax(1) == Y_A.argmax(1)) == 1 / 3


@pytest.mark.quick_cases(6)
@pytest.mark.parametrize(
    "loss",
    [
        [BINARY, CATEGORICAL],
        (keras.losses.BinaryCrossentropy(), keras.losses.categorical_crossentropy),
        {"c": CATEGORICAL, "a": BINARY},
    ],
)
@pytest.mark.parametrize(
    "metrics",
    [
        "accuracy",
        ["accuracy"],
        ["acc"],
        [["accuracy"], ["accuracy"]],
        ["accuracy", ["accuracy"]],
        {"c": "accuracy", "a": ["accuracy"]},
    ],
)
def test_accuracy_with_mixed_losses_was_that_of_each_loss(model, loss, metrics):
    # Output a had the accuracy of c: 1/3.
    model.compile("sgd", loss, metrics=metrics)
    assert accuracies(model) == pytest.approx([OF_NUMBERS, OF_POSITIONS])


def test_the_logs_have_the_same_names_as_with_equal_losses(model):
    names = []
    for second in (BINARY, CATEGORICAL):
        model.compile("sgd", [BINARY, second], metrics=["accuracy"])
        names.append(list(model.evaluate(X, [Y_A, Y_C], verbose=0, return_dict=True)))
    assert names[0] == names[1]


def test_accuracy_next_to_other_metrics(model):
    with pytest.warns(UserWarning, match="every metric of every output"):
        model.compile(
            "sgd", [BINARY, CATEGORICAL], metrics=["accuracy", keras.metrics.MeanSquaredError("m")]
        )
    assert accuracies(model) == pytest.approx([OF_NUMBERS, OF_POSITIONS])
    logs = model.evaluate(X, [Y_A, Y_C], verbose=0, return_dict=True)
    assert [logs["a_m"], logs["c_m"]] == pytest.approx([np.mean((X - Y) ** 2) for Y in (Y_A, Y_C)])


def test_accuracy_of_one_output_only(model):
    model.compile("sgd", [BINARY, CATEGORICAL], metrics={"c": ["accuracy"]})
    assert accuracies(model) == pytest.approx([OF_POSITIONS])
    model.compile("sgd", {"a": BINARY, "c": CATEGORICAL}, metrics=[["accuracy"], None])
    assert accuracies(model) == pytest.approx([OF_NUMBERS])


@pytest.mark.filterwarnings("default:metrics=")
def test_the_warning_names_the_line_of_the_script(model):
    with pytest.warns(UserWarning, match="accuracy of the single numbers") as warned:
        model.compile("sgd", [BINARY, CATEGORICAL], metrics=["accuracy"])
    assert [one.filename for one in warned] == [__file__]
