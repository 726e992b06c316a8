"""pandas and Hugging Face `datasets` as sources of `pack`. `pip install datasets` takes 200 MB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from keras_bigdata import Arrays, PackError, Ragged, TextTable, capture, pack
from tests.fits_in.in_memory import ROWS, X, Y
from tests.helpers.packs import read_rows

NAMES = ["cat", "dog", "owl"]


@pytest.fixture
def datasets() -> Any:
    return pytest.importorskip("datasets", reason="pip install datasets (200 MB with pyarrow)")


def numbers(datasets: Any, label: str = "label", rows: int = ROWS) -> Any:
    features = datasets.Features(
        {
            "x": datasets.List(datasets.Value("float32")),
            label: datasets.ClassLabel(names=NAMES),
        }
    )
    columns = {"x": X[:rows].tolist(), label: Y[:rows].tolist()}
    return datasets.Dataset.from_dict(columns, features=features)


def test_columns_of_a_data_frame(tmp_path: Path):
    frame = pd.DataFrame(X, columns=list("abcd")).assign(label=Y)
    with pytest.raises(TypeError, match=r"Arrays\(x=frame\[columns\].to_numpy\(\), labels="):
        pack(frame, tmp_path / "refused")
    source = Arrays(x=frame[list("abcd")].to_numpy(), labels=frame["label"])
    rows = read_rows(pack(source, tmp_path / "out", shuffle=False, verbose=0))
    np.testing.assert_array_equal(rows["x"], X)
    np.testing.assert_array_equal(rows["labels"], Y)


@pytest.mark.parametrize("label", ["label", "labels"])
def test_a_dataset_keeps_types_classes_and_the_label_as_target(tmp_path: Path, datasets, label):
    index = pack(numbers(datasets, label), tmp_path / "out", shuffle=False, verbose=0)
    assert (index.roles.inputs, index.roles.targets) == ("x", label)
    assert index.classes_of(label) == NAMES
    assert index.fields["x"].dtype == np.float32  # Python numbers would be float64
    rows = read_rows(index)
    np.testing.assert_array_equal(rows["x"], X)
    np.testing.assert_array_equal(rows[label], Y)


def test_a_dataset_packed_again_is_recognized_and_another_is_refused(
    tmp_path: Path, datasets: Any, capsys: pytest.CaptureFixture[str]
):
    pack(numbers(datasets), tmp_path / "out", verbose=0)
    pack(numbers(datasets), tmp_path / "out", verbose=1)
    assert "packed already" in capsys.readouterr().err
    changed = numbers(datasets).map(lambda row: {"label": 2}, load_from_cache_file=False)
    with pytest.raises(Exception, match=r"source\.fingerprint was"):
        pack(changed, tmp_path / "out")


@pytest.mark.parametrize(("kind", "value"), [("bool", True), ("float32", 0.5), ("int32", 3)])
def test_missing_values_in_lists_of_a_dataset_are_refused(tmp_path: Path, datasets, kind, value):
    # They became False and NaN.
    features = datasets.Features({"x": datasets.List(datasets.Value(kind))})
    columns = {"x": [[value, value], [value, None]]}
    dataset = datasets.Dataset.from_dict(columns, features=features)
    with pytest.raises(PackError, match=r"row 1: field 'x' .*missing values \(None, NA\)"):
        pack(dataset, tmp_path / "out", verbose=0)


def test_two_columns_that_may_be_the_target(tmp_path: Path, datasets: Any):
    both = numbers(datasets).add_column("labels", Y.tolist())
    with pytest.raises(ValueError, match=r"a column 'label' and a column 'labels'"):
        pack(both, tmp_path / "out")


def test_images_of_a_dataset(tmp_path: Path, datasets: Any):
    images = np.arange(4 * 5 * 6 * 3, dtype=np.uint8).reshape(4, 5, 6, 3)
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=NAMES)}
    )
    columns = {"image": list(images), "label": [0, 1, 2, 0]}
    dataset = datasets.Dataset.from_dict(columns, features=features)
    rows = read_rows(pack(dataset, tmp_path / "out", shuffle=False, verbose=0))
    np.testing.assert_array_equal(rows["image"], images)


def test_texts_of_a_dataset_are_a_text_table(tmp_path: Path, datasets: Any):
    dataset = datasets.Dataset.from_dict({"text": ["a red cup", "tea"], "label": ["x", "y"]})
    with pytest.raises(TypeError, match=r"TextTable\(dataset, text=\.\.\., label=\.\.\.\)"):
        pack(dataset, tmp_path / "out")
    index = pack(TextTable(dataset, text="text", label="label"), tmp_path / "out", verbose=0)
    assert (index.num_samples, index.classes) == (2, ["x", "y"])
    # A table of pyarrow lists its columns in the same way.
    table = dataset.data.table
    assert TextTable(table, text="text", label="label").classes == ["x", "y"]


def test_what_is_not_one_dataset_names_what_to_pass(tmp_path: Path, datasets: Any):
    parts = datasets.DatasetDict({"train": numbers(datasets)})
    with pytest.raises(TypeError, match=r"one dataset of it, such as source\['train'\]"):
        pack(parts, tmp_path / "out")
    stream = numbers(datasets).to_iterable_dataset()
    with pytest.raises(TypeError, match=r"capture\(batches, directory\)"):
        pack(stream, tmp_path / "out")
    lists = datasets.Dataset.from_dict({"x": [[1, 2], [3]], "labels": [0, 1]})
    with pytest.raises(Exception, match=r"Arrays\(x=Ragged\.from_rows\(rows\)\)"):
        pack(lists, tmp_path / "ragged")
    source = Arrays(x=Ragged.from_rows(list(lists["x"])), labels=lists["labels"])
    assert pack(source, tmp_path / "rows", verbose=0).num_samples == 2


def test_batches_of_a_dataset_are_captured(tmp_path: Path, datasets: Any):
    batches = numbers(datasets).with_format("numpy").iter(batch_size=7)
    pairs = ((batch["x"], batch["label"]) for batch in batches)
    rows = read_rows(capture(pairs, tmp_path / "out", verbose=0))
    np.testing.assert_array_equal(rows["x"], X)
    np.testing.assert_array_equal(rows["y"], Y)
