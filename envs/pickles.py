"""Numbers, texts, lists, dictionaries and arrays of bytes in pickles of strangers, read without unpickling.

A pickle is a program. Here it is interpreted, not run: names in it stay names, what it would have called is only
written down, and nothing in it reaches NumPy, whose own way of restoring types and arrays trusts what it is given.
"""

import io
import pickletools
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

_ARRAY = ("numpy.core.multiarray", "numpy._core.multiarray"), "_reconstruct"
_KNOWN = {(home, _ARRAY[1]) for home in _ARRAY[0]} | {("numpy", "ndarray"), ("numpy", "dtype")}
_STOP, _LONG = b".", 2**16
# What the parser of the standard library and a stack out of order raise for damaged pickles.
_DAMAGED = (ValueError, LookupError, TypeError, ArithmeticError, EOFError, MemoryError, struct.error)
_OPCODES = {opcode.code.encode("latin1"): opcode for opcode in pickletools.opcodes}
_PLAIN = (str, bytes, int, float, bool, type(None))


class PickleError(ValueError):
    """A pickle that is cut short, damaged, or of something else than plain values and arrays of numbers."""


@dataclass(frozen=True)
class _Name:
    """What a pickle asks for by name."""

    home: str
    name: str


@dataclass
class _Made:
    """What would have been made by calling something: a type or an array of NumPy, with the state it was given."""

    called: _Name
    given: tuple[Any, ...]
    state: Any = None


def plain(data: bytes) -> Any:
    """What a pickle holds: None, numbers, str, bytes, lists, tuples, dictionaries, and arrays of numbers in these.

    Byte strings of Python 2 below 64 KiB are decoded as Latin-1. Raises PickleError for everything else.
    """
    machine = _Machine()
    try:
        stream = io.BytesIO(data)
        while (code := stream.read(1)) != _STOP:
            machine.step(*_operation(code, stream))
        return machine.value()
    except PickleError:
        raise
    except _DAMAGED as error:
        raise PickleError(str(error) or type(error).__name__) from error


def _operation(code: bytes, stream: io.BytesIO) -> tuple[str, Any]:
    """The name and the argument of an operation. Raises PickleError for those that are not needed here."""
    opcode = _OPCODES.get(code)
    if opcode is None:
        raise PickleError(f"it has {code!r} in place of an operation" if code else "it ends too early")
    if opcode.name not in _NEEDED:
        raise PickleError(f"it uses {opcode.name}, which plain values and arrays do not need")
    if opcode.name in _OWN:
        return opcode.name, _OWN[opcode.name](stream)
    return opcode.name, opcode.arg.reader(stream) if opcode.arg is not None else None


def _text(stream: io.BytesIO) -> str | bytes:
    """A byte string of Python 2 as text; one of pixels, of which nobody wants a copy as text, as it is."""
    size = struct.unpack("<i", stream.read(4))[0]
    data = stream.read(max(size, 0))
    if len(data) != size:
        raise PickleError(f"it has a text of {size} bytes, of which {len(data)} are there")
    return data.decode("latin1") if size < _LONG else data


def _names(stream: io.BytesIO) -> tuple[str, str]:
    """Module and name of a global, a line each; the standard library would warn of backslashes in them."""
    home, name = stream.readline(), stream.readline()
    return home.rstrip(b"\n").decode("latin1"), name.rstrip(b"\n").decode("latin1")


