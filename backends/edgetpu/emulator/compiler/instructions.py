"""Bitstreams that tell the emulated device what to move; what they compute is known to their name alone.

Nobody publishes the instructions of the Edge TPU's tiles, so there are none here: the device gets the words of the
scalar core that emit DMA descriptors, which are known, and between them words that stand for the work of each op and
carry a digest of the model, so that no two models have the same instructions.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from subgraft.backends.edgetpu.package import (
    Bitstream,
    DataHint,
    Field,
    Hint,
    InstructionHint,
    InterruptHint,
)

WORD_BYTES = 16
MAX_CHUNK_BYTES = 256 << 10  # chunks of known models end shortly before

# Bits of a word, from its lowest (facts of the scalar core's words, found in many bitstreams).
SCALAR_WORD = 0x0800
VECTOR_OP_AT, VECTOR_OFFSET_AT, VECTOR_REGISTER_AT, SCALAR_OP_AT, SCALAR_REGISTER_AT = 31, 36, 49, 54, 60
IMMEDIATE_AT = 70
WRITE_SLOT, EMIT = 0x0A, 0x0C  # vector ops
ADD_IMMEDIATE, MOVE_IMMEDIATE = 0x21, 0x2F  # scalar ops
LOW, HIGH, SIZE, TAG = range(4)  # the slots of a descriptor, and the registers that are used for them
TAGS = {"input": 1, "parameters": 2, "output": 3}
INTERRUPT_TAG = 4
START, END = 0x0F80, 0x04000FC0
START_LENGTH_AT = 24  # the first word tells how long the chunk is, in 32-bit words without two
MAX_DESCRIPTOR_BYTES = 64 << 10  # larger transfers are emitted in pieces; the hints have them whole

MARK = b"for emulation only: subgraft"  # in the first words, for whoever looks at the bytes
WORK_WORD = 0x7353  # the low bits of words that stand for tile programs: never SCALAR_WORD
WORK_BYTES = WORD_BYTES - 2
WEIGHTS_POINT_AT, SOURCE_POINT_AT, MULTIPLIER_AT, TARGET_POINT_AT = 62, 78, 29, 29  # in three words in a row
WORDS_PER_OP = 64
ELEMENTS_PER_WORD = 1024


@dataclass(frozen=True, slots=True)
class Block:
    """Words that stay together in one chunk, with the holes in them (offset_bit: within the block) and their hints."""

    words: bytes
    fields: tuple[Field, ...] = ()
    hints: tuple[Hint, ...] = ()


def transfer(source: str, name: str, offset: int, size: int) -> Block:
    """Moves these bytes of an input, an output or the parameters."""
    words: list[int] = []
    fields = []
    for start in range(offset, offset + size, MAX_DESCRIPTOR_BYTES):
        for slot, upper in ((LOW, False), (HIGH, True)):
            fields.append(Field(source, name, 0, upper, len(words) * WORD_BYTES * 8 + IMMEDIATE_AT))
            words.append(_move(slot, 0))
        if start:
            words.append(_scalar(ADD_IMMEDIATE, LOW, start))
        words.append(_move(SIZE, min(MAX_DESCRIPTOR_BYTES, offset + size - start)))
        words.append(_move(TAG, TAGS[source]))
        words += _emission()
    hint = DataHint(source, name, 0, offset, size, outfeed=source == "output")
    return Block(_joined(words), tuple(fields), (hint,))


def interrupt() -> Block:
    """Says that all is done."""
    moves = [_move(slot, 0) for slot in (LOW, HIGH, SIZE)]
    return Block(_joined([*moves, _move(TAG, INTERRUPT_TAG), *_emission()]), (), (InterruptHint(0),))


def work(digest: bytes, op: int, elements: int) -> Block:
    """Stands for the tile programs of one op that writes so many elements."""
    count = WORDS_PER_OP + elements // ELEMENTS_PER_WORD
    return Block(_payload(hashlib.shake_256(digest + op.to_bytes(4, "little")).digest(count * WORK_BYTES)))


def constants(weights: int, source: int, multiplier: np.float32, target: int) -> Block:
    """Those of a layer quantized per tensor, where Google's compiler has them (see immediates.py).

    weights, source, target: zero points, unsigned. multiplier: input scale * weight scale / output scale.
    """
    zero_points = weights << WEIGHTS_POINT_AT | source << SOURCE_POINT_AT
    factor = int(multiplier.view(np.uint32)) << MULTIPLIER_AT
    return Block(_joined(WORK_WORD | field for field in (zero_points, factor, target << TARGET_POINT_AT)))


def mark(digest: bytes) -> Block:
    """Says what this is, and of which model."""
    return Block(_payload(MARK + digest))


def assemble(blocks: Iterable[Block]) -> tuple[tuple[Bitstream, ...], tuple[Hint, ...]]:
    """Chunks of whole blocks, and the hints of all of them in order."""
    chunks: list[list[Block]] = [[]]
    size = 2 * WORD_BYTES
    for piece in (piece for block in blocks for piece in _pieces(block)):
        if size + len(piece.words) > MAX_CHUNK_BYTES:
            chunks.append([])
            size = 2 * WORD_BYTES
        chunks[-1].append(piece)
        size += len(piece.words)
    hints: list[Hint] = []
    for i, chunk in enumerate(chunks):
        hints += [InstructionHint(i), *(hint for block in chunk for hint in block.hints)]
    return tuple(_bitstream(chunk) for chunk in chunks), tuple(hints)


def _pieces(block: Block) -> Iterable[Block]:
    """Work may be cut anywhere; transfers may not."""
    step = MAX_CHUNK_BYTES // 4
    if block.hints or len(block.words) <= step:
        return [block]
    return [Block(block.words[at : at + step]) for at in range(0, len(block.words), step)]


def _bitstream(blocks: Sequence[Block]) -> Bitstream:
    words = bytearray(WORD_BYTES)
    fields = []
    for block in blocks:
        base = len(words) * 8
        fields += [Field(f.source, f.name, f.batch, f.upper, base + f.offset_bit) for f in block.fields]
        words += block.words
    words += END.to_bytes(WORD_BYTES, "little")
    length = len(words) // 4 - 2
    words[:WORD_BYTES] = (START | length << START_LENGTH_AT).to_bytes(WORD_BYTES, "little")
    return Bitstream(bytes(words), tuple(fields))


def _scalar(operation: int, register: int, immediate: int) -> int:
    return SCALAR_WORD | operation << SCALAR_OP_AT | register << SCALAR_REGISTER_AT | immediate << IMMEDIATE_AT


def _move(register: int, immediate: int) -> int:
    return _scalar(MOVE_IMMEDIATE, register, immediate)


def _emission() -> list[int]:
    """Copies the registers to the slots and sends them."""
    writes = [
        SCALAR_WORD | WRITE_SLOT << VECTOR_OP_AT | slot << VECTOR_OFFSET_AT | slot << VECTOR_REGISTER_AT
        for slot in (LOW, HIGH, SIZE, TAG)
    ]
    return [*writes, SCALAR_WORD | EMIT << VECTOR_OP_AT]


def _joined(words: Iterable[int]) -> bytes:
    return b"".join(word.to_bytes(WORD_BYTES, "little") for word in words)


def _payload(content: bytes) -> bytes:
    low = struct.pack("<H", WORK_WORD)
    padded = content.ljust(-(-len(content) // WORK_BYTES) * WORK_BYTES, b"\0")
    return b"".join(low + padded[at : at + WORK_BYTES] for at in range(0, len(padded), WORK_BYTES))
