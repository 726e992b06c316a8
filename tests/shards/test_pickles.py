"""Pickles of every protocol and kind of array are read as `pickle.load` reads them."""

from __future__ import annotations

import os
import pickle
import struct
import tempfile
from collections import OrderedDict
from pathlib import Path

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_bigdata import ShardError
from keras_bigdata.shards.pickles import StoredArray, find_arrays, read_array
from tests.helpers.pickle_bytes import (
    array,
    assert_same,
    assert_same_values,
    dic,
    dtype,
    dump,
    lst,
    nothing_runs,
    num,
    py2,
    tup,
    write,
)

PROTOCOLS = range(6)


def read_all(path):
    """Returns every field as an array."""
    with nothing_runs(path):
        contents = find_arrays(path)
    return {
        name: read_array(path, found) if isinstance(found, StoredArray) else found
        for name, found in contents.fields.items()
    }


# Round trips ------------------------------------------------------------------------------------

DTYPES = st.one_of(
    hnp.scalar_dtypes(),
    hnp.unicode_string_dtypes(max_len=4),
    hnp.byte_string_dtypes(max_len=4),
    hnp.array_dtypes(allow_subarrays=True, max_size=3),
    hnp.nested_dtypes(max_leaves=4),
    st.just(np.dtype([("a", "i1"), ("b", ">f8"), ("c", [("d", "f2", (2,))])], align=True)),
    st.just(
        np.dtype(
            {
                "names": ["a", "b"],
                "formats": ["i1", "<i4"],
                "offsets": [3, 8],
                "titles": ["first", "second"],
                "itemsize": 16,
            }
        )
    ),
).filter(lambda dtype: dtype.subdtype is None)


@st.composite
def arrays(draw):
    """Draws an array of any plain dtype, in any memory layout."""
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
    kind = draw(DTYPES)
    size = int(np.prod(shape)) * kind.itemsize
    data = draw(st.binary(min_size=size, max_size=size)) if size < 200 else os.urandom(size)
    result = np.frombuffer(data, kind).reshape(shape) if size else np.zeros(shape, kind)
    if result.dtype == bool:
        result = np.asarray(result.view(np.uint8) > 127)
    layout = draw(st.sampled_from(["C", "F", "transposed", "sliced", "permuted", "frozen"]))
    if layout in "CF":
        return result.copy(layout)
    if layout == "transposed":
        return result.copy().T
    if layout == "sliced" and result.ndim:
        return result[::2]
    if layout == "permuted":
        return result.copy().transpose(draw(st.permutations(range(result.ndim))))
    return result  # read-only


@pytest.mark.parametrize("examples", [40, pytest.param(300, marks=pytest.mark.slow)])
def test_arrays_come_back_as_they_were(examples):
    @settings(max_examples=examples, deadline=None)
    @given(arrays(), st.sampled_from(PROTOCOLS))
    def check(value, protocol):
        with tempfile.TemporaryDirectory() as directory:
            path = dump(Path(directory, "a.pkl"), {"a": value, "b": [1, 2]}, protocol)
            fields = read_all(path)
            assert_same(fields["a"], value)
            # pickle.load returns some arrays in the other byte order.
            assert_same_values(fields["a"], pickle.loads(path.read_bytes())["a"])
            assert fields["b"].tolist() == [1, 2]

    check()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_contiguous_arrays_are_not_read(tmp_path, protocol):
    value = np.arange(600, dtype=">i4").reshape(20, 30)
    path = dump(tmp_path / "a.pkl", {"c": value, "f": np.asfortranarray(value)}, protocol)
    found = find_arrays(path).fields
    if protocol < 3:  # Python 3 writes bytes as text there
        assert all(isinstance(each, np.ndarray) for each in found.values())
    else:
        assert isinstance(found["c"], StoredArray)
        assert (found["c"].order, found["f"].order) == ("C", "F")
        assert found["c"].nbytes == 2400
        stored = path.read_bytes()[found["c"].offset :][:2400]
        assert stored == value.tobytes()
    assert_same(read_all(path)["f"], value)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_numpy_1_names_are_known(tmp_path, protocol):
    value = {"a": np.arange(300), "b": np.zeros((0, 3), "f4"), "c": [np.float32(2.5)]}
    data = pickle.dumps(value, protocol)
    if protocol >= 4:
        data = data[:2] + data[11:]  # the frame, whose length changes
        data = data.replace(b"\x8c\x16numpy._core.multiarray", b"\x8c\x15numpy.core.multiarray")
        data = data.replace(b"\x8c\x13numpy._core.numeric", b"\x8c\x12numpy.core.numeric")
    path = write(tmp_path / "a.pkl", data.replace(b"numpy._core", b"numpy.core"))
    assert b"_core" not in path.read_bytes()
    fields = read_all(path)
    assert_same(fields["a"], value["a"])
    assert_same(fields["b"], value["b"])
    assert_same(fields["c"], np.array([2.5], "f4"))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_one_array_under_two_names(tmp_path, protocol):
    value = np.arange(1000.0)
    path = dump(tmp_path / "a.pkl", {"a": value, "b": value, "c": [value, value]}, protocol)
    contents = find_arrays(path)
    if protocol >= 3:
        assert contents.fields["a"] == contents.fields["b"]
    else:
        assert contents.fields["a"] is contents.fields["b"]
    assert_same(read_all(path)["c"], np.stack([value, value]))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_one_list_in_several_places(tmp_path, protocol):
    row, scalar = [1, 2], np.float32(1.5)
    value = {"a": [row, row, [3, 4]], "b": [[row] * 2] * 2, "c": row, "d": [scalar] * 3}
    fields = read_all(dump(tmp_path / "a.pkl", value, protocol))
    for name, expected in value.items():
        assert_same(fields[name], np.array(expected))


