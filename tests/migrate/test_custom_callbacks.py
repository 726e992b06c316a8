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


def test_the_size_and_number_of_a_batch_were_key_errors():
    code = """\
        from keras.callbacks import Callback
        class Look(Callback):
            def on_batch_end(self, n, logs={}):
                self.rows += logs['size']
                self.rows += logs.get('size', 0)
                self.last = logs['batch'], logs['loss'], other['size']
            def on_epoch_end(self, epoch, logs={}):
                self.rows = logs['size']
        class Other:
            def on_batch_end(self, n, logs={}):
                logs['size']
    """
    by_line = notes(code)
    assert by_line.keys() == {4, 5, 6}
    assert "use the batch size that the script passes to fit" in by_line[4]
    assert "logs['batch'] is not in Keras 3: write n." in by_line[6]
