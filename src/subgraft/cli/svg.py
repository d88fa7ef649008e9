"""Draws a plan as SVG: one band for each segment, the ops in it as a graph, and beside it what came of them."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from subgraft.cli.picture import Outcome, describe, outcome_text, printable, shorten
from subgraft.delegates import Graph
from subgraft.partitioner import Plan, Step

# Pixels.
NODE_WIDTH, NODE_HEIGHT = 176, 30
GAP_X, GAP_Y = 24, 24
MARGIN = 16
TITLE = 26  # of a band, and of the picture
BAND_GAP = 30
INDENT = 110  # keeps the edges clear of the bands' titles
NOTES = 430  # the column at the right
LINE = 16

NOTE_COLUMNS = 66  # characters
MAX_COLUMNS = 8  # nodes side by side
MAX_REASONS = 8  # beside a segment

STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#222}.title{font-weight:600}.note{font-size:11px;fill:#555}"
    ".edge{fill:none;stroke:#889;stroke-width:1.4}.node{fill:#fff;stroke-width:1.4}.band{stroke-width:1.2}"
    ".delegate{stroke:#2b8a3e}.band.delegate{fill:#ebfbee}.cpu{stroke:#3b6fb5}.band.cpu{fill:#eef4fc}"
    ".fell{stroke:#c77700}.band.fell{fill:#fff4e0}"
)


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a node's middle is, and in which row of the whole picture."""

    x: int
    y: int
    row: int


@dataclass(frozen=True, slots=True)
class Band:
    """A segment's rectangle, and where its ops lie in it."""

    top: int
    height: int
    spots: Mapping[int, Spot]


def svg(plan: Plan, outcomes: Mapping[int, Outcome] | None = None, *, title: str = "") -> str:
    """A document of the plan's main graph. outcomes: by the segment's number."""
    results = [(outcomes or {}).get(number) for number in range(len(plan.steps))]
    notes = [_notes(plan, step, outcome) for step, outcome in zip(plan.steps, results, strict=True)]
    ranks = [_ranks(plan.graph, step.segment.ops) for step in plan.steps]
    columns = max((len(row) for rows in ranks for row in rows), default=1)
    width = INDENT + columns * (NODE_WIDTH + GAP_X) + 2 * GAP_X
    bands = _place(ranks, notes, width)
    spots = {i: spot for band in bands for i, spot in band.spots.items()}
    height = bands[-1].top + bands[-1].height + BAND_GAP if bands else 2 * MARGIN + TITLE
    total = width + NOTES + 2 * MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{total}" height="{height}" viewBox="0 0 {total} {height}">',
        f"<style>{STYLE}</style>",
        f'<rect width="{total}" height="{height}" fill="#fff"/>',
        _text(MARGIN, MARGIN + 10, title or plan.graph.name or "plan", "title"),
    ]
    looks = [_look(step, outcome) for step, outcome in zip(plan.steps, results, strict=True)]
    for number, (step, band) in enumerate(zip(plan.steps, bands, strict=True)):
        parts.append(_rectangle(MARGIN, band.top, width, band.height, 8, f"band {looks[number]}"))
        parts.append(_text(MARGIN + 10, band.top + 17, f"segment {number} on {step.owner or 'the CPU'}", "title"))
        x, y = MARGIN + width + 14, band.top + 17
        parts += (_text(x, y + i * LINE, line, "note") for i, line in enumerate(notes[number]))
    parts += _edges(plan.graph, spots)
    for look, step in zip(looks, plan.steps, strict=True):
        parts += (_node(plan, i, spots[i], look) for i in step.segment.ops)
    return "\n".join([*parts, "</svg>", ""])


def _ranks(graph: Graph, ops: Sequence[int]) -> list[list[int]]:
    """The ops in rows of at most MAX_COLUMNS: each below everything in this segment that it reads."""
    made: dict[int, int] = {}
    rows: list[list[int]] = []
    for i in ops:
        row = max((made[t] + 1 for t in graph.ops[i].inputs if t in made), default=0)
        made.update(dict.fromkeys(graph.ops[i].outputs, row))
        if row == len(rows):
            rows.append([])
        rows[row].append(i)
    return [row[k : k + MAX_COLUMNS] for row in rows for k in range(0, len(row), MAX_COLUMNS)]


