"""Callbacks that scripts define."""

from __future__ import annotations

from tests.migrate.migrated import migrate, notes


def test_what_callbacks_read():
    code = """\
        from keras.callbacks import Callback
        class Look(Callback):
            def on_epoch_end(self, epoch, logs=None):
                print(self.validation_data[0], self.params['nb_epoch'], self.params['metrics'])
    """
    assert "self.params['epochs']" in migrate(code)
    by_line = notes(code)
    assert "self.validation_data = validation_data" in by_line[4]
    assert "use the keys of `logs`" in by_line[4]
