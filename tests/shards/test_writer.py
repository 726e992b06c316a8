"""Writing shards: their bytes, their index, and what is refused."""

from __future__ import annotations

import pickle
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from keras_bigdata import ShardError, ShardIndex, ShardWriter
from keras_bigdata.shards.fields.class_numbers import MAX_COUNTED_CLASSES
from keras_bigdata.shards.fields.roles import Roles
from keras_bigdata.shards.opening.open_shards import open_shards
from keras_bigdata.shards.pickles import find_arrays, read_array
from keras_bigdata.shards.reading.class_counts import add_counts, count_classes
from keras_bigdata.shards.writing.shard_file import write_shard


def make_arrays(rows: int = 5, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "images": rng.integers(0, 256, (rows, 4, 6, 3), dtype=np.uint8),
        "texts": rng.integers(0, 9, (rows, 3)).astype(np.int32),
        "labels": rng.integers(0, 3, rows).astype(np.int32),
    }


def test_a_shard_is_an_ordinary_pickle(tmp_path: Path):
    arrays = make_arrays()
    info = write_shard(tmp_path, "a.pkl", arrays)
    # Read in a process that does not import the package.
    code = "import pickle, sys; print(pickle.load(open(sys.argv[1], 'rb'))['labels'].tolist())"
    printed = subprocess.run(
        [sys.executable, "-I", "-c", code, tmp_path / "a.pkl"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert printed.strip() == str(arrays["labels"].tolist())
    loaded = pickle.loads((tmp_path / "a.pkl").read_bytes())
    assert list(loaded) == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(loaded[name], array, strict=True)
        assert loaded[name].flags.writeable
    assert info.samples == 5


def test_offsets_size_and_checksum_are_those_of_the_file(tmp_path: Path):
    arrays = make_arrays(50)
    info = write_shard(tmp_path, "a.pkl", arrays)
    content = (tmp_path / "a.pkl").read_bytes()
    assert (info.bytes, info.checksum) == (len(content), zlib.crc32(content))
    for name, array in arrays.items():
        start = info.offsets[name]
        assert content[start : start + array.nbytes] == array.tobytes()


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12, dtype=">i4").reshape(3, 4),
        np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        np.arange(24).reshape(3, 8)[:, ::2],
        np.arange(3).astype("M8[s]"),
        np.array(["a", "bb", "c"]),
        np.zeros(3, [("x", "<f4"), ("y", "<i2", (2,))]),
        np.array([True, False, True]),
        np.ones((3, 2), np.float16),
        np.zeros((3, 0)),
        np.broadcast_to(np.arange(3.0)[:, None], (3, 4)),
    ],
    ids=str,
)
def test_any_plain_array_is_stored_native_and_contiguous(tmp_path: Path, array: np.ndarray):
    write_shard(tmp_path, "a.pkl", {"x": array})
    loaded = pickle.loads((tmp_path / "a.pkl").read_bytes())["x"]
    np.testing.assert_array_equal(loaded, array)
    assert loaded.dtype == array.dtype.newbyteorder("=")
    assert loaded.flags.c_contiguous
    assert loaded.flags.writeable
    stored = find_arrays(tmp_path / "a.pkl").fields["x"]
    np.testing.assert_array_equal(read_array(tmp_path / "a.pkl", stored), array)


def test_memory_maps_are_stored_as_plain_arrays(tmp_path: Path):
    np.save(tmp_path / "x.npy", np.arange(12).reshape(3, 4))
    write_shard(tmp_path, "a.pkl", {"x": np.load(tmp_path / "x.npy", mmap_mode="r")})
    assert type(pickle.loads((tmp_path / "a.pkl").read_bytes())["x"]) is np.ndarray


def test_equal_arrays_give_equal_bytes_whatever_their_dtype_objects(tmp_path: Path):
    def structured() -> np.ndarray:
        return np.ones(4, np.dtype([("x", "f4"), ("y", "i2")]))

    one = structured()
    write_shard(tmp_path, "one.pkl", {"a": one, "b": one.copy()})
    write_shard(tmp_path, "two.pkl", {"a": structured(), "b": structured()})
    assert (tmp_path / "one.pkl").read_bytes() == (tmp_path / "two.pkl").read_bytes()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": np.zeros(3), "b": np.zeros(2)}, r"number of rows: \{'a': 3, 'b': 2\}"),
        ({"a": np.zeros(0)}, "at least one row"),
        ({}, "dict of arrays"),
        ([np.zeros(3)], "dict of arrays. Received: list"),
        ({"a": np.float32(1)}, r"'a' with dtype float32, shape \(\)"),
        ({"a": np.array([[1], 2], dtype=object)}, "'a' with dtype object"),
        ({3: np.zeros(3)}, "Received: 3 with"),
    ],
)
def test_arrays_that_are_not_a_shard_are_refused(tmp_path: Path, arrays, message: str):
    with pytest.raises(ShardError, match=message):
        write_shard(tmp_path, "a.pkl", arrays)
    assert list(tmp_path.iterdir()) == []


