"""The opcodes of a pickle, followed without running anything.

The stack and the memo are those of the pickle protocol; what lies on them is described in
`nodes`. A name is never imported: `rebuild` knows the few that stand for arrays and containers,
any other ends the walk.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable
from typing import Any

from keras_bigdata.shards.pickles import globals, joblib_arrays, machine
from keras_bigdata.shards.pickles.machine import MAX_OBJECTS, Machine
from keras_bigdata.shards.pickles.nodes import Numbers, Opaque, Pairs, as_text
from keras_bigdata.shards.pickles.source import Source

MAX_PROTOCOL = 5
# Real pickles nest a few containers; only their depth at one time counts.
MAX_MARKS = 1_000
MAX_NAME = 1_000
# Shorter runs of numbers stay single values, shapes among them.
MIN_PACKED = 64

_PACKED = {int: "q", float: "d", bool: "B"}


def follow(source: Source) -> object:
    """The value that the pickle at the source's position stands for."""
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
            _HANDLERS[code](machine)
            if len(machine.stack) + machine.below > MAX_OBJECTS:
                raise machine.too_much("values at once")
    except IndexError:
        raise source.corrupt(
            f"the opcode at byte {machine.at} finds too few values on the stack"
        ) from None


# Marks and the stack ----------------------------------------------------------------------------


def _proto(machine: Machine) -> None:
    protocol = machine.number(_U1)
    if protocol > MAX_PROTOCOL:
        raise machine.source.unsafe(
            f"pickle protocol {protocol}; protocols 0 to {MAX_PROTOCOL} are known", machine.at
        )


def _frame(machine: Machine) -> None:
    machine.length(_U8)


def _mark(machine: Machine) -> None:
    if len(machine.frames) >= MAX_MARKS:
        raise machine.source.unsafe(f"more than {MAX_MARKS} marks are open", machine.at)
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


def _tuple(count: int) -> Callable[[Machine], None]:
    def push(machine: Machine) -> None:
        stack = machine.stack
        if len(stack) < count:
            raise IndexError
        items = tuple(stack[-count:])
        del stack[-count:]
        machine.push_object(items)

    return push


def _tuple_of_marked(machine: Machine) -> None:
    items = packed(machine.close_mark())
    machine.count(len(items))
    machine.push_object(tuple(items))


def _list_of_marked(machine: Machine) -> None:
    items = packed(machine.close_mark())
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
    _extend(machine, packed(machine.close_mark()))


def _extend(machine: Machine, items: list[Any]) -> None:
    target = machine.stack[-1]
    if type(target) is not list:
        raise machine.bad("something is appended to what is no list")
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
        raise machine.bad("an item is set in what is no dict, or a key has no value")
    machine.count(len(items))
    target.extend(items)


def _add_to_set(machine: Machine) -> None:
    machine.close_mark()
    target = machine.stack[-1]
    if not isinstance(target, Opaque) or target.what != "a set":
        raise machine.bad("something is added to what is no set")


def _frozen_set(machine: Machine) -> None:
    machine.close_mark()
    machine.push_object(Opaque("a set"))


def packed(items: list[Any]) -> list[Any]:
    """The items, with a long run of numbers of one type as one `Numbers`."""
    if len(items) < MIN_PACKED:
        return items
    types = set(map(type, items))
    code = _PACKED.get(types.pop(), "")
    if types or not code:
        return items
    try:
        return [Numbers(array(code, items))]
    except OverflowError:  # more than 64 bits
        return items


# The memo, names and what they build ------------------------------------------------------------


def _memo_line(action: Callable[[Machine, int], None]) -> Callable[[Machine], None]:
    def act(machine: Machine) -> None:
        text = machine.line(20)
        if not text.isdigit():
            raise machine.bad("text that is no memo index")
        action(machine, int(text))

    return act


def _memo(
    action: Callable[[Machine, int], None], layout: struct.Struct
) -> Callable[[Machine], None]:
    return lambda machine: action(machine, machine.number(layout))


def _memoize(machine: Machine) -> None:
    machine.remember(machine.entries)


def _names_on_lines(machine: Machine) -> tuple[str, str]:
    module = machine.line(MAX_NAME)
    name = machine.line(MAX_NAME)
    return module.decode("utf-8", "backslashreplace"), name.decode("utf-8", "backslashreplace")


def _global(machine: Machine) -> None:
    machine.push_object(globals.allowed(machine.source, *_names_on_lines(machine), machine.at))


