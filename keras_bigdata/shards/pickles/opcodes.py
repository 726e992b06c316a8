"""Parses a pickle: what each opcode does to the stack and the memo, without running anything.

The stack and the memo are those of the pickle protocol; the values in them are described in
`nodes`. A name is never imported: `globals` lists the few that stand for arrays and containers, and
any other name is an error.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable
from typing import Any

from keras_bigdata.shards.pickles import globals, joblib_arrays, literals
from keras_bigdata.shards.pickles.literals import Action
from keras_bigdata.shards.pickles.machine import MAX_OBJECTS, Machine
from keras_bigdata.shards.pickles.nodes import Numbers, Opaque, Pairs, as_text
from keras_bigdata.shards.pickles.source import ByteSource

MAX_PROTOCOL = 5
# Real pickles nest a few containers; only the number of marks open at one time counts.
MAX_MARKS = 1_000
MAX_NAME = 1_000
# Shorter runs of numbers, such as shapes, stay single values.
MIN_PACKED = 64

_TYPECODES = {int: "q", float: "d", bool: "B"}


def parse(source: ByteSource) -> object:
    """Returns the value that the pickle at the source's position stands for.

    Raises:
        UnsafePickleError: if loading it would run code, or take far more memory than the file.
        CorruptShardError: if it is not a pickle, or is damaged.
    """
    machine = Machine(source)
    try:
        while True:
            if source.pos >= len(source.buffer):
                source.fill(1)
            code = source.buffer[source.pos]
            machine.at = source.start + source.pos
            source.pos += 1
            if code == _STOP:
                return machine.result()
            _ACTIONS[code](machine)
            if len(machine.stack) + machine.below > MAX_OBJECTS:
                raise machine.limit_error("values at once")
    except IndexError:
        raise source.corrupt_error(
            f"the opcode at byte {machine.at} finds too few values on the stack"
        ) from None


# Marks and the stack ----------------------------------------------------------------------------


def _proto(machine: Machine) -> None:
    protocol = machine.read_number(_U1)
    if protocol > MAX_PROTOCOL:
        raise machine.source.unsafe_error(
            f"pickle protocol {protocol}; protocols 0 to {MAX_PROTOCOL} are known",
            machine.at,
            trust_helps=False,
        )


def _frame(machine: Machine) -> None:
    machine.read_length(_U8)


def _mark(machine: Machine) -> None:
    if len(machine.frames) >= MAX_MARKS:
        raise machine.source.unsafe_error(f"more than {MAX_MARKS} marks are open", machine.at)
    machine.below += len(machine.stack)
    machine.frames.append(machine.stack)
    machine.stack = []


def _pop(machine: Machine) -> None:
    if machine.stack:
        machine.stack.pop()
    else:
        machine.close_mark()


def _pop_mark(machine: Machine) -> None:
    machine.close_mark()


def _dup(machine: Machine) -> None:
    machine.stack.append(machine.stack[-1])


# Containers -------------------------------------------------------------------------------------


def _tuple(count: int) -> Action:
    def push(machine: Machine) -> None:
        stack = machine.stack
        if len(stack) < count:
            raise IndexError
        items = tuple(stack[-count:])
        del stack[-count:]
        machine.count_nested(items[0])
        machine.push_object(items)

    return push


def _tuple_of_marked(machine: Machine) -> None:
    items = pack_numbers(machine.close_mark())
    if items:
        machine.count_nested(items[0])
    machine.count(len(items))
    machine.push_object(tuple(items))


def _list_of_marked(machine: Machine) -> None:
    items = pack_numbers(machine.close_mark())
    if items:
        machine.count_nested(items[0])
    machine.count(len(items))
    machine.push_object(items)


def _dict_of_marked(machine: Machine) -> None:
    items = machine.close_mark()
    machine.push_object(Pairs())
    _add_pairs(machine, items)


def _append(machine: Machine) -> None:
    item = machine.stack.pop()
    _extend(machine, [item])


def _appends(machine: Machine) -> None:
    _extend(machine, pack_numbers(machine.close_mark()))


def _extend(machine: Machine, items: list[Any]) -> None:
    target = machine.stack[-1]
    if type(target) is not list:
        raise machine.corrupt_error("something is appended to a value that is not a list")
    if items and not target:
        machine.count_nested(items[0])
    machine.count(len(items))
    target.extend(items)


def _set_item(machine: Machine) -> None:
    value = machine.stack.pop()
    key = machine.stack.pop()
    _add_pairs(machine, [key, value])


def _set_items(machine: Machine) -> None:
    _add_pairs(machine, machine.close_mark())


def _add_pairs(machine: Machine, items: list[Any]) -> None:
    target = machine.stack[-1]
    if type(target) is not Pairs or len(items) % 2:
        raise machine.corrupt_error(
            "an item is set in a value that is not a dict, or a key has no value"
        )
    if items:
        machine.count_nested(items[1])
    machine.count(len(items))
    target.extend(items)


def _add_to_set(machine: Machine) -> None:
    machine.close_mark()
    target = machine.stack[-1]
    if not isinstance(target, Opaque) or target.description != "a set":
        raise machine.corrupt_error("something is added to a value that is not a set")


def _frozen_set(machine: Machine) -> None:
    machine.close_mark()
    machine.push_object(Opaque("a set"))


def pack_numbers(items: list[Any]) -> list[Any]:
    """Returns the items; a long run of numbers of one type becomes one `Numbers`."""
    if len(items) < MIN_PACKED:
        return items
    types = set(map(type, items))
    code = _TYPECODES.get(types.pop(), "")
    if types or not code:
        return items
    try:
        return [Numbers(array(code, items))]
    except OverflowError:  # more than 64 bits
        return items


# The memo, names, and objects built from them ---------------------------------------------------


def _memo_line(action: Callable[[Machine, int], None]) -> Action:
    def act(machine: Machine) -> None:
        text = machine.read_line(20)
        if not text.isdigit():
            raise machine.corrupt_error("text that is not a memo index")
        action(machine, int(text))

    return act


def _memo(action: Callable[[Machine, int], None], layout: struct.Struct) -> Action:
    return lambda machine: action(machine, machine.read_number(layout))


def _memoize(machine: Machine) -> None:
    machine.memoize(machine.entries)


def _read_name_lines(machine: Machine) -> tuple[str, str]:
    module = machine.read_line(MAX_NAME)
    name = machine.read_line(MAX_NAME)
    return module.decode("utf-8", "backslashreplace"), name.decode("utf-8", "backslashreplace")


def _global(machine: Machine) -> None:
    machine.push_object(
        globals.lookup_global(machine.source, *_read_name_lines(machine), machine.at)
    )


def _stack_global(machine: Machine) -> None:
    name = as_text(machine.stack.pop())
    module = as_text(machine.stack.pop())
    if name is None or module is None:
        raise machine.corrupt_error("a name that is not text")
    machine.push_object(globals.lookup_global(machine.source, module, name, machine.at))


def _reduce(machine: Machine) -> None:
    args = machine.stack.pop()
    function = machine.stack.pop()
    machine.push_object(globals.reduce(machine.source, machine.count, function, args, machine.at))


def _build(machine: Machine) -> None:
    state = machine.stack.pop()
    target = machine.stack[-1]
    machine.stack[-1] = globals.build(machine.source, machine.count, target, state, machine.at)


def _new_object(machine: Machine) -> None:
    args = machine.stack.pop()
    cls = machine.stack.pop()
    machine.push_object(joblib_arrays.new_object(machine.source, cls, args, machine.at))


def _instance(machine: Machine) -> None:
    module, name = _read_name_lines(machine)
    raise globals.unsafe_global_error(machine.source, module, name, machine.at)


def _refuse(reason: str, *, trust_helps: bool = True) -> Action:
    def refuse(machine: Machine) -> None:
        raise machine.source.unsafe_error(reason, machine.at, trust_helps=trust_helps)

    return refuse


def _unknown(machine: Machine) -> None:
    code = machine.source.buffer[machine.source.pos - 1]
    raise machine.corrupt_error(f"0x{code:02x}, which is not an opcode of a pickle,")


_U1, _U2, _U4, _U8 = (struct.Struct(layout) for layout in ("<B", "<H", "<I", "<Q"))
_I4, _F8 = struct.Struct("<i"), struct.Struct(">d")
_STOP = ord(".")
_MAKES_OBJECT = joblib_arrays.MAKES_OBJECT
_OUT_OF_BAND = (
    "an array's bytes were kept outside the file (buffer_callback of pickle.dump); write it "
    "without buffer_callback"
)
_EXTENSION = "refers to the extension registry of copyreg, which can be any class or function"
_PERSISTENT = "a persistent id, which only the program that wrote the file can resolve"

_BY_OPCODE: dict[bytes, Action] = {
    b"\x80": _proto,  # PROTO
    b"\x95": _frame,  # FRAME
    b"(": _mark,  # MARK
    b"0": _pop,  # POP
    b"1": _pop_mark,  # POP_MARK
    b"2": _dup,  # DUP
    b"N": literals.push_constant(None),  # NONE
    b"\x88": literals.push_constant(True),  # NEWTRUE
    b"\x89": literals.push_constant(False),  # NEWFALSE
    b"I": literals.push_int_line,  # INT
    b"L": literals.push_long_line,  # LONG
    b"J": literals.push_number(_I4),  # BININT
    b"K": literals.push_number(_U1),  # BININT1
    b"M": literals.push_number(_U2),  # BININT2
    b"\x8a": literals.push_long(_U1),  # LONG1
    b"\x8b": literals.push_long(_I4),  # LONG4
    b"F": literals.push_float_line,  # FLOAT
    b"G": literals.push_number(_F8),  # BINFLOAT
    b"S": literals.push_string_line,  # STRING
    b"T": literals.push_bytes("str", _I4),  # BINSTRING
    b"U": literals.push_bytes("str", _U1),  # SHORT_BINSTRING
    b"B": literals.push_bytes("bytes", _U4),  # BINBYTES
    b"C": literals.push_bytes("bytes", _U1),  # SHORT_BINBYTES
    b"\x8e": literals.push_bytes("bytes", _U8),  # BINBYTES8
    b"\x96": literals.push_bytes("bytearray", _U8),  # BYTEARRAY8
    b"V": literals.push_text_line,  # UNICODE
    b"X": literals.push_text(_U4),  # BINUNICODE
    b"\x8c": literals.push_text(_U1),  # SHORT_BINUNICODE
    b"\x8d": literals.push_text(_U8),  # BINUNICODE8
    b")": literals.push_constant(()),  # EMPTY_TUPLE
    b"\x85": _tuple(1),  # TUPLE1
    b"\x86": _tuple(2),  # TUPLE2
    b"\x87": _tuple(3),  # TUPLE3
    b"t": _tuple_of_marked,  # TUPLE
    b"]": lambda machine: machine.push_object([]),  # EMPTY_LIST
    b"l": _list_of_marked,  # LIST
    b"a": _append,  # APPEND
    b"e": _appends,  # APPENDS
    b"}": lambda machine: machine.push_object(Pairs()),  # EMPTY_DICT
    b"d": _dict_of_marked,  # DICT
    b"s": _set_item,  # SETITEM
    b"u": _set_items,  # SETITEMS
    b"\x8f": lambda machine: machine.push_object(Opaque("a set")),  # EMPTY_SET
    b"\x90": _add_to_set,  # ADDITEMS
    b"\x91": _frozen_set,  # FROZENSET
    b"g": _memo_line(Machine.recall),  # GET
    b"h": _memo(Machine.recall, _U1),  # BINGET
    b"j": _memo(Machine.recall, _U4),  # LONG_BINGET
    b"p": _memo_line(Machine.memoize),  # PUT
    b"q": _memo(Machine.memoize, _U1),  # BINPUT
    b"r": _memo(Machine.memoize, _U4),  # LONG_BINPUT
    b"\x94": _memoize,  # MEMOIZE
    b"c": _global,  # GLOBAL
    b"\x93": _stack_global,  # STACK_GLOBAL
    b"R": _reduce,  # REDUCE
    b"b": _build,  # BUILD
    b"i": _instance,  # INST
    b"o": _refuse(_MAKES_OBJECT),  # OBJ
    b"\x81": _new_object,  # NEWOBJ
    b"\x92": _refuse(_MAKES_OBJECT),  # NEWOBJ_EX
    b"\x82": _refuse(_EXTENSION),  # EXT1
    b"\x83": _refuse(_EXTENSION),  # EXT2
    b"\x84": _refuse(_EXTENSION),  # EXT4
    b"P": _refuse(_PERSISTENT, trust_helps=False),  # PERSID
    b"Q": _refuse(_PERSISTENT, trust_helps=False),  # BINPERSID
    b"\x97": _refuse(_OUT_OF_BAND, trust_helps=False),  # NEXT_BUFFER
    b"\x98": _refuse(_OUT_OF_BAND, trust_helps=False),  # READONLY_BUFFER
}
_ACTIONS = [_BY_OPCODE.get(bytes((code,)), _unknown) for code in range(256)]
