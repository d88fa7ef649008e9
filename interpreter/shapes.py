"""Every tensor's shape for given input shapes, and which are known only while running."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from subgraft.delegates import Graph, ModelError, Op, Unsupported
from subgraft.interpreter.custom_ops import CustomOps
from subgraft.interpreter.native import _native
from subgraft.partitioner import BODY_OPTIONS, bodies_of

Shape = tuple[int, ...]
DEEPEST = 64  # bodies within bodies


@dataclass(frozen=True, slots=True)
class Shaped:
    """A graph with the shapes that its tensors have, and the tensors of which nobody knows before a run."""

    graph: Graph
    unknown: frozenset[int] = frozenset()


class Inference:
    """Asks the CPU's kernels, the user's custom ops and the bodies of control flow.

    inputs: what infer() was told of each graph that control flow runs: the shapes of its inputs, where they are known.
    """

    def __init__(self, model: _native.Model, graphs: Sequence[Graph], custom: CustomOps) -> None:
        self._model = model
        self._graphs = graphs
        self._custom = custom
        self._within: list[int] = []
        self._made: dict[tuple[object, ...], Shaped] = {}
        self.inputs: dict[int, dict[int, Shape]] = {}

    def infer(self, graph: Graph, inputs: Mapping[int, Shape], unknown: Collection[int] = ()) -> Shaped:
        """The shapes in this graph; outputs of ops that nobody knows keep the file's.

        inputs: shapes of graph inputs that are not the file's. unknown: inputs whose shapes nobody knows.
        Raises Unsupported when they do not suit the ops, and InvokeError for a custom op that cannot say its shapes.
        """
        key = (graph.index, tuple(sorted(inputs.items())), tuple(sorted(unknown)))
        if key not in self._made:
            self._made[key] = self._infer(graph, inputs, unknown)
        return self._made[key]

    def _infer(self, graph: Graph, inputs: Mapping[int, Shape], unknown: Collection[int]) -> Shaped:
        theirs = self._custom.in_graph(graph)
        asked = sorted({*theirs, *(i for i, op in enumerate(graph.ops) if op.kind in BODY_OPTIONS)})
        shapes, loose = dict(inputs), set(unknown)
        shaped = _infer(self._model, graph, shapes, theirs, loose)
        for i in asked:
            op = graph.ops[i]
            told = self._of_op(i, shaped)
            found = {t: shape for t, shape in zip(op.outputs, told, strict=False) if t >= 0}
            if None in found.values():
                loose.update(t for t, shape in found.items() if shape is None)
            elif all(shaped.graph.tensors[t].shape == shape for t, shape in found.items()):
                continue
            shapes.update((t, shape) for t, shape in found.items() if shape is not None)
            shaped = _infer(self._model, graph, shapes, theirs, loose)
        return shaped

    def _of_op(self, i: int, shaped: Shaped) -> Sequence[Shape | None]:
        """The shapes of what an op gives that is no kernel's."""
        op = shaped.graph.ops[i]
        if op.kind in BODY_OPTIONS:
            tensors = shaped.graph.tensors
            given = [None if t < 0 or t in shaped.unknown else tensors[t].shape for t in op.inputs]
            self._within.append(shaped.graph.index)
            try:
                return self._of_bodies(op, given)
            finally:
                self._within.pop()
        told = None
        if shaped.unknown.isdisjoint(op.inputs):
            told = self._custom.by_name[op.kind].shapes_of(i, shaped.graph)
        return told or [None] * len(op.outputs)

    def _of_bodies(self, op: Op, given: Sequence[Shape | None]) -> Sequence[Shape | None]:
        bodies = bodies_of(op)
        if op.kind == "CALL_ONCE":
            self._through(bodies[0], [])
            return []
        if op.kind == "IF":
            then, other = (self._through(body, given[1:]) for body in bodies)
            return [a if a == b else None for a, b in zip(then, other, strict=False)]
        if op.kind != "WHILE":
            return self._through(bodies[0], given)
        now = list(given)
        while True:  # each round at least one more is unknown
            self._through(bodies[0], now)
            then = self._through(bodies[1], now)
            new = [a if a == b else None for a, b in zip(now, then, strict=False)]
            if new == now or len(new) != len(now):
                return new
            now = new

    def _through(self, index: int, given: Sequence[Shape | None]) -> Sequence[Shape | None]:
        """The outputs' shapes of a body that is given such inputs."""
        if not 0 <= index < len(self._graphs) or index in self._within or len(self._within) > DEEPEST:
            return []  # making its frame says what is wrong
        graph = self._graphs[index]
        known = {t: shape for t, shape in zip(graph.inputs, given, strict=False) if shape is not None}
        unknown = [t for t, shape in zip(graph.inputs, given, strict=False) if shape is None]
        own = {t: shape for t, shape in known.items() if shape != graph.tensors[t].shape}
        try:
            shaped = self.infer(graph, own, unknown)
        except (ModelError, Unsupported):  # perhaps never run with these: a branch that is not taken
            return [None] * len(graph.outputs)
        self.inputs.setdefault(index, {}).update(own)
        return [None if t in shaped.unknown else shaped.graph.tensors[t].shape for t in graph.outputs]


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
    shapes: Mapping[int, Shape],
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
