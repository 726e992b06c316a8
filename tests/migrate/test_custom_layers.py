"""Layers that scripts define."""

from __future__ import annotations

from tests.migrate.migrated import migrate, notes


def test_add_weight_and_methods_of_keras_1():
    code = """\
        from keras.layers import Layer
        class Own(Layer):
            def build(self, input_shape):
                self.W = self.add_weight('W', (2, 3), initializer='uniform')
                self.b = self.add_weight((3,), 'zero', 'b')
                self.trainable_weights = [self.W]
            def get_output_shape_for(self, input_shape):
                return input_shape
    """
    new = migrate(code)
    assert "self.add_weight(name='W', shape=(2, 3), initializer='uniform')" in new
    assert "self.add_weight(shape=(3,), initializer='zero', name='b')" in new
    assert "def compute_output_shape(self" in new
    assert "trainable_weights cannot be assigned" in notes(code)[6]
