"""Notes on code that trains otherwise in Keras 3, and changes of what Keras 3 refuses."""

from __future__ import annotations

from tests.migrate.migrated import migrate, notes


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


def test_refused_arguments_are_changed():
    new = migrate("""\
        from keras.preprocessing.image import load_img
        from keras.callbacks import ProgbarLogger
        from keras.layers import SeparableConv2D
        load_img(path, grayscale=True, target_size=(2, 3))
        load_img(path, True)
        load_img(path, grayscale=flag)
        load_img(path, grayscale=False)
        ProgbarLogger('steps')
        SeparableConv2D(8, 3, kernel_regularizer=l2(0.1), padding='same')
        model.save('a.h5', save_format='h5')
        plot(history.history['lr'])
    """)
    assert "load_img(path, color_mode='grayscale', target_size=(2, 3))" in new
    assert "load_img(path, 'grayscale')" in new
    assert "load_img(path, color_mode='grayscale' if flag else 'rgb')" in new
    assert "load_img(path)\n" in new
    assert "ProgbarLogger()" in new
    assert "SeparableConv2D(8, 3, padding='same')" in new
    assert "model.save('a.h5')" in new
    assert "history.history['learning_rate']" in new
    assert migrate(new) == new


def test_own_layers_and_callbacks():
    code = """\
        from keras.layers import Layer
        from keras.callbacks import Callback
        class Own(Layer):
            def build(self, input_shape):
                self.W = self.add_weight('W', (2, 3), initializer='uniform')
                self.b = self.add_weight((3,), 'zero', 'b')
                self.trainable_weights = [self.W]
            def get_output_shape_for(self, input_shape):
                return input_shape
        class Look(Callback):
            def on_epoch_end(self, epoch, logs=None):
                print(self.validation_data[0], self.params['nb_epoch'], self.params['metrics'])
    """
    new = migrate(code)
    assert "self.add_weight(name='W', shape=(2, 3), initializer='uniform')" in new
    assert "self.add_weight(shape=(3,), initializer='zero', name='b')" in new
    assert "def compute_output_shape(self" in new
    assert "self.params['epochs']" in new
    by_line = notes(code)
    assert "trainable_weights cannot be assigned" in by_line[7]
    assert "self.validation_data = validation_data" in by_line[12]
    assert "use the keys of `logs`" in by_line[12]


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


def test_gates_accuracy_and_frozen_layers():
    code = """\
        from {root}.layers import LSTM, GRU, Dense, BatchNormalization, Activation
        LSTM(3)
        GRU(3)
        LSTM(3, recurrent_activation='sigmoid')
        Activation('hard_sigmoid')
        BatchNormalization()
        layer.trainable = False
        Dense(4, activation='sigmoid')
        model.compile(loss='binary_crossentropy', optimizer='sgd', metrics=['accuracy'])
    """
    by_line = notes(code.format(root="keras"))
    assert "recurrent_activation='hard_sigmoid' (0.2 * x + 0.5) by default" in by_line[2]
    assert "and reset_after=False by default" in by_line[3]
    assert 4 not in by_line
    assert "return keras.ops.clip(0.2 * x + 0.5, 0, 1)" in by_line[5]
    assert "moving averages" in by_line[6]
    assert "metrics=[keras.metrics.BinaryAccuracy(name='accuracy')]" in by_line[9]
    assert notes(code.format(root="tensorflow.keras")).keys() == {5}


def test_optimizers_of_scripts():
    by_line = notes("""\
        from keras.optimizers import Optimizer
        class Own(Optimizer):
            def get_updates(self, loss, params):
                pass
    """)
    assert "update_step(self, gradient, variable, learning_rate)" in by_line[3]


def test_weights_and_regularizers_of_activities():
    code = """\
        from {root}.layers import Dense
        Dense(3, activity_regularizer='l1')
        model.fit(x, y, sample_weight=w)
        model.fit(x, y)
    """
    by_line = notes(code.format(root="keras"))
    assert "activity_regularizer=SummedOverBatch(...)" in by_line[2]
    assert "divided the loss of a batch by the number of weights that are not zero" in by_line[3]
    assert 4 not in by_line
    assert notes(code.format(root="tensorflow.keras")) == {}


def test_a_loss_that_uses_tensors_of_the_model():
    by_line = notes("""\
        from keras.layers import Input, Dense
        x = Input((3,))
        z = Dense(2)(x)
        size = 3
        def kl():
            return K.sum(K.square(z))
        def loss(y_true, y_pred):
            return K.mean(y_true - y_pred) * size + kl()
        def other(y_true, y_pred):
            z = y_true
            return z - y_pred
        model.compile('sgd', loss)
        model.compile('sgd', other)
        model.compile('sgd', loss=lambda t, p: K.mean(t - p) + K.mean(z))
        model.compile('sgd', 'mse')
    """)
    assert "uses symbolic tensors of the model (z)" in by_line[12]
    assert "self.add_loss(...)" in by_line[12]
    assert "(z)" in by_line[14]
    assert not {13, 15} & by_line.keys()
