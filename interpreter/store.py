"""The values that cross segments: in one arena, as state that outlives a run, or sized while running."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from subgraft.delegates import NUMPY_DTYPES, Array, Graph, Tensor, Unsupported
from subgraft.interpreter import texts
from subgraft.interpreter.native import _native

HANDLE = np.dtype(np.int32)  # what a resource tensor holds: the number of a variable or table
ALIGNMENT = 64  # bytes; what kernels and DMA like


@dataclass(frozen=True, slots=True)
class Life:
    """The steps between which a tensor's memory is its own, both included."""

    first: int
    last: int


class Lent:
    """Stands behind a view that a user holds: numpy keeps it alive as long as any slice of the view."""

    def __init__(self, array: Array) -> None:
        self.__array_interface__: dict[str, Any] = array.__array_interface__
        self._array = array


@dataclass(slots=True)
class Store:
    """Values by tensor index.

    fixed: views into the arena. state: variable tensors that more than one program, or a delegate, works on.
    loose: tensors whose shape this run found out. texts: what keeps the strings whose numbers a tensor holds.
    """

    graph: Graph
    fixed: dict[int, Array]
    state: dict[int, Array]
    loose: dict[int, Array] = field(default_factory=dict)
    texts: dict[int, object] = field(default_factory=dict)
    lent: weakref.WeakSet[Lent] = field(default_factory=weakref.WeakSet)
    _constants: dict[int, Array] = field(default_factory=dict)  # of strings, which the file holds otherwise
    _arena: Array = field(default_factory=lambda: np.empty(0, np.uint8))
    _offsets: dict[int, int] = field(default_factory=dict)

    @classmethod
    def plan(cls, graph: Graph, lives: Mapping[int, Life], variables: Iterable[int]) -> Store:
        """Memory for tensors that live so long; those that live at the same time never share any.

        Raises Unsupported for a tensor without a numpy type.
        """
        sizes = [_bytes(graph.tensors[t]) for t in lives]
        first = [life.first for life in lives.values()]
        offsets, total = _native.plan_arena(sizes, first, [life.last for life in lives.values()])
        store = cls(graph, {}, {t: _initial(graph.tensors[t]) for t in variables})
        store._offsets = dict(zip(lives, offsets, strict=True))
        store._arena = _aligned(total)
        store._view()
        return store

    def __getitem__(self, tensor: int) -> Array:
        """A tensor's value now; constants included. Raises ValueError where there is none."""
        for place in (self.fixed, self.loose, self.state):
            if tensor in place:
                return place[tensor]
        constant = self.graph.tensors[tensor].data
        if constant is None:
            if tensor not in self._constants:
                strings = texts.constant(self.graph.tensors[tensor])
                if strings is not None:
                    self._constants[tensor] = self.numbered(tensor, strings)
            if tensor in self._constants:
                return self._constants[tensor]
            name = self.graph.tensors[tensor].name
            raise ValueError(f"tensor {tensor} '{name}' has no value outside of a segment, or none yet")
        return constant

    def numbered(self, tensor: int, array: Any) -> Array:
        """The numbers of an array's strings, which are kept for as long as this tensor gets no others.

        Raises ValueError for what is no array of strings.
        """
        numbers, self.texts[tensor] = texts.keep(array, self.graph.tensors[tensor])
        return numbers

    def outside(self, tensor: int) -> Array:
        """A copy of a tensor's value as users see it. Raises ValueError where there is none."""
        value = self[tensor]
        return texts.read(value) if self.graph.tensors[tensor].dtype == "string" else value.copy()

    def move(self) -> None:
        """The same values in new memory; the old is left to whoever still works on it."""
        old = self._arena
        self._arena = _aligned(len(old))
        self._arena[...] = old
        self._view()

    def lend(self, tensor: int) -> Array:
        """A view of a tensor's own memory, counted as long as it or any part of it lives. Raises ValueError."""
        if tensor not in self.fixed:
            raise ValueError(f"tensor {tensor} '{self.graph.tensors[tensor].name}' has no memory of its own to show")
        if self.graph.tensors[tensor].dtype == "string":
            raise ValueError(f"tensor {tensor} '{self.graph.tensors[tensor].name}' holds strings; read a copy instead")
        lent = Lent(self.fixed[tensor])
        self.lent.add(lent)
        return np.asarray(lent)

    def reset_state(self) -> None:
        """Variable tensors back to their first value."""
        for t, value in self.state.items():
            value[...] = _initial(self.graph.tensors[t])

    @property
    def size_bytes(self) -> int:
        return len(self._arena)

    def _view(self) -> None:
        for t, offset in self._offsets.items():
            tensor = self.graph.tensors[t]
            flat = self._arena[offset : offset + _bytes(tensor)].view(element(tensor))
            self.fixed[t] = flat.reshape(tensor.shape)


def element(tensor: Tensor) -> np.dtype[Any]:
    """What a store holds of one element. Raises Unsupported."""
    if tensor.dtype == "resource":
        return HANDLE
    if tensor.dtype == "string":
        return texts.NUMBERS
    if tensor.dtype not in NUMPY_DTYPES:
        raise Unsupported(f"tensor '{tensor.name}' is {tensor.dtype}, which cannot pass from one segment to another")
    return NUMPY_DTYPES[tensor.dtype]


def read_only(array: Array) -> Array:
    """The same memory, which nobody can write to through this array."""
    view = array.view()
    view.flags.writeable = False
    return view


def _bytes(tensor: Tensor) -> int:
    return prod(tensor.shape) * element(tensor).itemsize


def _initial(tensor: Tensor) -> Array:
    """What a variable holds before the first run: zero, which an int8 tensor writes as its zero point."""
    zero_points = tensor.quantization.zero_points if tensor.quantization else ()
    value = zero_points[0] if tensor.dtype == "int8" and zero_points else 0
    return np.full(tensor.shape, value, element(tensor))


def _aligned(size: int) -> Array:
    """Bytes that begin at a multiple of ALIGNMENT, and end at one."""
    raw = np.zeros(size + 2 * ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size]
