"""Arguments of layers that Keras 2 took without an effect."""

from __future__ import annotations

from tests.migrate.migrated import migrate


def test_kernel_arguments_of_separable_convolutions_are_removed():
    new = migrate("""\
        from keras.layers import SeparableConv2D
        SeparableConv2D(8, 3, kernel_regularizer=l2(0.1), padding='same')
    """)
    assert "SeparableConv2D(8, 3, padding='same')" in new
    assert migrate(new) == new
