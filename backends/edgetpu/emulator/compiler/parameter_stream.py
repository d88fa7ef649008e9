"""The parameters of a segment: what is kept on the device, and what does not fit and is sent with every inference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from subgraft.backends.edgetpu.parameter_layers import layers
from subgraft.backends.edgetpu.parameters import WORD_BYTES, encode
from subgraft.delegates import Segment

ON_CHIP_BYTES = 8 << 20  # what coral.ai says there is for caching parameters, about


@dataclass(frozen=True, slots=True)
class Streams:
    """Each ends with padding to 64 bytes."""

    cached: bytes
    streamed: bytes


def streams(segment: Segment, digest: bytes, room_bytes: int) -> Streams:
    """In the order of the ops, each op's parameters whole in one of the two, the cached ones as long as there is room.

    What is cached ends with the digest, so that there is always something, and never the same for two models.
    """
    last = _padded(digest)
    cached, streamed = bytearray(), bytearray()
    for content in _contents(segment):
        fits = len(cached) + len(content) + len(last) <= room_bytes
        (cached if fits else streamed).extend(content)
    return Streams(bytes(cached + last), bytes(streamed))


def _contents(segment: Segment) -> Iterator[bytes]:
    """Of each op: in the device's layout where that is known, else the constants as they are in the file."""
    graph = segment.graph
    known = {layer.op: layer for layer in layers(segment) if layer.layouts}
    for i in segment.ops:
        taken: set[int] = set()
        content = b""
        if i in known:
            taken = {known[i].weights, known[i].bias}
            content = encode(known[i])
        constants = (graph.tensors[t].buffer for t in graph.ops[i].inputs if t >= 0 and t not in taken)
        content += b"".join(_padded(bytes(buffer)) for buffer in constants if buffer is not None)
        if content:
            yield content


def _padded(content: bytes) -> bytes:
    return content.ljust(-(-len(content) // WORD_BYTES) * WORD_BYTES, b"\0")
