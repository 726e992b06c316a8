"""Arguments of optimizers, their positions and default values, and optimizers of scripts."""

from __future__ import annotations

from tests.migrate.migrated import migrate, notes


def test_named_arguments_and_lr():
    new = migrate("""
        import tensorflow as tf
        from keras import optimizers
        from keras.optimizers import SGD
        a = optimizers.Adam(lr=0.1, decay=0.0, epsilon=None)
        b = tf.keras.optimizers.Nadam(learning_rate=0.1)
        c = mine.Adam(lr=0.1, decay=0.)
        d = optimizers.sgd(lr=0.1,  # quick
                           decay=0.)
        print(a.lr, c.lr, model.optimizer.lr)
    """)
    assert "a = optimizers.Adam(learning_rate=0.1)\n" in new
    assert "c = mine.Adam(lr=0.1, decay=0.)" in new
    assert "d = optimizers.SGD(learning_rate=0.1  # quick\n" in new
    assert "print(a.learning_rate, c.lr, model.optimizer.learning_rate)" in new
    by_line = notes("""\
        from keras.optimizers import SGD, Adam
        SGD(0.1, 0.9, 1e-6, True)
        Adam(lr=0.1, decay=1e-6)
    """)
    assert "argument 3 was `decay`" in by_line[2]
    assert "write decay=1e-6, nesterov=True." in by_line[2]
    assert "InverseTimeDecay" in by_line[3]


def test_positional_arguments_of_optimizers_that_did_not_change_are_not_noted():
    by_line = notes("""\
        import tensorflow as tf
        from keras.optimizers import SGD, Adadelta, Adam, Adamax, RMSprop
        Adadelta(1., .95, 1e-6)
        Adam(lr, b1, b2, eps)
        Adam(lr, b1, b2, eps, True)
        SGD(0.1, 0.9, True)
        Adamax(lr, b1, b2, eps, 1e-6)
        RMSprop(0.001, 0.9, 1e-8)
        Adadelta(1., .95, 1e-6, 1e-6)
        tf.keras.optimizers.RMSprop(0.001, 0.9, 0.5, 1e-7)
        tf.keras.optimizers.SGD(0.1, 0.9, False)
        tf.keras.optimizers.SGD(0.1, 0.9, 1e-6)
        tf.keras.optimizers.Ftrl(0.1, -0.5, 0.1, 0.01, 0.01)
    """)
    assert {line for line, text in by_line.items() if "argument" in text} == {7, 8, 9, 12}
    assert "Adamax: positional arguments after the first 4 mean something else" in by_line[7]
    assert "argument 3 was `epsilon` in `keras` 1 and 2 and is `momentum`" in by_line[8]
    assert "mean something else" not in by_line[8]
    assert "Adadelta: positional arguments after the first 3 mean something else" in by_line[9]
    assert "SGD: positional arguments after the first 2 mean something else" in by_line[12]


def test_default_rates_and_positions_depend_on_the_import():
    code = """\
        from {root}.optimizers import Adadelta, RMSprop, Adagrad, Nadam
        Adadelta()
        Adadelta(0.5)
        RMSprop(0.1, 0.9, 1e-6)
        Adagrad(lr=0.1, clipnorm=1., epsilon=1e-6)
        model.compile('adadelta', 'mse')
        {sign}
    """
    keras = code.format(root="keras", sign="Conv2D(2, kernel_size=3)")
    new = migrate(keras)
    assert "Adadelta(learning_rate=1.0)\n" in new
    assert migrate(new) == new
    by_line = notes(keras)
    assert 3 not in by_line
    assert "If it was the former, write epsilon=1e-6." in by_line[4]
    assert "Write global_clipnorm=" in by_line[5]
    assert "The equivalent is epsilon=(1e-6) ** 2" in by_line[5]
    assert "optimizer=keras.optimizers.Adadelta(learning_rate=1.0)" in by_line[6]
    unknown = code.format(root="keras", sign="")
    assert "Adadelta()\n" in migrate(unknown)
    assert "write Adadelta(learning_rate=1.0)" in notes(unknown)[2]
    tensorflow = code.format(root="tensorflow.keras", sign="")
    assert "Adadelta()\n" in migrate(tensorflow)
    assert notes(tensorflow).keys() <= {4}


def test_optimizers_of_scripts():
    by_line = notes("""\
        from keras.optimizers import Optimizer
        class Own(Optimizer):
            def get_updates(self, loss, params):
                pass
    """)
    assert "update_step(self, gradient, variable, learning_rate)" in by_line[3]


def test_get_updates_of_an_optimizer_is_noted():
    code = """\
        from keras.optimizers import Adam
        updates = Adam(0.1).get_updates(params=weights, loss=loss)
    """
    assert "K.function then takes the result" in notes(code)[2]