def _stack_global(machine: Machine) -> None:
    name = as_text(machine.stack.pop())
    module = as_text(machine.stack.pop())
    if name is None or module is None:
        raise machine.bad("a name that is no text")
    machine.push_object(globals.allowed(machine.source, module, name, machine.at))


def _reduce(machine: Machine) -> None:
    args = machine.stack.pop()
    function = machine.stack.pop()
    machine.push_object(globals.call(machine.source, machine.count, function, args, machine.at))


def _build(machine: Machine) -> None:
    state = machine.stack.pop()
    target = machine.stack[-1]
    machine.stack[-1] = globals.set_state(machine.source, machine.count, target, state, machine.at)


def _new_object(machine: Machine) -> None:
    args = machine.stack.pop()
    cls = machine.stack.pop()
    machine.push_object(joblib_arrays.new_object(machine.source, cls, args, machine.at))


def _instance(machine: Machine) -> None:
    module, name = _names_on_lines(machine)
    raise globals.refused_name(machine.source, module, name, machine.at)


def _refuse(what: str) -> Callable[[Machine], None]:
    def refuse(machine: Machine) -> None:
        raise machine.source.unsafe(what, machine.at)

    return refuse


def _unknown(machine: Machine) -> None:
    code = machine.source.buffer[machine.source.pos - 1]
    raise machine.bad(f"0x{code:02x}, which is no opcode of a pickle,")


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

_BY_OPCODE: dict[bytes, Callable[[Machine], None]] = {
    b"\x80": _proto,
    b"\x95": _frame,
    b"(": _mark,
    b"0": _pop,
    b"1": _pop_mark,
    b"2": _dup,
    b"N": machine.constant(None),
    b"\x88": machine.constant(True),
    b"\x89": machine.constant(False),
    b"I": machine.integer_line,
    b"L": machine.long_integer_line,
    b"J": machine.number(_I4),
    b"K": machine.number(_U1),
    b"M": machine.number(_U2),
    b"\x8a": machine.long_integer(_U1),
    b"\x8b": machine.long_integer(_I4),
    b"F": machine.float_line,
    b"G": machine.number(_F8),
    b"S": machine.string_line,
    b"T": machine.byte_string("str", _I4),
    b"U": machine.byte_string("str", _U1),
    b"B": machine.byte_string("bytes", _U4),
    b"C": machine.byte_string("bytes", _U1),
    b"\x8e": machine.byte_string("bytes", _U8),
    b"\x96": machine.byte_string("bytearray", _U8),
    b"V": machine.text_line,
    b"X": machine.text(_U4),
    b"\x8c": machine.text(_U1),
    b"\x8d": machine.text(_U8),
    b")": machine.constant(()),
    b"\x85": _tuple(1),
    b"\x86": _tuple(2),
    b"\x87": _tuple(3),
    b"t": _tuple_of_marked,
    b"]": lambda machine: machine.push_object([]),
    b"l": _list_of_marked,
    b"a": _append,
    b"e": _appends,
    b"}": lambda machine: machine.push_object(Pairs()),
    b"d": _dict_of_marked,
    b"s": _set_item,
    b"u": _set_items,
    b"\x8f": lambda machine: machine.push_object(Opaque("a set")),
    b"\x90": _add_to_set,
    b"\x91": _frozen_set,
    b"g": _memo_line(Machine.recall),
    b"h": _memo(Machine.recall, _U1),
    b"j": _memo(Machine.recall, _U4),
    b"p": _memo_line(Machine.remember),
    b"q": _memo(Machine.remember, _U1),
    b"r": _memo(Machine.remember, _U4),
    b"\x94": _memoize,
    b"c": _global,
    b"\x93": _stack_global,
    b"R": _reduce,
    b"b": _build,
    b"i": _instance,
    b"o": _refuse(_MAKES_OBJECT),
    b"\x81": _new_object,
    b"\x92": _refuse(_MAKES_OBJECT),
    b"\x82": _refuse(_EXTENSION),
    b"\x83": _refuse(_EXTENSION),
    b"\x84": _refuse(_EXTENSION),
    b"P": _refuse(_PERSISTENT),
    b"Q": _refuse(_PERSISTENT),
    b"\x97": _refuse(_OUT_OF_BAND),
    b"\x98": _refuse(_OUT_OF_BAND),
}
_HANDLERS = [_BY_OPCODE.get(bytes((code,)), _unknown) for code in range(256)]
