"""Where each array lies: the segment's ends in buffers of their own, the rest in one arena, constants in one more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from subgraft._native import plan_arena
from subgraft.backends.opencl.launch import ELEMENT_BYTES, Launch, Table, Value
from subgraft.backends.opencl.source import Recorded
from subgraft.delegates import Array, Segment

ALIGNMENT = 128  # bytes; vector loads and the caches of all devices known are content with it


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


def lay_out(segment: Segment, launches: Sequence[Launch], recorded: Sequence[Recorded], one_arena: bool) -> Layout:
    """one_arena=False: every array gets a buffer of its own, so that a checker sees what runs over."""
    sizes: list[int] = []
    arrays: dict[int, Place] = {}

    def own(size: int) -> Place:
        sizes.append(max(size, 1))
        return Place(len(sizes) - 1, 0)

    lives: dict[int, list[int]] = {}
    values: dict[int, Value] = {}
    for n, launch in enumerate(launches):
        for value in (*launch.reads, *launch.writes):
            lives.setdefault(value.key, [n, n])[1] = n
            values[value.key] = value
    for key in (*segment.inputs, *segment.outputs):
        tensor_bytes = values[key].bytes if key in values else 1
        arrays[key] = own(tensor_bytes)
    inner = [key for key in lives if key not in arrays]
    if one_arena and inner:
        padded = [-(-values[key].bytes // ALIGNMENT) * ALIGNMENT for key in inner]
        offsets, total = plan_arena(padded, [lives[key][0] for key in inner], [lives[key][1] for key in inner])
        arena = own(total).buffer
        arrays |= {key: Place(arena, offset) for key, offset in zip(inner, offsets, strict=True)}
    else:
        arrays |= {key: own(values[key].bytes) for key in inner}
    constants, contents = _constants(recorded, sizes, one_arena)
    return Layout(tuple(sizes), arrays, constants, contents)


def _constants(
    recorded: Sequence[Recorded], sizes: list[int], one_buffer: bool
) -> tuple[dict[int, Place], dict[int, Array]]:
    """Tables with equal bytes lie in one place."""
    places: dict[int, Place] = {}
    contents: dict[int, Array] = {}
    known: dict[bytes, Place] = {}
    parts: list[bytes] = []
    filled = 0
    shared = len(sizes)
    if one_buffer:
        sizes.append(1)
    for table in (a for r in recorded for a in r.arguments if isinstance(a, Table)):
        content = np.ascontiguousarray(table.data).tobytes()
        if content not in known and one_buffer:
            known[content] = Place(shared, filled)
            padded = -(-max(len(content), 1) // ALIGNMENT) * ALIGNMENT
            parts.append(content.ljust(padded, b"\0"))
            filled += padded
        elif content not in known:
            sizes.append(max(len(content), 1))
            known[content] = Place(len(sizes) - 1, 0)
            contents[len(sizes) - 1] = np.frombuffer(content, np.uint8)
        places[id(table.data)] = known[content]
    if one_buffer and parts:
        sizes[shared] = filled
        contents[shared] = np.frombuffer(b"".join(parts), np.uint8)
    return places, contents


def elements(place: Place, ctype: str) -> int:
    """The offset in elements."""
    return place.offset // ELEMENT_BYTES[ctype]
