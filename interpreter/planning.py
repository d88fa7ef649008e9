"""From delegates to a plan whose segments are compiled: partition, compile, and again without what was rejected."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from subgraft.delegates import DelegateError, Executable, Graph, NotDelegated, Refines, Segment, Verdict
from subgraft.interpreter import checked
from subgraft.interpreter.attachment import Attachment
from subgraft.interpreter.custom_ops import CustomOps
from subgraft.interpreter.native import _native
from subgraft.interpreter.report import Event, Report
from subgraft.partitioner import BODY_OPTIONS, Candidate, Limits, Pins, Plan, Step, partition

log = logging.getLogger("subgraft")

MOST_REASONS_SHOWN = 5

Unknown = Mapping[int, frozenset[int]]  # per graph: tensors whose shape is known only while running
# By graph index and step number: what was compiled for a step, and on what.
Compiled = dict[tuple[int, int], tuple[Attachment, Executable]]
_Key = tuple[int, str, tuple[int, ...]]  # graph index, label, ops
_Refused = dict[tuple[int, str, int], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user wants of a plan.

    fallback: the CPU takes over what a delegate does not compile. strict: nothing may be on the CPU but what a pin
    keeps there. cpu_cost: None: as measured here. custom_ops: the user's own.
    """

    pins: Pins = field(default_factory=Pins)
    limits: Limits = field(default_factory=Limits)
    cpu_cost: Callable[[Segment], float | None] | None = None
    fallback: bool = True
    strict: bool = False
    custom_ops: CustomOps = field(default_factory=CustomOps)


