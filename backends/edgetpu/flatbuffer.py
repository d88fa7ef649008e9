"""Reads tables of a flatbuffer whose schema the caller knows; every access is checked against the buffer's bounds."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from subgraft.backends.edgetpu.errors import PackageError

INT16, INT32, UINT64, INT64 = struct.Struct("<h"), struct.Struct("<i"), struct.Struct("<Q"), struct.Struct("<q")
UINT8, UINT16, UINT32, FLOAT32 = struct.Struct("<B"), struct.Struct("<H"), struct.Struct("<I"), struct.Struct("<f")
VTABLE_HEADER_BYTES = 4  # the sizes of the vtable and of the table
MAX_EXPANSION = 4  # copied bytes for each byte of the buffer; only strings are shared in honest ones
EXPANSION_SLACK_BYTES = 1 << 16

Integers: TypeAlias = npt.NDArray[np.int64]


class Flatbuffer:
    """One buffer. `what` names it in errors."""

    __slots__ = ("_budget", "data", "what")

    def __init__(self, data: memoryview, what: str) -> None:
        self.data = data
        self.what = what
        self._budget = MAX_EXPANSION * len(data) + EXPANSION_SLACK_BYTES

    def root(self) -> Table:
        return Table(self, self.number(UINT32, 0))

    def number(self, layout: struct.Struct, at: int) -> Any:
        if not 0 <= at <= len(self.data) - layout.size:
            raise PackageError(f"{self.what} is damaged: it refers to byte {at} of {len(self.data)}")
        return layout.unpack_from(self.data, at)[0]

    def follow(self, at: int) -> int:
        """Where the offset at this place leads."""
        return at + int(self.number(UINT32, at))

    def vector(self, at: int, item_bytes: int) -> tuple[int, int]:
        """Where the first element of the vector at `at` lies, and how many there are; all of them are inside."""
        count = int(self.number(UINT32, at))
        start = at + UINT32.size
        if count * item_bytes > len(self.data) - start:
            raise PackageError(f"{self.what} is damaged: {count} elements at byte {at} of {len(self.data)}")
        return start, count

    def spend(self, size_bytes: int) -> None:
        """Keeps a small file, whose parts refer to the same bytes over and over, from filling the memory."""
        self._budget -= size_bytes
        if self._budget < 0:
            raise PackageError(f"{self.what} is damaged: it refers to the same data over and over")


class Table:
    """One table. Slots are numbered as in the schema, from 0; a union takes two.

    Raises PackageError for whatever lies outside the buffer.
    """

    __slots__ = ("_at", "_buffer", "_size", "_vtable")

    def __init__(self, buffer: Flatbuffer, at: int) -> None:
        self._buffer = buffer
        self._at = at
        self._vtable = at - int(buffer.number(INT32, at))
        self._size = int(buffer.number(UINT16, self._vtable))

    def _place(self, slot: int) -> int | None:
        """Where the slot's value lies; None when it has the schema's default."""
        entry = VTABLE_HEADER_BYTES + UINT16.size * slot
        if entry + UINT16.size > self._size:
            return None
        offset = int(self._buffer.number(UINT16, self._vtable + entry))
        return self._at + offset if offset else None

    def integer(self, slot: int, default: int = 0, layout: struct.Struct = INT32) -> int:
        place = self._place(slot)
        return default if place is None else int(self._buffer.number(layout, place))

    def real(self, slot: int, default: float = 0.0) -> float:
        """A float32."""
        place = self._place(slot)
        return default if place is None else float(self._buffer.number(FLOAT32, place))

    def table(self, slot: int) -> Table | None:
        place = self._place(slot)
        return None if place is None else Table(self._buffer, self._buffer.follow(place))

    def tables(self, slot: int, most: int) -> Iterator[Table]:
        """The tables of a vector, one after the other; more than `most` of them are refused."""
        for place in self._references(slot, most):
            yield Table(self._buffer, self._buffer.follow(place))

    def views(self, slot: int, most: int) -> Iterator[memoryview]:
        """The strings of a vector, unread and uncopied; more than `most` of them are refused."""
        for place in self._references(slot, most):
            yield self._view(self._buffer.follow(place))

    def count(self, slot: int) -> int:
        """How many elements a vector of tables or strings has."""
        place = self._place(slot)
        return 0 if place is None else self._buffer.vector(self._buffer.follow(place), UINT32.size)[1]

    def has(self, slot: int) -> bool:
        return self._place(slot) is not None

    def view(self, slot: int) -> memoryview:
        """A vector of bytes, or a string, uncopied; empty when absent."""
        place = self._place(slot)
        return memoryview(b"") if place is None else self._view(self._buffer.follow(place))

    def content(self, slot: int) -> bytes:
        """A copy of the same."""
        view = self.view(slot)
        self._buffer.spend(len(view))
        return bytes(view)

    def text(self, slot: int) -> str:
        """A string; bytes that are no UTF-8 show as escapes."""
        return self.content(slot).decode(errors="backslashreplace")

    def integers(self, slot: int, per_element: int = 1) -> Integers:
        """A vector of int32, or of structs of `per_element` int32, as a read-only array; empty when absent."""
        place = self._place(slot)
        if place is None:
            return np.empty(0, np.int64)
        start, count = self._buffer.vector(self._buffer.follow(place), INT32.size * per_element)
        self._buffer.spend(count * per_element * INT32.size)
        values = np.frombuffer(self._buffer.data, "<i4", count * per_element, start).astype(np.int64)
        values.flags.writeable = False
        return values

    def _references(self, slot: int, most: int) -> Iterator[int]:
        place = self._place(slot)
        if place is None:
            return
        start, count = self._buffer.vector(self._buffer.follow(place), UINT32.size)
        if count > most:
            raise PackageError(f"{self._buffer.what} is damaged: a list of {count} entries, where {most} is the most")
        yield from range(start, start + UINT32.size * count, UINT32.size)

    def _view(self, at: int) -> memoryview:
        start, count = self._buffer.vector(at, UINT8.size)
        return self._buffer.data[start : start + count]
