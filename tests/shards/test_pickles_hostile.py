"""Pickles that would run code when they are loaded are refused and run nothing."""

from __future__ import annotations

import itertools
import os
import pickle
import subprocess

import numpy as np
import pytest

from keras_bigdata.shards.pickles import find_arrays
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
@pytest.mark.parametrize("each", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_every_other_name_is_refused(tmp_path, full, each):
    """Each way to name it with one use of it, and each use with one way; all pairs are slow."""
    module, _, attribute = full.rpartition(".")
    on_stack = b"\x80\x04" + text(module) + text(attribute) + b"\x93"
    inst = b"(" + text("x") + f"i{module}\n{attribute}\n".encode()
    split = full.split(".", 1)
    heads = (
        name(module, attribute),
        on_stack,
        text(split[0]) + text(split[1]) + b"\x93",
        inst,
    )
    tails = (b".", b")R.", text("x") + b"\x85R.", b")\x81.", b"}b.", b")}\x92.")
    for head, tail in itertools.product(heads, tails):
        if each or head == heads[0] or tail == tails[1]:
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