class Planner:
    """Plans one model among its attachments."""

    def __init__(
        self,
        attachments: Sequence[Attachment],
        wishes: Wishes,
        report: Report,
        missing: Mapping[str, str],
        cpu_times: Callable[[Segment], float | None],
    ) -> None:
        """missing: delegates that could not even be asked, with the cause. cpu_times: measured, where no wish says."""
        self._attachments = {attachment.label: attachment for attachment in attachments}
        self._wishes = wishes
        self._report = report
        self._missing = missing
        self._cpu_cost = wishes.cpu_cost or cpu_times

    def plan(self, graph: Graph, graphs: Sequence[Graph], unknown: Unknown) -> tuple[Plan, Compiled]:
        """A plan of `graph` and of its control flow's bodies, compiled.

        Raises DelegateError where nothing may fall back, NotDelegated where a strict wish is not met.
        """
        refused: _Refused = {}
        compiled: dict[_Key, Executable] = {}
        candidates = [self._candidate(attachment) for attachment in self._attachments.values()]
        kernels = _native.kernel_names()
        try:
            while True:
                plan = partition(
                    graph,
                    candidates,
                    graphs=graphs,
                    pins=self._wishes.pins,
                    limits=self._wishes.limits,
                    refused=refused,
                    cpu_cost=self._cpu_cost,
                    unknown_shapes=lambda g: unknown.get(g.index, frozenset()),
                    alone=self._wishes.custom_ops.in_graph,
                    without_kernel=[kind for kind in BODY_OPTIONS if kind not in kernels],
                    missing=self._missing,
                )
                rejected = self._compile(plan, compiled)
                if not rejected:
                    break
                refused |= rejected
            self._check(plan)
        except BaseException:
            _close(compiled.values())
            raise
        self._report_idle(plan, {label for _, label, _ in refused})
        return plan, self._in_place(plan, compiled)

    def _candidate(self, attachment: Attachment) -> Candidate:
        delegate, device = attachment.delegate, attachment.device
        if device is None or not isinstance(delegate, Refines):
            return Candidate(attachment.label, delegate, attachment.absent)
        answers: dict[tuple[int, tuple[int, ...]], Sequence[Verdict]] = {}

        def refine(segment: Segment) -> Sequence[Verdict]:
            key = (segment.graph.index, segment.ops)
            if key not in answers:
                answers[key] = checked.verdicts(attachment.label, delegate.refine(segment, device), segment)
            return answers[key]

        return Candidate(attachment.label, delegate, attachment.absent, refine)

    def _compile(self, plan: Plan, compiled: dict[_Key, Executable]) -> _Refused:
        """Compiles what is new in this plan; what was rejected, op by op."""
        rejected: _Refused = {}
        for index, number, step in _delegated(plan):
            key = _key(index, step)
            attachment = self._attachments[key[1]]
            if key in compiled:
                continue
            assert attachment.device is not None
            start = time.perf_counter()
            try:
                with attachment.alone():
                    made = attachment.delegate.compile(step.segment, attachment.device)
                compiled[key] = checked.executable(attachment.delegate.name, made)
            except DelegateError as error:
                if not self._wishes.fallback or self._wishes.strict:
                    raise
                event = Event("compile", attachment.name, error.reason, number, index)
                self._report.add(event, "subgraft plans without it")
                rejected |= {(index, attachment.label, i): (error.reason,) for i in step.segment.ops}
            else:
                count, took_s = len(step.segment.ops), time.perf_counter() - start
                log.info("compiled segment %d of %d ops for %s in %.3f s", number, count, attachment.name, took_s)
        return rejected

    def _check(self, plan: Plan) -> None:
        if not self._wishes.strict:
            return
        left = [(body, i) for body in (plan, *plan.bodies.values()) for i in body.on_cpu]
        if not left:
            return
        shown = [
            f"op {i} {body.graph.ops[i].kind} ({'; '.join(body.placements[i].reasons) or 'no delegate'})"
            for body, i in left[:MOST_REASONS_SHOWN]
        ]
        more = f" and {len(left) - len(shown)} more" if len(left) > len(shown) else ""
        raise NotDelegated(f"strict: {len(left)} ops would run on the CPU: {', '.join(shown)}{more}")

    def _report_idle(self, plan: Plan, rejecting: Collection[str]) -> None:
        """Says which delegates are there and refuse every op, so that nobody believes that they are at work.

        rejecting: delegates that took ops and could not compile them, which is in the report already.
        """
        for label, attachment in self._attachments.items():
            why = _refusal_of_all(plan, label) if attachment.device and label not in rejecting else ""
            if why:
                self._report.add(Event("plan", attachment.name, f"it takes no op of this model: {why}"))

    def _in_place(self, plan: Plan, compiled: dict[_Key, Executable]) -> Compiled:
        """What the plan's steps use; the rest is closed."""
        kernels = set(_native.kernel_names())
        placed: Compiled = {}
        for index, number, step in _delegated(plan):
            attachment = self._attachments[step.owner or ""]
            placed[index, number] = (attachment, compiled.pop(_key(index, step)))
            missing = sorted({step.segment.graph.ops[i].kind for i in step.segment.ops} - kernels)
            if missing:
                why = f"no fallback for this segment: the CPU has no kernel for {', '.join(missing)}"
                self._report.add(Event("plan", attachment.name, why, number, index))
        _close(compiled.values())
        return placed


def _delegated(plan: Plan) -> Iterator[tuple[int, int, Step]]:
    """Every step on a delegate: graph index, number, step."""
    for body in (plan, *plan.bodies.values()):
        for number, step in enumerate(body.steps):
            if step.owner:
                yield body.graph.index, number, step


def _refusal_of_all(plan: Plan, label: str) -> str:
    """What speaks against every op that this delegate was offered; "" when it would take one, or was offered none."""
    reasons: Counter[str] = Counter()
    count = 0
    for body in (plan, *plan.bodies.values()):
        for placement in body.placements:
            if placement.pinned or placement.kept:
                continue
            verdict = dict(placement.verdicts)[label]
            if verdict:
                return ""
            count += 1
            reasons.update(verdict.reasons)
    common = [reason for reason, times in reasons.items() if times == count]
    shown = common or [
        f"{reason} ({times} of {count} ops)" for reason, times in reasons.most_common(MOST_REASONS_SHOWN)
    ]
    return "; ".join(shown)


def _key(index: int, step: Step) -> _Key:
    return index, step.owner or "", step.segment.ops


def _close(executables: Iterable[Executable]) -> None:
    for executable in executables:
        executable.close()
