"""Best weights and score logs behind a URL, and validation sets that are URLs."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest

from keras_bigdata import (
    Arrays,
    BestWeightsEarlyStopping,
    ScoreLog,
    Shards,
    StorageError,
    WeightedValidation,
    pack,
)
from keras_bigdata.callbacks.best_weights.best_weights_file import read_record
from keras_bigdata.storage.paths.remote_path import RemotePath
from keras_bigdata.storage.requests import request
from tests.helpers.small_models import (
    TinyModel,
    assert_results,
    run_epochs,
    shared_classifier,
    validate,
)

fsspec = pytest.importorskip("fsspec")
DRIVER = type(fsspec.filesystem("memory"))
SECRET = "a-secret-key-of-the-store"
OPTIONS = {"key": SECRET, "skip_instance_cache": True}


@pytest.fixture
def directory(tmp_path):
    path = RemotePath(f"memory://callbacks-{tmp_path.name}/run")
    yield path
    files = path.list_sizes()
    for name in files:
        assert SECRET.encode() not in (path / name).read_bytes()
    if files:
        fsspec.filesystem("memory").rm(path.url, recursive=True)


def best_callback(directory, **arguments):
    arguments = {"mode": "max", **arguments}
    return BestWeightsEarlyStopping(f"{directory}/best.weights.h5", "val_score", **arguments)


def fail_to_write(monkeypatch, is_failing=lambda name: True):
    original = DRIVER.pipe_file

    def pipe_file(self, path, value, **options):
        if is_failing(path.rpartition("/")[2]):
            raise OSError(f"refused for {SECRET}")
        original(self, path, value, **options)

    monkeypatch.setattr(request, "PAUSES", ())
    monkeypatch.setattr(DRIVER, "pipe_file", pipe_file)


# ---- BestWeightsEarlyStopping


def test_the_best_weights_are_uploaded_and_restored_elsewhere(directory):
    best = best_callback(directory, patience=2, storage_options=OPTIONS)
    model, epochs = run_epochs(best, [0.1, 0.5, 0.3, 0.4, 0.9])
    assert (epochs, model.weight, best.best_epoch) == (4, 1.0, 1)
    assert list(directory.list_sizes()) == ["best.weights.h5"]
    record = read_record(directory / "best.weights.h5")
    assert (record.epoch, record.value, record.mode) == (1, 0.5, "max")
    other = TinyModel()
    best_callback(directory).restore(other)
    assert other.weight == 1.0
    resumed = best_callback(directory, resume=True)
    run_epochs(resumed, [0.4, 0.6], first_epoch=4)
    assert (resumed.best, resumed.best_epoch) == (0.6, 5)
    assert f"'{directory}/best.weights.h5'" in repr(best)


def test_weights_of_a_real_model_come_back_bit_for_bit(directory):
    model = shared_classifier()
    best = best_callback(directory, restore_best_weights=False)
    best.set_model(model)
    best.on_train_begin()
    best.on_epoch_end(0, {"val_score": 0.5})
    expected = model.get_weights()
    model.set_weights([weights + 1 for weights in expected])
    best_callback(directory).restore(model)
    for found, value in zip(model.get_weights(), expected, strict=True):
        assert found.tobytes() == value.tobytes()


def test_better_weights_of_another_training_are_kept(directory):
    run_epochs(best_callback(directory), [0.8])
    with pytest.warns(UserWarning, match=rf"kept in {directory}/best\.former-1\.weights\.h5"):
        run_epochs(best_callback(directory), [0.2, 0.4])
    assert sorted(directory.list_sizes()) == ["best.former-1.weights.h5", "best.weights.h5"]
    assert read_record(directory / "best.former-1.weights.h5").value == 0.8
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        run_epochs(best_callback(directory), [0.3, 0.9])  # both are beaten; one is its own
    assert read_record(directory / "best.weights.h5").value == 0.9
    (directory / "best.weights.h5").write_bytes(b"weights of another program")
    with pytest.warns(UserWarning, match="held weights without a score"):
        run_epochs(best_callback(directory), [0.2])


def test_weights_that_cannot_be_uploaded_are_an_error_and_the_former_ones_stay(
    directory, monkeypatch
):
    best = best_callback(directory, storage_options=OPTIONS)
    run_epochs(best, [0.5])
    best = best_callback(directory, resume=True, storage_options=OPTIONS)
    fail_to_write(monkeypatch, lambda name: name.startswith("best"))
    text = rf"weights of epoch 1, .*{directory}/best.*still holds the previous best weights"
    with pytest.raises(StorageError, match=text) as caught:
        run_epochs(best, [0.7])
    assert SECRET not in str(caught.value)
    assert ".." not in str(caught.value)
    assert read_record(directory / "best.weights.h5").value == 0.5
    fail_to_write(monkeypatch)
    with pytest.raises(StorageError, match="cannot be written"):
        best_callback(directory).on_train_begin()  # before the first epoch


def test_names_of_weights_are_checked_in_urls_too():
    with pytest.raises(ValueError, match=r"Use 's3://bucket/run/best\.weights\.h5'"):
        BestWeightsEarlyStopping("s3://bucket/run/best.keras")
    with pytest.raises(ValueError, match="placeholders"):
        BestWeightsEarlyStopping("s3://bucket/{epoch}.weights.h5")
    with pytest.raises(ValueError, match=r"^best\.weights\.h5: .* this is a path on this machine"):
        BestWeightsEarlyStopping("best.weights.h5", storage_options={})


def test_a_file_url_names_a_local_file(tmp_path):
    best = BestWeightsEarlyStopping((tmp_path / "a b.weights.h5").as_uri())
    assert best.filepath == tmp_path / "a b.weights.h5"


# ---- ScoreLog


def log_epochs(log, scores):
    log.on_train_begin()
    for train, val in scores:
        log.on_epoch_end(0, {"accuracy": train, "val_accuracy": val})


def test_the_score_log_is_current_after_every_epoch(directory, monkeypatch):
    path = directory / "scores.pkl"
    log = ScoreLog(path.url, storage_options=OPTIONS)
    log_epochs(log, [(0.5, 0.25)])
    assert pickle.loads(path.read_bytes()) == {"train": [0.5], "val": [0.25]}
    log = ScoreLog(path.url, resume=True, storage_options=OPTIONS)
    log_epochs(log, [(0.75, 0.5)])
    assert pickle.loads(path.read_bytes()) == {"train": [0.5, 0.75], "val": [0.25, 0.5]}
    assert list(directory.list_sizes()) == ["scores.pkl"]
    assert SECRET not in repr(log) + str(log.state_dict())
    fail_to_write(monkeypatch, lambda name: name == "scores.pkl")
    with pytest.raises(StorageError, match=rf"{path}: cannot be written"):
        log.on_epoch_end(1, {"accuracy": 1.0, "val_accuracy": 1.0})
    assert pickle.loads(path.read_bytes())["train"] == [0.5, 0.75]


def test_a_resumed_training_restores_its_score_log(directory):
    log = ScoreLog(f"{directory}/scores.pkl")
    log_epochs(log, [(0.5, 0.25), (0.75, 0.5)])
    state = log.state_dict()
    other = ScoreLog(f"{directory}/other.pkl")
    other.load_state_dict(state)
    assert (directory / "other.pkl").read_bytes() == (directory / "scores.pkl").read_bytes()


def test_a_url_that_is_not_a_score_log_is_named(directory):
    (directory / "scores.pkl").write_bytes(b"cos\nsystem\n(S'touch ran'\ntR.")
    with pytest.raises(ValueError, match=rf"{directory}/scores.pkl is not a score log"):
        ScoreLog(f"{directory}/scores.pkl", resume=True).on_train_begin()


# ---- WeightedValidation


@pytest.fixture
def sets(directory, tmp_path):
    """Returns two sets of different sizes, each as a local directory and as a URL."""
    rng = np.random.default_rng(0)
    found = {}
    for name, rows in (("a", 25), ("b", 10)):
        x = rng.random((rows, 6), np.float32)
        labels = np.eye(4, dtype=np.float32)[rng.integers(0, 4, rows)]
        pack(Arrays(x=x, labels=labels), tmp_path / name, shard_samples=9, verbose=0)
        fsspec.filesystem("memory").put(str(tmp_path / name), f"{directory}/{name}", recursive=True)
        found[name] = (tmp_path / name, f"{directory}/{name}")
    return found


@pytest.mark.slow
def test_sets_behind_urls_are_evaluated_like_those_in_directories(sets, tmp_path):
    model = shared_classifier()
    (a, a_url), (b, b_url) = sets["a"], sets["b"]
    expected = validate(model, {"a": a, "b": b})
    assert_results(validate(model, {"a": a_url, "b": b}, storage_options=OPTIONS), expected, "")
    cached = Shards(b_url, cache=tmp_path / "cache", storage_options=OPTIONS)
    found = validate(model, {"a": a_url, "b": cached}, storage_options=OPTIONS)
    assert_results(found, expected, "")


def test_options_without_a_url_and_urls_without_a_set_are_refused(sets, directory):
    a, a_url = sets["a"]
    with pytest.raises(ValueError, match="none of the sets is one"):
        WeightedValidation({"a": a, "b": Shards(a_url)}, storage_options=OPTIONS)
    with pytest.raises(Exception, match=rf"{directory}/missing") as caught:
        WeightedValidation({"a": f"{directory}/missing"}, storage_options=OPTIONS)
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(WeightedValidation({"a": a_url}, storage_options=OPTIONS))
