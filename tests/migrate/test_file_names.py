"""Names of weights files are changed wherever the same file is meant."""

from __future__ import annotations

from tests.migrate.migrated import migrate, notes


def test_a_file_that_is_loaded_by_another_expression():
    new = migrate("""
        import os, keras
        class Save(keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs):
                self.model.save_weights(os.path.join(self.directory, 'weights%02d.h5' % epoch))
        path = os.path.join(OUT, os.path.join(run, 'weights%02d.h5' % (start - 1)))
        model.load_weights(path)
        model.load_weights('weights.h5')
        whole = keras.models.load_model('old/weights%02d.h5')
    """)
    assert "self.directory, 'weights%02d.weights.h5' % epoch)" in new
    assert "run, 'weights%02d.weights.h5' % (start - 1))" in new
    assert "load_weights('weights.h5')" in new
    assert "load_model('old/weights%02d.h5')" in new


def test_a_name_that_is_joined_to_a_directory():
    code = """
        import os
        from keras.callbacks import ModelCheckpoint
        name = 'net_%s.{epoch:03d}-{val_acc:.2f}.h5' % kind
        path = os.path.join(directory, name)
        best = ModelCheckpoint(path)
        model.compile('sgd', 'mse', metrics=['accuracy'])
    """
    assert "name = 'net_%s.{epoch:03d}-{val_accuracy:.2f}.keras' % kind" in migrate(code)
    assert notes(code) == {}
    code += "    print(open(name))\n"
    assert ".h5' % kind" in migrate(code)
    assert "must end in '.keras', but it is used for something else" in notes(code)[5]
