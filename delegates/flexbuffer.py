"""Writes flexbuffers, the schemaless format in which custom ops keep their options; native code reads them."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

# Type numbers of the format; values here are always 8 bytes wide, which every reader accepts.
NULL, INT, UINT, FLOAT, KEY, STRING, MAP, VECTOR, BLOB, BOOL = 0, 1, 2, 3, 4, 5, 9, 10, 25, 26
WIDTH_BYTES = 8
WIDTH_CODE = 3  # log2(WIDTH_BYTES)


def encode(value: Any) -> bytes:
    """Of None, bool, int, float, str, bytes, sequences and mappings with str keys.

    Raises TypeError for anything else, and OverflowError for an int over 64 bits.
    """
    out = bytearray()
    slot, kind = _write(value, out)
    _align(out)
    root = _slot(slot, kind, out)
    return bytes(out) + root + bytes((_packed(kind), WIDTH_BYTES))


def _packed(kind: int) -> int:
    return kind << 2 | WIDTH_CODE


def _write(value: Any, out: bytearray) -> tuple[Any, int]:
    """Appends what does not fit a slot; returns the slot's content (a position for what was appended) and type."""
    if value is None:
        return 0, NULL
    if isinstance(value, bool):
        return int(value), BOOL
    if isinstance(value, int):
        return value, INT if value < 1 << 63 else UINT
    if isinstance(value, float):
        return value, FLOAT
    if isinstance(value, str):
        return _write_bytes(value.encode(), out, end=b"\0"), STRING
    if isinstance(value, bytes | bytearray | memoryview):
        return _write_bytes(bytes(value), out), BLOB
    if isinstance(value, Mapping):
        return _write_map(value, out), MAP
    if isinstance(value, Sequence):
        return _write_vector([_write(element, out) for element in value], out), VECTOR
    raise TypeError(f"flexbuffers have no {type(value).__name__}")


def _align(out: bytearray) -> None:
    out.extend(bytes(-len(out) % WIDTH_BYTES))


def _write_bytes(content: bytes, out: bytearray, end: bytes = b"") -> int:
    _align(out)
    out += struct.pack("<Q", len(content))
    position = len(out)
    out += content + end
    return position


def _write_vector(slots: Sequence[tuple[Any, int]], out: bytearray) -> int:
    _align(out)
    out += struct.pack("<Q", len(slots))
    position = len(out)
    for slot, kind in slots:
        out += _slot(slot, kind, out)
    out += bytes(_packed(kind) for _, kind in slots)
    return position


def _write_map(mapping: Mapping[str, Any], out: bytearray) -> int:
    # Keys are sorted as C strings, so that readers can search them.
    names = sorted(mapping, key=str.encode)
    places = []
    for name in names:
        places.append(len(out))
        out += name.encode() + b"\0"
    slots = [_write(mapping[name], out) for name in names]
    _align(out)
    out += struct.pack("<Q", len(names))
    keys = len(out)
    for place in places:
        out += _slot(place, KEY, out)
    out += _slot(keys, KEY, out)
    out += struct.pack("<Q", WIDTH_BYTES)
    return _write_vector(slots, out)


def _slot(content: Any, kind: int, out: bytearray) -> bytes:
    """Eight bytes: the value itself, or how far back from here it lies."""
    if kind == FLOAT:
        return struct.pack("<d", content)
    if kind in (NULL, INT):
        return _integer("<q", content)
    if kind in (UINT, BOOL):
        return _integer("<Q", content)
    return struct.pack("<Q", len(out) - content)


def _integer(layout: str, value: int) -> bytes:
    try:
        return struct.pack(layout, value)
    except struct.error:
        raise OverflowError(f"{value} does not fit 64 bits") from None
