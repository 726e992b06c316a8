"""The names that a pickle may use, and what each stands for.

Everything here is a description: no name is imported, and no array is made.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

from keras_bigdata.errors import UnsafePickleError
from keras_bigdata.shards.pickles import joblib_arrays
from keras_bigdata.shards.pickles.decode import check_length
from keras_bigdata.shards.pickles.dtypes import set_dtype_state
from keras_bigdata.shards.pickles.nodes import (
    LARGEST,
    ArrayNode,
    DType,
    Global,
    Opaque,
    Pairs,
    Payload,
    ScalarNode,
    as_text,
    describe,
    dimensions,
    show,
)
from keras_bigdata.shards.pickles.source import Source

Count = Callable[[int], None]


def allowed(source: Source, module: str, name: str, at: int) -> Global:
    """The description of a name; any name but the few known ones is refused."""
    found = _GLOBALS.get((module, name))
    if found is None:
        raise refused_name(source, module, name, at)
    return found


def refused_name(source: Source, module: str, name: str, at: int) -> UnsafePickleError:
    """The error for a name that would have to be imported, with what to do where that is known."""
    full = f"{module}.{name}".encode("ascii", "backslashreplace").decode()[:200]
    advice = next((text for start, text in _ADVICE if full.startswith(start)), None)
    what = f"refers to {full}, which loading would import and may run"
    return source.unsafe(f"{what}; {advice}" if advice else what, at)


def call(source: Source, count: Count, function: object, args: object, at: int) -> object:
    """What `function(*args)` stands for."""
    if not isinstance(function, Global) or type(args) is not tuple:
        raise source.unsafe(f"calls {describe(function)}", at)
    form = _FORMS.get(function.name)
    result = form(source, count, args) if form else None
    if result is None:
        if _MEMMAP in args:  # otherwise harmless: joblib names it where it writes an array
            raise refused_name(source, "numpy", "memmap", at)
        kinds = ", ".join(map(describe, args[:6]))
        raise source.unsafe(f"calls {function.name} with ({kinds}), which no array needs", at)
    return result


def set_state(source: Source, count: Count, target: object, state: object, at: int) -> object:
    """What stands in for the target after BUILD: a dtype or an array that is described further."""
    if isinstance(target, joblib_arrays.Wrapper):
        return joblib_arrays.array_of(source, target, state, at)
    if isinstance(target, DType) and not target.ready:
        set_dtype_state(source, count, target, state, at)
    elif isinstance(target, ArrayNode) and not target.ready:
        _set_array_state(source, target, state, at)
    else:
        raise source.unsafe(f"sets the state of {describe(target)}, which can run code", at)
    return target


def _describe_array(
    source: Source, node: ArrayNode, dtype: DType, shape: object, payload: Payload
) -> None:
    """Fills in an array, after its shape, dtype and bytes were seen to agree."""
    sizes = dimensions(shape)
    if sizes is None:
        raise source.corrupt(f"an array has the impossible shape {show(shape)}")
    if dtype.dtype is None or dtype.dtype.subdtype is not None:
        raise source.corrupt("an array has no plain dtype")
    itemsize = dtype.dtype.itemsize
    what = f"an array of shape {sizes} and {itemsize} bytes per element"
    if math.prod(size for size in sizes if size) * max(itemsize, 1) > LARGEST:
        raise source.corrupt(f"{what} is larger than any array")
    elements = math.prod(sizes)
    if elements and not itemsize:
        raise source.corrupt(f"{what} has no bytes to read")
    check_length(source, payload, elements * itemsize, what)
    node.dtype, node.shape, node.payload = dtype.dtype, sizes, payload
    node.ready = True


def _set_array_state(source: Source, node: ArrayNode, state: object, at: int) -> None:
    if type(state) is not tuple or len(state) != 5 or state[0] not in (0, 1):
        raise source.unsafe("gives an array a state of unknown form", at)
    _, shape, dtype, fortran, data = state
    if not isinstance(dtype, DType) or not dtype.ready:
        raise source.unsafe(f"gives an array {describe(dtype)} as its dtype", at)
    if dtype.objects:
        node.ready = True
        return
    if not isinstance(data, Payload) or data.kind == "text" or type(fortran) not in (bool, int):
        raise source.unsafe(f"gives an array {describe(data)} as its bytes", at)
    node.order = "F" if fortran else "C"
    _describe_array(source, node, dtype, shape, data)


# One function a name: what a call stands for, or None if the arguments are not NumPy's own.


def _reconstruct(source: Source, count: Count, args: tuple[Any, ...]) -> ArrayNode | None:
    if len(args) != 3 or args[0] is not _NDARRAY or dimensions(args[1]) != (0,):
        return None
    return ArrayNode()


def _from_buffer(source: Source, count: Count, args: tuple[Any, ...]) -> ArrayNode | None:
    if len(args) not in (4, 5):
        return None
    payload, dtype, shape, letter = args[:4]
    axes = args[4] if len(args) == 5 else None
    order = as_text(letter)
    if not isinstance(payload, Payload) or payload.kind not in ("bytes", "bytearray"):
        return None
    if not isinstance(dtype, DType) or dtype.dtype is None or order not in ("C", "F", "K"):
        return None
    if (order == "K") != (axes is not None):
        return None
    node = ArrayNode(order="F" if order == "F" else "C")
    _describe_array(source, node, dtype, shape, payload)
    if axes is not None:
        permuted = dimensions(axes)
        if permuted is None or sorted(permuted) != list(range(len(node.shape))):
            return None
        node.axes = permuted
    return node


def _dtype(source: Source, count: Count, args: tuple[Any, ...]) -> DType | None:
    code = as_text(args[0]) if len(args) == 3 else None
    if code is None or not all(type(flag) in (bool, int) for flag in args[1:]):
        return None
    return DType(code)


def _scalar(source: Source, count: Count, args: tuple[Any, ...]) -> ScalarNode | Opaque | None:
    if len(args) != 2 or not isinstance(args[0], DType) or not isinstance(args[1], Payload):
        return None
    dtype, payload = args[0].dtype, args[1]
    if dtype is None or dtype.subdtype is not None or payload.kind == "text":
        return None
    check_length(source, payload, dtype.itemsize, "a NumPy scalar")
    # Long ones are text, never numbers.
    if payload.data is None or not dtype.itemsize:
        return Opaque("text")
    return ScalarNode(dtype, payload)


def _encode(source: Source, count: Count, args: tuple[Any, ...]) -> Payload | None:
    if len(args) != 2 or as_text(args[1]) not in ("latin1", "latin-1"):
        return None
    return _as_bytes(args[0], "bytes")


def _bytes(source: Source, count: Count, args: tuple[Any, ...]) -> Payload | None:
    if not args:
        return Payload("bytes", "inline", data=b"")
    if isinstance(args[0], Payload) and args[0].kind != "text" and len(args) == 1:
        return _as_bytes(args[0], "bytes")
    return _encode(source, count, args)


def _bytearray(source: Source, count: Count, args: tuple[Any, ...]) -> Payload | None:
    payload = _bytes(source, count, args)
    return None if payload is None else _as_bytes(payload, "bytearray")


def _as_bytes(value: object, kind: Literal["bytes", "bytearray"]) -> Payload | None:
    """The same bytes under another type; nothing is copied."""
    if type(value) is str:
        return Payload(kind, "inline", data=value)
    if isinstance(value, Payload):
        return Payload(kind, value.encoding, value.offset, value.length, value.data)
    return None


def _ordered_dict(source: Source, count: Count, args: tuple[Any, ...]) -> Pairs | None:
    if not args:
        return Pairs()
    if len(args) != 1 or type(args[0]) is not list:
        return None
    count(2 * len(args[0]))
    pairs = Pairs()
    for item in args[0]:
        if type(item) not in (list, tuple) or len(item) != 2:
            return None
        pairs.extend(item)
    return pairs


def _set(source: Source, count: Count, args: tuple[Any, ...]) -> Opaque | None:
    if len(args) > 1 or any(type(item) not in (list, tuple) for item in args):
        return None
    return Opaque("a set")


def _complex(source: Source, count: Count, args: tuple[Any, ...]) -> complex | None:
    if len(args) != 2 or not all(type(part) is float for part in args):
        return None
    return complex(*args)


_FORMS: dict[str, Callable[[Source, Count, tuple[Any, ...]], object]] = {
    "numpy._reconstruct": _reconstruct,
    "numpy._frombuffer": _from_buffer,
    "numpy.scalar": _scalar,
    "numpy.dtype": _dtype,
    "_codecs.encode": _encode,
    "builtins.bytes": _bytes,
    "builtins.bytearray": _bytearray,
    "builtins.set": _set,
    "builtins.frozenset": _set,
    "builtins.complex": _complex,
    "collections.OrderedDict": _ordered_dict,
}
_NDARRAY = Global("numpy.ndarray")
_MEMMAP = Global("numpy.memmap")
_WRAPPER = Global(joblib_arrays.WRAPPER)


def _known_names() -> dict[tuple[str, str], Global]:
    names = {("numpy", "ndarray"): _NDARRAY}
    names |= {(module, "memmap"): _MEMMAP for module in ("numpy", "numpy.core.memmap")}
    names |= {(module, "NumpyArrayWrapper"): _WRAPPER for module in joblib_arrays.MODULES}
    for name in _FORMS:
        module, _, last = name.rpartition(".")
        modules = {
            "numpy._reconstruct": ("numpy.core.multiarray", "numpy._core.multiarray"),
            "numpy.scalar": ("numpy.core.multiarray", "numpy._core.multiarray"),
            "numpy._frombuffer": ("numpy.core.numeric", "numpy._core.numeric"),
        }.get(name, ("builtins", "__builtin__") if module == "builtins" else (module,))
        names |= {(each, last): Global(name) for each in modules}
    return names


_GLOBALS = _known_names()

_ARRAY_SUBCLASS = "an array subclass: save np.asarray(...) of it"
_OLD_PROTOCOL = "if the file was written by joblib.dump, leave out protocol=0 or 1"
_ADVICE = (
    (
        "joblib.",
        "joblib before 0.10 kept arrays in files beside this one: load it with joblib.load and "
        "write it again with joblib.dump or pickle.dump",
    ),
    ("copyreg.", _OLD_PROTOCOL),
    ("copy_reg.", _OLD_PROTOCOL),
    ("numpy.ma.", "a masked array: save its .data and its .mask"),
    ("numpy.matrix", _ARRAY_SUBCLASS),
    ("numpy.rec", _ARRAY_SUBCLASS),
    ("numpy.memmap", _ARRAY_SUBCLASS),
    ("numpy.core.records", _ARRAY_SUBCLASS),
    ("numpy.core.memmap", _ARRAY_SUBCLASS),
    ("numpy.core.defchararray", _ARRAY_SUBCLASS),
    ("numpy.matrixlib", _ARRAY_SUBCLASS),
    ("pandas.", "pandas data: save .to_numpy() of it"),
    ("torch.", "a torch tensor: save .numpy() of it"),
    ("tensorflow.", "a TensorFlow object: save .numpy() of it"),
    ("scipy.sparse", "a sparse matrix: save .toarray() of it, or its parts"),
    ("PIL.", "a picture: save np.asarray(...) of it"),
)
