"""Outputs of a model next to the columns of the rows that they belong to."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_bigdata import (
    Arrays,
    CorruptShardError,
    ShardError,
    Shards,
    ShardSequence,
    ShardWriter,
    pack,
    predict_rows,
)

ROWS = 50


@pytest.fixture
def directory(tmp_path):
    x = np.arange(ROWS, dtype=np.float32)
    pack(Arrays(x=x[:, None], labels=np.arange(ROWS) % 3), tmp_path / "s", shard_samples=8)
    return tmp_path / "s"


class Outputs:
    """A model that returns its inputs, and counts how often it is called."""

    def __init__(self, several: bool = False) -> None:
        self.several = several

    def predict(self, data, verbose):
        x = np.concatenate([data[number][0] for number in range(len(data))])
        return [x, np.hstack([x, -x])] if self.several else x


@pytest.fixture(scope="module")
def identity():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.set_weights([np.ones((1, 1))])
    return model


@pytest.mark.parametrize("shuffle", ["window", "global", None])
def test_outputs_belong_to_their_rows(directory, identity, shuffle):
    result = predict_rows(
        identity, ShardSequence(directory, 7, shuffle=shuffle), columns=("row", "labels")
    )
    assert list(result) == ["row", "labels", "outputs"]
    assert sorted(result["row"].tolist()) == list(range(ROWS))
    np.testing.assert_array_equal(result["outputs"][:, 0], result["row"])
    np.testing.assert_array_equal(result["labels"], result["row"] % 3)


def test_of_a_selection_only_its_rows_are_predicted(directory):
    shards = Shards(directory).where(lambda columns: columns["labels"] == 1)
    train = ShardSequence(shards, 4, last_batch="drop", seed=1)
    result = predict_rows(Outputs(), train)
    assert list(result) == ["row", "outputs"]
    assert sorted(result["row"].tolist()) == list(range(1, ROWS, 3))
    np.testing.assert_array_equal(result["outputs"][:, 0], result["row"])
    assert train.epoch == 0


def test_several_outputs_become_a_tuple_and_a_table(directory):
    result = predict_rows(Outputs(several=True), ShardSequence(directory, 9), columns="labels")
    first, second = result["outputs"]
    assert second.shape == (ROWS, 2)
    table = result.to_pandas()
    assert list(table) == ["labels", "outputs_0", "outputs_1_0", "outputs_1_1"]
    np.testing.assert_array_equal(table["outputs_1_1"], -first[:, 0])
    assert repr(result) == f"PredictedRows({ROWS} rows: labels, outputs)"
    assert "float32 (50, 2)" in result._repr_html_()
    with pytest.raises(KeyError, match="The columns are: labels, outputs"):
        result["file"]


def test_wrong_columns_and_data_are_named(directory, tmp_path):
    data = ShardSequence(directory, 9)
    with pytest.raises(ShardError, match="no column 'site'"):
        predict_rows(Outputs(), data, columns="site")
    with pytest.raises(TypeError, match="must be a ShardSequence"):
        predict_rows(Outputs(), [data[0]])
    with ShardWriter(tmp_path / "w", inputs="x") as writer:
        writer.write({"x": np.zeros(3)}, columns={"outputs": ["a", "b", "c"]})
    with pytest.raises(ValueError, match="'outputs' would have two meanings"):
        predict_rows(Outputs(), ShardSequence(tmp_path / "w"), columns="outputs")


def test_rows_of_a_corrupt_shard_are_not_replaced_by_others(directory):
    data = ShardSequence(directory, 9, on_corrupt="skip", workers=0)
    (directory / "shard-00002.pkl").write_bytes(b"")
    with (
        pytest.warns(UserWarning, match="skipped"),
        pytest.raises(CorruptShardError, match="in place of its rows"),
    ):
        predict_rows(Outputs(), data)
