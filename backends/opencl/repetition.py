"""Work that need not be done: results that nothing reads, and results that are there already."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from subgraft.delegates import Graph, Op, Segment

SMALL_BYTES = 4096  # constants up to here are the same when their bytes are; larger ones when they are one tensor


def alive(segment: Segment) -> set[int]:
    """The ops of a segment that one of its outputs depends on."""
    wanted, found = set(segment.outputs), set()
    for i in reversed(segment.ops):
        op = segment.graph.ops[i]
        if wanted.intersection(op.outputs):
            found.add(i)
            wanted.update(op.inputs)
    return found


def repeated(segment: Segment, ops: Collection[int]) -> dict[int, int]:
    """Tensors that hold what an earlier tensor holds, and that one: ops of one kind and options, with equal inputs."""
    first: dict[object, int] = {}
    same: dict[int, int] = {}
    for i in segment.ops:
        op = segment.graph.ops[i]
        if i not in ops or op.is_custom or len(op.outputs) != 1:
            continue
        (made,) = op.outputs
        earlier = first.setdefault(_signature(op, segment.graph, same), made)
        if earlier != made:
            same[made] = earlier
    return same


def _signature(op: Op, graph: Graph, same: Mapping[int, int]) -> object:
    """Equal for two ops that compute the same."""

    def given(t: int) -> object:
        if t < 0:
            return None
        tensor = graph.tensors[t]
        small = tensor.buffer is not None and len(tensor.buffer) <= SMALL_BYTES
        known = bytes(tensor.buffer or b"") if small else same.get(t, t)
        return known, tensor.dtype, tensor.shape, tensor.quantization

    made = graph.tensors[op.outputs[0]]
    return op.kind, tuple(map(given, op.inputs)), repr(op.options), made.dtype, made.shape, made.quantization
