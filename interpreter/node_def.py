"""What a TensorFlow op that a model kept (a "Flex" op) says of itself: the NodeDef protobuf within its flexbuffer."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any

# Wire types of protobuf's encoding, and field numbers of tensorflow/core/framework's node_def.proto, attr_value.proto
# and tensor_shape.proto.
VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
NODE_NAME, NODE_OP, NODE_ATTR = 1, 2, 5
ENTRY_KEY, ENTRY_VALUE = 1, 2
ATTR_LIST, ATTR_S, ATTR_I, ATTR_F, ATTR_B, ATTR_TYPE, ATTR_SHAPE = 1, 2, 3, 4, 5, 6, 7
SHAPE_DIM, SHAPE_UNKNOWN_RANK, DIM_SIZE = 2, 3, 1
LONGEST_VARINT = 10  # bytes

# tensorflow/core/framework/types.proto
DTYPES: Mapping[int, str] = {
    1: "float32",
    2: "float64",
    3: "int32",
    4: "uint8",
    5: "int16",
    6: "int8",
    7: "string",
    8: "complex64",
    9: "int64",
    10: "bool",
    17: "uint16",
    18: "complex128",
    19: "float16",
    22: "uint32",
    23: "uint64",
}


def attributes(options: Any) -> dict[str, Any]:
    """The attributes of a Flex op by name, and its "name" and "op" as TensorFlow calls them.

    options: what a custom op's function gets: [op, NodeDef]. Types are TFLite's names ("int64"), strings are bytes,
    shapes are tuples with -1 for an unknown dimension, None for an unknown rank. Raises ValueError for anything else.
    """
    match options:
        case [str(), (str() | bytes()) as node]:
            return parse(node.encode() if isinstance(node, str) else node)
    raise ValueError("the options are not those of a Flex op: a name and a NodeDef")


def parse(node: bytes) -> dict[str, Any]:
    """Of a serialized NodeDef. Raises ValueError when it is damaged."""
    found: dict[str, Any] = {}
    for number, value in _fields(node):
        if number in (NODE_NAME, NODE_OP):
            found["name" if number == NODE_NAME else "op"] = _bytes(value).decode(errors="replace")
        elif number == NODE_ATTR:
            entry = dict(_fields(_bytes(value)))
            key = _bytes(entry.get(ENTRY_KEY, b"")).decode(errors="replace")
            found[key] = _attribute(_bytes(entry.get(ENTRY_VALUE, b"")))
    return found


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == VARINT:
            value, at = _varint(message, at)
            yield tag >> 3, value
            continue
        if kind == LENGTH:
            size, at = _varint(message, at)
        elif kind in (FIXED32, FIXED64):
            size = 4 if kind == FIXED32 else 8
        else:
            raise ValueError(f"a NodeDef has a field of wire type {kind}, which does not exist")
        if size > len(message) - at:
            raise ValueError("a NodeDef ends within a field")
        yield tag >> 3, message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for i, byte in enumerate(message[at : at + LONGEST_VARINT]):
        value |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            return value, at + i + 1
    raise ValueError("a NodeDef ends within a number")


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a NodeDef has a number where bytes belong")
    return value


def _integer(value: int | bytes) -> int:
    if isinstance(value, bytes):
        raise ValueError("a NodeDef has bytes where a number belongs")
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


def _float(value: int | bytes) -> float:
    content = _bytes(value)
    if len(content) != 4:
        raise ValueError(f"a NodeDef has a float of {len(content)} bytes")
    return float(struct.unpack("<f", content)[0])


def _dtype(value: int | bytes) -> str:
    number = _integer(value)
    return DTYPES.get(number, f"type {number}")


def _shape(value: int | bytes) -> tuple[int, ...] | None:
    dims = []
    for number, field in _fields(_bytes(value)):
        if number == SHAPE_UNKNOWN_RANK and field:
            return None
        if number == SHAPE_DIM:
            dims.append(_integer(dict(_fields(_bytes(field))).get(DIM_SIZE, 0)))
    return tuple(dims)


_READERS: Mapping[int, Callable[[int | bytes], Any]] = {
    ATTR_S: _bytes,
    ATTR_I: _integer,
    ATTR_F: _float,
    ATTR_B: lambda value: bool(_integer(value)),
    ATTR_TYPE: _dtype,
    ATTR_SHAPE: _shape,
}


def _attribute(message: bytes) -> Any:
    """One value; None for tensors and functions, which nothing here needs."""
    for number, value in _fields(message):
        if number == ATTR_LIST:
            return _list(_bytes(value))
        if number in _READERS:
            return _READERS[number](value)
    return None


def _list(message: bytes) -> list[Any]:
    values: list[Any] = []
    for number, value in _fields(message):
        read = _READERS.get(number)
        if read is None:
            continue
        if isinstance(value, bytes) and number in (ATTR_I, ATTR_B, ATTR_TYPE):  # packed
            at = 0
            while at < len(value):
                one, at = _varint(value, at)
                values.append(read(one))
        elif number == ATTR_F:
            packed = _bytes(value)
            values += [read(packed[at : at + 4]) for at in range(0, len(packed), 4)]
        else:
            values.append(read(value))
    return values
