"""How long the CPU takes for a segment: each kind of op in it, tried once on this machine."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import numpy as np

from subgraft.delegates import Graph, InvokeError, ModelError, Op, Segment, Unsupported
from subgraft.interpreter.cpu import Cpu
from subgraft.interpreter.native import _native
from subgraft.interpreter.store import element

PATIENCE_S = 0.5  # for all ops of a model; a load may take that much longer
SETTLED_S = 2e-3  # an op that takes longer shows its time at the first run; a shorter one is run again

# Ops whose work is multiply-adds with a filter, and the filter's dimension that counts output channels.
FILTERED = {"CONV_2D": 0, "CONV_3D": 4, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0}


class CpuTimes:
    """Estimates segments by the times of their ops, with the session's kernels and threads.

    Ops of one kind, shapes and options share their time. Those that patience does not reach are estimated from the
    ones that were tried, by their work.
    """

    def __init__(self, model: _native.Model, pool: _native.ThreadPool, patience_s: float = PATIENCE_S) -> None:
        self._cpu = Cpu(model, pool)  # with variables of its own
        self._left_s = patience_s
        self._times: dict[str, float | None] = {}
        self._tried_s = 0.0
        self._tried_work = 0.0

    def __call__(self, segment: Segment) -> float | None:
        """In seconds; None where the CPU has no kernel for an op, or nothing is known yet."""
        total_s, unknown_work = 0.0, 0.0
        for i in segment.ops:
            key = _key(segment.graph, segment.graph.ops[i])
            if key not in self._times and self._left_s > 0:
                self._times[key] = self._try(segment.graph, i)
            if key not in self._times:
                unknown_work += work(segment.graph, segment.graph.ops[i])
                continue
            took_s = self._times[key]
            if took_s is None:
                return None
            total_s += took_s
        if unknown_work and not self._tried_work:
            return None
        return total_s + (unknown_work * self._tried_s / self._tried_work if unknown_work else 0.0)

    def _try(self, graph: Graph, i: int) -> float | None:
        start = time.perf_counter()
        try:
            took_s = _run(self._cpu, graph.segment([i]))
        except (Unsupported, InvokeError, ModelError):  # no kernel, or one that zeros mean nothing to
            return None
        finally:
            self._left_s -= time.perf_counter() - start
        self._tried_s += took_s
        self._tried_work += work(graph, graph.ops[i])
        return took_s


def work(graph: Graph, op: Op) -> float:
    """A measure of what an op has to do: multiply-adds, or elements that it reads and writes."""
    elements = float(sum(_count(graph, t) for t in (*op.inputs, *op.outputs) if t >= 0))
    if op.kind in FILTERED and len(op.inputs) > 1 and op.inputs[1] >= 0:
        shape = graph.tensors[op.inputs[1]].shape
        channels = shape[FILTERED[op.kind]] if len(shape) > FILTERED[op.kind] else 1
        return max(elements, _count(graph, op.outputs[0]) * math.prod(shape) / max(channels, 1))
    if op.kind == "TRANSPOSE_CONV" and len(op.inputs) > 2:
        shape = graph.tensors[op.inputs[1]].shape
        return max(elements, _count(graph, op.inputs[2]) * math.prod(shape[:-1]))
    if op.kind == "BATCH_MATMUL":
        depth = graph.tensors[op.inputs[0]].shape[-1:]
        return max(elements, _count(graph, op.outputs[0]) * math.prod(depth))
    return elements


def _run(cpu: Cpu, segment: Segment) -> float:
    """Seconds of the faster of two runs over zeros, or of one where that is long."""
    tensors = segment.graph.tensors
    ends = (*segment.inputs, *segment.outputs)
    program = cpu.program(segment, {t: tensors[t].shape for t in ends})
    bound = {t: np.zeros(tensors[t].shape, element(tensors[t])) for t in ends if not tensors[t].is_variable}
    for t, array in bound.items():
        program.bind(t, array)
    first_s = _timed(program)
    return first_s if first_s > SETTLED_S else min(first_s, _timed(program))


def _timed(program: _native.Program) -> float:
    start = time.perf_counter()
    program.run()
    return time.perf_counter() - start


def _key(graph: Graph, op: Op) -> str:
    """The same for ops that take the same time."""

    def told(ends: Sequence[int]) -> list[object]:
        return [(graph.tensors[t].dtype, graph.tensors[t].shape) if t >= 0 else None for t in ends]

    return repr((op.kind, op.version, told(op.inputs), told(op.outputs), sorted(op.options.items(), key=str)))


def _count(graph: Graph, t: int) -> int:
    return math.prod(graph.tensors[t].shape)
