"""Makes what runs a graph at given shapes: one native program, or a frame with segments on delegates."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from subgraft.delegates import Graph, ModelError, Op, Unavailable, Unsupported
from subgraft.interpreter import node_def
from subgraft.interpreter.attachment import Attachment
from subgraft.interpreter.cpu import Cpu
from subgraft.interpreter.cpu_times import CpuTimes
from subgraft.interpreter.custom_ops import options_of
from subgraft.interpreter.discovery import Wanted, name_of
from subgraft.interpreter.frame import Frame
from subgraft.interpreter.lane import Policy
from subgraft.interpreter.model import Model
from subgraft.interpreter.native import _native
from subgraft.interpreter.planning import Compiled, Planner, Unknown, Wishes
from subgraft.interpreter.report import Event, Report
from subgraft.interpreter.services import Services
from subgraft.interpreter.shapes import DEEPEST, Inference
from subgraft.interpreter.watch import Watch
from subgraft.interpreter.weight_cache import WeightCache
from subgraft.partitioner import BODY_OPTIONS, Plan, reachable

Shapes = Mapping[int, tuple[int, ...]]  # of inputs, by tensor index, where they are not the file's
Engine = Frame | _native.Program
log = logging.getLogger("subgraft")

FLEX = "Flex"  # how the names of TensorFlow's own ops begin
MOST_REFUSALS_SHOWN = 3  # kinds
MISSING = "; missing in all: "  # as native code puts it
EDGE_TPU, EDGE_TPU_OP = (
    "edgetpu",
    "edgetpu-custom-op",
)  # the delegate, and what the Edge TPU's compiler makes of the ops that it takes


@dataclass(frozen=True, slots=True)
class Setup:
    """What is the same for every engine of a session.

    probe_s: between two looks for a lost device. keep_all: every tensor of a CPU program stays readable after a run.
    weights: where packed weights are kept; None: nowhere.
    """

    wishes: Wishes = field(default_factory=Wishes)
    policy: Policy = field(default_factory=Policy)
    threads: int = 1
    probe_s: float = 2.0
    keep_all: bool = False
    weights: WeightCache | None = None


class Engines:
    """Makes engines of one model, and holds the devices that they run on."""

    def __init__(
        self, model: Model, wanted: Mapping[str, Wanted], setup: Setup, report: Report, missing: Mapping[str, str]
    ) -> None:
        """wanted: delegates by label, in priority order; missing: those that could not be made, with the cause.

        Raises Unavailable where nothing may fall back.
        """
        self._model = model
        self._setup = setup
        self._report = report
        self._cpu = Cpu(model.native, _native.ThreadPool(setup.threads))
        self._services = Services(model)
        self._pid = os.getpid()
        if setup.weights is not None:
            setup.weights.attach(model.native)
        self._attachments = [Attachment(label, delegate, report) for label, delegate in wanted.items()]
        times = CpuTimes(model.native, self._cpu.pool)
        self._planner = Planner(self._attachments, setup.wishes, report, missing, times)
        self.watch = Watch(self._attachments, report, setup.probe_s)
        for attachment in self._attachments:
            self._open(attachment)

    def engine(self, index: int, shapes: Shapes) -> tuple[Engine, Plan | None]:
        """What runs this graph, and the plan if one was needed to make it.

        Raises Unsupported, naming the op, and ModelError; where nothing may fall back DelegateError and NotDelegated.
        """
        made = self._engine(index, shapes)
        if self._setup.weights is not None:
            self._setup.weights.keep(self._model.native)
        return made

    def _engine(self, index: int, shapes: Shapes) -> tuple[Engine, Plan | None]:
        custom = self._setup.wishes.custom_ops
        in_python = bool(custom.by_name) and any(custom.in_graph(graph) for graph in self._model.graphs)
        if not self._attachments and not self._setup.wishes.strict and not in_python:
            try:
                program = self._program(index, shapes)
                log.info("planned %s: the CPU runs it as one program", _name(self._model.graphs[index]))
                return program, None
            except Unsupported as error:
                graph = self._model.graphs[index]
                if not any(op.kind in BODY_OPTIONS for op in graph.ops):
                    raise _explained(error, [graph]) from error
        plan, compiled, unknown = self._plan(index, shapes)
        _log(plan)
        if in_python or any(step.owner or step.bodies for step in plan.steps):
            try:
                return self._frame(plan, plan.bodies, compiled, unknown, {}, ()), plan
            except BaseException as error:
                self._drop(compiled)
                if isinstance(error, Unsupported):
                    graphs = [plan.graph, *(body.graph for body in plan.bodies.values())]
                    raise _explained(error, graphs, plan) from error
                raise
        try:
            return self._program(index, shapes), plan
        except Unsupported as error:
            raise _explained(error, [plan.graph], plan) from error

    def plan(self, index: int, shapes: Shapes) -> Plan:
        """The plan alone, of a graph that runs as one program."""
        return self._plan(index, shapes)[0]

    def _drop(self, compiled: Compiled) -> None:
        """Closes what was compiled for a frame that could not be made."""
        dropped = [executable for _, executable in compiled.values()]
        for attachment in self._attachments:
            for lane in list(attachment.lanes):
                if any(lane.executable is executable for executable in dropped):
                    lane.close()
        for executable in dropped:
            executable.close()

    def _program(self, index: int, shapes: Shapes) -> _native.Program:
        given = {t: list(shape) for t, shape in shapes.items()}
        keep_all = self._setup.keep_all
        cpu = self._cpu
        return _native.Program(
            cpu.model,
            index,
            pool=cpu.pool,
            resources=cpu.resources,
            keep_all=keep_all,
            shapes=given,
            max_loop_steps=self._setup.policy.max_loop_steps,
        )

    def reset_resources(self) -> None:
        """Variables and tables by name as before the first run; what runs once runs again."""
        self._cpu.reset_resources()

    def _plan(self, index: int, shapes: Shapes) -> tuple[Plan, Compiled, Unknown]:
        graphs = list(self._model.graphs)
        unknown: dict[int, frozenset[int]] = {}
        inference = Inference(self._cpu.model, self._model.graphs, self._setup.wishes.custom_ops)
        for graph in (graphs[index], *reachable(graphs[index], graphs)):
            given = shapes if graph.index == index else inference.inputs.get(graph.index, {})
            shaped = inference.infer(graph, given)
            graphs[graph.index] = replace(shaped.graph, services=self._services)
            unknown[graph.index] = shaped.unknown
        plan, compiled = self._planner.plan(graphs[index], graphs, unknown)
        return plan, compiled, unknown

    def close(self) -> None:
        """Lets go of the devices; but not in a forked child, which shares them with its parent."""
        if self._pid != os.getpid():
            return
        self.watch.close()
        for attachment in self._attachments:
            for lane in list(attachment.lanes):
                lane.close()
            attachment.close()

    def _open(self, attachment: Attachment) -> None:
        try:
            attachment.open()
        except Unavailable as error:
            if not self._setup.policy.fallback:
                raise
            attachment.absent = error.reason
            self._report.add(Event("open", attachment.label, error.reason), "subgraft goes on without it")
        else:
            log.info("opened %s", attachment.name)

    def _replanned(self, index: int, shapes: Shapes) -> Frame:
        """A body of control flow for inputs of other shapes than it was planned with."""
        plan, compiled, unknown = self._plan(index, shapes)
        try:
            return self._frame(plan, plan.bodies, compiled, unknown, {}, ())
        except BaseException:
            self._drop(compiled)
            raise

    def _frame(
        self,
        plan: Plan,
        bodies: Mapping[int, Plan],
        compiled: Compiled,
        unknown: Unknown,
        made: dict[int, Frame],
        within: Sequence[int],
    ) -> Frame:
        index = plan.graph.index
        if index in within or len(within) > DEEPEST:
            raise ModelError(f"graph {index} runs itself" if index in within else "too many bodies within bodies")
        for step in plan.steps:
            for body in step.bodies:
                if body not in bodies:
                    raise ModelError(f"op {step.segment.ops[0]} of graph {index} runs graph {body}, which is not there")
                if body not in made:
                    made[body] = self._frame(bodies[body], bodies, compiled, unknown, made, (*within, index))
        custom = self._setup.wishes.custom_ops
        policy, replan = self._setup.policy, self._replanned
        frame = Frame(plan, compiled, unknown, self._cpu, self._report, policy, made, custom, replan)
        for lane in frame.lanes:
            lane.lost = self.watch.wake
        return frame


def _log(plan: Plan) -> None:
    """Who runs how much, and with debug every reason."""
    for body in (plan, *plan.bodies.values()):
        log.info("planned %s", body.summary())
        if log.isEnabledFor(logging.DEBUG):
            for i, placement in enumerate(body.placements):
                reasons = "; ".join(placement.reasons)
                log.debug(
                    "op %d %s on %s%s",
                    i,
                    body.graph.ops[i].kind,
                    placement.owner or "the CPU",
                    reasons and f" ({reasons})",
                )


def _name(graph: Graph) -> str:
    return graph.name or f"graph {graph.index}"


def _explained(error: Unsupported, graphs: Sequence[Graph], plan: Plan | None = None) -> Unsupported:
    """The error with what a user needs to go on: every kind that is missing, and why no delegate helps."""
    kernels = {*_native.kernel_names(), *BODY_OPTIONS}
    owners = {part.graph.index: part.placements for part in (plan, *plan.bodies.values())} if plan else {}
    counts: Counter[str] = Counter()
    for graph in graphs:
        placements = owners.get(graph.index)
        for i, op in enumerate(graph.ops):
            if op.kind not in kernels and not (placements and placements[i].owner):
                counts[op.kind] += 1
    if not counts:
        return error
    text = str(error)
    lacking = [op for graph in graphs for op in graph.ops if op.is_custom and op.kind in counts]
    if EDGE_TPU_OP in counts:
        return Unsupported(f"{text}; the model was compiled for the Edge TPU, and nothing else runs it; {_cure(plan)}")
    listed = ", ".join(f"{kind} ({count})" for kind, count in sorted(counts.items()))
    if counts.total() > 1 and listed not in text:
        text = f"{text.partition(MISSING)[0]}{MISSING}{listed}"  # that of one segment does not tell of the others
    if lacking:
        op = min(lacking, key=lambda op: op.kind)
        text += _node(op)
        text += "; a custom op can be written in Python, function(inputs, options) -> output: "
        text += f'load(..., custom_ops={{"{op.kind}": function}})'
    return Unsupported(text + (_refusals(plan, counts) if plan else ""))


def _node(op: Op) -> str:
    """What TensorFlow calls the node that a Flex op was; empty where it does not say."""
    if not op.kind.startswith(FLEX):
        return ""
    try:
        name = node_def.attributes(options_of(op)).get("name", "")
    except ValueError:
        return ""
    return f"; TensorFlow's node of {op.kind} is '{name}'" if name else ""


def _cure(plan: Plan | None) -> str:
    """Why the Edge TPU does not run what was compiled for it, or how to ask for one."""
    if plan:
        absent = [f"{label} is not available: {why}" for label, why in plan.absent if name_of(label) == EDGE_TPU]
        if absent:
            return "; ".join(absent)
        if any(name_of(label) == EDGE_TPU for p in plan.placements for label, _ in p.verdicts):
            return _refusals(plan, [EDGE_TPU_OP]).removeprefix("; ")
    return f'load it with delegates=["{EDGE_TPU}"], or run the model that it was compiled from'


def _refusals(plan: Plan, missing: Collection[str]) -> str:
    """Why no delegate that was offered the ops that the CPU cannot run takes them."""
    reasons: dict[str, str] = {}
    for op, placement in zip(plan.graph.ops, plan.placements, strict=True):
        offered = placement.verdicts and not placement.kept
        if offered and op.kind in missing and placement.owner is None and placement.reasons:
            reasons.setdefault(op.kind, f"{op.kind}: {'; '.join(placement.reasons)}")
    if not reasons:
        return ""
    shown = list(reasons.values())[:MOST_REFUSALS_SHOWN]
    more = f", and {len(reasons) - len(shown)} more kinds" if len(reasons) > len(shown) else ""
    return f"; no delegate takes it either ({', '.join(shown)}{more})"
