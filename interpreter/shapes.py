"""Every tensor's shape for given input shapes, and which are known only while running."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from subgraft.delegates import Graph, Unsupported
from subgraft.interpreter.custom_ops import CustomOps
from subgraft.interpreter.native import _native


@dataclass(frozen=True, slots=True)
class Shaped:
    """A graph with the shapes that its tensors have, and the tensors of which nobody knows before a run."""

    graph: Graph
    unknown: frozenset[int] = frozenset()


def infer(
    model: _native.Model,
    graph: Graph,
    inputs: Mapping[int, tuple[int, ...]] | None = None,
    custom: CustomOps | None = None,
) -> Shaped:
    """Asks the CPU's kernels and the user's custom ops; outputs of ops that have none keep the file's shapes.

    inputs: shapes of graph inputs that are not the file's. Raises Unsupported when they do not suit the ops, and
    InvokeError for a custom op that cannot say its shapes.
    """
    theirs = (custom or CustomOps()).in_graph(graph)
    shapes = dict(inputs or {})
    loose: set[int] = set()
    shaped = _infer(model, graph, shapes, theirs, loose)
    for i in theirs:
        op = graph.ops[i]
        assert custom is not None
        told = None
        if shaped.unknown.isdisjoint(op.inputs):
            told = custom.by_name[op.kind].shapes_of(i, shaped.graph)
        if told is None:
            loose.update(t for t in op.outputs if t >= 0)
            shaped = _infer(model, graph, shapes, theirs, loose)
            continue
        found = dict(zip(op.outputs, told, strict=True))
        if any(t >= 0 and shaped.graph.tensors[t].shape != shape for t, shape in found.items()):
            shapes.update((t, shape) for t, shape in found.items() if t >= 0)
            shaped = _infer(model, graph, shapes, theirs, loose)
    return shaped


def _downstream(graph: Graph, loose: Collection[int]) -> tuple[frozenset[int], frozenset[int]]:
    """The tensors that follow from these, themselves included, and the ops between."""
    tensors, ops = set(loose), set()
    for i, op in enumerate(graph.ops if loose else ()):
        if not tensors.isdisjoint(op.inputs):
            ops.add(i)
            tensors.update(t for t in op.outputs if t >= 0)
    return frozenset(tensors), frozenset(ops)


def _infer(
    model: _native.Model,
    graph: Graph,
    shapes: Mapping[int, tuple[int, ...]],
    without: Sequence[int],
    loose: Collection[int],
) -> Shaped:
    """The same with the outputs of the ops `without` taken for inputs.

    loose: those of them whose shapes nobody knows before a run, nor those of what follows from them.
    """
    kernels = set(_native.kernel_names())
    unknown, following = _downstream(graph, loose)
    others = {*without, *following, *(i for i, op in enumerate(graph.ops) if op.kind not in kernels)}
    ours = [i for i in range(len(graph.ops)) if i not in others]
    given = dict.fromkeys(graph.inputs)
    given.update((t, None) for i in sorted(others) for t in graph.ops[i].outputs if t >= 0)
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
        return Shaped(graph, unknown)
    unknown |= frozenset(t for t in range(len(graph.tensors)) if program.is_dynamic(t))
    found = {
        t: shape
        for t, tensor in enumerate(graph.tensors)
        if t not in unknown and (shape := tuple(program.shape(t))) != tensor.shape
    }
    if not found:
        return Shaped(graph, unknown)
    tensors = tuple(replace(x, shape=found[t]) if t in found else x for t, x in enumerate(graph.tensors))
    return Shaped(replace(graph, tensors=tensors), unknown)