def test_a_custom_loop(tmp_path: Path):
    with ShardWriter(
        tmp_path / "deep" / "set",
        inputs=("images", "texts"),
        targets="labels",
        classes=["a", "b", "c", "never"],
        vocabulary=["", "[UNK]", "cat"],
        provenance={"by": "hand"},
    ) as writer:
        batches = [make_arrays(rows, rows) for rows in (5, 7, 2)]
        infos = [writer.write(arrays) for arrays in batches]
        assert not (tmp_path / "deep" / "set" / "index.json").exists()
    index = ShardIndex.load(tmp_path / "deep" / "set")
    assert [index[shard] for shard in range(3)] == infos
    assert index.names == ["shard-00000.pkl", "shard-00001.pkl", "shard-00002.pkl"]
    assert index.num_samples == 14
    assert index.roles == Roles(("images", "texts"), "labels")
    labels = np.concatenate([arrays["labels"] for arrays in batches])
    assert index.class_counts == np.bincount(labels, minlength=4).tolist()
    assert index.classes == ["a", "b", "c", "never"]
    assert index.vocabulary == ["", "[UNK]", "cat"]
    assert index.provenance == {"by": "hand"}
    assert index.fields["images"].shape == (4, 6, 3)
    with pytest.raises(ValueError, match="closed"):
        writer.write(make_arrays())


def test_variants_are_written_side_by_side(tmp_path: Path):
    with ShardWriter(tmp_path, targets="labels") as writer:
        for rows in (3, 4):
            for variant in (0, 1):
                writer.write(make_arrays(rows, variant), variant=variant)
    index = ShardIndex.load(tmp_path)
    assert (index.variants, index.num_samples) == (2, 7)
    assert index.names[1] == "shard-00000.v1.pkl"
    assert sum(index.class_counts or ()) == 7


def test_variants_of_different_length_are_refused(tmp_path: Path):
    writer = ShardWriter(tmp_path)
    writer.write(make_arrays(3))
    writer.write(make_arrays(4), variant=1)
    with pytest.raises(ShardError, match=r"the same number of rows. Received: \[3, 4\]"):
        writer.close()


def test_no_index_after_an_exception_and_then_the_directory_is_refused(tmp_path: Path):
    def loop() -> None:
        with ShardWriter(tmp_path) as writer:
            writer.write(make_arrays())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        loop()
    assert {entry.name for entry in tmp_path.iterdir()} == {".writing", "shard-00000.pkl"}
    with pytest.raises(ShardError, match=r"must be empty, .* 2 entries: .*shard-00000\.pkl"):
        ShardWriter(tmp_path)
    with pytest.raises(ShardError, match="is not complete: a `ShardWriter` was stopped"):
        open_shards(tmp_path)


