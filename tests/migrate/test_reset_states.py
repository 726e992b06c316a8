"""`reset_states` of metrics, models and layers."""

from __future__ import annotations

from tests.migrate.migrated import migrate, notes


def test_reset_states_of_a_metric_was_an_attribute_error():
    code = """\
        import tensorflow as tf
        from keras.metrics import Mean
        from keras.layers import LSTM
        mean = tf.keras.metrics.Mean()
        mean.reset_states()
        class Epoch(Own):
            def __init__(self):
                self.mean = Mean()
            def on_epoch_end(self, epoch, logs=None):
                self.mean.reset_states()
        lstm = LSTM(3, recurrent_activation='sigmoid')
        lstm.reset_states()
    """
    new = migrate(code)
    assert new.count("mean.reset_state()") == 2
    assert "lstm.reset_states()" in new
    assert notes(code) == {}


def test_reset_states_of_a_model_was_an_attribute_error_without_a_note():
    code = "import keras\nmodel.reset_states()\n"
    assert migrate(code) == code
    assert 'for layer in model.layers: getattr(layer, "reset_state"' in notes(code)[2]
    assert notes("import numpy\nmodel.reset_states()\n") == {}
    assert notes("import keras\ndef reset_states(): pass\nx.reset_states()\n") == {}
