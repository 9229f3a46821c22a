"""Reading a pickle without running it: a machine that follows its opcodes over inert symbols.

It does what ``pickle.Unpickler`` does to its stack and memo, and never imports, calls or makes anything. A name that
is not allowed ends the reading: the file is unsafe, wherever in it the name stands and however it is spelt.
"""

import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any

from apps.checkpoints.proof.outcome import Broken, Unsafe
from apps.checkpoints.proof.symbols import OTHER, Facts, Items, Name, Storage, Thing, call, storage_of

MOST_OPCODES = 10_000_000
LONGEST_TEXT = 4096
_MARK = object()
# Protocols below 3 write Python 2's names.
_RENAMED = {"__builtin__": "builtins", "copy_reg": "copyreg"}


@dataclass
class Pickle:
    """What one pickle says: its outermost value, the storages it needs by key, and the objects it would make."""

    value: Any = OTHER
    storages: dict[str, Storage] = field(default_factory=dict)
    things: list[Thing] = field(default_factory=list)


def read_pickle(stream: IO[bytes], allowed: frozenset[str], *, keep: str = "") -> Pickle:
    """Follow the next pickle of ``stream`` to its end; the stream then stands behind it.

    Things of the class ``keep`` are kept with their state. Raises ``Broken`` or ``Unsafe``.
    """
    machine = _Machine(allowed, keep)
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
            if count > MOST_OPCODES:
                raise Unsafe(f"its pickle has more than {MOST_OPCODES} opcodes")
            machine.step(opcode.name, argument)
    except (ValueError, KeyError, IndexError, OverflowError, EOFError, UnicodeError) as error:
        raise Broken(f"its pickle is damaged ({str(error)[:80] or type(error).__name__})") from error
    return machine.said


