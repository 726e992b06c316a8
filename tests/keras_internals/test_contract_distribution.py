"""What this package relies on if several processes train. A release that changes it fails here."""

from __future__ import annotations

from types import SimpleNamespace

import keras
import pytest

from keras_bigdata.keras_internals import distribution as of_keras
from tests.keras_internals.datasets import Calls, model


@pytest.mark.skipif(
    keras.backend.backend() == "tensorflow"
    and tuple(map(int, keras.__version__.split(".")[:2])) < (3, 15),
    reason="a distribution does not know its processes",
)
def test_a_distribution_names_the_shares_of_processes():
    devices = ["cpu:0"]
    made = keras.distribution.DataParallel(
        devices=devices, **({"auto_shard_dataset": False} if _knows_auto_shard() else {})
    )
    assert made.num_processes == 1
    assert not made.auto_shard_dataset
    assert made.num_model_replicas == 1
    assert isinstance(made.data_shard_id, int)


def _knows_auto_shard():
    return "auto_shard_dataset" in keras.distribution.DataParallel.__init__.__code__.co_varnames


def test_a_dataset_is_divided_by_keras_or_refused_only_if_asked_for(monkeypatch):
    # 3.15 refuses a PyDataset of several processes with auto_shard_dataset=True; 3.16 serves every
    # k-th batch of it. Neither does anything with False.
    from keras.src.trainers.data_adapters import data_adapter_utils, py_dataset_adapter

    assert data_adapter_utils is not None
    for automatic in (True, False):
        active = SimpleNamespace(
            auto_shard_dataset=automatic, num_data_shards=2, data_shard_id=1, num_processes=2
        )
        if hasattr(py_dataset_adapter, "distribution_lib"):
            monkeypatch.setattr(
                py_dataset_adapter.distribution_lib, "distribution", lambda active=active: active
            )
        adapter = py_dataset_adapter.PyDatasetAdapter(Calls())
        divides = hasattr(adapter, "_num_data_shards") and automatic
        assert adapter.num_batches == (2 if divides else 4)


@pytest.mark.parametrize(("processes", "automatic"), [(2, True), (2, False), (1, True)])
def test_only_automatic_sharding_over_several_processes_is_refused(
    monkeypatch, processes, automatic
):
    active = SimpleNamespace(num_processes=processes, auto_shard_dataset=automatic)
    monkeypatch.setattr(keras.distribution, "distribution", lambda: active)
    if processes == 1 or not automatic:
        of_keras.refuse_automatic_sharding()
        return
    with pytest.raises(ValueError, match=r"auto_shard_dataset=False(.|\n)*part='auto'"):
        of_keras.refuse_automatic_sharding()


@pytest.mark.parametrize(
    ("processes", "replicas", "shard", "expected"),
    [(4, 4, 3, (3, 4)), (4, 2, 1, (1, 2)), (2, 1, 0, (0, 1)), (2, 8, 1, (1, 2)), (1, 8, 0, (0, 1))],
)
def test_replicas_that_share_a_model_share_a_part(
    monkeypatch, processes, replicas, shard, expected
):
    active = SimpleNamespace(
        num_processes=processes, num_model_replicas=replicas, data_shard_id=shard
    )
    monkeypatch.setattr(keras.distribution, "distribution", lambda: active)
    assert list(of_keras.active_parts().values()) == [expected]
    assert of_keras.num_replicas() == replicas
    assert of_keras.is_joint_distribution_active() == (processes > 1)


def test_a_model_trains_by_itself_without_a_distribution():
    if not hasattr(model(), "ddp_model"):
        assert not of_keras.model_joins_processes(model())

    class Own(keras.Model):
        def train_step(self, *args):
            return {}

    assert of_keras.model_joins_processes(Own())


def test_a_model_of_keras_3_16_joins_processes_of_torch_only_if_they_are_connected(monkeypatch):
    class Model(keras.Model):
        ddp_model = None  # Keras sets it in the constructor, and fills it in `fit`

    assert not of_keras.model_joins_processes(Model())
    monkeypatch.setattr(of_keras, "torch_processes", lambda: (0, 2))
    assert of_keras.model_joins_processes(Model())


def test_the_epoch_before_a_build_is_read_in_frames_of_these_names():
    trainer = keras.Model._symbolic_build
    assert trainer.__code__.co_name == "_symbolic_build"
    if keras.backend.backend() == "tensorflow":
        assert "iterator" in keras.Model._maybe_symbolic_build.__code__.co_varnames
