"""Which segments are not worth having: what their device says, their size, their cost, their number."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from subgraft.delegates import Cost, Segment
from subgraft.partitioner.assign import Candidate

# A segment with its owner's label; None: the CPU.
Owned = tuple[str | None, Segment]
Refused = dict[tuple[int, str, int], tuple[str, ...]]
CpuCost = Callable[[Segment], float | None]


@dataclass(frozen=True, slots=True)
class Limits:
    """min_ops: of a delegate's segment. max_segments: on delegates, in each graph; the largest are kept."""

    min_ops: int = 1
    max_segments: int | None = None

    def __post_init__(self) -> None:
        if self.min_ops < 1:
            raise ValueError(f"min_ops is {self.min_ops}: it must be at least 1")
        if self.max_segments is not None and self.max_segments < 0:
            raise ValueError(f"max_segments is {self.max_segments}: it cannot be negative")


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a segment costs on its delegate and on the CPU, as far as they know."""

    delegate: Cost | None = None
    cpu_s: float | None = None


def refine(
    segments: Sequence[Owned], candidates: Mapping[str, Candidate], done: set[tuple[str, tuple[int, ...]]]
) -> Refused:
    """What the devices say, op by op. `done` remembers whom we asked, since asking opens the device."""
    refused: Refused = {}
    for label, segment in segments:
        ask = candidates[label].refine if label else None
        if label is None or ask is None or (label, segment.ops) in done:
            continue
        done.add((label, segment.ops))
        for node, answer in zip(segment.ops, ask(segment), strict=True):
            if not answer:
                refused[segment.graph.index, label, node] = answer.reasons
    return refused


def too_small(segments: Sequence[Owned], labels: Sequence[str], limits: Limits) -> Refused:
    """Segments of fewer than min_ops, of the first delegate that has any: its ops may make a later one's larger."""
    for wanted in labels:
        refused: Refused = {}
        for label, segment in segments:
            if label == wanted and len(segment.ops) < limits.min_ops:
                refused |= _all(
                    segment, label, f"a segment of {_ops(len(segment.ops))}, under min_ops={limits.min_ops}"
                )
        if refused:
            return refused
    return {}


def too_dear(segments: Sequence[Owned], estimates: Sequence[Estimate]) -> Refused:
    """Segments that the CPU computes in no more time."""
    refused: Refused = {}
    for (label, segment), estimate in zip(segments, estimates, strict=True):
        if label is None or estimate.delegate is None or estimate.cpu_s is None:
            continue
        if estimate.delegate.total_s >= estimate.cpu_s:
            why = f"{estimate.delegate.total_s:.2g} s for this segment, no faster than the CPU's {estimate.cpu_s:.2g} s"
            refused |= _all(segment, label, why)
    return refused


def too_many(segments: Sequence[Owned], labels: Sequence[str], limits: Limits) -> Refused:
    """All but the max_segments largest, refused for every delegate; among equals the earlier stays."""
    if limits.max_segments is None:
        return {}
    delegated = [segment for label, segment in segments if label]
    refused: Refused = {}
    for segment in sorted(delegated, key=lambda s: -len(s.ops))[limits.max_segments :]:
        for label in labels:
            refused |= _all(segment, label, f"beyond max_segments={limits.max_segments}, which keeps the largest")
    return refused


def _all(segment: Segment, label: str, reason: str) -> Refused:
    return {(segment.graph.index, label, node): (reason,) for node in segment.ops}


def _ops(count: int) -> str:
    return "1 op" if count == 1 else f"{count} ops"