# Lists and other containers ---------------------------------------------------------------------

LISTS = {
    "ints": [3, -1, 2**40],
    "many": list(range(-500, 3000)),
    "floats": [0.5, float("inf")] * 600,
    "bools": [True, False] * 50,
    "mixed": [True, 2, 0.5],
    "complex": [1j, 2.5],
    "rows": [[1, 2], [3, 4], [5, 6]],
    "long rows": [list(range(100)), list(range(100, 200))],
    "tuples": ((1.0, 2.0), (3.0, 4.0)),
    "strings": ["café", "", "naïve \u20ac \U0001f600"],
    "long strings": ["x" * 5000, "y"],
    "rows of strings": [["a", "bc"], ["d", "e"]],
    "byte strings": [b"ab", b"\xff\xfe", b""],
    "scalars": [np.float32(1.5), np.float32(2.5)],
    "strings of numpy": [np.str_("a"), np.str_("b")],
    "dates": [np.datetime64("2024-02-29"), np.datetime64("NaT", "D")],
    "arrays": [np.ones((2, 3), "f4"), np.asfortranarray(np.zeros((2, 3), "f4"))],
    "numbers and scalars": [1, np.float64(2)],
    "big-endian": [np.arange(3, dtype=">i2")] * 2,
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_lists_become_arrays(tmp_path, protocol):
    path = dump(tmp_path / "a.pkl", LISTS, protocol)
    fields = read_all(path)
    assert list(fields) == list(LISTS)
    for name, value in LISTS.items():
        expected = np.stack(value) if name == "big-endian" else np.array(value)
        assert fields[name].dtype.newbyteorder("=") == expected.dtype.newbyteorder("=")
        np.testing.assert_array_equal(fields[name], expected)
    # Decoded arrays are writable, as those that are read from the file.
    assert all(field.flags.writeable for field in fields.values())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_skipped_fields_have_a_reason(tmp_path, protocol):
    value = {
        "kept": [1],
        "text": "training batch 1",
        "number": 5,
        "huge": 10**3000,
        "none": None,
        "nested": {"a": np.arange(3)},
        "set": {1, 2},
        "frozen set": frozenset([1]),
        "bytes": b"ab",
        "buffer": bytearray(b"ab"),
        "ragged": [[1, 2], [3]],
        "empty": [],
        "mixed": [1, "a"],
        "nothing": [1, None],
        "too big": [2**70],
        "ends in null": ["a\0"],
        "ordered": OrderedDict(a=1),
        "unsigned and signed": [np.uint64(1), np.int64(-1)],
        ("a", 1): [1, 2],
    }
    contents = find_arrays(dump(tmp_path / "a.pkl", value, protocol))
    assert list(contents.fields) == ["kept"]
    reasons = contents.skipped_fields
    assert reasons.keys() == {*value, "(a tuple)"} - {"kept", ("a", 1)}
    assert "text" in reasons["text"]
    assert "ragged" in reasons["ragged"]
    assert "64 bits" in reasons["too big"]
    assert "empty" in reasons["empty"]
    assert "a dict" in reasons["nested"]
    assert "null" in reasons["ends in null"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("value", "names"),
    [
        ((np.ones(2), "text", [1, 2]), ["0", "2"]),
        ([np.ones(2), np.zeros(3)], ["0", "1"]),
        (np.ones((2, 2)), ["0"]),
        ([1, 2, 3], ["0"]),
        (tuple(range(2000)), ["0"]),
        (["a", "b"], ["0"]),
        ([[1, 2], [3, 4]], ["0", "1"]),
        ({b"data": np.ones(2), 7: [1]}, ["data", "7"]),
        (OrderedDict(b=[1], a=[2]), ["b", "a"]),
        ({}, []),
    ],
)
def test_names_of_fields(tmp_path, protocol, value, names):
    assert list(read_all(dump(tmp_path / "a.pkl", value, protocol))) == names


def test_one_name_for_two_keys_is_an_error(tmp_path):
    with pytest.raises(ShardError, match="name the field '1'"):
        find_arrays(dump(tmp_path / "a.pkl", {1: [1], "1": [2]}, 5))


@pytest.mark.parametrize("value", [None, 5, "text", b"bytes", {1, 2}])
def test_no_container_is_an_error(tmp_path, value):
    path = dump(tmp_path / "a.pkl", value, 5)
    with pytest.raises(ShardError, match=r"A dict of arrays was expected") as caught:
        find_arrays(path)
    assert str(path) in str(caught.value)


# Python 2 ---------------------------------------------------------------------------------------


def test_a_cifar_batch_of_python_2(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 3072), dtype=np.uint8)
    u1 = dtype("u1", "|", python2=True)
    batch = b"".join(
        [
            b"\x80\x02}q\x01(",
            py2(b"data") + array(u1, tup(num(20), num(3072)), py2(pixels.tobytes())),
            py2(b"labels") + lst(*[num(i % 10) for i in range(20)]),
            py2(b"filenames") + lst(*[py2(b"caf\xe9_%d.png" % i) for i in range(20)]),
            py2(b"batch_label") + py2(b"training batch 1 of 5"),
            b"u.",
        ]
    )
    path = write(tmp_path / "data_batch_1", batch)
    contents = find_arrays(path)
    assert isinstance(contents.fields["data"], StoredArray)
    fields = read_all(path)
    assert_same(fields["data"], pixels)
    assert_same(fields["labels"], np.arange(20) % 10)
    assert_same(fields["filenames"], np.array([f"caf\xe9_{i}.png" for i in range(20)]))
    assert list(contents.skipped_fields) == ["batch_label"]
    loaded = pickle.loads(batch, encoding="latin1")
    assert_same(fields["data"], loaded["data"])


