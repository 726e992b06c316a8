"""The importable names that a pickle may use, and what calling them stands for.

A name is never imported and no array is created here: all results are nodes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from keras_bigdata.errors import UnsafePickleError
from keras_bigdata.shards.pickles import joblib_arrays
from keras_bigdata.shards.pickles.advice import advice_for
from keras_bigdata.shards.pickles.dtypes import set_dtype_state
from keras_bigdata.shards.pickles.nodes import (
    ArrayNode,
    DType,
    Global,
    Opaque,
    Pairs,
    Payload,
    ScalarNode,
    as_text,
    checked_shape,
    describe,
)
from keras_bigdata.shards.pickles.payloads import check_length
from keras_bigdata.shards.pickles.source import ByteSource

# Called with the number of objects that are visited.
Count = Callable[[int], None]


def lookup_global(source: ByteSource, module: str, name: str, at: int) -> Global:
    """Returns the node of an importable name.

    Args:
        source: the file, for errors.
        module, name: the name.
        at: byte position of the opcode.

    Raises:
        UnsafePickleError: if it is not one of the few names that arrays and containers need.
    """
    node = _GLOBALS.get((module, name))
    if node is None:
        raise unsafe_global_error(source, module, name, at)
    return node


def unsafe_global_error(source: ByteSource, module: str, name: str, at: int) -> UnsafePickleError:
    """Returns the error for a name that would have to be imported, with advice where it exists."""
    full = f"{module}.{name}".encode("ascii", "backslashreplace").decode()[:200]
    reason = f"refers to {full}, which loading would import and may run"
    advice, trust_helps = advice_for(full)
    if advice:
        reason = f"{reason}; {advice}"
    return source.unsafe_error(reason, at, trust_helps=trust_helps)


def reduce(source: ByteSource, count: Count, function: object, args: object, at: int) -> object:
    """Returns the node that the result of REDUCE, `function(*args)`, stands for.

    Raises:
        UnsafePickleError: if it is not a call that arrays or containers need.
    """
    if not isinstance(function, Global) or type(args) is not tuple:
        raise source.unsafe_error(f"calls {describe(function)}", at)
    call = _CALLS.get(function.name)
    result = call(source, count, args) if call else None
    if result is None:
        if _MEMMAP in args:  # otherwise harmless: joblib names it where it writes an array
            raise unsafe_global_error(source, "numpy", "memmap", at)
        kinds = ", ".join(map(describe, args[:6]))
        raise source.unsafe_error(f"calls {function.name} with ({kinds}), which no array needs", at)
    return result


def build(source: ByteSource, count: Count, target: object, state: object, at: int) -> object:
    """Returns the node that replaces `target` after BUILD has set its state.

    Raises:
        UnsafePickleError: if it is not the state of a dtype or an array.
        CorruptShardError: if its parts contradict one another.
    """
    if isinstance(target, joblib_arrays.Wrapper):
        return joblib_arrays.build_array(source, target, state, at)
    if isinstance(target, DType) and not target.ready:
        set_dtype_state(source, count, target, state, at)
    elif isinstance(target, ArrayNode) and not target.ready:
        _set_array_state(source, target, state, at)
    else:
        raise source.unsafe_error(f"sets the state of {describe(target)}, which can run code", at)
    return target


def _complete_array(
    source: ByteSource, node: ArrayNode, dtype: DType, shape: object, payload: Payload
) -> None:
    """Sets shape, dtype and bytes of an array, which must agree."""
    nbytes = node.set_layout(source, dtype, shape)
    assert node.dtype is not None
    description = f"an array of shape {node.shape} and {node.dtype.itemsize} bytes per element"
    check_length(source, payload, nbytes, description)
    node.payload = payload
    node.ready = True


def _set_array_state(source: ByteSource, node: ArrayNode, state: object, at: int) -> None:
    if type(state) is not tuple or len(state) != 5 or state[0] not in (0, 1):
        raise source.unsafe_error("gives an array a state of unknown form", at)
    _, shape, dtype, fortran, data = state
    if not isinstance(dtype, DType) or not dtype.ready:
        raise source.unsafe_error(f"gives an array {describe(dtype)} as its dtype", at)
    if dtype.objects:
        node.ready = True
        return
    if not isinstance(data, Payload) or data.kind == "text" or type(fortran) not in (bool, int):
        raise source.unsafe_error(f"gives an array {describe(data)} as its bytes", at)
    node.order = "F" if fortran else "C"
    _complete_array(source, node, dtype, shape, data)


# One function for each callable name. It returns the node that the call stands for, or None if the
# arguments are not those that NumPy or Python write.


def _reconstruct(source: ByteSource, count: Count, args: tuple[Any, ...]) -> ArrayNode | None:
    if len(args) != 3 or args[0] is not _NDARRAY or checked_shape(args[1]) != (0,):
        return None
    return ArrayNode()


def _from_buffer(source: ByteSource, count: Count, args: tuple[Any, ...]) -> ArrayNode | None:
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
    _complete_array(source, node, dtype, shape, payload)
    if axes is not None:
        permuted = checked_shape(axes)
        if permuted is None or sorted(permuted) != list(range(len(node.shape))):
            return None
        node.axes = permuted
    return node


def _dtype(source: ByteSource, count: Count, args: tuple[Any, ...]) -> DType | None:
    code = as_text(args[0]) if len(args) == 3 else None
    if code is None or not all(type(flag) in (bool, int) for flag in args[1:]):
        return None
    return DType(code)


def _scalar(source: ByteSource, count: Count, args: tuple[Any, ...]) -> ScalarNode | Opaque | None:
    if len(args) != 2 or not isinstance(args[0], DType) or not isinstance(args[1], Payload):
        return None
    dtype, payload = args[0].dtype, args[1]
    if dtype is None or dtype.subdtype is not None or payload.kind == "text":
        return None
    check_length(source, payload, dtype.itemsize, "a NumPy scalar")
    # A long payload is text, never a number.
    if payload.data is None or not dtype.itemsize:
        return Opaque("text")
    return ScalarNode(dtype, payload)


def _encode(source: ByteSource, count: Count, args: tuple[Any, ...]) -> Payload | None:
    if len(args) != 2 or as_text(args[1]) not in ("latin1", "latin-1"):
        return None
    return _as_bytes(args[0], "bytes")


def _bytes(source: ByteSource, count: Count, args: tuple[Any, ...]) -> Payload | None:
    if not args:
        return Payload("bytes", "inline", data=b"")
    if isinstance(args[0], Payload) and args[0].kind != "text" and len(args) == 1:
        return _as_bytes(args[0], "bytes")
    return _encode(source, count, args)


def _bytearray(source: ByteSource, count: Count, args: tuple[Any, ...]) -> Payload | None:
    payload = _bytes(source, count, args)
    return None if payload is None else _as_bytes(payload, "bytearray")


def _as_bytes(value: object, kind: Literal["bytes", "bytearray"]) -> Payload | None:
    """Returns the same bytes with another type; nothing is copied."""
    if type(value) is str:
        return Payload(kind, "inline", data=value)
    if isinstance(value, Payload):
        return Payload(kind, value.encoding, value.offset, value.length, value.data)
    return None


def _ordered_dict(source: ByteSource, count: Count, args: tuple[Any, ...]) -> Pairs | None:
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


def _set(source: ByteSource, count: Count, args: tuple[Any, ...]) -> Opaque | None:
    if len(args) > 1 or any(type(item) not in (list, tuple) for item in args):
        return None
    return Opaque("a set")


def _complex(source: ByteSource, count: Count, args: tuple[Any, ...]) -> complex | None:
    if len(args) != 2 or not all(type(part) is float for part in args):
        return None
    return complex(*args)


_CALLS: dict[str, Callable[[ByteSource, Count, tuple[Any, ...]], object]] = {
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


def _allowed_globals() -> dict[tuple[str, str], Global]:
    """Returns the node of each allowed name, by module and attribute."""
    names = {("numpy", "ndarray"): _NDARRAY}
    names |= {(module, "memmap"): _MEMMAP for module in ("numpy", "numpy.core.memmap")}
    names |= {(module, "NumpyArrayWrapper"): _WRAPPER for module in joblib_arrays.MODULES}
    for name in _CALLS:
        module, _, last = name.rpartition(".")
        modules = {
            "numpy._reconstruct": ("numpy.core.multiarray", "numpy._core.multiarray"),
            "numpy.scalar": ("numpy.core.multiarray", "numpy._core.multiarray"),
            "numpy._frombuffer": ("numpy.core.numeric", "numpy._core.numeric"),
        }.get(name, ("builtins", "__builtin__") if module == "builtins" else (module,))
        names |= {(each, last): Global(name) for each in modules}
    return names


_GLOBALS = _allowed_globals()
