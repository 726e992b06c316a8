"""`trainable` that is set after `compile`."""

from __future__ import annotations

from tests.migrate.migrated import notes


def test_trainable_after_compile():
    by_line = notes("""\
        from keras.models import Model
        d.compile(loss='mse', optimizer='sgd')
        d.trainable = False
        for layer in d.layers:
            layer.trainable = False
        both.compile(loss='mse', optimizer='sgd')
        d.train_on_batch(x, y)
        base.trainable = False
        base.compile(loss='mse', optimizer='sgd')
        base.fit(x, y)
    """)
    assert "SILENT CHANGE: d is compiled in line 2, before its `trainable`" in by_line[3]
    assert "Write d.trainable = True before each training of d alone" in by_line[3]
    assert 5 in by_line
    assert 8 not in by_line