class _Machine:
    """Carries out the few operations that plain values and arrays need, on a stack with marks."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        """One operation, of those in `_NEEDED`."""
        if name in _VALUES:
            self._stack.append(_VALUES[name](argument))
        else:
            self.steps[name](self, argument)

    def value(self) -> Any:
        """What is left when all is done."""
        if len(self._stack) != 1 or self._marks:
            raise PickleError(f"it ends with {len(self._stack)} values, expected one")
        return _finished(self._stack[0])

    def _mark(self, _: Any) -> None:
        self._marks.append(len(self._stack))

    def _marked(self) -> list[Any]:
        """Takes everything above the last mark off the stack."""
        begin = self._marks.pop()
        found = self._stack[begin:]
        del self._stack[begin:]
        return found

    def _top(self, kind: type) -> Any:
        if not isinstance(self._stack[-1], kind):
            raise PickleError(f"it adds to a {type(self._stack[-1]).__name__} as if it were a {kind.__name__}")
        return self._stack[-1]

    def _tuple(self, count: int) -> None:
        if len(self._stack) < count:
            raise PickleError("it takes more values than there are")
        found = tuple(self._stack[len(self._stack) - count :])
        del self._stack[len(self._stack) - count :]
        self._stack.append(found)

    def _append(self, _: Any) -> None:
        value = self._stack.pop()
        self._top(list).append(value)

    def _extend(self, _: Any) -> None:
        values = self._marked()
        self._top(list).extend(values)

    def _put_items(self, flat: list[Any]) -> None:
        found = self._top(dict)
        for key, value in zip(flat[::2], flat[1::2], strict=True):
            if not isinstance(key, _PLAIN):
                raise PickleError(f"a key is a {type(key).__name__}, expected text or a number")
            found[key] = value

    def _set_item(self, _: Any) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._put_items([key, value])

    def _named(self, home: Any, name: Any) -> None:
        if (home, name) not in _KNOWN:
            raise PickleError(f"it asks for {home}.{name}, which could execute code and is not needed")
        self._stack.append(_Name(home, name))

    def _stack_global(self, _: Any) -> None:
        name, home = self._stack.pop(), self._stack.pop()
        self._named(home, name)

    def _reduce(self, _: Any) -> None:
        given, called = self._stack.pop(), self._stack.pop()
        if not isinstance(called, _Name) or not isinstance(given, tuple):
            raise PickleError(f"it calls a {type(called).__name__}")
        self._stack.append(_Made(called, given))

    def _build(self, _: Any) -> None:
        state = self._stack.pop()
        made = self._top(_Made)
        if made.state is not None:
            raise PickleError("it gives the same thing a state twice")
        made.state = state

    steps: ClassVar[dict[str, Callable[["_Machine", Any], None]]] = {
        "PROTO": lambda self, _: None,
        "FRAME": lambda self, _: None,
        "MARK": _mark,
        "TUPLE": lambda self, _: self._stack.append(tuple(self._marked())),
        "LIST": lambda self, _: self._stack.append(self._marked()),
        "TUPLE1": lambda self, _: self._tuple(1),
        "TUPLE2": lambda self, _: self._tuple(2),
        "TUPLE3": lambda self, _: self._tuple(3),
        "APPEND": _append,
        "APPENDS": _extend,
        "SETITEM": _set_item,
        "SETITEMS": lambda self, _: self._put_items(self._marked()),
        "GLOBAL": lambda self, names: self._named(*names),
        "STACK_GLOBAL": _stack_global,
        "REDUCE": _reduce,
        "BUILD": _build,
        "MEMOIZE": lambda self, _: self._memo.__setitem__(len(self._memo), self._stack[-1]),
        **dict.fromkeys(
            ("PUT", "BINPUT", "LONG_BINPUT"), lambda self, place: self._memo.__setitem__(place, self._stack[-1])
        ),
        **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda self, place: self._stack.append(self._memo[place])),
    }


_VALUES: dict[str, Callable[[Any], Any]] = {
    "NONE": lambda _: None,
    "NEWTRUE": lambda _: True,
    "NEWFALSE": lambda _: False,
    "EMPTY_TUPLE": lambda _: (),
    "EMPTY_LIST": lambda _: [],
    "EMPTY_DICT": lambda _: {},
    **dict.fromkeys(
        (
            *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "BINFLOAT"),
            *("BINSTRING", "SHORT_BINSTRING", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
            *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
        ),
        lambda argument: argument,
    ),
}

_OWN: dict[str, Callable[[io.BytesIO], Any]] = {"BINSTRING": _text, "GLOBAL": _names}
_NEEDED = {*_VALUES, *_Machine.steps}


def _finished(value: Any) -> Any:
    """The value with arrays in place of what describes them; looks into a dictionary and one list or tuple deep."""
    if isinstance(value, _Made):
        return _array(value)
    if isinstance(value, dict):
        return {key: _array(inner) if isinstance(inner, _Made) else inner for key, inner in value.items()}
    return value


def _array(made: _Made) -> np.ndarray:
    """The array that a pickle describes, once what it says has been looked at. Raises PickleError."""
    if made.called.name != _ARRAY[1] or not isinstance(made.state, tuple) or len(made.state) not in (4, 5):
        raise PickleError(f"it holds a {made.called.name} in place of an array")
    shape, dtype, fortran, data = made.state[-4:]  # before these may stand a version
    if not isinstance(shape, tuple) or not all(type(size) is int and 0 <= size < 2**48 for size in shape):
        raise PickleError("the shape of an array is no tuple of sizes")
    kind = _dtype(dtype)
    if isinstance(data, str):  # of Python 2, whose texts were bytes
        data = data.encode("latin1")
    count = 1
    for size in shape:
        count *= size
    if not isinstance(data, bytes | bytearray) or len(data) != count * kind.itemsize or len(shape) > 32:
        held = f"{len(data)} bytes" if isinstance(data, bytes | bytearray) else f"a {type(data).__name__}"
        raise PickleError(f"an array of {kind} and shape {shape} has {held} of data")
    flat = np.frombuffer(bytearray(data), kind)  # in new memory, which may be written to
    return flat.reshape(shape, order="F" if fortran else "C")


def _dtype(made: Any) -> np.dtype[Any]:
    """A type of numbers, made from its name and byte order alone."""
    if not isinstance(made, _Made) or made.called.name != "dtype" or not made.given:
        raise PickleError("the type of an array is none of NumPy's")
    name, state = made.given[0], made.state
    name = name.decode("latin1") if isinstance(name, bytes) else name
    if not isinstance(name, str) or not re.fullmatch(r"[<>|=]?(b1|[iu][1248]|f[248])", name):
        raise PickleError("the type of an array is none of numbers")
    if state is None:
        return np.dtype(name)
    if not isinstance(state, tuple) or len(state) < 5 or state[2:5] != (None, None, None):
        raise PickleError("the type of an array has a state that numbers do not have")
    order = state[1].decode("latin1") if isinstance(state[1], bytes) else state[1]
    if order not in ("<", ">", "|", "="):
        raise PickleError("the type of an array has no byte order")
    return np.dtype(name).newbyteorder(order)
