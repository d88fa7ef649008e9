"""Instructions that emit DMA descriptors, assembled by the public layout of the words, apart from the scanner."""

from __future__ import annotations

import struct
from collections.abc import Sequence

SLOT_REGISTERS = (6, 7, 8, 20)  # 20: its number spans the two halves of a word


def word(**fields: int) -> bytes:
    """vector: operation, offset and register of its vector half; scalar: operation, register and immediate."""
    value = 0x0800
    value |= fields.get("vector", 0) << 31 | fields.get("offset", 0) << 36 | fields.get("source", 0) << 49
    value |= fields.get("scalar", 0) << 54 | fields.get("target", 0) << 60 | fields.get("immediate", 0) << 70
    return value.to_bytes(16, "little")


def move(target: int, immediate: int) -> bytes:
    return word(scalar=0x2F, target=target, immediate=immediate)


def emit(tag: int, size: int, address: int = 0) -> bytes:
    """One descriptor, in the way of compiled models: a register is set in the word before the one that uses it."""
    values = (address & 0xFFFFFFFF, address >> 32, size, tag)
    code = move(SLOT_REGISTERS[0], values[0])
    for slot in range(4):
        after = {"scalar": 0x2F, "target": SLOT_REGISTERS[slot + 1], "immediate": values[slot + 1]} if slot < 3 else {}
        code += word(vector=0x0A, offset=slot, source=SLOT_REGISTERS[slot], **after)
    return code + word(vector=0x0C)


def program(*dmas: tuple[int, int], seed: int = 0) -> bytes:
    """Words that emit these (tag, bytes), between others that mean nothing to the scanner."""
    noise = [struct.pack("<QQ", (seed + i) << 16 | 0x0F80, i) for i in range(3)]
    return b"".join(noise) + b"".join(emit(tag, size) for tag, size in dmas) + b"".join(noise)


def half_address_bits(code: bytes) -> Sequence[int]:
    """Where the two halves of the first descriptor's address are: after three words of noise."""
    assert len(code) >= 6 * 16
    return (3 * 128 + 70, 4 * 128 + 70)
