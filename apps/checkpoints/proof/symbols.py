"""What a pickle speaks of, as inert symbols: names, calls that are never made, storages and tensors. Pure."""

import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from apps.checkpoints.proof.allowed import DTYPE_BYTES, element_bytes
from apps.checkpoints.proof.outcome import Broken, Unsafe

# Keys of dictionaries whose plain values are kept; everything else is only counted.
KEPT = frozenset({"epoch", "global_step", "step", "relative_path", "offset", "length"})
OTHER = object()  # whatever nobody asks about


class Name(str):
    """A global that the pickle names, such as ``torch.FloatStorage``."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor: the storage that it looks into and from where, and how many elements it has."""

    storage: str
    offset: int
    elements: int


class Facts(dict[str, Any]):
    """A dictionary of the pickle, of which only the plain values under ``KEPT`` are kept.

    ``tensors`` are those that stand in it itself, ``parts`` the dictionaries that stand in it under a name.
    """

    # Made with the first that is put in: a hostile pickle may hold millions of empty dictionaries.
    tensors: AbstractSet[Tensor] = frozenset()
    parts: Mapping[str, "Facts"] = MappingProxyType({})

    def put(self, key: Any, value: Any) -> None:
        if type(value) is Tensor:
            self.tensors = self.tensors if isinstance(self.tensors, set) else set()
            self.tensors.add(value)
        elif type(key) is not str:
            return
        elif isinstance(value, Facts):
            self.parts = self.parts if isinstance(self.parts, dict) else {}
            self.parts[key] = value
        elif key in KEPT and type(value) in (int, float, str):
            self[key] = value


class Items(list[str]):
    """A list of the pickle, of which only the short texts are kept, in their order."""

    def put(self, values: Sequence[Any]) -> None:
        self += [value for value in values if type(value) is str]


@dataclass(slots=True)
class Thing:
    """An object that unpickling would make: its class, and its state where the pickle sets one."""

    of: Name
    state: Facts = field(default_factory=Facts)


@dataclass(frozen=True, slots=True)
class Storage:
    """A storage that tensors look into; ``bytes`` is its whole size, ``element`` that of one element."""

    key: str
    kind: str
    bytes: int
    element: int


def storage_of(pid: Any) -> Storage:
    """Return the storage that a persistent id names: ('storage', class, key, location, numel, …)."""
    if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage":
        raise Broken("a persistent id in its pickle names no storage")
    kind, key, numel = pid[1], pid[2], pid[4]
    element = element_bytes(kind) if isinstance(kind, Name) else None
    if element is None:
        raise Broken(f"its pickle names a storage of the unknown class {str(kind)[:60]}")
    if type(key) is not str or type(numel) is not int or numel < 0:
        raise Broken("its pickle names a storage without a key or a size")
    return Storage(key, str(kind), numel * element, element)


def check_tensor(of: str, arguments: Sequence[Any]) -> None:
    """Check that a tensor lies within its storage.

    A stride of 0 repeats one element, so an expanded tensor may be larger than what it looks into.
    """
    if len(arguments) < 4 or not isinstance(arguments[0], Storage):
        raise Broken("its pickle makes a tensor without a storage")
    storage, offset, size, stride = arguments[:4]
    element = storage.element
    if of.endswith("_v3"):
        dtype = arguments[6] if len(arguments) > 6 else None
        element = DTYPE_BYTES.get(str(dtype), 0) if isinstance(dtype, Name) else 0
        if not element:
            raise Broken(f"its pickle makes a tensor of the unknown dtype {str(dtype)[:60]}")
    if not _are_sizes((offset,)) or not _are_sizes(size) or not _are_sizes(stride) or len(size) != len(stride):
        raise Broken("its pickle makes a tensor whose size and strides make no sense")
    if all(size):
        last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
        if (last + 1) * element > storage.bytes:
            raise Broken(
                f"a tensor of it needs {(last + 1) * element} bytes of storage {storage.key}, which has {storage.bytes}"
            )


def _are_sizes(values: Any) -> bool:
    return isinstance(values, tuple) and all(type(one) is int and one >= 0 for one in values)


def call(of: Any, arguments: Any) -> Any:
    """Return what stands for the result of a call that the pickle asks for. Nothing is called."""
    if not isinstance(of, Name):
        raise Unsafe("its pickle calls something that is no name")
    if not isinstance(arguments, tuple):
        raise Broken("its pickle calls something with no arguments")
    if of == "torch.Size" and len(arguments) == 1:
        return arguments[0]
    if of in (
        "torch._utils._rebuild_tensor",
        "torch._utils._rebuild_tensor_v2",
        "torch._utils._rebuild_tensor_v3",
        "torch._utils._rebuild_qtensor",
    ):
        check_tensor(of, arguments)
        return Tensor(arguments[0].key, arguments[1], math.prod(arguments[2]))
    if of == "torch._tensor._rebuild_from_type_v2" and len(arguments) >= 3:
        return call(arguments[0], arguments[2])
    if of == "torch._utils._rebuild_parameter" and arguments and isinstance(arguments[0], Tensor):
        return arguments[0]
    if of in ("collections.OrderedDict", "collections.Counter"):
        return Facts()
    return Thing(of)
