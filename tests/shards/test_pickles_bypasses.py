"""Ways around scanners of pickles are refused and run nothing."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import zipfile
import zlib

import numpy as np
import pytest

from keras_bigdata import CorruptShardError, ShardError
from keras_bigdata.shards.pickles import find_arrays, read_fields
from tests.helpers.pickle_bytes import (
    EMPTY,
    NDARRAY,
    ONE,
    RECONSTRUCT,
    array,
    assert_refused,
    call,
    lst,
    name,
    nothing_runs,
    num,
    raw,
    text,
    tup,
    write,
)

# Ways around scanners -----------------------------------------------------------------------------

SYSTEM = name("os", "system")
RUN = SYSTEM + text("touch marker") + b"\x85R"


def short(value):
    return b"\x8c" + bytes([len(value)]) + value.encode()


def in_a_zip(data):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", data)
    return file.getvalue()


# Pickles whose payload pickle.load would run, and a part of the message of the refusal.
BYPASSES = {
    "names that were memoized by number": (
        text("os") + b"q\0" + text("system") + b"q\1" + b"00"
        + short("numpy.core.multiarray") + b"\x94" + short("_reconstruct") + b"\x94" + b"00"
        + b"h\0h\1\x93" + text("x") + b"\x85R.",
        "os.system",
    ),
    "a memo entry that is written again": (
        text("numpy") + b"q\0" + b"0" + text("os") + b"q\x000h\0" + text("system") + b"\x93.",
        "os.system",
    ),
    "names between other values": (
        text("os") + b"N0" + text("system") + b"]0" + b"\x93.", "os.system",
    ),
    "names that were doubled": (text("os") + b"2\x93.", "os.os"),
    "names out of text escapes": (
        b"Vo\\u0073\nVsyste\\u006d\n\x93.", "os.system",
    ),
    "a name of Python 2's strings": (b"S'\\x6f\\x73'\nU\6system\x93.", "os.system"),
    "names in a line with a carriage return": (b"cos\r\nsystem\n.", "os"),
    "INST": (b"(S'touch marker'\nios\nsystem\n.", "os.system"),
    "OBJ": (b"(" + SYSTEM + text("touch marker") + b"o.", "os.system"),
    "a dotted name": (short("numpy") + short("f2py.crackfortran.getlincoef") + b"\x93.", "f2py"),
    "a dotted name that begins well": (
        short("numpy.core.multiarray") + short("_reconstruct.__globals__") + b"\x93.",
        "_reconstruct.__globals__",
    ),
    "a dotted name into another module": (
        short("collections") + short("_sys.modules") + b"\x93.", "_sys.modules",
    ),
    "a chain of getattr": (
        name("builtins", "getattr") + name("builtins", "__import__") + text("os") + b"\x85R"
        + text("system") + b"\x86R.",
        "builtins.getattr",
    ),
    "resolve_name": (name("pkgutil", "resolve_name") + text("os:system") + b"\x85R.", "pkgutil"),
    "methodcaller": (
        name("operator", "methodcaller") + text("system") + b"\x85R.", "operator.methodcaller",
    ),
    "pip": (name("pip", "main") + b"]\x85R.", "pip.main"),
    "loads of loads": (
        name("_pickle", "loads") + raw(b"cos\nsystem\n.") + b"\x85R.", "_pickle.loads",
    ),
    "a payload whose value is dropped": (RUN + b"0" + lst(num(1)) + b".", "os.system"),
    "a payload under a mark that is dropped": (
        b"(" + RUN + b"1" + lst(num(1)) + b".", "os.system",
    ),
    "a payload before an unknown opcode": (RUN + b"\xff\xfe\xfd", "os.system"),
    "a payload before the end of the file": (RUN, "os.system"),
    "a payload before a length past the end": (RUN + b"B\xff\xff\xff\xff", "os.system"),
    "a payload before a stack that is empty": (RUN + b"000", "os.system"),
    "a payload before another protocol": (RUN + b"\x80\xff.", "os.system"),
    "a payload in the middle of a frame that lies": (
        b"\x80\x04\x95\x02" + bytes(7) + b"N0" + RUN + b".", "os.system",
    ),
    "a name across two frames": (
        b"\x80\x04\x95\x04" + bytes(7) + short("os") + b"\x95\x0a" + bytes(7) + short("system")
        + b"\x93.",
        "os.system",
    ),
    "a payload in a key": (b"}" + RUN + b"Ns.", "os.system"),
    "a payload in a set": (b"\x8f(" + RUN + b"\x90.", "os.system"),
    "a payload in the state of an array": (EMPTY + RUN + b"b.", "os.system"),
    "a payload in the dtype of an array": (array(RUN, tup(num(1)), raw(bytes(4))) + b".", "os"),
    "a payload behind an array": (ONE + RUN + b"\x86.", "os.system"),
    "an array's own setter": (name("numpy", "ndarray.__setstate__") + b".", "__setstate__"),
    "attributes of an allowed function": (
        RECONSTRUCT + b"N}" + text("a") + text("os") + b"s\x86b.", "sets the state",
    ),
    "the attributes of a dict": (
        call(name("collections", "OrderedDict")) + b"}" + text("__class__") + NDARRAY + b"sb.",
        "sets the state",
    ),
    "a class with keywords": (NDARRAY + b")}" + text("shape") + num(9) + b"s\x92.", "class"),
    "an extension code": (b"\x82\x01.", "extension registry"),
    "an extension code of four bytes": (b"\x84\xff\xff\xff\x7f.", "extension registry"),
    "a persistent id": (b"Pos.system\n.", "persistent id"),
    "a persistent id of anything": (tup(text("storage"), SYSTEM) + b"Q.", "os.system"),
    "a buffer from outside": (b"\x80\x05\x97.", "kept outside the file"),
    "a codec that decodes a bomb": (
        call(name("_codecs", "decode"), raw(b"x"), text("zlib")) + b".", "_codecs.decode",
    ),
    "a codec that encodes": (
        call(name("_codecs", "encode"), raw(b"x"), text("zip")) + b".", "calls _codecs.encode",
    ),
    "a name that looks the same": (name("numpy", "ndarra\u0443") + b".", "numpy.ndarra"),
    "a module of Python 2": (name("commands", "getoutput") + b".", "commands.getoutput"),
    "a subclass of joblib's wrapper": (
        name("joblib.numpy_pickle", "NumpyArrayWrapper.read") + b".", "NumpyArrayWrapper.read",
    ),
    "a separate file of joblib": (
        name("joblib.numpy_pickle", "NDArrayWrapper") + b")\x81}" + text("filename")
        + text("/etc/passwd") + b"sb.",
        "joblib.numpy_pickle.NDArrayWrapper",
    ),
    "a zipped file of joblib": (
        name("joblib.numpy_pickle_compat", "ZNDArrayWrapper") + b")\x81.", "ZNDArrayWrapper",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", BYPASSES)
@pytest.mark.parametrize("protocol", [b"", b"\x80\x05"])
def test_ways_around_scanners_are_refused(tmp_path, kind, protocol):
    data, words = BYPASSES[kind]
    path = write(tmp_path / "a.pkl", protocol, data)
    assert words in assert_refused(path)
    # The same compressed, in one stream or in two.
    for packed in (
        zlib.compress(protocol + data),
        gzip.compress(protocol) + gzip.compress(data),
        lzma.compress(protocol + data),
        bz2.compress(protocol + data),
    ):
        assert words in assert_refused(write(path, packed), extra=80 << 20)


def test_nothing_nested_in_a_file_is_unpacked(tmp_path):
    """Bytes stay bytes: neither a zip nor a pickle in a field is unpacked."""
    inner = [in_a_zip(RUN + b"."), RUN + b".", gzip.compress(RUN + b".")]
    content = {"x": np.arange(3), **{f"b{number}": data for number, data in enumerate(inner)}}
    path = write(tmp_path / "a.pkl", pickle.dumps(content))
    with nothing_runs(path):
        found = find_arrays(path)
    assert list(found.fields) == ["x"]
    assert found.skipped_fields == dict.fromkeys(("b0", "b1", "b2"), "bytes, not an array")
    assert "looks like a zip" in assert_refused(write(path, inner[0]), CorruptShardError)
    assert "compressed twice" in assert_refused(
        write(path, gzip.compress(inner[2])), CorruptShardError
    )
    # A second pickle in the file is not parsed.
    write(path, pickle.dumps({"x": [1]}), RUN, b".")
    assert "more bytes follow" in assert_refused(path, ShardError)


def test_a_wrapper_of_joblib_opens_no_other_file(tmp_path):
    """Its subclass and its permission to map memory are ignored; its file name is not used."""
    np.save(tmp_path / "secret.npy", np.arange(5))
    state = {
        "subclass": np.memmap, "shape": (2,), "order": "C", "dtype": np.dtype("u1"),
        "allow_mmap": True, "filename": str(tmp_path / "secret.npy"), "mmap_mode": "r+",
    }  # fmt: skip
    file = io.BytesIO()
    pickle._Pickler(file, 2).dump(state)
    wrapper = b"\x80\x02" + name("joblib.numpy_pickle", "NumpyArrayWrapper") + b")\x81"
    path = write(tmp_path / "a.pkl", wrapper, file.getvalue()[2:-1], b"b\7\x08.")
    with nothing_runs(path):
        assert read_fields(path, ["0"])["0"].tolist() == [7, 8]
    assert np.load(tmp_path / "secret.npy").tolist() == [0, 1, 2, 3, 4]