def _place(ranks: Sequence[Sequence[Sequence[int]]], notes: Sequence[Sequence[str]], width: int) -> list[Band]:
    bands: list[Band] = []
    top, rows_above = MARGIN + TITLE, 0
    for rows, lines in zip(ranks, notes, strict=True):
        spots = {}
        for row, ops in enumerate(rows):
            x = MARGIN + (INDENT + width - (len(ops) - 1) * (NODE_WIDTH + GAP_X)) // 2
            y = top + TITLE + row * (NODE_HEIGHT + GAP_Y) + NODE_HEIGHT // 2
            spots.update({i: Spot(x + k * (NODE_WIDTH + GAP_X), y, rows_above + row) for k, i in enumerate(ops)})
        height = TITLE + len(rows) * (NODE_HEIGHT + GAP_Y) - GAP_Y + MARGIN
        bands.append(Band(top, max(height, LINE * (len(lines) + 1)), spots))
        top += bands[-1].height + BAND_GAP
        rows_above += len(rows)
    return bands


def _notes(plan: Plan, step: Step, outcome: Outcome | None) -> list[str]:
    """How the segment fared, then why its ops are not elsewhere, each reason once with the number of its ops."""
    texts = [outcome_text(step, outcome)] if outcome else []
    counts = Counter(why for i in step.segment.ops for why in plan.placements[i].reasons)
    texts += (f"{count} ops: {why}" if count > 1 else why for why, count in counts.most_common(MAX_REASONS))
    if len(counts) > MAX_REASONS:
        texts.append(f"and {len(counts) - MAX_REASONS} more reasons")
    return [line for text in texts for line in textwrap.wrap(printable(text), NOTE_COLUMNS, subsequent_indent="  ")]


def _look(step: Step, outcome: Outcome | None) -> str:
    if outcome and outcome.taken_over:
        return "fell"
    return "delegate" if step.owner else "cpu"


def _edges(graph: Graph, spots: Mapping[int, Spot]) -> Iterator[str]:
    """A line from each op to every op that reads what it made."""
    producers = graph.producers()
    for i, op in enumerate(graph.ops):
        for source in dict.fromkeys(producers[t] for t in op.inputs if t in producers):
            yield f'<path class="edge" d="{_route(spots[source], spots[i])}"/>'


def _route(a: Spot, b: Spot) -> str:
    """Straight down, or along the right side of what lies between."""
    top, bottom = a.y + NODE_HEIGHT // 2, b.y - NODE_HEIGHT // 2
    if a.x != b.x or b.row - a.row == 1:
        return f"M {a.x} {top} C {a.x} {top + GAP_Y} {b.x} {bottom - GAP_Y} {b.x} {bottom}"
    lane = a.x + NODE_WIDTH // 2 + GAP_X // 2
    out = f"C {a.x} {top + GAP_Y} {lane} {top} {lane} {top + GAP_Y}"
    back = f"C {lane} {bottom} {b.x} {bottom - GAP_Y} {b.x} {bottom}"
    return f"M {a.x} {top} {out} L {lane} {bottom - GAP_Y} {back}"


def _node(plan: Plan, i: int, spot: Spot, look: str) -> str:
    graph = plan.graph
    op = graph.ops[i]
    made = [f"{graph.tensors[t].name}: {describe(graph.tensors[t])}" for t in op.outputs if t >= 0]
    tip = "\n".join([*made, *plan.placements[i].reasons])
    left, top = spot.x - NODE_WIDTH // 2, spot.y - NODE_HEIGHT // 2
    box = _rectangle(left, top, NODE_WIDTH, NODE_HEIGHT, 5, f"node {look}")
    label = _text(left + 8, top + 19, f"{i}  {shorten(op.kind, 22)}")
    return f"<g><title>{_escape(tip)}</title>{box}{label}</g>"


def _rectangle(x: int, y: int, width: int, height: int, radius: int, look: str) -> str:
    return f'<rect class="{look}" x="{x}" y="{y}" width="{width}" height="{height}" rx="{radius}"/>'


def _text(x: int, y: int, text: str, look: str = "name") -> str:
    return f'<text class="{look}" x="{x}" y="{y}">{_escape(text)}</text>'


def _escape(text: str) -> str:
    """Names come from files: no markup, and no character that XML forbids."""
    return escape("\n".join(printable(line) for line in text.split("\n")))
