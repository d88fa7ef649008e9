"""What the device is asked to do: a list of kernel launches over arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from subgraft.delegates import Array

# OpenCL's type for each element type that kernels read and write. bool is a byte there too.
CTYPES: Mapping[str, str] = {
    "float32": "float", "float16": "half", "int8": "char", "uint8": "uchar", "bool": "uchar", "int16": "short",
    "uint16": "ushort", "int32": "int", "uint32": "uint",
}  # fmt: skip
ELEMENT_BYTES: Mapping[str, int] = {
    "float": 4, "half": 2, "char": 1, "uchar": 1, "short": 2, "ushort": 2, "int": 4, "uint": 4,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Value:
    """An array on the device.

    key: the tensor's index in the graph; below 0 for what only kernels see.
    ctype: how an element is stored: a key of ELEMENT_BYTES. "half" only ever stores what is computed as float.
    """

    key: int
    shape: tuple[int, ...]
    ctype: str

    @property
    def count(self) -> int:
        """Elements."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.count * ELEMENT_BYTES[self.ctype]


@dataclass(frozen=True, slots=True)
class In:
    """An array that a kernel reads."""

    name: str
    value: Value


@dataclass(frozen=True, slots=True)
class Out:
    """An array that a kernel writes."""

    name: str
    value: Value


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A constant that lies on the device from the start: packed weights, multipliers, a lookup table."""

    name: str
    data: Array

    @property
    def ctype(self) -> str:
        return CTYPES[self.data.dtype.name]


@dataclass(frozen=True, slots=True)
class Int:
    """A number known when the segment is compiled, but no part of the kernel's text."""

    name: str
    value: int


@dataclass(frozen=True, slots=True)
class Real:
    """The same, a float."""

    name: str
    value: float


Argument = In | Out | Table | Int | Real


@dataclass(frozen=True, slots=True)
class Step:
    """One elementwise op that a kernel applies to each element before it stores it.

    code: statements of OpenCL C that set $w from $v. `i` is the element's index in the flat output. The step's own
        arguments are $name; elements of its arrays are read with LOAD($name, index).
    gives: the type of $w, "int" or "float".
    """

    code: str
    gives: str
    arguments: tuple[Argument, ...] = ()


@dataclass(frozen=True, slots=True)
class Work:
    """What a launch costs: multiply-accumulates (or comparable operations), and bytes that it reads and writes."""

    macs: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Launch:
    """One kernel over a range of items.

    template: the name of its text, kernels/<template>.cl, after the names of what it needs before it.
    macros: what the text is specialized by.
    items: how many work items it needs, in up to three dimensions; the range is rounded up, so the text guards.
    result: where EPILOGUE stores. None: the text stores by itself, into its Out arguments.
    given: the type of the value that the text hands to EPILOGUE, "int" or "float".
    local: the work-group's size; None: as the device likes it.
    variants: other launches of the same template family that compute the same, before anything was fused; made when
        they are asked for.
    """

    template: str
    arguments: tuple[Argument, ...]
    items: tuple[int, ...]
    ops: tuple[int, ...]
    macros: Mapping[str, str | int] = field(default_factory=dict)
    result: Value | None = None
    given: str = ""
    steps: tuple[Step, ...] = ()
    local: tuple[int, ...] | None = None
    work: Work = Work()
    variants: Callable[[], Iterable[Launch]] | None = field(default=None, compare=False, repr=False)

    @property
    def everything(self) -> tuple[Argument, ...]:
        """The arguments of the text and of its steps."""
        return (*self.arguments, *(argument for step in self.steps for argument in step.arguments))

    @property
    def reads(self) -> tuple[Value, ...]:
        return tuple(a.value for a in self.everything if isinstance(a, In))

    @property
    def writes(self) -> tuple[Value, ...]:
        written = tuple(a.value for a in self.everything if isinstance(a, Out))
        return written if self.result is None else (*written, self.result)
