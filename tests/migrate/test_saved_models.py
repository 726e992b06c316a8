"""`save` and `save_weights`: `save_format`, and names without a suffix."""

from __future__ import annotations

from tests.migrate.migrated import migrate, notes


def test_save_format_that_the_name_says_too_is_removed():
    new = migrate("""\
        import keras
        model.save('a.h5', save_format='h5')
    """)
    assert "model.save('a.h5')" in new
    assert migrate(new) == new


def test_names_of_saved_models():
    by_line = notes("""\
        import keras
        model.save('first')
        model.save('second', save_format='tf')
        image.save('third')
        model.save('fourth.h5')
    """)
    assert "Write 'first.keras'" in by_line[2]
    assert "Remove save_format='tf' and save under 'second.keras'" in by_line[3]
    assert by_line.keys() == {2, 3}
