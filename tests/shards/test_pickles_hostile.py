"""Pickles that would run code when they are loaded are refused and run nothing."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import pickle
import subprocess
import zipfile
import zlib

import numpy as np
import pytest

from keras_bigdata import CorruptShardError, ShardError
from keras_bigdata.shards.pickles import find_arrays, read_fields
from tests.helpers.pickle_bytes import (
    DTYPE,
    EMPTY,
    FROMBUFFER,
    I4,
    NDARRAY,
    ONE,
    RECONSTRUCT,
    SCALAR,
    array,
    assert_refused,
    call,
    dic,
    dtype,
    lst,
    name,
    nothing_runs,
    num,
    raw,
    text,
    tup,
    write,
)


class Payload:
    """An object whose pickle calls a function when it is loaded."""

    def __init__(self, *reduced):
        self.reduced = reduced

    def __reduce__(self):
        return self.reduced


class Slotted:
    """An object that is pickled as NEWOBJ, or NEWOBJ_EX with keywords, and BUILD with a state."""

    def __new__(cls, *_args, **_keywords):
        return object.__new__(cls)

    def __getnewargs_ex__(self):
        return (1,), {"a": 2}

    def __setstate__(self, state):
        raise AssertionError("a state was set")


def payloads(marker):
    touch = f"touch {marker}"
    code = f"open({str(marker)!r}, 'w').close()"
    system = Payload(os.system, (touch,))
    return {
        "system": system,
        "eval": Payload(eval, (code,)),
        "exec": Payload(exec, (code,)),
        "Popen": Payload(subprocess.Popen, (["touch", str(marker)],)),
        "nested in arguments": Payload(np.array, (system,)),
        "getattr": Payload(getattr, (system, "real")),
        "in a list": [1, [2, (system,)]],
        "as a key": {Payload(eval, (f"{code} or 5",)): 1},
        "new object": Slotted(),
        "object array": np.array([1, system], object),
        "load": Payload(np.load, (str(marker),)),
        "save": Payload(np.save, (str(marker), 1)),
    }


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("kind", payloads("x"))
def test_code_is_refused_and_does_not_run(tmp_path, kind, protocol):
    marker = tmp_path / "marker"
    path = tmp_path / "a.pkl"
    for content in (payloads(marker)[kind], {"a": np.arange(5), "b": payloads(marker)[kind]}):
        path.write_bytes(pickle.dumps(content, protocol))
        message = assert_refused(path)
        assert "byte" in message
        assert not marker.exists()
    if kind == "exec":
        # The payload works: with trust it is run.
        find_arrays(path, trust=True)
        assert marker.exists()


@pytest.mark.parametrize(
    "full",
    [
        "os.system",
        "posix.system",
        "nt.system",
        "builtins.eval",
        "builtins.exec",
        "__builtin__.eval",
        "__builtin__.apply",
        "builtins.getattr",
        "builtins.object",
        "builtins.__import__",
        "builtins.open",
        "subprocess.Popen",
        "importlib.import_module",
        "copyreg._reconstructor",
        "copy_reg._reconstructor",
        "operator.attrgetter",
        "functools.partial",
        "pickle.loads",
        "_codecs.decode",
        "_codecs.lookup",
        "codecs.open",
        "numpy.load",
        "numpy.save",
        "numpy.fromfile",
        "numpy.loadtxt",
        "numpy.genfromtxt",
        "numpy.matrix",
        "numpy.frombuffer",
        "numpy.ndarray.tofile",
        "numpy.dtype.type",
        "numpy.vectorize",
        "numpy.ctypeslib.load_library",
        "numpy.ctypeslib",
        "numpy.f2py.compile",
        "numpy.distutils.exec_command",
        "numpy.lib.npyio.load",
        "numpy.testing._private.utils.runstring",
        "numpy.core.multiarray.fromfile",
        "numpy.core.multiarray.frombuffer",
        "numpy._core.multiarray.fromfile",
        "numpy._core.numeric.load",
        "numpy.core.numeric._reconstruct",
        "numpy.ma.core._mareconstruct",
        "numpy.rec.recarray",
        "numpy._core.multiarray._reconstruct.__globals__",
        "collections.defaultdict",
        "collections.OrderedDict.__class__",
        "joblib.numpy_pickle.NumpyUnpickler",
        "torch._utils._rebuild_tensor_v2",
    ],
)
def test_every_other_name_is_refused(tmp_path, full):
    module, _, attribute = full.rpartition(".")
    on_stack = b"\x80\x04" + text(module) + text(attribute) + b"\x93"
    inst = b"(" + text("x") + f"i{module}\n{attribute}\n".encode()
    split = full.split(".", 1)
    for head in (
        name(module, attribute),
        on_stack,
        text(split[0]) + text(split[1]) + b"\x93",
        inst,
    ):
        for tail in (b".", b")R.", text("x") + b"\x85R.", b")\x81.", b"}b.", b")}\x92."):
            path = write(tmp_path / "a.pkl", head, tail)
            assert full in assert_refused(path)
    write(path, b"(", name(module, attribute), text("x"), b"o.")
    assert full in assert_refused(path)


ABUSES = {
    "an extension code": b"\x82\x01.",
    "a longer extension code": b"\x83\x01\0.",
    "the longest extension code": b"\x84\x01\0\0\0.",
    "a persistent id": b"Pfile\n.",
    "a persistent id on the stack": text("file") + b"Q.",
    "an out-of-band buffer": b"\x97.",
    "a read-only buffer": b"\x97\x98.",
    "an allowed name as a class": NDARRAY + tup(tup(num(3))) + b"\x81.",
    "an allowed name with keywords": DTYPE + b")}\x92.",
    "an allowed name in OBJ": b"(" + DTYPE + text("i4") + b"o.",
    "a call of ndarray": call(NDARRAY, tup(num(3))) + b".",
    "a call of a text": text("os.system") + b")R.",
    "a call of an array": ONE + b")R.",
    "arguments that are not a tuple": DTYPE + text("i4") + b"R.",
    "a state for a dict": b"}}b.",
    "a state for a list": b"]}b.",
    "a state for a number": num(1) + b"}b.",
    "a state for a name": NDARRAY + b"}b.",
    "a second state for an array": ONE
    + tup(num(1), tup(num(1)), I4, b"\x89", raw(bytes(4)))
    + b"b.",
    "a dict as the state of an array": EMPTY + b"}b.",
    "a state of two dicts": EMPTY + b"}}\x86b.",
    "a second state for a dtype": I4
    + tup(num(3), text(">"), b"NNN", num(-1), num(-1), num(0))
    + b"b.",
    "a dtype made of a dict": call(DTYPE, b"}", b"\x89", b"\x88") + b".",
    "a dtype made of a name": call(DTYPE, NDARRAY, b"\x89", b"\x88") + b".",
    "a dtype that is an expression": dtype("i4,O") + b".",
    "a dtype that is a class": dtype("numpy.memmap") + b".",
    "a dtype of unknown version": call(DTYPE, text("i4"), num(0), num(1))
    + tup(num(9), text("<"), b"NNN", num(-1), num(-1), num(0))
    + b"b.",
    "a subclass of ndarray": call(RECONSTRUCT, DTYPE, tup(num(0)), raw(b"b")) + b".",
    "an empty array of some size": call(RECONSTRUCT, NDARRAY, tup(num(10**9)), raw(b"b")) + b".",
    "a list as bytes": array(I4, tup(num(1)), lst(num(1))) + b".",
    "text as bytes": array(I4, tup(num(1)), text("abcd")) + b".",
    "a number as dtype": array(num(4), tup(num(1)), raw(bytes(4))) + b".",
    "a scalar of text": call(SCALAR, I4, text("abcd")) + b".",
    "a scalar of objects": call(SCALAR, dtype("O8", "|"), num(1)) + b".",
    "bytes of a number": call(name("builtins", "bytes"), num(10**9)) + b".",
    "bytearray of a number": call(name("builtins", "bytearray"), num(10**9)) + b".",
    "another codec": call(name("_codecs", "encode"), text("x"), text("rot13")) + b".",
    "set of a number": call(name("builtins", "set"), num(5)) + b".",
    "complex of text": call(name("builtins", "complex"), text("1" * 4000)) + b".",
    "OrderedDict of a number": call(name("collections", "OrderedDict"), num(5)) + b".",
    "frombuffer of text": call(FROMBUFFER, text("abcd"), I4, tup(num(1)), text("C")) + b".",
    "frombuffer of a name": call(FROMBUFFER, NDARRAY, I4, tup(num(1)), text("C")) + b".",
    "frombuffer in no order": call(FROMBUFFER, raw(bytes(4)), I4, tup(num(1)), text("Z")) + b".",
    "frombuffer of odd axes": call(
        FROMBUFFER, raw(bytes(4)), I4, tup(num(1)), text("K"), tup(num(5))
    )
    + b".",
    "a future protocol": b"\x80\xffN.",
}


@pytest.mark.parametrize("kind", ABUSES)
def test_abuses_are_refused(tmp_path, kind):
    path = write(tmp_path / "a.pkl", ABUSES[kind])
    assert_refused(path)
    # The same inside a field, after an array.
    write(path, dic(a=ONE, b=ABUSES[kind][:-1]), b".")
    assert_refused(path)


@pytest.mark.parametrize(
    "kind",
    [
        dtype("O8", "|"),
        dtype("O", "|"),
        dtype(
            "V12",
            "|",
            12,
            names=tup(text("a"), text("b")),
            fields=dic(a=tup(I4, num(0)), b=tup(dtype("O8", "|"), num(4))),
        ),
        dtype("V16", "|", 16, subarray=tup(dtype("O8", "|"), tup(num(2)))),
    ],
)
@pytest.mark.parametrize("around", [lambda array: array, lambda array: lst(array, array)])
def test_arrays_of_objects_are_refused_by_name(tmp_path, kind, around):
    value = around(array(kind, tup(num(1)), lst(num(1))))
    message = assert_refused(write(tmp_path / "a.pkl", dic(fine=ONE, names=value), b"."))
    assert "'names'" in message
    assert "array of objects" in message
    assert ".astype(str)" in message


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
