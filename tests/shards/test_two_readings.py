"""Pickles that can be read in two ways are refused with both, and all others are read as before."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import zlib

import joblib
import numpy as np
import pytest

from keras_bigdata import CorruptShardError, ShardError, ShardSequence
from keras_bigdata.shards.opening.open_shards import open_shards
from keras_bigdata.shards.pickles import find_arrays
from tests.helpers.pickle_bytes import dump, limited_memory, nothing_runs, write

X, Y = np.arange(48.0).reshape(12, 4), np.arange(12) % 3


def images(count=5, offset=0):
    return [np.full((8, 8), number + offset) for number in range(count)]


# Several objects in one file ----------------------------------------------------------------------


def dumped(count, protocol=5):
    parts = [{"x": X[k : k + 4], "y": Y[k : k + 4]} for k in range(0, 4 * count, 4)]
    return b"".join(pickle.dumps(part, protocol) for part in parts)


def by_joblib(count):
    file = io.BytesIO()
    for _ in range(count):
        joblib.dump({"x": X}, file)
    return file.getvalue()


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("compress", [bytes, gzip.compress, zlib.compress])
def test_several_pickles_in_one_file_are_not_read_as_the_first(tmp_path, protocol, compress):
    path = write(tmp_path / "three.pkl", compress(dumped(3, protocol)))
    with nothing_runs(path), pytest.raises(ShardError, match="the pickle ends at byte") as caught:
        find_arrays(path)
    assert "a file of its own" in str(caught.value)
    one = dumped(1, protocol)
    assert f"byte {len(one)}," in str(caught.value)
    assert list(find_arrays(write(path, compress(one))).fields) == ["x", "y"]


def test_several_members_of_gzip_and_several_dumps_of_joblib_are_refused(tmp_path):
    for data in (gzip.compress(dumped(1)) * 2, by_joblib(2), gzip.compress(by_joblib(2))):
        with pytest.raises(ShardError, match="more bytes follow"):
            find_arrays(write(tmp_path / "a.pkl", data))
    for data in (by_joblib(1), gzip.compress(by_joblib(1))):
        assert list(find_arrays(write(tmp_path / "a.pkl", data)).fields) == ["x"]


@pytest.mark.parametrize("module", [pickle, joblib])
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_a_second_object_is_found_in_a_trusted_file_too(tmp_path, module, compress):
    file = io.BytesIO()
    module.dump({"x": X, "odd": Odd()}, file)
    odd = file.getvalue()
    path = write(tmp_path / "a.pkl", compress(odd + dumped(1)))
    with pytest.raises(ShardError, match=f"ends at byte {len(odd)}, but more bytes follow"):
        find_arrays(path, trust=True)
    contents = find_arrays(write(path, compress(odd)), trust=True)
    assert np.array_equal(contents.fields["x"], X)


class Odd:
    """An object that only a trusted file may hold."""


def test_zeros_and_newlines_may_follow_a_pickle(tmp_path):
    for end in (b"\n", b"\0" * 10_000, b" \r\n"):
        for compress in (bytes, gzip.compress):
            path = write(tmp_path / "a.pkl", compress(dumped(1) + end))
            assert list(find_arrays(path).fields) == ["x", "y"]


@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress, bz2.compress, lzma.compress])
def test_bytes_after_the_compressed_data_are_not_dropped(tmp_path, compress):
    for rest in (dumped(1), b"\0" * 100 + dumped(1), b"x"):
        with pytest.raises(CorruptShardError, match="-compressed follow the compressed data"):
            find_arrays(write(tmp_path / "a.pkl", compress(dumped(1)) + rest))
    path = write(tmp_path / "a.pkl", compress(dumped(1)) + b"\0" * 100)
    assert list(find_arrays(path).fields) == ["x", "y"]


def test_a_long_compressed_rest_is_not_kept_in_memory(tmp_path):
    path = write(tmp_path / "a.pkl", gzip.compress(dumped(1) + b"x" * 10_000_000))
    with limited_memory(path), pytest.raises(ShardError, match="more bytes follow"):
        find_arrays(path)


# Lists and tuples ---------------------------------------------------------------------------------

TWO_READINGS = {
    "pairs of zip": (
        list(zip(images(), images(offset=100), strict=True)),
        "a list of 5 tuples of equal shape, which can be read in two ways: as 5 samples with the "
        "fields '0' and '1', as list(zip(images, masks)) makes them; or as the fields '0' to '4' "
        "of 2 rows each",
    ),
    "one pair": ([tuple(images(2))], "as 1 sample with the fields '0' and '1'"),
    "a tuple of tuples": (tuple(zip(images(), images(), strict=True)), "as 5 samples with"),
    "pairs of lists": ([([1, 2], [3, 4])] * 3, "as 3 samples with the fields '0' and '1'"),
    "pairs of numbers": ([(1, 2.5), (3, 4)], "as 2 samples with the fields '0' and '1'"),
    "images": (images(), "as 5 samples of shape (8, 8); or as the fields '0' to '4' of 8 rows"),
    "a tuple of many images": (tuple(images()), "as 5 samples of shape (8, 8)"),
    "rows": ([[1, 2, 3], [4, 5, 6.5]], "as 2 samples of shape (3,); or as the fields '0' and '1'"),
    "long rows": ([list(range(100))] * 70, "as 70 samples of shape (100,)"),
    "pairs in lists": ([images(2)] * 3, "as 3 samples of shape (2, 8, 8)"),
}


@pytest.mark.parametrize("kind", TWO_READINGS)
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_list_of_equal_parts_is_refused_with_both_readings(tmp_path, kind, protocol):
    value, readings = TWO_READINGS[kind]
    path = dump(tmp_path / "a.pkl", value, protocol)
    with pytest.raises(ShardError) as caught:
        open_shards(path)
    message = str(caught.value)
    assert readings in message
    assert message.startswith(f"{path}: the pickle holds a ")
    assert "If they are samples, write a dict" in message
    assert message.endswith("If they are fields, pass layout='columns'.")
    assert len(message) < 1000
    index = open_shards(path, layout="columns")
    assert list(index.fields) == [str(number) for number in range(len(value))]


def test_the_fields_are_read_as_before_if_layout_says_so(tmp_path):
    pairs = list(zip(images(), images(offset=100), strict=True))
    path = dump(tmp_path / "pairs.pkl", pairs, 5)
    with pytest.raises(ShardError, match="can be read in two ways"):
        ShardSequence(path, 4, inputs="0", targets="1")
    options = {"inputs": "0", "targets": "1", "shuffle": None, "layout": "columns"}
    (x, y), *rest = ShardSequence(path, 4, **options)
    assert not rest
    assert np.array_equal(x, np.array(pairs[0]))
    assert np.array_equal(y, np.array(pairs[1]))


def test_trusted_objects_are_compared_too(tmp_path):
    odd = {"odd": Odd()}
    pairs = [*zip(images(), images(), strict=True)]
    path = dump(tmp_path / "a.pkl", pairs, 5)
    assert find_arrays(path).two_readings is not None
    assert find_arrays(dump(path, [odd, *pairs], 5), trust=True).two_readings is None
    path = dump(path, [np.ones((1, 2)).view(np.recarray)] * 2, 5)
    with pytest.raises(ShardError, match=r"as 2 samples of shape \(1, 2\)"):
        open_shards(path, trust=True)


ONE_READING = {
    "x and y": (X, Y),
    "equal x and y": (X, X + 1),
    "x, y and weights of one shape": (Y, Y, Y),
    "lists of images and masks": (images(), images()),
    "x and y in a list": [X, Y],
    "x and y of one shape and two dtypes": [Y, Y.astype("f4")],
    "x alone": [X],
    "a row alone": [[1, 2, 3]],
    "rows and labels": [[[1, 2], [3, 4], [5, 6]], [0, 1, 0]],
    "numbers": [1, 2, 3],
    "texts": ["a", "b"],
    "an array": X,
    "a dict": {"x": X, "pairs": list(zip(images(12), images(12), strict=True))},
}


@pytest.mark.parametrize("kind", ONE_READING)
@pytest.mark.parametrize("protocol", [2, 5])
def test_all_other_containers_are_read_without_a_word(tmp_path, kind, protocol):
    path = dump(tmp_path / "a.pkl", ONE_READING[kind], protocol)
    assert find_arrays(path).two_readings is None
    assert len(open_shards(path)) == 1


def test_a_list_of_samples_that_cannot_be_fields_is_refused_as_one(tmp_path):
    path = tmp_path / "a.pkl"
    samples = [{"x": row, "y": 0} for row in X]
    with pytest.raises(ShardError, match=r"a list of 12 dicts\. If each is a sample, .*for key in"):
        find_arrays(dump(path, samples, 5))
    pairs = [(image, 3) for image in images()]
    with pytest.raises(ShardError, match=r"a list of 5 tuples\. If each is a sample, .*np\.stack"):
        find_arrays(dump(path, pairs, 5))
    mnist = ((X, Y), (X[:5], Y[:5]))
    with pytest.raises(ShardError, match=r"a tuple of 2 tuples.*write each into a file of its own"):
        find_arrays(dump(path, mnist, 5))


def test_more_items_than_fields_are_samples(tmp_path):
    path = dump(tmp_path / "a.pkl", [np.zeros(2)] * 10_001, 5)
    with pytest.raises(ShardError, match=r"a list of 10,001 items.*np\.stack"):
        find_arrays(path)
    dump(path, {f"{number}.png": [1] for number in range(10_001)}, 5)
    with pytest.raises(ShardError, match="a dict of 10,001 items"):
        find_arrays(path)
    assert len(find_arrays(dump(path, [0.5] * 20_000, 5)).fields["0"]) == 20_000


def test_a_file_of_another_program_is_still_named(tmp_path):
    old_torch = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19." + pickle.dumps({"x": 1})
    with pytest.raises(CorruptShardError, match=r"torch\.save"):
        find_arrays(write(tmp_path / "a.pkl", old_torch))
