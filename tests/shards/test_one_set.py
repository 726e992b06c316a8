"""Files without an index that may not be the rows of one set are refused with what they may be."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from keras_bigdata import Arrays, ShardError, ShardSequence, pack, repair, verify
from keras_bigdata.files import natural_key
from keras_bigdata.shards.opening.open_shards import open_shards

X, Y = np.arange(48.0).reshape(12, 4), np.arange(12) % 3
IMAGE = np.zeros((8, 8, 3), np.uint8)


@pytest.fixture
def write(tmp_path):
    """`write({name: value})` returns a directory of pickles."""

    def write(values):
        for name, value in values.items():
            path = tmp_path / "set" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(pickle.dumps(value))
        return tmp_path / "set"

    return write


def refused(directory, **options):
    with pytest.raises(ShardError) as caught:
        open_shards(directory, **options)
    assert str(caught.value).startswith(str(directory))
    return str(caught.value)


# One array a file ---------------------------------------------------------------------------------


def test_x_and_y_in_two_files_are_not_shards_of_one_field(write):
    directory = write({"X.pickle": X, "y.pickle": Y})
    message = refused(directory)
    assert "X.pickle ('0' float64 (12, 4)) and y.pickle ('0' int64 (12,))" in message
    assert "write them as one dict into one file: pickle.dump({'X': ..., 'y': ...})" in message
    assert refused(directory, used=("0",)) == message
    assert "write them again alike" not in message


def test_noisy_and_clean_of_one_shape_are_not_mixed(write):
    directory = write({"noisy.pkl": X, "clean.pkl": X})
    message = refused(directory)
    assert "as fields of the same rows, such as inputs and targets; or as rows of one" in message
    assert message.endswith("If they are rows, pass layout='columns'.")
    files = [directory / "noisy.pkl", directory / "clean.pkl"]
    assert "pass layout='columns'" in refused_list(files)
    index = open_shards(files, layout="columns")
    assert (index.num_samples, [Path(name).name for name in index.names]) == (
        24,
        ["noisy.pkl", "clean.pkl"],
    )


def refused_list(files, **options):
    with pytest.raises(ShardError) as caught:
        open_shards(files, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    "names",
    [
        ["00001.pkl", "00002.pkl"],
        ["batch_2.pkl", "batch_10.pkl"],
        ["data_batch_1.p", "data_batch_2.p"],
        ["X-0-of-2.joblib", "x-1-of-2.joblib.gz"],
        ["a/1.pkl", "a/2.pkl"],
        ["2024-01-02.pkl", "2024-01-03.pkl"],
        ["3fa85f64-5717.pkl", "b3fc2c96-ab12.pkl"],
    ],
)
@pytest.mark.parametrize("value", [X, Y.tolist(), (X, Y), {"x": X, "y": Y}])
def test_numbered_files_are_one_set(write, names, value):
    values = {name.removesuffix(".gz"): value for name in names}
    assert open_shards(write(values)).num_samples == 24


@pytest.mark.parametrize(
    "names", [["X_1.pkl", "X_2.pkl", "y_1.pkl", "y_2.pkl"], ["X/1.pkl", "y/1.pkl"]]
)
def test_numbered_files_of_two_kinds_are_not_one_set(write, names):
    directory = write(dict.fromkeys(names, Y))
    assert "differ in more than a number" in refused(directory)
    assert open_shards(directory, layout="columns").num_samples == 12 * len(names)


def test_files_of_any_names_whose_arrays_are_named_are_one_set(write):
    for value in ({"x": X, "y": Y}, (X, Y)):
        assert open_shards(write({"cats.pkl": value, "dogs.pkl": value})).num_samples == 24


def test_fields_of_the_same_rows_in_several_files_are_refused(write):
    directory = write({"X.pkl": {"X": X}, "y.pkl": {"y": Y}})
    for used in ((), ("X", "y")):
        message = refused(directory, used=used)
        assert "X.pkl ('X' float64 (12, 4)) and y.pkl ('y' int64 (12,))" in message
        assert "write them as one dict" in message
    assert "there is no array 'X'" in refused_list([directory / "y.pkl"], used=("X",))


def test_a_file_without_arrays_is_described_by_what_it_holds(write):
    directory = write({"sets.pkl": {"train": {"x": X}, "test": {"x": X}}})
    message = refused_list([directory / "sets.pkl"], used=("x",))
    assert "The arrays in it: none; 'train' is a dict, not an array, 'test' is a dict" in message


# Training and test data ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "names",
    [
        ["train.pkl", "test.pkl"],
        ["data_batch_1.pkl", "data_batch_2.pkl", "test_batch.pkl"],
        ["train/0.pkl", "val/0.pkl"],
        ["trainData.pkl", "validData.pkl"],
        ["1.pkl", "2.pkl", "holdout.pkl"],
    ],
)
def test_training_and_test_data_in_one_directory_are_not_mixed(write, names):
    directory = write({name: {"x": X, "y": Y} for name in names})
    message = refused(directory)
    assert "named as different parts of the data" in message
    assert all(name in message for name in (names[0], names[-1]))
    files = [directory / name for name in names]
    assert open_shards(files).num_samples == 12 * len(names)
    assert open_shards(directory, layout="columns").num_samples == 12 * len(names)


@pytest.mark.parametrize(
    "names",
    [["train_1.pkl", "train_2.pkl"], ["test/1.pkl", "test/2.pkl"], ["contest.pkl", "latest.pkl"]],
)
def test_one_part_of_the_data_is_one_set(write, names):
    assert open_shards(write({name: {"x": X} for name in names})).num_samples == 24


# One sample a file --------------------------------------------------------------------------------

SAMPLES = {
    "an image": {"x": IMAGE},
    "an image without a name": IMAGE,
    "a gray image": {"x": np.zeros((28, 28))},
    "an image with channels first": {"x": np.zeros((3, 32, 32))},
    "a cube": {"x": np.zeros((16, 16, 16))},
    "an image that is not square": {"x": np.zeros((48, 64, 3))},
    "an image and its label": (IMAGE, 3),
    "tokens and a label": {"x": np.arange(9), "y": np.int64(3)},
    "tokens and a label in an array": {"x": np.arange(9), "y": np.array(3.5)},
    "tokens, their mask and a label": {"x": np.arange(9), "mask": np.ones(9), "y": True},
    "an image and its mask": {"x": IMAGE, "mask": np.zeros((8, 8))},
    "an image and its boxes": {"x": np.zeros((480, 640)), "boxes": np.zeros((3, 4))},
}


@pytest.mark.parametrize("kind", SAMPLES)
def test_one_sample_per_file_is_refused_with_both_readings(write, kind):
    value = SAMPLES[kind]
    directory = write({f"{number}.pkl": value for number in range(4)})
    message = refused(directory)
    array = next(iter(value.values())) if isinstance(value, dict) else np.asarray(value[0])
    array = value if isinstance(value, np.ndarray) else array
    shape = array.shape
    assert f"as one sample of shape {shape} per file, or as {shape[0]} rows of shape" in message
    assert "`pack` takes any object with len() whose [row]" in message
    assert message.endswith("If they are rows, pass layout='columns'.")
    name = "x" if isinstance(value, dict) else "0"
    with pytest.raises(ShardError, match="in two ways"):
        ShardSequence(directory, 4, inputs=name)
    sequence = ShardSequence(directory, 4, inputs=name, layout="columns")
    assert sequence.num_samples == 4 * shape[0]
    # One file alone holds rows.
    assert open_shards(directory / "0.pkl").num_samples == shape[0]


ROWS = {
    "x and y": {"x": np.zeros((100, 32)), "y": np.zeros(100)},
    "as many rows as columns": {"x": np.zeros((64, 64)), "y": np.zeros(64)},
    "signals": {"x": np.zeros((100, 128, 3)), "y": np.zeros(100)},
    "long signals": {"x": np.zeros((1000, 128, 3))},
    "images": {"x": np.zeros((10, 8, 8, 3))},
    "gray images": {"x": np.zeros((100, 28, 28))},
    "images and masks": {"x": np.zeros((8, 8, 8, 3)), "mask": np.zeros((8, 8, 8))},
    "frames and labels": {"x": np.zeros((4, 8, 8, 3)), "y": np.zeros(4)},
    "features": {"x": np.zeros((100, 32))},
    "texts and scores": {"x": np.zeros(9), "y": np.zeros(9)},
    "an epoch number": {"x": np.zeros((9, 4)), "y": np.zeros(9), "epoch": 3, "by": "me"},
    "x, y": (np.zeros((100, 128, 3)), np.zeros(100)),
}


@pytest.mark.parametrize("kind", ROWS)
def test_rows_are_read_without_a_word(write, kind):
    index = open_shards(write({f"{number}.pkl": ROWS[kind] for number in range(3)}))
    value = ROWS[kind]
    first = next(iter(value.values())) if isinstance(value, dict) else value[0]
    assert index.num_samples == 3 * len(first)


def test_packed_shards_whose_index_is_lost_hold_rows(write):
    assert (
        open_shards(write({f"shard-0000{k}.pkl": {"x": IMAGE} for k in (0, 1)})).num_samples == 16
    )


# Shards of packed sets ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def variants(tmp_path_factory):
    directory = tmp_path_factory.mktemp("variants")
    source = Arrays(x=X, labels=Y)
    pack(source, directory, variants=2, augment=lambda sample, rng: sample, workers=1)
    return directory


def test_variants_are_not_served_as_rows(variants, tmp_path):
    files = sorted(variants.glob("*.pkl"))
    message = refused_list(files)
    assert "shard-00000.pkl and shard-00000.v1.pkl can be read in two ways" in message
    assert open_shards(files[1:]).num_samples == 12
    assert open_shards(files, layout="columns").num_samples == 24
    bare = shutil.copytree(variants, tmp_path / "bare")
    (bare / "index.json").unlink()
    assert "`repair` creates a lost one" in refused(bare)
    (fault,) = verify(bare).faults
    assert "as variants of the same rows" in fault.found
    assert repair(bare, dry_run=False).index.num_samples == 12
    assert open_shards(bare).variants == 2


def test_packed_shards_with_other_classes_are_not_mixed(tmp_path):
    names = {"a": ["ant", "cat"], "b": ["cat", "dog"], "c": ["ant", "cat", "dog"]}
    for name, classes in names.items():
        pack(Arrays(x=X, labels=Y % 2, classes=classes), tmp_path / name, workers=1)
    a, b, c = (tmp_path / name / "shard-00000.pkl" for name in names)
    assert open_shards([a, c]).num_samples == 24
    message = refused_list([c, a, b])
    assert "class 0 is 'ant' in" in message
    assert "and [cat, dog]. Read as one set, these numbers would be mixed." in message
    with pytest.raises(ShardError, match="would be mixed"):
        ShardSequence([a, b], 4, inputs="x", targets="labels")
    assert ShardSequence([a, b], 4, inputs="x").num_samples == 24
    assert open_shards([a, b], layout="columns").num_samples == 24


# Order --------------------------------------------------------------------------------------------


def test_pickles_of_a_directory_are_in_natural_order_and_those_of_a_list_as_given(write):
    names = ["1.pkl", "2.pkl", "10.pkl", "a2/1.pkl", "a10/1.pkl"]
    directory = write({name: {"x": X + number} for number, name in enumerate(names)})
    assert open_shards(directory).names == names
    files = [directory / name for name in ("10.pkl", "2.pkl", "1.pkl")]
    assert [os.path.basename(name) for name in open_shards(files).names] == [
        "10.pkl",
        "2.pkl",
        "1.pkl",
    ]


def test_natural_order_of_equal_widths_is_that_of_texts():
    names = [f"batch_{number:05d}.pkl" for number in range(0, 30_000, 997)]
    assert sorted(names, key=natural_key) == sorted(names)
    assert sorted(["b1", "a-1", "a", "a01", "a1", "\u0661", "\u00b2"], key=natural_key) == [
        "a", "a01", "a1", "a-1", "b1", "\u00b2", "\u0661",
    ]  # fmt: skip


def test_another_layout_is_refused(write):
    with pytest.raises(ValueError, match="`layout` must be None or 'columns'"):
        open_shards(write({"1.pkl": X}), layout="rows")
