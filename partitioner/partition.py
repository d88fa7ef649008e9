"""From a graph and its delegates to a plan: assign, group, prune, and again until nothing changes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from subgraft.delegates import Cost, Explains, Graph, Segment
from subgraft.partitioner.assign import Candidate, Placement, Refusals, assign, reassign
from subgraft.partitioner.blocks import blocks_of, incomplete, owned_blocks, torn
from subgraft.partitioner.bodies import bodies_of, reachable
from subgraft.partitioner.group import group
from subgraft.partitioner.pins import Pins
from subgraft.partitioner.plan import Plan, Step
from subgraft.partitioner.prune import CpuCost, Estimate, Limits, Owned, Refused, refine, too_dear, too_many, too_small


def partition(
    graph: Graph,
    candidates: Sequence[Candidate],
    *,
    graphs: Sequence[Graph] = (),
    pins: Pins | None = None,
    limits: Limits | None = None,
    refused: Refusals | None = None,
    cpu_cost: CpuCost = lambda segment: None,
    unknown_shapes: Callable[[Graph], Collection[int]] = lambda graph: (),
    without_kernel: Collection[str] = (),
    alone: Callable[[Graph], Collection[int]] = lambda graph: (),
    missing: Mapping[str, str] | None = None,
) -> Plan:
    """Cuts `graph`, and every body that its control flow may run, among the candidates and the CPU.

    candidates: in priority order, with labels of their own.
    graphs: all subgraphs of the model, by index; only needed where there is control flow.
    refused: what delegates said no to although check() said yes, from an earlier attempt.
    cpu_cost: seconds a segment would take on the CPU; None: no idea. Asked where the delegate has an estimate.
    unknown_shapes: tensors of a graph whose shape is known only while running.
    without_kernel: kinds of control flow that the session runs even when nothing of their bodies is on a delegate.
    alone: ops of a graph that are a step of their own when no delegate takes them.
    missing: delegates that could not even be asked, with the cause; the plan mentions them.
    Raises ValueError for labels that are not unique and for pins of nodes that are not there.
    """
    labels = [c.label for c in candidates]
    if len(set(labels)) < len(labels):
        raise ValueError(f"two delegates go by the same name: {', '.join(labels)}")
    pins = replace(pins or Pins(), graph=graph.index)
    pins.check(graph, [*labels, *(missing or {})])
    cutter = _Cutter(candidates, pins, limits or Limits(), dict(refused or {}), cpu_cost, alone)
    everything = [graph, *reachable(graph, graphs)]
    asked = {g.index: assign(g, candidates, pins, unknown_shapes(g)) for g in everything}
    driven = {g.index: frozenset[int]() for g in everything}
    made: dict[int, Plan] = {}

    def planned(g: Graph) -> Plan:
        if g.index not in made:
            made[g.index] = cutter.cut(g, asked[g.index], driven[g.index])
        return made[g.index]

    while True:  # ends because what is driven stays so
        plans = _live(graph, everything, planned)
        delegated = _delegated(plans, alone)
        more = {index: _driven(plan, delegated, without_kernel) - driven[index] for index, plan in plans.items()}
        if not any(more.values()):
            break
        for index, ops in more.items():
            if ops:
                driven[index] |= ops
                del made[index]
    main = plans.pop(graph.index)
    absent = (*(missing or {}).items(), *((c.label, c.absent) for c in candidates if c.absent))
    return Plan(graph, main.steps, main.placements, plans, absent)


@dataclass
class _Cutter:
    """What stays the same while one graph after the other is cut."""

    candidates: Sequence[Candidate]
    pins: Pins
    limits: Limits
    refused: Refused
    cpu_cost: CpuCost
    alone: Callable[[Graph], Collection[int]]
    refined: dict[int, set[tuple[str, tuple[int, ...]]]] = field(default_factory=dict)
    costs: dict[tuple[int, str | None, tuple[int, ...]], Estimate] = field(default_factory=dict)

    def cut(self, graph: Graph, asked: Sequence[Placement], driven: frozenset[int]) -> Plan:
        """One graph's plan. Ends because every round refuses at least one op to one delegate for good."""
        labels = [c.label for c in self.candidates]
        by_label = {c.label: c for c in self.candidates}
        blocks = blocks_of(graph, self.candidates)
        single = frozenset(self.alone(graph))
        refined = self.refined.setdefault(graph.index, set())
        while True:
            placements = reassign(graph, asked, self.pins, self.refused)
            apart = driven | {i for i in single if placements[i].owner is None}
            segments, bodies = _segments(graph, placements, owned_blocks(placements, blocks), driven, apart)
            refused = incomplete(graph, placements, blocks) or torn(graph, segments, blocks)
            if not refused:
                refused = refine(segments, by_label, refined)
            if not refused:
                refused = too_small(segments, labels, self.limits)
            if not refused:
                estimates = [self._estimate(label, segment) for label, segment in segments]
                refused = too_dear(segments, estimates) or too_many(segments, labels, self.limits)
            if not refused:
                break
            for key, reasons in refused.items():
                self.refused[key] = (*self.refused.get(key, ()), *reasons)
        steps = tuple(
            Step(label, segment, estimate.delegate, estimate.cpu_s, driving, self._notes(label, segment))
            for (label, segment), estimate, driving in zip(segments, estimates, bodies, strict=True)
        )
        return Plan(graph, steps, placements)

    def _notes(self, label: str | None, segment: Segment) -> tuple[str, ...]:
        delegate = next((c.delegate for c in self.candidates if c.label == label), None)
        return tuple(delegate.notes(segment)) if isinstance(delegate, Explains) else ()

    def _estimate(self, label: str | None, segment: Segment) -> Estimate:
        key = (segment.graph.index, label, segment.ops)
        if key not in self.costs:
            theirs = next((c.delegate.cost(segment) for c in self.candidates if c.label == label), None)
            if theirs is not None and not isinstance(theirs, Cost):
                raise TypeError(f"delegate {label}: cost() returned {theirs!r}; it returns a Cost, or None")
            # Nobody compares where the delegate has no idea, and the CPU's time may have to be measured first.
            self.costs[key] = Estimate(theirs, None if theirs is None else self.cpu_cost(segment))
        return self.costs[key]


