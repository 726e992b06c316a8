"""Losses that use symbolic tensors of the model."""

from __future__ import annotations

from tests.migrate.migrated import notes


def test_a_loss_that_uses_tensors_of_the_model():
    by_line = notes("""\
        from keras.layers import Input, Dense
        x = Input((3,))
        z = Dense(2)(x)
        size = 3
        def kl():
            return K.sum(K.square(z))
        def loss(y_true, y_pred):
            return K.mean(y_true - y_pred) * size + kl()
        def other(y_true, y_pred):
            z = y_true
            return z - y_pred
        model.compile('sgd', loss)
        model.compile('sgd', other)
        model.compile('sgd', loss=lambda t, p: K.mean(t - p) + K.mean(z))
        model.compile('sgd', 'mse')
    """)
    assert "uses symbolic tensors of the model (z)" in by_line[12]
    assert "self.add_loss(...)" in by_line[12]
    assert "(z)" in by_line[14]
    assert not {13, 15} & by_line.keys()
