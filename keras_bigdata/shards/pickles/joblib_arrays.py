"""Arrays as `joblib.dump` writes them: a description in the pickle, followed by the bytes.

Instead of an array, the pickle holds a `NumpyArrayWrapper` (shape, order, dtype). After the BUILD
opcode that sets its state, the bytes of the array interrupt the pickle. Since joblib 1.2 they are
preceded by one byte with the length of a padding and by the padding, which align the array.
"""

from __future__ import annotations

from keras_bigdata.shards.pickles.nodes import (
    ArrayNode,
    DType,
    Global,
    Pairs,
    Payload,
    as_text,
    describe,
)
from keras_bigdata.shards.pickles.source import ByteSource

# The modules that have held the class.
WRAPPER = "joblib.NumpyArrayWrapper"
MODULES = ("joblib.numpy_pickle", "sklearn.externals.joblib.numpy_pickle")
MAKES_OBJECT = "makes an object of a class, which can run code"
# joblib writes a memory map as an array, and only mentions its class.
_PLAIN = ("numpy.ndarray", "numpy.memmap")


class Wrapper:
    """A `NumpyArrayWrapper`.

    Attributes:
        used: whether its state was set. A second state is refused: joblib would merge the two.
    """

    __slots__ = ("used",)

    def __init__(self) -> None:
        self.used = False


def new_object(source: ByteSource, cls: object, args: object, at: int) -> Wrapper:
    """Returns the result of NEWOBJ, which may create an object of this class only."""
    if isinstance(cls, Global) and cls.name == WRAPPER and args == ():
        return Wrapper()
    raise source.unsafe_error(MAKES_OBJECT, at)


def build_array(source: ByteSource, wrapper: Wrapper, state: object, at: int) -> ArrayNode:
    """Returns the array that a state describes, and moves past its bytes, which follow.

    Args:
        source: the file, just after the BUILD opcode.
        wrapper: the object whose state is set.
        state: its state.
        at: byte position of the opcode.

    Raises:
        UnsafePickleError: if it is not a plain array.
        CorruptShardError: if its parts contradict one another or the file.
    """
    if wrapper.used:
        raise source.unsafe_error("gives an array of joblib a second state", at)
    wrapper.used = True
    items = _items_by_name(state)
    dtype, order = items.get("dtype"), as_text(items.get("order"))
    subclass = items.get("subclass")
    if not isinstance(subclass, Global) or subclass.name not in _PLAIN:
        raise source.unsafe_error(f"gives an array of joblib {describe(subclass)} as its class", at)
    if not isinstance(dtype, DType) or not dtype.ready or order not in ("C", "F"):
        raise source.unsafe_error("gives an array of joblib a state of unknown form", at)
    if dtype.objects:
        raise source.unsafe_error(
            "an array of objects, which can be anything; give it a plain dtype, as .astype(str), "
            ".astype(float) or np.stack do",
            at,
            trust_helps=False,
        )
    node = ArrayNode(ready=True, order="F" if order == "F" else "C")
    nbytes = node.set_layout(source, dtype, items.get("shape"))
    if items.get("numpy_array_alignment_bytes") is not None:
        padding = source.take(1)[0]
        source.check_range(source.position, padding)
        source.skip(padding)
    node.payload = Payload("bytes", "raw", source.position, nbytes)
    source.check_range(source.position, nbytes)
    source.skip(nbytes)
    return node


def _items_by_name(state: object) -> dict[str, object]:
    if type(state) is not Pairs:
        return {}
    keys = map(as_text, state[::2])
    return {key: value for key, value in zip(keys, state[1::2], strict=True) if key is not None}
