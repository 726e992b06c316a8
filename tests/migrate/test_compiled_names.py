"""Names of losses and metrics in `compile` that Keras 3 does not know."""

from __future__ import annotations

import keras
import pytest

from keras_bigdata.old_keras.compiled_names import LOSS_NAMES, LOSSES_AS_METRICS
from tests.migrate.migrated import migrate, notes


@pytest.mark.parametrize(("old", "new"), LOSS_NAMES.items())
def test_a_loss_has_the_name_that_keras_3_knows(old, new):
    code = f"""\
        import keras
        model.compile('sgd', loss='{old}')
        model.compile('sgd', ['mse', "{old}"])
        model.compile('sgd', loss={{'{old}': '{old}'}})
    """
    text = migrate(code)
    assert f"compile('sgd', loss='{new}')" in text
    assert f"""compile('sgd', ['mse', "{new}"])""" in text
    assert f"loss={{'{old}': '{new}'}}" in text, "a key is the name of an output"
    assert notes(code) == {}
    keras.losses.get(new)
    with pytest.raises(ValueError, match="Could not interpret"):
        keras.losses.get(old)


def test_a_loss_that_is_assigned_to_a_name_is_noted():
    code = """\
        import keras
        loss = 'logcosh'
        model.compile('sgd', loss=loss)
    """
    assert "loss = 'logcosh'" in migrate(code)
    assert "the loss 'logcosh' is 'log_cosh' in Keras 3" in notes(code)[2]


def test_a_metric_is_noted_with_what_to_write():
    code = """\
        import keras, re
        model.compile('sgd', 'mse', metrics=['kld', 'mae',
            'crossentropy',
            'fmeasure'])
        model.compile('sgd', 'mse', metrics=['precision'])
        re.compile('kld', metrics=['kld'])
    """
    by_line = notes(code)
    written = "keras.metrics.MeanMetricWrapper(keras.losses.kl_divergence, name="
    assert f"{written}'kullback_leibler_divergence')" in by_line[2]
    assert "'binary_crossentropy', 'sparse_categorical_crossentropy'" in by_line[3]
    assert "Keras 1 computed it batch by batch" in by_line[4]
    assert by_line.keys() == {2, 3, 4}
    of_keras_1 = notes(code + "    model.fit(x, y, nb_epoch=3)\n")
    assert "'precision' was the mean over batches in Keras 1" in of_keras_1[5]


@pytest.mark.parametrize("old", LOSSES_AS_METRICS)
def test_what_a_note_says_to_write_runs(old):
    (message,) = notes(f"import keras\nmodel.compile('sgd', 'mse', metrics=['{old}'])\n").values()
    code = message[message.index("keras.metrics.") : message.index("), which") + 1]
    assert eval(code, {"keras": keras}).name == LOSSES_AS_METRICS[old][1]


def test_a_model_that_is_imported_is_compiled_too():
    code = "import keras\nfrom networks import model\nmodel.compile('sgd', 'logcosh')"
    assert migrate(code) == code.replace("logcosh", "log_cosh")
