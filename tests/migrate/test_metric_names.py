"""Names of metrics where scripts read them."""

from __future__ import annotations

import textwrap

from tests.migrate.migrated import migrate, notes


def test_metric_names_are_those_that_compile_is_given():
    new = migrate("""
        from keras.callbacks import EarlyStopping, ModelCheckpoint
        m.compile("sgd", "mse", metrics=["accuracy", "mae"])
        es = EarlyStopping(monitor="val_acc")
        mc = ModelCheckpoint("{epoch}-{val_acc:.2f}-{mean_absolute_error}.keras", "val_acc")
        h = m.fit(x, y).history
        print(h["acc"], h["val_mean_absolute_error"], h["loss"], table["acc"])
    """)
    assert 'EarlyStopping(monitor="val_accuracy")' in new
    assert 'ModelCheckpoint("{epoch}-{val_accuracy:.2f}-{mae}.keras", "val_accuracy")' in new
    assert 'print(h["accuracy"], h["val_mae"], h["loss"], table["acc"])' in new


def test_metric_names_that_are_not_certain():
    code = textwrap.dedent("""\
        from keras.callbacks import EarlyStopping
        es = EarlyStopping("val_acc")
        print(model.fit(x, y).history["dense_1_acc"], h.history["binary_acc"])
        names = model.metrics_names
    """)
    assert migrate(code) == code
    by_line = notes(code)
    assert "which is not found in this file" in by_line[2]
    assert "'dense_1_acc'" in by_line[3]
    assert "binary" not in by_line[3]
    assert "compile_metrics" in by_line[4]
    both = code.replace("es =", "m.compile('sgd', metrics=['acc', 'accuracy']); es =")
    assert migrate(both) == both
    assert "'acc' and 'accuracy'" in notes(both)[2]


def test_the_learning_rate_in_the_history_has_its_new_name():
    new = migrate("""\
        import keras
        plot(history.history['lr'])
    """)
    assert "history.history['learning_rate']" in new
    assert migrate(new) == new
