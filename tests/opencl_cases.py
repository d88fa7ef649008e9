"""Many op cases as one graph: run by our CPU and by the OpenCL delegate, and compared.

    outcome = run(opencl, op_cases_pooling.CASES)
    assert not outcome.wrong, outcome.report()
    assert outcome.taken_of("MAX_POOL_2D") > 100

One graph is one program, and kernels are shared by cases that differ in sizes only: hundreds of cases take seconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np

from op_cases import Array, Case, compare
from opencl_device import TestDevice
from subgraft.backends.opencl.compiler import compile_segment
from subgraft.backends.opencl.executable import OpenClExecutable
from subgraft.backends.opencl.lowering import check, refine
from subgraft.backends.opencl.opened import Opened
from subgraft.backends.opencl.settings import Settings
from subgraft.delegates import Graph, InvokeError, ModelError, Op, Segment, Tensor, Unsupported
from subgraft.interpreter.model import Model
from subgraft.interpreter.native import _native
from subgraft.interpreter.services import main_graphs

TOLERANCE = 1e-4  # of floats, relative to the largest number expected; integers must be equal
ONE_PROGRAM = 400  # cases


@dataclass(frozen=True)
class Outcome:
    """taken: the cases that ran on the device. refused: those that it leaves to the CPU, with the reasons.

    wrong: what differs from the CPU. skipped: cases that the CPU refuses too.
    """

    taken: list[Case] = field(default_factory=list)
    refused: dict[str, tuple[str, ...]] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)

    def taken_of(self, kind: str) -> int:
        return sum(case.kind == kind for case in self.taken)

    def report(self) -> str:
        """What differs, and why cases were refused."""
        reasons = Counter(f"{name.partition('-')[0]}: {why}" for name, whys in self.refused.items() for why in whys)
        lines = [f"{len(self.wrong)} of {len(self.taken)} differ from the CPU, {len(self.refused)} refused"]
        lines += [f"  {name}: {what}" for name, what in list(self.wrong.items())[:20]]
        return "\n".join(lines + [f"  {count} x {reason}" for reason, count in reasons.most_common(40)])


def run(device: TestDevice, cases: Sequence[Case], *, tolerance: float = TOLERANCE, **options: object) -> Outcome:
    """options: Settings of the delegate, such as precision="fp16", arena=False, limits="small"."""
    opened = Opened(device.found, Settings.of(device.options(**options)))
    outcome = Outcome()
    try:
        for first in range(0, len(cases), ONE_PROGRAM):
            _run(opened, cases[first : first + ONE_PROGRAM], tolerance, outcome)
    finally:
        opened.close()
    return outcome


def segment_of(graph: Graph) -> Segment:
    """A whole graph made by hand as one segment that can be compiled."""
    (read,) = main_graphs([Model.of(graph)])
    return read.segment(range(len(read.ops)))


def _run(opened: Opened, cases: Sequence[Case], tolerance: float, outcome: Outcome) -> None:
    known: list[tuple[Case, list[Array]]] = []
    for case in cases:
        try:
            known.append((case, [made.copy() for made in _on_cpu(case)]))
        except (ModelError, Unsupported, InvokeError):
            outcome.skipped.append(case.name())
    if not known:
        return
    (graph,) = main_graphs([Model.of(joined(known))])
    verdicts = [check(op, graph) for op in graph.ops]
    chosen = [i for i, verdict in enumerate(verdicts) if verdict]
    if chosen:
        whole = graph.segment(chosen)
        verdicts = [*verdicts]
        for i, verdict in zip(chosen, refine(whole, opened.caps), strict=True):
            verdicts[i] = verdict
        chosen = [i for i in chosen if verdicts[i]]
    outcome.refused.update({known[i][0].name(): v.reasons for i, v in enumerate(verdicts) if not v})
    if not chosen:
        return
    arrays = dict(zip(graph.inputs, chain.from_iterable(case.feed() for case, _ in known), strict=True))
    made = on_device(opened, graph.segment(chosen), arrays)
    for i in chosen:
        case, expected = known[i]
        outcome.taken.append(case)
        for t, array in zip(graph.ops[i].outputs, expected, strict=True):
            if differs := compare(made[t], array, tolerance):
                outcome.wrong[case.name()] = differs


def on_device(opened: Opened, segment: Segment, arrays: dict[int, Array], **more: object) -> dict[int, Array]:
    """The segment's outputs by tensor, from arrays of its inputs by tensor."""
    settings = opened.settings
    compiled = compile_segment(segment, opened, half=settings.precision == "fp16", one_arena=settings.arena, **more)
    executable = OpenClExecutable(segment, compiled, opened)
    tensors = segment.graph.tensors
    outputs = [np.zeros(tensors[t].shape, tensors[t].dtype) for t in segment.outputs]
    executable.run([np.ascontiguousarray(arrays[t]) for t in segment.inputs], outputs)
    executable.close()
    return dict(zip(segment.outputs, outputs, strict=True))


def joined(cases: Sequence[tuple[Case, list[Array]]]) -> Graph:
    """All cases side by side, op by op; the shapes of their outputs are those of the arrays."""
    tensors: list[Tensor] = []
    ops: list[Op] = []
    inputs: list[int] = []
    outputs: list[int] = []
    for number, (case, made) in enumerate(cases):
        graph, first = case.graph(), len(tensors)
        shapes = dict(zip(graph.outputs, (array.shape for array in made), strict=True))
        tensors += [
            replace(tensor, name=f"{number}/{tensor.name}", shape=shapes.get(t, tensor.shape))
            for t, tensor in enumerate(graph.tensors)
        ]
        (op,) = graph.ops
        ops.append(replace(op, inputs=_moved(op.inputs, first), outputs=_moved(op.outputs, first)))
        inputs += _moved(graph.inputs, first)
        outputs += _moved(graph.outputs, first)
    return Graph(tensors, ops, tuple(inputs), tuple(outputs), name="joined")


def _on_cpu(case: Case) -> Sequence[Array]:
    return _native.Program(Model.open(case.model()).native, pool=_native.ThreadPool(1)).call(case.feed())


def _moved(tensors: Sequence[int], by: int) -> tuple[int, ...]:
    return tuple(t + by if t >= 0 else t for t in tensors)