class _Machine:
    def __init__(self, allowed: frozenset[str], keep: str) -> None:
        self.allowed = allowed
        self.keep = keep
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.said = Pickle()

    def step(self, name: str, argument: Any) -> None:
        if name in _PUSHES:
            self.stack.append(_plain(argument))
        elif (handler := _HANDLERS.get(name)) is not None:
            handler(self, argument)
        elif name not in _NOTHING:
            raise Unsafe(f"its pickle holds the opcode {name}, which no checkpoint needs")

    def to_mark(self) -> list[Any]:
        found: list[Any] = []
        while (one := self.stack.pop()) is not _MARK:
            found.append(one)
        found.reverse()
        return found

    def name(self, module: Any, name: Any) -> Name:
        if type(module) is not str or type(name) is not str:
            raise Unsafe("its pickle makes up a name as it goes")
        full = f"{_RENAMED.get(module, module)}.{name}"
        if full not in self.allowed:
            raise Unsafe(f"its pickle names {full[:120]}, which is not among the names that are safe to load")
        return Name(full)

    def made(self, of: Any, arguments: Any) -> None:
        result = call(of, arguments)
        if isinstance(result, Thing) and result.of == self.keep:
            self.said.things.append(result)
        self.stack.append(result)

    def build(self, _: Any) -> None:
        state = self.stack.pop()
        if isinstance(self.stack[-1], Thing) and isinstance(state, Facts):
            self.stack[-1].state = state

    def put_items(self, _: Any) -> None:
        items = self.to_mark()
        self._put(items[::2], items[1::2])

    def put_item(self, _: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._put([key], [value])

    def _put(self, keys: list[Any], values: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, Facts):
            for key, value in zip(keys, values, strict=True):
                target.put(key, value)

    def append(self, values: list[Any]) -> None:
        if isinstance(self.stack[-1], Items):
            self.stack[-1].put(values)

    def persistent(self, _: Any) -> None:
        storage = storage_of(self.stack.pop())
        before = self.said.storages.setdefault(storage.key, storage)
        if before.bytes != storage.bytes:
            raise Broken(f"its pickle gives storage {storage.key} two sizes")
        self.stack.append(storage)

    def instance(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self.to_mark()
        self.stack.append(Thing(self.name(module, name)))

    def object(self, _: Any) -> None:
        of, *arguments = self.to_mark()
        self.made(of, tuple(arguments))

    def global_(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self.stack.append(self.name(module, name))

    def stack_global(self, _: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.stack.append(self.name(module, name))

    def reduce(self, _: Any) -> None:
        arguments, of = self.stack.pop(), self.stack.pop()
        self.made(of, arguments)

    def new_with_names(self, _: Any) -> None:
        self.stack.pop()
        self.reduce(None)

    def dictionary(self, _: Any) -> None:
        items = self.to_mark()
        self.stack.append(Facts())
        self._put(items[::2], items[1::2])

    def tuple_of(self, length: int) -> None:
        parts = tuple(self.stack[-length:])
        if len(parts) != length:
            raise IndexError("the stack is empty")
        self.stack[-length:] = [parts]

    def stop(self, _: Any) -> None:
        self.said.value = self.stack.pop()


def _plain(argument: Any) -> Any:
    """Keep numbers and short texts; of everything else only that it is there."""
    if argument is None or type(argument) in (int, float, bool):
        return argument
    return argument if type(argument) is str and len(argument) <= LONGEST_TEXT else OTHER


def _constant(value: Callable[[], Any]) -> Callable[[_Machine, Any], object]:
    return lambda machine, _: machine.stack.append(value())


def _tuple(length: int) -> Callable[[_Machine, Any], object]:
    return lambda machine, _: machine.tuple_of(length)


def _from_mark(result: Callable[[list[Any]], Any]) -> Callable[[_Machine, Any], object]:
    return lambda machine, _: machine.stack.append(result(machine.to_mark()))


_PUSHES = frozenset({
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
    "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES",
    "BINBYTES8", "BYTEARRAY8",
})  # fmt: skip
_NOTHING = frozenset({"PROTO", "FRAME"})
_HANDLERS: dict[str, Callable[[_Machine, Any], object]] = {
    "NONE": _constant(lambda: None),
    "NEWTRUE": _constant(lambda: True),
    "NEWFALSE": _constant(lambda: False),
    "EMPTY_LIST": _constant(Items),
    "EMPTY_SET": _constant(lambda: OTHER),
    "EMPTY_DICT": _constant(Facts),
    "EMPTY_TUPLE": _constant(tuple),
    "MARK": _constant(lambda: _MARK),
    "LIST": _from_mark(lambda _: OTHER),  # as protocol 0 writes an empty one: torch never does
    "FROZENSET": _from_mark(lambda _: OTHER),
    "TUPLE": _from_mark(tuple),
    "TUPLE1": _tuple(1),
    "TUPLE2": _tuple(2),
    "TUPLE3": _tuple(3),
    "DICT": _Machine.dictionary,
    "APPEND": lambda machine, _: machine.append([machine.stack.pop()]),
    "APPENDS": lambda machine, _: machine.append(machine.to_mark()),
    "ADDITEMS": lambda machine, _: machine.to_mark(),
    "SETITEM": _Machine.put_item,
    "SETITEMS": _Machine.put_items,
    "POP": lambda machine, _: machine.stack.pop(),
    "POP_MARK": lambda machine, _: machine.to_mark(),
    "DUP": lambda machine, _: machine.stack.append(machine.stack[-1]),
    "GET": lambda machine, index: machine.stack.append(machine.memo[int(index)]),
    "BINGET": lambda machine, index: machine.stack.append(machine.memo[index]),
    "LONG_BINGET": lambda machine, index: machine.stack.append(machine.memo[index]),
    "PUT": lambda machine, index: machine.memo.__setitem__(int(index), machine.stack[-1]),
    "BINPUT": lambda machine, index: machine.memo.__setitem__(index, machine.stack[-1]),
    "LONG_BINPUT": lambda machine, index: machine.memo.__setitem__(index, machine.stack[-1]),
    "MEMOIZE": lambda machine, _: machine.memo.__setitem__(len(machine.memo), machine.stack[-1]),
    "GLOBAL": _Machine.global_,
    "STACK_GLOBAL": _Machine.stack_global,
    "INST": _Machine.instance,
    "OBJ": _Machine.object,
    "REDUCE": _Machine.reduce,
    "NEWOBJ": _Machine.reduce,
    "NEWOBJ_EX": _Machine.new_with_names,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.persistent,
    "STOP": _Machine.stop,
}
