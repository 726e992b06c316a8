"""What `ResumeTraining` refuses or warns of: another order, other data, another model."""

from __future__ import annotations

from pathlib import Path

import keras
import pytest

from keras_bigdata import BestWeightsEarlyStopping, ResumeTraining, ScoreLog, ShardSequence
from keras_bigdata.callbacks import resume_training
from keras_bigdata.callbacks.resuming import resumable_fit as _resumable_fit
from tests.helpers.tiny_training import Kill, Killed, shared_tiny, tiny, tiny_fit
from tests.helpers.unindexed_pickles import ROLES, write_shards


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A directory with the checkpoint of a finished epoch, and its data."""
    folder = tmp_path_factory.mktemp("begun")
    data = write_shards(folder / "data", [20, 20])
    tiny_fit(folder / "checkpoints", data, epochs=1)
    return folder / "checkpoints", data


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"batch_size": 4}, "batch_size is 8 in the checkpoint and 4 here"),
        ({"seed": 2}, "seed is 1 in the checkpoint and 2 here"),
        ({"shuffle": "global"}, "shuffle is 'window' in the checkpoint and 'global' here"),
        ({"last_batch": "drop"}, "last_batch is 'keep' in the checkpoint and 'drop' here"),
        ({"targets": "x"}, "targets is \"'id'\" in the checkpoint and \"'x'\" here"),
    ],
)
def test_another_order_is_refused_with_both_values(begun, changed, match):
    with pytest.raises(ValueError, match=match):
        tiny_fit(*begun, **changed)


@pytest.mark.slow
@pytest.mark.every_backend
def test_other_data_is_refused_with_both_values(begun, shards):
    with pytest.raises(ValueError, match="num_samples is 40 in the checkpoint and 41 here"):
        tiny_fit(begun[0], shards([20, 21]))
    with pytest.raises(
        ValueError, match=r"fingerprint of the shards is '.*' in the checkpoint and '.*' here"
    ):
        tiny_fit(begun[0], shards([21, 19]))


@pytest.mark.slow
@pytest.mark.every_backend
def test_class_weights_that_were_left_out_are_refused_with_both_values(tmp_path, shards):
    data = shards([20])

    def resumed(epochs, **arguments):
        sequence = ShardSequence(data, 4, workers=0, seed=1, **ROLES, **arguments)
        callbacks = ResumeTraining(tmp_path / "weighted", sequence).around([])
        tiny().fit(sequence, epochs=epochs, shuffle=False, verbose=0, callbacks=callbacks)

    weights = {number: 1.0 + number for number in range(20)}
    resumed(1, class_weights=weights)
    with pytest.raises(ValueError, match=r"class_weights is '\{0: 1\.0.* and None here"):
        resumed(2)
    resumed(2, class_weights=weights)


@pytest.mark.slow
@pytest.mark.every_backend
def test_another_model_is_refused_with_both_values(begun):
    other = tiny()
    other.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"'Adam' in the checkpoint and 'SGD' here, learning_rate"):
        tiny_fit(*begun, model=other)
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dense(1)])
    other.compile("adam", "mse")
    with pytest.raises(
        ValueError, match=r"of shape \(.*\) and dtype \w+ in the checkpoint and .* here"
    ):
        tiny_fit(*begun, model=other)


def test_where_keras_has_no_initial_epoch_the_argument_is_named(begun, monkeypatch):
    monkeypatch.setattr(resume_training, "set_initial_epoch", lambda model, epoch: None)
    with pytest.raises(ValueError, match=r"of epoch 1, and `fit` begins with epoch 0.*_epoch=1\."):
        tiny_fit(*begun)


def test_where_the_arguments_of_fit_are_not_seen_they_are_named(begun, monkeypatch):
    monkeypatch.setattr(_resumable_fit, "fit_input", lambda: None)
    with pytest.warns(UserWarning, match=r"cannot see the arguments .* shuffle=False"):
        tiny_fit(*begun, epochs=1)


def test_the_repr_names_the_directory(tmp_path, shards):
    resume = ResumeTraining("checkpoints", ShardSequence(shards([20]), 4, **ROLES), every=30)
    assert repr(resume) == "ResumeTraining('checkpoints', every=30.0)"
    assert "every=None" in repr(ResumeTraining("checkpoints", resume.sequence))


def test_a_random_seed_is_taken_from_the_checkpoint(begun):
    _, history = tiny_fit(*begun, seed=None, epochs=1)
    assert history.epoch == [0]


@pytest.mark.slow
def test_fewer_epochs_than_were_begun_are_refused(tmp_path, shards):
    data = shards([40])
    with pytest.raises(Killed):
        tiny_fit(tmp_path / "c", data, [Kill(15)], epochs=3)
    with pytest.raises(ValueError, match=r"killed in epoch \d\. Pass at least that many"):
        tiny_fit(tmp_path / "c", data, [Kill(15)], epochs=1)


def test_what_cannot_be_exact_is_refused_with_advice(tmp_path, shards):
    train = ShardSequence(shards([20]), 4, **ROLES)
    resume = ResumeTraining(tmp_path / "c", train)
    with pytest.raises(ValueError, match="BackupAndRestore"):
        resume.around([keras.callbacks.BackupAndRestore(tmp_path / "backup")])
    with pytest.raises(ValueError, match="ResumeTraining would"):
        resume.around([resume])
    model = shared_tiny()
    with pytest.raises(ValueError, match="around"):
        model.fit(train, verbose=0, shuffle=False, callbacks=[resume])
    callbacks = resume.around()
    with pytest.raises(ValueError, match="shuffle=False"):
        model.fit(train, verbose=0, callbacks=callbacks)
    with pytest.raises(ValueError, match=r"ShardSequence instead\. Received: steps_per_epoch=3"):
        model.fit(train, verbose=0, shuffle=False, steps_per_epoch=3, callbacks=callbacks)
    with pytest.raises(ValueError, match="received different sequences"):
        model.fit(ShardSequence(train.index, 4, **ROLES), shuffle=False, callbacks=callbacks)
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"sequence": [1]}, TypeError, "sequence of type list"),
        ({"every": "often"}, TypeError, "every='often'"),
        ({"every": True}, TypeError, "every=True"),
        ({"every": -1}, ValueError, "every=-1"),
        ({"every": float("nan")}, ValueError, "every=nan"),
        ({"directory": "hf://datasets/me/c"}, ValueError, "is a commit of the repository"),
        ({"directory": "sftp://host/c"}, ValueError, "complete or absent"),
        ({"storage_options": {"key": "a"}}, ValueError, "a path on this machine"),
        ({"directory": Path("s3://bucket/c")}, ValueError, "one slash of two"),
        ({"directory": __file__}, ValueError, "not a file"),
    ],
)
def test_bad_arguments_are_refused(tmp_path, shards, arguments, error, match):
    sequence = ShardSequence(shards([4]), 4, **ROLES)
    arguments = {"directory": tmp_path, "sequence": sequence, **arguments}
    with pytest.raises(error, match=match):
        ResumeTraining(**arguments)


def test_callbacks_whose_state_is_unknown_are_named(tmp_path, shards):
    class Counts(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.count = 0

    class Bare(keras.callbacks.Callback):
        pass

    class Patient(keras.callbacks.EarlyStopping):
        pass

    resume = ResumeTraining(tmp_path / "c", ShardSequence(shards([20]), 4, **ROLES))
    known = [
        Bare(),
        Kill(1),
        BestWeightsEarlyStopping(tmp_path / "b.weights.h5"),
        ScoreLog(tmp_path / "s"),
        keras.callbacks.CSVLogger(tmp_path / "l.csv"),
        keras.callbacks.EarlyStopping(),
        keras.callbacks.ModelCheckpoint(tmp_path / "m.keras"),
        keras.callbacks.ReduceLROnPlateau(),
        keras.callbacks.TerminateOnNaN(),
    ]
    assert resume.around(known) == [resume, *known]
    with pytest.warns(UserWarning, match="state of Counts, LambdaCallback, Patient, TensorBoard:"):
        resume.around(
            [
                Counts(),
                *known,
                Patient(),
                keras.callbacks.TensorBoard(tmp_path),
                keras.callbacks.LambdaCallback(on_epoch_end=print),
            ]
        )


def test_a_changed_list_of_callbacks_is_a_warning(begun, tmp_path):
    with pytest.warns(UserWarning, match=r"Added, without a saved state: \['CSVLogger'\]"):
        tiny_fit(*begun, [keras.callbacks.CSVLogger(tmp_path / "l.csv")], epochs=1)


@pytest.mark.slow
def test_the_state_of_a_callback_that_cannot_be_stored_is_an_error(tmp_path, shards):
    class Odd(Kill):
        def state_dict(self):
            return {"things": [object()]}

    with pytest.raises(TypeError, match=r"callbacks.*things.*of type object"):
        tiny_fit(tmp_path / "c", shards([40]), [Odd(100)])


def test_other_validation_data_than_those_of_the_checkpoint_are_warned_of(tmp_path, shards):
    data, other = shards([20, 20, 27]), shards([8, 8])
    model = shared_tiny()

    def fit(epochs, validation_data):
        train = ShardSequence(data, 8, seed=1, workers=0, **ROLES)
        resume = ResumeTraining(tmp_path / "c", train, every=0)
        validation = ShardSequence(validation_data, 8, seed=1, workers=0, **ROLES)
        options = {"shuffle": False, "verbose": 0, "validation_data": validation}
        return model.fit(train, epochs=epochs, callbacks=resume.around(), **options)

    fit(1, data)
    with pytest.warns(UserWarning, match="`validation_data` is not the sequence of the checkpoint"):
        fit(2, other)
