"""Arguments of Keras's callbacks."""

from __future__ import annotations

from tests.migrate.migrated import migrate


def test_the_progress_bar_has_no_arguments():
    new = migrate("""\
        from keras.callbacks import ProgbarLogger
        ProgbarLogger('steps')
    """)
    assert "ProgbarLogger()" in new
    assert migrate(new) == new