def _segments(
    graph: Graph,
    placements: Sequence[Placement],
    blocks: Sequence[Hashable | None],
    driven: frozenset[int],
    apart: frozenset[int],
) -> tuple[list[Owned], list[tuple[int, ...]]]:
    """The segments in order, and for each the bodies that the session runs in its stead; none for most."""
    owners: list[Hashable] = [
        (i,) if i in apart else p.owner if blocks[i] is None else (p.owner, blocks[i]) for i, p in enumerate(placements)
    ]
    segments: list[Owned] = []
    bodies: list[tuple[int, ...]] = []
    for _, ops in group(graph, owners, blocks):
        segments.append((placements[ops[0]].owner, graph.segment(ops)))
        bodies.append(bodies_of(graph.ops[ops[0]]) if ops[0] in driven else ())
    return segments, bodies


def _live(graph: Graph, everything: Sequence[Graph], planned: Callable[[Graph], Plan]) -> dict[int, Plan]:
    """Plans of the graphs that the session may run, in the order of `everything`: not of bodies that delegates run."""
    by_index = {g.index: g for g in everything}
    seen = {graph.index}
    waiting = [graph.index]
    while waiting:
        plan = planned(by_index[waiting.pop()])
        for op, placement in zip(plan.graph.ops, plan.placements, strict=True):
            if placement.owner is None:
                found = [body for body in bodies_of(op) if body in by_index and body not in seen]
                seen.update(found)
                waiting += found
    return {g.index: planned(g) for g in everything if g.index in seen}


def _delegated(plans: Mapping[int, Plan], alone: Callable[[Graph], Collection[int]]) -> Collection[int]:
    """The graphs with a segment that is not the native program's, and those that run them, at any depth."""
    callers: dict[int, list[int]] = {}
    for index, plan in plans.items():
        for op, placement in zip(plan.graph.ops, plan.placements, strict=True):
            if placement.owner is None:
                for body in bodies_of(op):
                    callers.setdefault(body, []).append(index)
    found = {index for index, plan in plans.items() if any(step.owner for step in plan.steps) or alone(plan.graph)}
    waiting = list(found)
    while waiting:
        outer = set(callers.get(waiting.pop(), ())) - found
        found |= outer
        waiting += outer
    return found


def _driven(plan: Plan, delegated: Collection[int], without_kernel: Collection[str]) -> frozenset[int]:
    """The control-flow ops without a kernel, and those of which a body, or a body's body, has segments on delegates.

    None that a delegate runs with its bodies.
    """
    return frozenset(
        i
        for i, op in enumerate(plan.graph.ops)
        if plan.placements[i].owner is None
        and (bodies := bodies_of(op))
        and (op.kind in without_kernel or any(b in delegated for b in bodies))
    )
