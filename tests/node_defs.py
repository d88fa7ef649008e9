"""Writes the options of Flex ops: a NodeDef protobuf in a flexbuffer, as TensorFlow's converter does."""

import struct

from subgraft.delegates import flexbuffer
from subgraft.interpreter.node_def import DTYPES

NUMBERS = {name: number for number, name in DTYPES.items()}


class Type(str):
    """A dtype's name among attributes."""


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def field(number, content):
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


def attr_value(value):
    if isinstance(value, bool):
        return field(5, int(value))
    if isinstance(value, int):
        return field(3, value)
    if isinstance(value, float):
        return varint(4 << 3 | 5) + struct.pack("<f", value)
    if isinstance(value, Type):
        return field(6, NUMBERS[value])
    if isinstance(value, bytes):
        return field(2, value)
    if isinstance(value, tuple):
        return field(7, b"".join(field(2, field(1, dim)) for dim in value))
    if isinstance(value, list):
        return field(1, list_value(value))
    raise TypeError(value)


def list_value(values):
    if values and all(isinstance(value, int) for value in values):
        return field(3, b"".join(map(varint, values)))  # packed
    return b"".join(attr_value(value) for value in values)


def node_def(op, name="", **attributes):
    node = field(1, name.encode()) + field(2, op.encode()) + field(3, b"input") + field(4, b"/device:CPU:0")
    for key, value in attributes.items():
        node += field(5, field(1, key.encode()) + field(2, attr_value(value)))
    return node


def options(op, name="", **attributes):
    node = node_def(op, name, **attributes)
    try:
        text = node.decode()
    except UnicodeDecodeError:
        text = node
    return flexbuffer.encode([op, text])
