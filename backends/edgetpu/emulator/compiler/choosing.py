"""Which ops go to the device: those that the published rules let pass, in the first part of the graph that has any."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from subgraft.backends.edgetpu import rules
from subgraft.backends.edgetpu.emulator.compiler.errors import CompilationFailed, InvalidModel
from subgraft.delegates import NUMPY_DTYPES, Graph, Op, Rule, Tensor

MAPPED = "Mapped to Edge TPU"
ANOTHER_SUBGRAPH = "More than one subgraph is not supported"
UNKNOWN = "Operation not supported"
NEWER = "Operation version not supported"
LIMITED = "Operation is otherwise supported, but not mapped due to some unspecified limitation"
# What Google's compiler says where a rule of its documentation is broken; LIMITED for the others.
SAYINGS: Mapping[Rule, str] = {
    rules.bytes_only: "Operation is working on an unsupported data type",
    rules.three_dimensions: "Tensor has unsupported rank (up to 3 innermost dimensions mapped)",
}
MOST_DIMENSIONS = 8
STATEFUL = "UNIDIRECTIONAL_SEQUENCE_LSTM"  # its transfers are announced by the device, which the stand-in cannot write


@dataclass(frozen=True, slots=True)
class Settings:
    """runtime: the oldest runtime that has to run it; None: whatever its ops need.

    stop_at: tensors after which nothing is mapped. several: all parts of the graph are mapped, not the first alone.
    """

    runtime: int | None = None
    stop_at: tuple[str, ...] = ()
    several: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """Ops that run one after the other in the same place."""

    ops: tuple[int, ...]
    on_device: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """statuses: of each op, as the log has them. parts: in an order in which they can run."""

    statuses: tuple[str, ...]
    parts: tuple[Part, ...]


def choose(graph: Graph, settings: Settings) -> Choice:
    """Raises InvalidModel where nothing is quantized, CompilationFailed for a tensor to stop at that is not there."""
    blocked = _behind(graph, settings.stop_at)
    statuses = [LIMITED if i in blocked else status_of(op, graph, settings) for i, op in enumerate(graph.ops)]
    if graph.ops and not any(_is_quantized(op, graph) for op in graph.ops):
        raise InvalidModel("Model not quantized")
    parts = partition(graph, [status == MAPPED for status in statuses])
    chosen: list[Part] = []
    for part in parts:
        if part.on_device and not settings.several and any(other.on_device for other in chosen):
            for i in part.ops:
                statuses[i] = ANOTHER_SUBGRAPH
            part = Part(part.ops, on_device=False)
        chosen.append(part)
    return Choice(tuple(statuses), tuple(chosen))


def status_of(op: Op, graph: Graph, settings: Settings) -> str:
    """Whether the device could run this op, in the words of the log."""
    published = rules.SUPPORTED.get(op.kind)
    if published is None or op.kind == STATEFUL:
        return UNKNOWN
    if settings.runtime is not None and published.since > settings.runtime:
        return NEWER
    if not _is_sound(op, graph):
        return LIMITED
    for rule in (*rules.EVERY_OP, *published.limits):
        if not rule(op, graph):
            return SAYINGS.get(rule, LIMITED)
    flowing = [t for t in op.inputs if t >= 0 and not graph.tensors[t].is_constant]
    if not flowing or any(graph.tensors[t].is_variable for t in (*flowing, *op.outputs)):
        return LIMITED
    return MAPPED


def _is_sound(op: Op, graph: Graph) -> bool:
    """Whether its sizes, constants and zero points can be, which no rule of the documentation asks."""
    tensors = [graph.tensors[t] for t in (*op.inputs, *op.outputs) if t >= 0]
    return bool(op.outputs) and min(op.outputs) >= 0 and all(_is_possible(tensor) for tensor in tensors)


def _is_possible(tensor: Tensor) -> bool:
    if len(tensor.shape) > MOST_DIMENSIONS or min(tensor.shape, default=1) < 1:
        return False
    dtype = NUMPY_DTYPES.get(tensor.dtype)
    if dtype and tensor.buffer is not None and len(tensor.buffer) < math.prod(tensor.shape) * dtype.itemsize:
        return False
    if tensor.dtype not in rules.BYTES or tensor.quantization is None:
        return True
    limits = np.iinfo(tensor.dtype)
    return all(limits.min <= point <= limits.max for point in tensor.quantization.zero_points)


def partition(graph: Graph, wanted: Sequence[bool]) -> tuple[Part, ...]:
    """Parts in turn off and on the device, each as large as it can be: as TFLite cuts a graph for a delegate."""
    producers = graph.producers()
    done: set[int] = set()

    def is_ready(i: int) -> bool:
        return all(producers.get(t, -1) in done or t not in producers for t in graph.ops[i].inputs)

    left = list(range(len(graph.ops)))
    parts = []
    while left:
        first = next((i for i in left if is_ready(i)), None)
        if first is None:
            raise InvalidModel("Model has a cycle")
        ops = []
        for i in left:
            if wanted[i] == wanted[first] and is_ready(i):
                ops.append(i)
                done.add(i)
        left = [i for i in left if i not in done]
        parts.append(Part(tuple(ops), wanted[first]))
    return tuple(parts)


def counted(graph: Graph, choice: Choice, ops: Sequence[int]) -> tuple[tuple[str, int, str], ...]:
    """The lines of the log about these ops: kind, how many, status."""
    lines = Counter((graph.ops[i].kind, choice.statuses[i]) for i in sorted(ops))
    return tuple((kind, count, status) for (kind, status), count in lines.items())


def _is_quantized(op: Op, graph: Graph) -> bool:
    return rules.bytes_only(op, graph) and rules.quantized(op, graph)


def _behind(graph: Graph, names: Sequence[str]) -> set[int]:
    """The ops that need one of these tensors, directly or not."""
    known = {tensor.name: t for t, tensor in enumerate(graph.tensors)}
    missing = [name for name in names if name not in known]
    if missing:
        raise CompilationFailed(f"Intermediate tensor {missing[0]} is not in the model.")
    reached = {known[name] for name in names}
    blocked = set()
    for i, op in enumerate(graph.ops):
        if reached.intersection(op.inputs):
            blocked.add(i)
            reached.update(op.outputs)
    return blocked
