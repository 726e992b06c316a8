"""Arrays as `joblib.dump` writes them: a description in the pickle, then the bytes themselves.

Where a pickle would hold an array, such a file holds a `NumpyArrayWrapper` (shape, order, dtype).
When its state is set, by BUILD, the pickle is interrupted by the array's bytes, and goes on behind
them. Since joblib 1.2 a byte with the length of a padding and the padding come first, so that the
array is aligned in the file.
"""

from __future__ import annotations

import math

from keras_bigdata.shards.pickles.nodes import (
    LARGEST,
    ArrayNode,
    DType,
    Global,
    Pairs,
    Payload,
    as_text,
    describe,
    dimensions,
    show,
)
from keras_bigdata.shards.pickles.source import Source

# Where the class has been, and that a subclass says nothing: a memory map is written as an array.
WRAPPER = "joblib.NumpyArrayWrapper"
MODULES = ("joblib.numpy_pickle", "sklearn.externals.joblib.numpy_pickle")
MAKES_OBJECT = "makes an object of a class, which can run code"
_PLAIN = ("numpy.ndarray", "numpy.memmap")


class Wrapper:
    """A `NumpyArrayWrapper`, which gets its state once: joblib would add a second to the first."""

    __slots__ = ("used",)

    def __init__(self) -> None:
        self.used = False


def new_object(source: Source, cls: object, args: object, at: int) -> Wrapper:
    """What NEWOBJ makes, which is allowed for this class only."""
    if isinstance(cls, Global) and cls.name == WRAPPER and args == ():
        return Wrapper()
    raise source.unsafe(MAKES_OBJECT, at)


def array_of(source: Source, wrapper: Wrapper, state: object, at: int) -> ArrayNode:
    """The array whose description is complete. Its bytes, which follow, are passed over."""
    if wrapper.used:
        raise source.unsafe("gives an array of joblib a second state", at)
    wrapper.used = True
    items = _items(state)
    shape = dimensions(items.get("shape"))
    dtype, order = items.get("dtype"), as_text(items.get("order"))
    subclass = items.get("subclass")
    if not isinstance(subclass, Global) or subclass.name not in _PLAIN:
        raise source.unsafe(f"gives an array of joblib {describe(subclass)} as its class", at)
    if not isinstance(dtype, DType) or not dtype.ready or order not in ("C", "F"):
        raise source.unsafe("gives an array of joblib a state of unknown form", at)
    if dtype.objects:
        raise source.unsafe(
            "an array of objects, which can be anything; give it a plain dtype, as .astype(str), "
            ".astype(float) or np.stack do",
            at,
        )
    if shape is None:
        raise source.corrupt(f"an array has the impossible shape {show(items.get('shape'))}")
    if dtype.dtype is None or dtype.dtype.subdtype is not None:
        raise source.corrupt("an array has no plain dtype")
    itemsize = dtype.dtype.itemsize
    if math.prod(size for size in shape if size) * max(itemsize, 1) > LARGEST:
        raise source.corrupt(f"an array of shape {shape} is larger than any array")
    if math.prod(shape) and not itemsize:
        raise source.corrupt(f"an array of shape {shape} has no bytes to read")
    if items.get("numpy_array_alignment_bytes") is not None:
        padding = source.take(1)[0]
        source.check(source.position, padding)
        source.skip(padding)
    nbytes = math.prod(shape) * itemsize
    payload = Payload("bytes", "raw", source.position, nbytes)
    source.check(source.position, nbytes)
    source.skip(nbytes)
    return ArrayNode(True, dtype.dtype, shape, "F" if order == "F" else "C", payload)


def _items(state: object) -> dict[str, object]:
    if type(state) is not Pairs:
        return {}
    keys = map(as_text, state[::2])
    return {key: value for key, value in zip(keys, state[1::2], strict=True) if key is not None}