def test_quoted_strings_of_protocol_0(tmp_path):
    """Python 2 wrote an array's bytes as a quoted string with escapes."""
    data = bytes(range(256)) * 20
    quoted = b"S" + repr(data)[1:].encode() + b"\n"
    small = b"S'it\\'s \\x41\\\\\\n'\n"
    content = dic(
        a=array(dtype("u1", "|"), tup(num(len(data))), quoted, fortran=b"I00\n"),
        b=lst(small, b'S"say"\n'),
        c=lst(b"I5\n", b"L-12345678901L\n"),
        d=lst(b"F1.5\n", b"F-inf\n"),
        e=lst(b"I01\n", b"I00\n"),
        f=lst(b"Va\\u20ac\\u005c\n"),
    )
    fields = read_all(write(tmp_path / "a.pkl", content, b"."))
    assert fields["a"].tobytes() == data
    assert fields["b"].tolist() == ["it's A\\\n", "say"]
    assert fields["c"].tolist() == [5, -12345678901]
    assert fields["d"].tolist() == [1.5, float("-inf")]
    assert_same(fields["e"], np.array([True, False]))
    assert fields["f"].tolist() == ["a\u20ac\\"]


def test_datetimes_of_numpy_1(tmp_path):
    """NumPy 1 wrote an empty dict where NumPy 2 writes None."""
    unit = tup(b"}", tup(b"C\x02ns", num(1), num(1), num(1)))
    state = tup(num(4), b"U\x01<", b"NNN", num(-1), num(-1), num(0), unit)
    kind = b"cnumpy\ndtype\n(U\x02M8K\0K\1tR" + state + b"b"
    data = b"C\x08" + struct.pack("<q", 5)
    path = write(tmp_path / "a.pkl", dic(a=array(kind, tup(num(1)), data)), b".")
    assert_same(read_all(path)["a"], np.array([5], "M8[ns]"))
