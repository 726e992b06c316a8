"""Notes on code that trains otherwise in Keras 3."""

from __future__ import annotations

from tests.migrate.migrated import notes


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
