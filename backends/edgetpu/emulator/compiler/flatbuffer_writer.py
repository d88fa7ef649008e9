"""Writes a flatbuffer from nested values, each table a mapping of the schema's slots."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from subgraft.backends.edgetpu.flatbuffer import FLOAT32, INT16, INT32, UINT8, UINT16, UINT32, UINT64, Integers

TABLE_ALIGNMENT = 8  # of the first field, so that 8-byte fields fit anywhere
DATA_ALIGNMENT = 16  # of the contents of vectors and strings, some of which are flatbuffers again
IDENTIFIER_BYTES = 4


@dataclass(frozen=True, slots=True)
class Scalar:
    """A number of a fixed size, stored in the table itself."""

    layout: struct.Struct
    value: float


@dataclass(frozen=True, slots=True)
class Structs:
    """A vector of structs of `width` int32."""

    values: Integers
    width: int


# What a slot may hold: a number, a text, a vector of bytes, of int32, of structs, of tables or of strings (lists or
# tuples of them), or a table.
Value: TypeAlias = "Scalar | str | bytes | Integers | Structs | Sequence[Slots | bytes] | Slots"
Slots: TypeAlias = "Mapping[int, Value]"


def int8(value: bool | int) -> Scalar:
    """A byte: a bool, or the type of a union."""
    return Scalar(UINT8, value)


def int16(value: int) -> Scalar:
    return Scalar(INT16, value)


def int32(value: int) -> Scalar:
    return Scalar(INT32, value)


def uint64(value: int) -> Scalar:
    return Scalar(UINT64, value)


def float32(value: float) -> Scalar:
    return Scalar(FLOAT32, value)


def flatbuffer(root: Slots, identifier: bytes = b"") -> bytes:
    """The whole buffer. Children lie behind what refers to them."""
    out = bytearray(UINT32.size)
    out += identifier.ljust(IDENTIFIER_BYTES, b"\0") if identifier else b""
    UINT32.pack_into(out, 0, _table(root, out))
    return bytes(out)


def _table(slots: Slots, out: bytearray) -> int:
    """Appends a table and all below it; returns where it is."""
    fields = {s: v if isinstance(v, Scalar) else Scalar(UINT32, 0) for s, v in slots.items()}
    order = sorted(fields, key=lambda slot: -fields[slot].layout.size)  # the largest first: none needs a gap
    offsets, end = {}, INT32.size
    for slot in order:
        offsets[slot] = end
        end += fields[slot].layout.size
    count = max(slots, default=-1) + 1
    vtable = struct.pack(f"<{count + 2}H", 2 * (count + 2), end, *(offsets.get(slot, 0) for slot in range(count)))
    _align(out, UINT16.size)
    start = len(out)
    out += vtable
    _align(out, TABLE_ALIGNMENT, ahead=INT32.size)
    at = len(out)
    out += bytes(end)
    INT32.pack_into(out, at, at - start)
    for slot, field in fields.items():
        field.layout.pack_into(out, at + offsets[slot], field.value)
    for slot, value in slots.items():
        if not isinstance(value, Scalar):
            _refer(out, at + offsets[slot], value)
    return at


def _refer(out: bytearray, at: int, value: Value) -> None:
    """Appends what the offset at this place shall lead to."""
    UINT32.pack_into(out, at, _child(value, out) - at)


def _child(value: Value, out: bytearray) -> int:
    if isinstance(value, Mapping):
        return _table(value, out)
    if isinstance(value, str):
        return _bytes(value.encode(), out, end=b"\0")
    if isinstance(value, bytes):
        return _bytes(value, out)
    if isinstance(value, Structs):
        return _vector(len(value.values) // value.width, value.values.astype("<i4").tobytes(), out)
    if isinstance(value, np.ndarray):
        return _vector(len(value), value.astype("<i4").tobytes(), out)
    assert isinstance(value, list | tuple)
    at = _vector(len(value), bytes(UINT32.size * len(value)), out)
    for i, element in enumerate(value):
        place = at + UINT32.size * (i + 1)
        child = _bytes(element, out, end=b"\0") if isinstance(element, bytes) else _table(element, out)
        UINT32.pack_into(out, place, child - place)
    return at


def _bytes(content: bytes, out: bytearray, end: bytes = b"") -> int:
    return _vector(len(content), content + end, out)


def _vector(count: int, content: bytes, out: bytearray) -> int:
    _align(out, DATA_ALIGNMENT, ahead=UINT32.size)
    at = len(out)
    out += UINT32.pack(count) + content
    return at


def _align(out: bytearray, alignment: int, ahead: int = 0) -> None:
    """So that what comes `ahead` bytes later is aligned."""
    out += bytes(-(len(out) + ahead) % alignment)