def test_a_directory_that_is_not_empty_is_refused_and_left_alone(tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ShardError, match=r"thesis\.txt"):
        ShardWriter(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_shards_that_differ_are_refused_by_name(tmp_path: Path):
    writer = ShardWriter(tmp_path)
    writer.write({"x": np.zeros((3, 4), np.float32)})
    for other in (np.zeros((3, 5), np.float32), np.zeros((3, 4))):
        with pytest.raises(ShardError, match=r"shard-00001\.pkl has 'x'.*shard-00000\.pkl has 'x'"):
            writer.write({"x": other})
    with pytest.raises(ShardError, match=r"shard-00001\.pkl has 'y'"):
        writer.write({"y": np.zeros((3, 4), np.float32)})
    writer.write({"x": np.zeros((9, 4), np.float32)})
    assert writer.close().num_samples == 12


def test_arrays_of_different_length_are_refused_by_name(tmp_path: Path):
    writer = ShardWriter(tmp_path)
    with pytest.raises(ShardError, match=r"shard-00000\.pkl: all fields .* \{'x': 3, 'y': 4\}"):
        writer.write({"x": np.zeros(3), "y": np.zeros(4)})


def test_roles_must_name_fields(tmp_path: Path):
    writer = ShardWriter(tmp_path, inputs="photos")
    with pytest.raises(ShardError, match=r"the roles name \['photos'\]"):
        writer.write(make_arrays())


def test_nothing_written_is_an_error(tmp_path: Path):
    with pytest.raises(ShardError, match="nothing was written"):
        ShardWriter(tmp_path).close()


def test_labels_beyond_the_classes_are_an_error(tmp_path: Path):
    writer = ShardWriter(tmp_path, targets="labels", classes=["a", "b"])
    with pytest.raises(ShardError, match="2 classes, but the largest label is 5"):
        writer.write({"labels": np.array([0, 1, 5])})


def test_what_the_index_cannot_hold_is_refused_before_anything_is_written(tmp_path: Path):
    with pytest.raises(TypeError, match="`provenance` must be plain JSON"):
        ShardWriter(tmp_path / "a", provenance={"rate": np.float32(1)})
    with ShardWriter(tmp_path / "b", targets="labels", classes=np.array([3, 4])) as writer:
        writer.write({"labels": np.array([0, 1])})
    assert ShardIndex.load(tmp_path / "b").classes == [3, 4]


@pytest.mark.parametrize(
    "options",
    [
        {"classes": "ab"},
        {"classes": {"labels": "ab"}},
        {"vocabulary": "ab"},
        {"vocabulary": b"ab"},
        {"vocabulary": ["a", 2]},
        {"vocabulary": {"a": ["b"]}},
    ],
)
def test_a_string_is_not_a_list_of_letters(tmp_path: Path, options):
    with pytest.raises(TypeError, match=f"`{next(iter(options))}` must be a list"):
        ShardWriter(tmp_path / "a", **options)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    "classes",
    [
        np.unique([4, 3, 3]),
        list(np.unique([4, 3])),
        np.array(["a", "b"]),
        list(np.array(["a", "b"])),
        np.array([True, False]),
        {"labels": np.array(["a", "b"]), "kind": list(np.unique([1, 2]))},
    ],
)
def test_classes_may_be_given_as_arrays_and_as_lists_of_their_scalars(tmp_path: Path, classes):
    with ShardWriter(tmp_path / "a", targets="labels", classes=classes) as writer:
        writer.write({"x": np.zeros(4), "labels": np.array([0, 1, 1, 0])})
    stored = ShardIndex.load(tmp_path / "a").classes
    plain = (
        {name: list(part) for name, part in classes.items()}
        if isinstance(classes, dict)
        else (list(classes))
    )
    assert stored == plain
    assert "np." not in repr(writer.classes)


def test_a_url_is_not_written_into_a_directory_of_its_name(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="`directory` is a URL in a path object"):
        ShardWriter(Path("s3://bucket/train"))
    with pytest.raises(ValueError, match="Two slashes follow the scheme"):
        ShardWriter("s3:/bucket/train")
    with ShardWriter("memory://writer/train") as writer:
        writer.write({"x": np.arange(3)})
    assert ShardIndex.load("memory://writer/train").num_samples == 3
    assert list(tmp_path.iterdir()) == []


def test_the_fields_are_those_of_the_first_shard_that_was_written(tmp_path: Path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    writer = ShardWriter(tmp_path, inputs="x")
    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        with pytest.raises(OSError, match="No space left"):
            writer.write({"x": np.zeros((2, 9), np.float64)})
    assert writer.fields == {}
    writer.write({"x": np.zeros((2, 3), np.float32)})
    with pytest.raises(ShardError, match=r"shard-00000\.pkl has 'x': float32 \(rows, 3\)"):
        writer.write({"x": np.zeros((2, 9), np.float64)})
    index = writer.close()
    assert index.fields["x"].shape == (3,)


def test_class_counts_are_of_class_numbers_only():
    roles = Roles(targets="y")
    assert count_classes({"y": np.array([2, 0, 2])}, roles) == [1, 0, 2]
    assert count_classes({"y": np.array([2.0, 0.0])}, roles) is None
    assert count_classes({"y": np.array([-1, 0])}, roles) is None
    assert count_classes({"y": np.array([MAX_COUNTED_CLASSES])}, roles) is None
    assert count_classes({"y": np.array([[1], [0]])}, roles) is None
    assert count_classes({"x": np.array([1])}, Roles(targets=("x", "x"))) is None
    assert add_counts([[1], [0, 2]], None) == [1, 2]
    assert add_counts([[1], None], None) is None


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    writer = ShardWriter(tmp_path)
    writer.write(make_arrays())
    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        with pytest.raises(OSError, match="No space left"):
            writer.write(make_arrays())
    assert {entry.name for entry in tmp_path.iterdir()} == {".writing", "shard-00000.pkl"}
    writer.write(make_arrays())
    assert writer.close().num_samples == 10
