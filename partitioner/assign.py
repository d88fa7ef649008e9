"""Asks every delegate about every op and writes down each answer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from subgraft.delegates import Delegate, Graph, KeepsState, Op, RunsBodies, Segment, Verdict, verdict
from subgraft.partitioner.kept import NEVER_OFFERED, OFFERED_IF_BODIES_ARE_RUN, OFFERED_IF_STATE_IS_KEPT
from subgraft.partitioner.pins import Pins

NOT_AVAILABLE = "not available"

# (graph index, delegate's label, op index) to why this delegate shall not have this op after all.
Refusals = Mapping[tuple[int, str, int], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A delegate that may take ops.

    label: its name in the plan, such as "fake:0".
    absent: why it cannot be used now; it is asked all the same, so that the plan tells what it would have said.
    refine: what its device says about a segment, op by op; None: it has nothing to add.
    """

    label: str
    delegate: Delegate
    absent: str = ""
    refine: Callable[[Segment], Sequence[Verdict]] | None = None


@dataclass(frozen=True, slots=True)
class Placement:
    """Who runs one op, and why not the others.

    owner: a delegate's label; None: the CPU.
    pinned: reasons of the user's; kept: reasons of the framework's; verdicts: each delegate's, in priority order.
    """

    owner: str | None
    pinned: tuple[str, ...]
    kept: tuple[str, ...]
    verdicts: tuple[tuple[str, Verdict], ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Everything against every delegate that does not have this op, "label: reason"."""
        own = (*self.pinned, *self.kept)
        return own + tuple(f"{label}: {why}" for label, answer in self.verdicts for why in answer.reasons)

    @property
    def telling(self) -> tuple[str, ...]:
        """Of these what explains the owner: not those of delegates behind it, nor again that one is not available."""
        labels = [label for label, _ in self.verdicts]
        before = labels.index(self.owner) if self.owner in labels else len(labels)
        asked = [
            f"{label}: {why}"
            for label, answer in self.verdicts[:before]
            for why in answer.reasons
            if why != NOT_AVAILABLE
        ]
        return (*self.pinned, *self.kept, *asked)


def assign(
    graph: Graph,
    candidates: Sequence[Candidate],
    pins: Pins,
    unknown_shapes: Collection[int] = (),
) -> tuple[Placement, ...]:
    """The first delegate that says yes gets the op.

    unknown_shapes: tensors whose shape is known only while running; ops that make them stay on the CPU.
    """
    return tuple(_place(graph, node, op, candidates, pins, unknown_shapes) for node, op in enumerate(graph.ops))


def reassign(graph: Graph, placements: Sequence[Placement], pins: Pins, refused: Refusals) -> tuple[Placement, ...]:
    """The same with what was learnt since: each op goes to the first delegate that still has nothing against it."""
    touched = {node for index, _, node in refused if index == graph.index}
    return tuple(
        _refuse(graph, node, placement, pins, refused) if node in touched else placement
        for node, placement in enumerate(placements)
    )


def _place(
    graph: Graph, node: int, op: Op, candidates: Sequence[Candidate], pins: Pins, unknown_shapes: Collection[int]
) -> Placement:
    pinned = pins.against(node, graph)
    kept = verdict(op, graph, NEVER_OFFERED).reasons
    without_bodies = verdict(op, graph, OFFERED_IF_BODIES_ARE_RUN).reasons
    if without_bodies and not any(_runs_bodies(c, op, graph) for c in candidates):
        kept, without_bodies = (*kept, *without_bodies), ()
    if any(t in unknown_shapes for t in (*op.inputs, *op.outputs)):
        kept += ("its shapes are known only while running",)
    verdicts = tuple((c.label, _ask(c, op, graph, without_bodies)) for c in candidates)
    owner = None if pinned or kept else _first(verdicts, pins.first(node, graph))
    return Placement(owner, pinned, kept, verdicts)


def _ask(candidate: Candidate, op: Op, graph: Graph, without_bodies: tuple[str, ...]) -> Verdict:
    """without_bodies: what speaks against a delegate that does not take control flow with its bodies."""
    delegate = candidate.delegate
    answer = delegate.check(op, graph)
    if not isinstance(answer, Verdict):
        raise TypeError(f"delegate {candidate.label}: check() returned {answer!r}; it returns a Verdict")
    reasons = answer.reasons
    stateful = verdict(op, graph, OFFERED_IF_STATE_IS_KEPT).reasons
    if stateful and not (isinstance(delegate, KeepsState) and delegate.keeps_state(op, graph)):
        reasons += stateful
    if without_bodies and not _runs_bodies(candidate, op, graph):
        reasons += without_bodies
    if candidate.absent:
        reasons += (NOT_AVAILABLE,)
    return Verdict(reasons)


def _runs_bodies(candidate: Candidate, op: Op, graph: Graph) -> bool:
    delegate = candidate.delegate
    return isinstance(delegate, RunsBodies) and delegate.runs_bodies(op, graph)


def _first(verdicts: Sequence[tuple[str, Verdict]], preferred: str | None) -> str | None:
    willing = [label for label, answer in verdicts if answer]
    if preferred in willing:
        return preferred
    return willing[0] if willing else None


def _refuse(graph: Graph, node: int, placement: Placement, pins: Pins, refused: Refusals) -> Placement:
    verdicts = tuple(
        (label, Verdict(tuple(dict.fromkeys((*answer.reasons, *refused.get((graph.index, label, node), ()))))))
        for label, answer in placement.verdicts
    )
    owner = None if placement.owner is None else _first(verdicts, pins.first(node, graph))
    return Placement(owner, placement.pinned, placement.kept, verdicts)
