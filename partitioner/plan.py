"""The plan: an ordered list of segments with their owners, and every reason behind it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from subgraft.delegates import Cost, Graph, Segment
from subgraft.partitioner.assign import Placement

WIDTH = 100  # columns of explain()


@dataclass(frozen=True, slots=True)
class Step:
    """One segment and who runs it.

    owner: a delegate's label; None: the CPU.
    cost, cpu_s: the delegate's estimate and the CPU's in seconds; None where they have no idea, or were not asked.
    bodies: for control flow whose bodies have segments on delegates: the subgraphs that the session runs for it.
    notes: what the delegate says of it.
    """

    owner: str | None
    segment: Segment
    cost: Cost | None = None
    cpu_s: float | None = None
    bodies: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Who runs what, in which order, and why not elsewhere.

    placements: one for each op of the graph, in its order.
    bodies: plans of the graphs that control flow runs, by subgraph index, nested ones included.
    absent: delegates that were asked for and are not there, with the cause.
    """

    graph: Graph
    steps: tuple[Step, ...]
    placements: tuple[Placement, ...]
    bodies: Mapping[int, Plan] = field(default_factory=dict)
    absent: tuple[tuple[str, str], ...] = ()

    @property
    def on_cpu(self) -> tuple[int, ...]:
        """Ops of this graph that the CPU runs although no pin keeps them there."""
        return tuple(i for i, p in enumerate(self.placements) if p.owner is None and not p.pinned)

    def __repr__(self) -> str:
        return f"<Plan of {self.summary()}; explain() says why>"

    def explain(self) -> str:
        """A table of at most 100 columns: for each op who takes it, or every reason why each delegate does not."""
        lines = [line for label, why in self.absent for line in _wrap(f"{label} is not available: {why}", "  ")]
        for plan in (self, *self.bodies.values()):
            lines += plan._table()
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values, for JSON."""
        return {
            "graph": self.graph.name,
            "index": self.graph.index,
            "absent": dict(self.absent),
            "segments": [self._step_dict(step) for step in self.steps],
            "ops": [self._op_dict(i) for i in range(len(self.placements))],
            "bodies": {str(index): plan.to_dict() for index, plan in self.bodies.items()},
        }

    def _table(self) -> Iterator[str]:
        yield from _wrap(self.summary(), "  ")
        for number, step in enumerate(self.steps):
            yield ""
            yield from _wrap(f"segment {number} on {step.owner or 'the CPU'}{_estimates(step)}", "    ")
            for note in step.notes:
                yield from textwrap.wrap(note, WIDTH, initial_indent="    ", subsequent_indent="      ")
            for i in step.segment.ops:
                head = f"{i:6d}  {self.graph.ops[i].kind[:40]}"
                yield from _reasons(head, self.placements[i].telling)

    def summary(self) -> str:
        name = self.graph.name or f"graph {self.graph.index}"
        count = len(self.placements)
        parts = []
        for owner in dict.fromkeys(step.owner for step in self.steps):
            mine = [step for step in self.steps if step.owner == owner]
            ops = sum(len(step.segment.ops) for step in mine)
            parts.append(f"{owner or 'the CPU'} runs {ops} of {count} ops in {_count(len(mine), 'segment')}")
        return f"{name}: {'; '.join(parts) or 'no ops'}"

    def _step_dict(self, step: Step) -> dict[str, Any]:
        tensors = self.graph.tensors
        return {
            "owner": step.owner,
            "ops": list(step.segment.ops),
            "inputs": [tensors[t].name for t in step.segment.inputs],
            "outputs": [tensors[t].name for t in step.segment.outputs],
            "compute_s": step.cost.compute_s if step.cost else None,
            "transfer_s": step.cost.transfer_s if step.cost else None,
            "cpu_s": step.cpu_s,
            "notes": list(step.notes),
        }

    def _op_dict(self, i: int) -> dict[str, Any]:
        placement = self.placements[i]
        return {
            "index": i,
            "kind": self.graph.ops[i].kind,
            "owner": placement.owner,
            "pinned": list(placement.pinned),
            "kept": list(placement.kept),
            "reasons": {label: list(answer.reasons) for label, answer in placement.verdicts if not answer},
        }


def _reasons(head: str, reasons: tuple[str, ...]) -> Iterator[str]:
    """The op's name, then one reason a line beside it, wrapped."""
    column = 32
    lines = [line for why in reasons for line in textwrap.wrap(why, WIDTH - column, subsequent_indent="  ")]
    if len(head) >= column - 1 or not lines:
        yield head
    else:
        yield f"{head:<{column}}{lines.pop(0)}"
    for line in lines:
        yield " " * column + line


def _estimates(step: Step) -> str:
    parts = []
    if step.cost:
        parts.append(f"{step.cost.total_s:.2g} s here")
    if step.cpu_s is not None:
        parts.append(f"{step.cpu_s:.2g} s on the CPU")
    return f" ({', '.join(parts)})" if parts and step.owner else ""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _wrap(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent=indent)
