"""Every tensor's shape for given input shapes, and which are known only while running."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from subgraft.delegates import Graph, Unsupported
from subgraft.interpreter.native import _native


@dataclass(frozen=True, slots=True)
class Shaped:
    """A graph with the shapes that its tensors have, and the tensors of which nobody knows before a run."""

    graph: Graph
    unknown: frozenset[int] = frozenset()


def infer(model: _native.Model, graph: Graph, inputs: Mapping[int, tuple[int, ...]] | None = None) -> Shaped:
    """Asks the CPU's kernels; outputs of ops that have none here keep the file's shapes.

    inputs: shapes of graph inputs that are not the file's. Raises Unsupported when they do not suit the ops.
    """
    kernels = set(_native.kernel_names())
    ours = [i for i, op in enumerate(graph.ops) if op.kind in kernels]
    given = dict.fromkeys(graph.inputs)
    given.update((t, None) for op in graph.ops if op.kind not in kernels for t in op.outputs if t >= 0)
    shapes = dict(inputs or {})
    try:
        program = _native.Program(
            model,
            graph.index,
            ours,
            list(given),
            list(graph.outputs),
            pool=_native.ThreadPool(1),
            shapes={t: list(shape) for t, shape in shapes.items()},
        )
    except Unsupported:
        if shapes:
            raise
        return Shaped(graph)
    unknown = frozenset(t for t in range(len(graph.tensors)) if program.is_dynamic(t))
    found = {
        t: shape
        for t, tensor in enumerate(graph.tensors)
        if t not in unknown and (shape := tuple(program.shape(t))) != tensor.shape
    }
    if not found:
        return Shaped(graph, unknown)
    tensors = tuple(replace(x, shape=found[t]) if t in found else x for t, x in enumerate(graph.tensors))
    return Shaped(replace(graph, tensors=tensors), unknown)
