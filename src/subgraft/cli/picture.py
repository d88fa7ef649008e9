"""Draws a plan for a terminal: the segments in order, what is in them, what passes between them, what came of them."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TextIO

from subgraft.delegates import Graph, Tensor
from subgraft.partitioner import Plan, Step

WIDTH = 100  # columns
INSIDE = 48  # columns between a box's sides
MAX_OPS = 16  # of a box; a longer one tells the rest by kind
MAX_TENSORS = 4  # between two boxes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one segment in all runs of a session.

    taken_over: how many of `runs` the CPU had to compute in the delegate's stead. why: the reasons, once each.
    """

    runs: int
    taken_over: int = 0
    why: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pen:
    """What the terminal can show: box-drawing characters, and colour."""

    unicode: bool = True
    colour: bool = False

    @classmethod
    def of(cls, stream: TextIO) -> Pen:
        """Colour only where a person looks on who did not forbid it: https://no-color.org."""
        encoding = (stream.encoding or "ascii").lower().replace("-", "").replace("_", "")
        plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        return cls(unicode=encoding.startswith("utf"), colour=stream.isatty() and not plain)

    def paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour and text else text


RED, GREEN, YELLOW, BLUE, BOLD, FAINT = "31", "32", "33", "34", "1", "2"


class Frame(NamedTuple):
    """The characters of a box."""

    top_left: str
    top_right: str
    bottom_left: str
    bottom_right: str
    across: str
    down: str
    way_in: str
    way_out: str
    thread: str  # between two boxes


DELEGATE_FRAME = Frame(*"╔╗╚╝═║▼╤│")
CPU_FRAME = Frame(*"┌┐└┘─│▼┬│")
ASCII_FRAME = Frame(*"++++-|v+|")


def draw(
    plan: Plan,
    outcomes: Mapping[int, Outcome] | None = None,
    *,
    pen: Pen | None = None,
    emulated: Collection[str] = (),
) -> str:
    """The whole plan, bodies of control flow included, in at most 100 columns.

    outcomes: by the number of the main graph's segment. emulated: owners that are no hardware.
    """
    artist = _Artist(pen or Pen(), frozenset(emulated))
    lines = list(artist.graph(plan, outcomes or {}))
    for index, body in plan.bodies.items():
        lines += ["", f"graph {index}, run by control flow:", *artist.graph(body, {})]
    return "\n".join(lines)


def describe(tensor: Tensor) -> str:
    """A tensor's type and shape."""
    return f"{tensor.dtype} {'x'.join(str(side) for side in tensor.shape) or 'scalar'}"


def printable(text: str) -> str:
    """Names come from files: nothing in them may steer the terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)


def shorten(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(width - 2, 0)] + ".."


def outcome_text(step: Step, outcome: Outcome) -> str:
    place = step.owner or "the CPU"
    if not outcome.taken_over:
        return f"{outcome.runs} of {outcome.runs} runs on {place}"
    text = f"{outcome.runs - outcome.taken_over} of {outcome.runs} runs on {place}, {outcome.taken_over} on the CPU"
    return f"{text}: {printable('; '.join(outcome.why))}" if outcome.why else text


@dataclass(frozen=True, slots=True)
class _Artist:
    """What stays the same over the whole picture."""

    pen: Pen
    emulated: frozenset[str]

    def graph(self, plan: Plan, outcomes: Mapping[int, Outcome]) -> Iterator[str]:
        made_by = {
            t: n for n, step in enumerate(plan.steps) for i in step.segment.ops for t in plan.graph.ops[i].outputs
        }
        for number, step in enumerate(plan.steps):
            above = {t: _origin(plan.graph.tensors[t], made_by.get(t), number) for t in step.segment.inputs}
            yield from self.thread(plan.graph, above)
            yield from self.box(plan, number, outcomes.get(number))
        yield from self.thread(plan.graph, dict.fromkeys(plan.graph.outputs, "output"))

    def thread(self, graph: Graph, tensors: Mapping[int, str]) -> Iterator[str]:
        """One line for each tensor between two boxes, with a remark."""
        line = (CPU_FRAME if self.pen.unicode else ASCII_FRAME).thread
        for t in list(tensors)[:MAX_TENSORS]:
            remark = f"  ({tensors[t]})" if tensors[t] else ""
            text = f"{shorten(printable(graph.tensors[t].name), 50)}  {describe(graph.tensors[t])}{remark}"
            yield f"    {line} {self.pen.paint(shorten(text, WIDTH - 6), FAINT)}"
        if len(tensors) > MAX_TENSORS:
            yield f"    {line} {self.pen.paint(f'and {len(tensors) - MAX_TENSORS} more', FAINT)}"

    def box(self, plan: Plan, number: int, outcome: Outcome | None) -> Iterator[str]:
        """A segment's ops in a frame, and remarks to the right of it."""
        step = plan.steps[number]
        frame = (DELEGATE_FRAME if step.owner else CPU_FRAME) if self.pen.unicode else ASCII_FRAME
        colour = YELLOW if outcome and outcome.taken_over else GREEN if step.owner else BLUE
        side = self.pen.paint(frame.down, colour)
        edge = frame.across * (INSIDE - 2)
        yield self.pen.paint(f"{frame.top_left}{frame.across * 3}{frame.way_in}{edge}{frame.top_right}", colour)
        place = f"{step.owner} (emulated)" if step.owner in self.emulated else step.owner or "the CPU"
        title = shorten(f"segment {number} on {place}", INSIDE)
        rows = [(title, outcome_text(step, outcome) if outcome else ""), *_ops(plan, step)]
        for left, remark in rows:
            cell = f"{self.pen.paint(left, BOLD) if left is title else left}{' ' * (INSIDE - len(left))}"
            first, *more = textwrap.wrap(remark, WIDTH - INSIDE - 6, subsequent_indent="  ") or [""]
            yield f"{side} {cell} {side}  {first}".rstrip()
            yield from (f"{side} {' ' * INSIDE} {side}  {line}" for line in more)
        yield self.pen.paint(f"{frame.bottom_left}{frame.across * 3}{frame.way_out}{edge}{frame.bottom_right}", colour)


def _origin(tensor: Tensor, maker: int | None, reader: int) -> str:
    """Where a segment's input comes from, unless it is the segment before."""
    if maker is None:
        return "state" if tensor.is_variable else "input"
    return "" if maker == reader - 1 else f"of segment {maker}"


def _ops(plan: Plan, step: Step) -> Iterator[tuple[str, str]]:
    """Each op with what it makes, and beside it why no delegate has it."""
    graph = plan.graph
    chosen = step.segment.ops if len(step.segment.ops) <= MAX_OPS else step.segment.ops[: MAX_OPS - 1]
    for i in chosen:
        op = graph.ops[i]
        made = describe(graph.tensors[op.outputs[0]]) if op.outputs and op.outputs[0] >= 0 else ""
        why = "; ".join(plan.placements[i].reasons)
        yield shorten(f"{i:4d}  {shorten(printable(op.kind), 23):23}  {made}", INSIDE), printable(why)
    rest = [graph.ops[i].kind for i in step.segment.ops[len(chosen) :]]
    if rest:
        kinds = sorted(((rest.count(kind), kind) for kind in set(rest)), reverse=True)
        yield f"      and {len(rest)} more", printable(", ".join(f"{count} {kind}" for count, kind in kinds))
