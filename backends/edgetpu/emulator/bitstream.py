"""What a program will move, read from its instructions: the DMA descriptors that its scalar core emits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

WORD_BYTES = 16  # one instruction; fields are counted from its lowest bit
SCALAR_CLASS = 0x0800  # the low 16 bits of words that hold what is read here
# (bit within the lower half, bits): the upper half starts at bit 64
VECTOR_OP, VECTOR_OFFSET, VECTOR_REGISTER = (31, 5), (36, 8), (49, 5)
SCALAR_OP, SCALAR_REGISTER = (54, 6), (60, 5)  # the register's top bit is the upper half's lowest
IMMEDIATE = 70 - 64, 32
WRITE_SLOT, EMIT = 0x0A, 0x0C  # VECTOR_OP: slot[offset] = register; send the slots as a descriptor
MOVE_IMMEDIATE = 0x2F  # SCALAR_OP: register = immediate
FIRST_INTERRUPT = 4  # of the tags
SLOTS = 4  # address low, address high, bytes, tag

Words = npt.NDArray[np.uint64]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Descriptor:
    """One DMA, with the layout of a USB event. tag: 1 input, 2 parameters, 3 output, 4 to 7 interrupt 0 to 3."""

    tag: int
    size: int
    address: int


def scan(instructions: bytes) -> tuple[Descriptor, ...]:
    """The descriptors in the order of the words, without following branches.

    For most programs that is exactly what they do; words of tile programs that look alike and loops give more.
    """
    words = np.frombuffer(instructions, "<u8", len(instructions) // WORD_BYTES * 2).reshape(-1, 2)
    low, high = words[:, 0], words[:, 1]
    candidates = np.flatnonzero((low & np.uint64(0xFFFF)) == SCALAR_CLASS)
    low, high = low[candidates], high[candidates]
    operation = _field(low, VECTOR_OP)
    emissions = np.flatnonzero(operation == EMIT)
    if not len(emissions):
        return ()
    writes = operation == WRITE_SLOT
    slots, sources = _field(low, VECTOR_OFFSET), _field(low, VECTOR_REGISTER)
    moves = _Moves(low, high)
    columns = []
    for slot in range(SLOTS):
        written = np.flatnonzero(writes & (slots == slot))
        columns.append([moves.value(at, sources) for at in _last_before(written, emissions)])
    return tuple(Descriptor(tag, size, upper << 32 | lower) for lower, upper, size, tag in zip(*columns, strict=True))


def runs(descriptors: Sequence[Descriptor]) -> tuple[tuple[int, tuple[Descriptor, ...]], ...]:
    """Adjacent descriptors of one tag together: the host's hints cut the same bytes elsewhere."""
    found: list[tuple[int, tuple[Descriptor, ...]]] = []
    for descriptor in descriptors:
        if found and found[-1][0] == descriptor.tag and descriptor.tag < FIRST_INTERRUPT:
            found[-1] = (descriptor.tag, (*found[-1][1], descriptor))
        else:
            found.append((descriptor.tag, (descriptor,)))
    return tuple(found)


class _Moves:
    """Which immediate a register holds at a word: that of the last move before it."""

    def __init__(self, low: Words, high: Words) -> None:
        self._at = np.flatnonzero(_field(low, SCALAR_OP) == MOVE_IMMEDIATE)
        shift = SCALAR_REGISTER[0]
        lower, upper = low[self._at] >> np.uint64(shift), (high[self._at] & np.uint64(1)) << np.uint64(64 - shift)
        self._registers = lower | upper
        self._values = _field(high[self._at], IMMEDIATE)

    def value(self, at: int, sources: Words) -> int:
        """The register that the slot write at `at` reads: the word's own scalar half acts after it. 0: never set."""
        if at < 0:
            return 0
        before = int(np.searchsorted(self._at, at, side="left"))
        moves = np.flatnonzero(self._registers[:before] == sources[at])
        return int(self._values[moves[-1]]) if len(moves) else 0


def _field(half: Words, place: tuple[int, int]) -> Words:
    shift, bits = place
    return (half >> np.uint64(shift)) & np.uint64((1 << bits) - 1)


def _last_before(positions: Indices, marks: Indices) -> list[int]:
    """For each mark the last position before it; -1: none."""
    found = np.searchsorted(positions, marks, side="left") - 1
    return [int(positions[i]) if i >= 0 else -1 for i in found]
