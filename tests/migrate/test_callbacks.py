"""Arguments of Keras's callbacks."""

from __future__ import annotations

from tests.migrate.migrated import migrate, notes


def test_the_progress_bar_has_no_arguments():
    new = migrate("""\
        from keras.callbacks import ProgbarLogger
        ProgbarLogger('steps')
    """)
    assert "ProgbarLogger()" in new
    assert migrate(new) == new


def test_the_base_logger_was_an_import_error():
    assert "averages the metrics itself" in notes("from keras.callbacks import BaseLogger")[1]
    assert "averages the metrics itself" in notes("import keras\nkeras.callbacks.BaseLogger()")[2]
