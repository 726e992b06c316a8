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


def test_inputs_of_add_loss_were_a_type_error():
    code = """\
        from keras.layers import Layer
        class Own(Layer):
            def call(self, x):
                self.add_loss(ops.mean(x), inputs=x)
                self.add_loss(ops.mean(x), x)
                self.add_loss(losses=ops.mean(x), inputs=[x])
                self.add_loss(ops.mean(x))
                return x
    """
    new = migrate(code)
    assert new.count("self.add_loss(ops.mean(x))") == 3
    assert "self.add_loss(loss=ops.mean(x))" in new
    assert notes(code) == {}
    other = "import keras\ndef add_loss(a, inputs): pass\nx.add_loss(a, inputs=b)\n"
    assert migrate(other) == other


def test_add_metric_is_noted_unless_it_is_the_own_function_of_the_script():
    code = """\
        from keras.models import Model
        model = Model(x, y)
        model.add_metric(kl, 'kl_loss', aggregation='mean')
    """
    assert migrate(code).count("add_metric") == 1
    assert "self.mean = keras.metrics.Mean(name='kl_loss')" in notes(code)[3]
    assert notes("import keras\ndef add_metric(a): pass\nadd_metric(a)\n") == {}
