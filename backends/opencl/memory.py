"""Where each array lies: the segment's ends in buffers of their own, the rest in one arena, constants in one more."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from subgraft._native import plan_arena
from subgraft.backends.opencl.launch import ELEMENT_BYTES, Table, Value
from subgraft.backends.opencl.source import Recorded
from subgraft.delegates import NUMPY_DTYPES, Array, Rejected, Segment, Tensor

ALIGNMENT = 128  # bytes; vector loads and the caches of all devices known are content with it
LARGEST_OFFSET = 2**31 - ALIGNMENT  # bytes: kernels count elements in 32 bits


@dataclass(frozen=True, slots=True)
class Place:
    """buffer: its number in Layout.sizes. offset: bytes."""

    buffer: int
    offset: int


@dataclass(frozen=True, slots=True)
class Layout:
    """sizes: of all buffers, in bytes. arrays: where each value lies, by key. constants: where each table lies, by id.

    contents: what constant buffers hold from the start, by buffer.
    """

    sizes: tuple[int, ...]
    arrays: dict[int, Place]
    constants: dict[int, Place]
    contents: dict[int, Array]


def lay_out(segment: Segment, recorded: Sequence[Recorded], one_arena: bool, largest: int) -> Layout:
    """one_arena=False: every array gets a buffer of its own, so that a checker sees what runs over.

    largest: bytes that one buffer of the device may have. Raises Rejected where an array is larger.
    """
    largest = min(largest, LARGEST_OFFSET)
    buffers = _Buffers(largest)
    lives: dict[int, list[int]] = {}
    values: dict[int, Value] = {}
    for n, launch in enumerate(r.launch for r in recorded):
        for value in (*launch.reads, *launch.writes):
            lives.setdefault(value.key, [n, n])[1] = n
            values[value.key] = value
    tensors = segment.graph.tensors
    arrays = {key: buffers.own(tensor_bytes(tensors[key])) for key in (*segment.inputs, *segment.outputs)}
    inner = sorted((key for key in lives if key not in arrays), key=lambda key: values[key].bytes)
    alone = 0 if one_arena else len(inner)  # the largest arrays leave the arena until it fits a buffer
    while True:
        together = inner[: len(inner) - alone]
        offsets, total = _arena([values[key].bytes for key in together], [lives[key] for key in together])
        if total <= largest:
            break
        alone += 1
    if together:
        arena = buffers.own(total).buffer
        arrays |= {key: Place(arena, offset) for key, offset in zip(together, offsets, strict=True)}
    arrays |= {key: buffers.own(values[key].bytes) for key in inner[len(together) :]}
    constants, contents = _constants(recorded, buffers, one_arena)
    return Layout(tuple(buffers.sizes), arrays, constants, contents)


class _Buffers:
    """The sizes of all buffers, while they are decided upon."""

    def __init__(self, largest: int) -> None:
        self.sizes: list[int] = []
        self.largest = largest

    def own(self, size: int) -> Place:
        """A new buffer. Raises Rejected."""
        if size > self.largest:
            raise Rejected(
                f"a tensor takes {size:,} bytes, and the largest buffer that kernels can use here {self.largest:,}; "
                "keep its ops on the CPU (deny_nodes)"
            )
        self.sizes.append(max(size, 1))
        return Place(len(self.sizes) - 1, 0)


def _arena(sizes: Sequence[int], lives: Sequence[Sequence[int]]) -> tuple[Sequence[int], int]:
    """Offsets of arrays that share memory when they are not needed at the same time, and what that takes."""
    if not sizes:
        return (), 0
    return plan_arena([_padded(size) for size in sizes], [live[0] for live in lives], [live[1] for live in lives])


def _constants(
    recorded: Sequence[Recorded], buffers: _Buffers, shared: bool
) -> tuple[dict[int, Place], dict[int, Array]]:
    """Tables with equal bytes lie in one place. shared: several to a buffer, as many as it may hold."""
    places: dict[int, Place] = {}
    known: dict[bytes, Place] = {}
    parts: dict[int, list[bytes]] = {}
    filled = buffers.largest  # of the last buffer
    for table in (a for r in recorded for a in r.arguments if isinstance(a, Table)):
        if id(table.data) in places:
            continue
        content = np.ascontiguousarray(table.data).tobytes()
        padded = _padded(max(len(content), 1))
        if content not in known:
            if not shared or filled + padded > buffers.largest:
                last, filled = buffers.own(padded), 0
            known[content] = Place(last.buffer, filled)
            parts.setdefault(last.buffer, []).append(content.ljust(padded, b"\0"))
            filled += padded
        places[id(table.data)] = known[content]
    contents = {buffer: np.frombuffer(b"".join(of), np.uint8) for buffer, of in parts.items()}
    for buffer, whole in contents.items():
        buffers.sizes[buffer] = len(whole)
    return places, contents


def _padded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def tensor_bytes(tensor: Tensor) -> int:
    """As the host has it, and as the device has it at a segment's ends."""
    return math.prod(tensor.shape) * NUMPY_DTYPES[tensor.dtype].itemsize


def elements(place: Place, ctype: str) -> int:
    """The offset in elements."""
    return place.offset // ELEMENT_BYTES[ctype]
