"""Cuts a segment out of a model, as a model of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from subgraft.delegates import Graph, Op, Options, Quantization, Segment, Tensor
from subgraft.interpreter.model import Model

# Options whose value is a subgraph's index, or several, end in one of these in all of the schema.
BODY_ENDINGS = ("subgraph", "subgraph_index", "subgraph_indices")


def cut(model: Model, segment: Segment) -> bytes:
    """The segment as a .tflite file, its inputs and outputs in the segment's order.

    Subgraphs that its ops refer to come along. Signatures and metadata stay behind: they describe the whole model.
    Raises Unsupported when an op has options that a newer schema added.
    """
    graphs = [_cut_graph(segment)]
    places: dict[int, int] = {}  # index of a body in the model: index in the new file
    for graph in graphs:  # grows while it runs
        for index in _bodies(graph.ops):
            if index in places or not 0 <= index < len(model.graphs):
                continue
            places[index] = len(graphs)
            graphs.append(_copy(model.graphs[index], len(graphs)))
    moved = [replace(graph, ops=tuple(_move_bodies(op, places) for op in graph.ops)) for graph in graphs]
    return Model(
        moved,
        description=model.description,
        version=model.version,
        external_buffers=model.external_buffers,
    ).to_bytes()


def _cut_graph(segment: Segment) -> Graph:
    graph = segment.graph
    ops = [graph.ops[i] for i in segment.ops]
    needed = {*segment.inputs, *segment.outputs}
    needed.update(t for op in ops for t in (*op.inputs, *op.outputs, *op.intermediates) if t >= 0)
    needed.update([t for used in needed for t in _scales(graph.tensors[used])])
    places = {old: new for new, old in enumerate(sorted(needed))} | {-1: -1}
    return Graph(
        tensors=tuple(_move_scales(graph.tensors[t], places) for t in sorted(needed)),
        ops=tuple(_move_op(op, places) for op in ops),
        inputs=_moved(segment.inputs, places),
        outputs=_moved(segment.outputs, places),
        name=graph.name,
    )


def _copy(graph: Graph, index: int) -> Graph:
    ops = tuple(replace(op, debug_metadata_index=-1) for op in graph.ops)
    return replace(graph, ops=ops, index=index, services=None, debug_metadata_index=-1)


def _moved(tensors: Iterable[int], places: Mapping[int, int]) -> tuple[int, ...]:
    return tuple(places[t] for t in tensors)


def _move_op(op: Op, places: Mapping[int, int]) -> Op:
    return replace(
        op,
        inputs=_moved(op.inputs, places),
        outputs=_moved(op.outputs, places),
        intermediates=_moved(op.intermediates, places),
        debug_metadata_index=-1,
    )


def _scales(tensor: Tensor) -> tuple[int, ...]:
    """The tensors that hold this one's blockwise quantization."""
    blockwise = tensor.quantization.blockwise if tensor.quantization else None
    return tuple(t for t in (blockwise.scales, blockwise.zero_points) if t >= 0) if blockwise else ()


def _move_scales(tensor: Tensor, places: Mapping[int, int]) -> Tensor:
    quantization: Quantization | None = tensor.quantization
    if quantization is None or quantization.blockwise is None:
        return tensor
    old = quantization.blockwise
    new = replace(old, scales=places[old.scales], zero_points=places[old.zero_points])
    return replace(tensor, quantization=replace(quantization, blockwise=new))


def _bodies(ops: Iterable[Op]) -> Iterable[int]:
    for op in ops:
        for name, value in op.options.items():
            if name.endswith(BODY_ENDINGS):
                yield from value if isinstance(value, tuple) else (value,)


def _move_bodies(op: Op, places: Mapping[int, int]) -> Op:
    def move(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(places.get(index, index) for index in value)
        return places.get(value, value)

    values = {name: move(value) if name.endswith(BODY_ENDINGS) else value for name, value in op.options.items()}
    return replace(op, options=Options(values, table=op.options.table))
