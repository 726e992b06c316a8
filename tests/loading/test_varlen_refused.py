"""What needs one value per row, or rows of one shape, refuses rows of any length."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from keras_bigdata import PredictedRows, ShardError, ShardIndex, Shards, ShardSequence, pack
from keras_bigdata.bench import bench
from keras_bigdata.cli import main
from keras_bigdata.loading.classes.class_sample_weights import ClassSampleWeights
from keras_bigdata.loading.classes.class_weights import balanced_class_weights
from keras_bigdata.loading.classes.read_class_rows import read_class_rows
from keras_bigdata.loading.epochs.model_outputs import check_outputs
from keras_bigdata.loading.rows.open_files import OpenFiles
from keras_bigdata.shards.fields.roles import Roles
from tests.helpers.image_sets import EncodedImages
from tests.helpers.ragged_sets import RaggedNumbers, write_numbered


@pytest.fixture
def index(tmp_path):
    return write_numbered(tmp_path / "set")


def server_of(index, transform=None):
    config = SimpleNamespace(index=index, transform=transform, trust=False, selection=None)
    return SimpleNamespace(config=config, roles=Roles("y", "t"), num_samples=index.num_samples)


def test_balance_needs_one_class_per_row(tmp_path, index):
    with pytest.raises(ShardError, match=r"one class number per row.*'t': int32 \(rows, any\)"):
        read_class_rows(index, "t", trust=False)
    index = pack(EncodedImages("png"), tmp_path / "images")
    with pytest.raises(ShardError, match=r"one class number per row.*stored as png"):
        read_class_rows(index, "images", trust=False)


@pytest.mark.parametrize("weights", ["balanced", {0: 1.0, 1: 2.0}])
def test_the_padding_of_targets_is_not_weighted_as_a_class(index, weights):
    with pytest.raises(ShardError, match="the padding of a batch would count as a class"):
        ClassSampleWeights(weights, server_of(index))
    with pytest.raises(ShardError, match=r"'t'.*any length"):
        balanced_class_weights(server_of(index))
    # What a transform returns is weighted.
    ClassSampleWeights({0: 1.0}, server_of(index, transform=dict))


def test_a_model_is_not_checked_against_targets_of_any_length(index):
    model = SimpleNamespace(loss="sparse_categorical_crossentropy", output_shape=(None, 1))
    check_outputs(model, index, "t")


def test_bench_needs_rows_of_one_shape(tmp_path, index, capsys):
    with pytest.raises(ShardError, match=r"arrays in memory.*rows of one shape.*'t'"):
        bench(index.directory, 2)
    assert main(["bench", str(index.directory)]) == 1
    assert "rows of one shape" in capsys.readouterr().err
    pack(EncodedImages("file"), tmp_path / "files")
    with pytest.raises(ValueError, match="are files of any size"):
        bench(tmp_path / "files", 2)
    assert main(["bench", str(tmp_path / "files")]) == 1
    assert "are files of any size" in capsys.readouterr().err


def test_info_has_the_average_bytes_of_a_row(tmp_path, index, capsys):
    assert main(["info", str(index.directory)]) == 0
    # Rows of 0 to 4 numbers of 4 bytes in the first shard.
    assert "'t': int32 (rows, any), about 8 B per row" in capsys.readouterr().out
    index = pack(EncodedImages("jpeg"), tmp_path / "images")
    assert main(["info", str(tmp_path / "images")]) == 0
    assert "stored as jpeg, about " in (out := capsys.readouterr().out)
    assert "B per row, decoded 432 B" in out
    index.path(0).unlink()
    assert main(["info", str(tmp_path / "images")]) == 0
    assert "any number of bytes per row" in capsys.readouterr().out


@pytest.mark.slow
def test_a_file_is_compared_with_the_index_when_it_is_opened(tmp_path):
    pack(RaggedNumbers(), tmp_path / "a", shard_samples=10)
    index = ShardIndex.load(tmp_path / "a")
    files = OpenFiles(index, {"t": index.fields["t"]}, False)
    files._compare(0, str(index.path(0)))
    index.row_offsets["t"][0] += 8
    with pytest.raises(ShardError, match="values and offsets at bytes"):
        files._compare(0, str(index.path(0)))


def test_rows_of_any_length_next_to_predictions(index):
    pandas = pytest.importorskip("pandas")
    columns = Shards(index).columns(("t", "y"))
    result = PredictedRows(columns, np.zeros((9, 1)))
    table = result.to_pandas()
    assert isinstance(table, pandas.DataFrame)
    assert [row.tolist() for row in table["t"][:3]] == [[], [1], [2, 3]]
    assert "t" in result._repr_html_()


def test_representations_of_rows_of_any_size(tmp_path, index):
    assert "int32 (rows, any)" in index._repr_html_()
    assert "varies" in index.fields["t"]._repr_html_()
    index = pack(EncodedImages("jpeg"), tmp_path / "images")
    assert "stored as jpeg" in index._repr_html_()
    field = pack(RaggedNumbers(padding=-1), tmp_path / "t").fields["t"]
    assert "padded with -1" in repr(field)
    assert "-1" in field._repr_html_()
    sequence = ShardSequence(tmp_path / "images", 4)
    assert "stored as jpeg" in sequence._repr_html_()
