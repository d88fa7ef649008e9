"""Draws ratios as an SVG bar chart on a logarithmic axis, right of 1 what is ahead; for READMEs, light or dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

# Pixels.
WIDTH, NAMES, FIGURES, MARGIN = 760, 270, 50, 12
ROW, BAR, TITLE, GAP = 17, 11, 26, 10
AXIS = 22

LEAST, MOST = 0.25, 32.0  # what the axis can show; bars beyond are cut, their figures are not
NAME_CHARACTERS = 40

STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#1f2328}.title{font-weight:600;font-size:14px}.group{font-weight:600}"
    ".small{font-size:11px;fill:#59636e}.ahead{fill:#1a7f37}.behind{fill:#bc4c00}.grid{stroke:#d1d9e0}"
    ".one{stroke:#59636e}.goal{stroke:#0969da;stroke-dasharray:3 2}"
    "@media (prefers-color-scheme:dark){text{fill:#f0f6fc}.small{fill:#9198a1}.ahead{fill:#3fb950}"
    ".behind{fill:#db6d28}.grid{stroke:#3d444d}.one{stroke:#9198a1}.goal{stroke:#4493f8}}"
)


@dataclass(frozen=True, slots=True)
class Bar:
    name: str
    ratio: float


@dataclass(frozen=True, slots=True)
class Group:
    """goal: a dashed line across the group's bars."""

    title: str
    bars: Sequence[Bar]
    goal: float | None = None


def chart(title: str, groups: Sequence[Group]) -> str:
    """A document without a background of its own."""
    groups = [group for group in groups if group.bars]
    ticks = _ticks([bar.ratio for group in groups for bar in group.bars])
    low, high = ticks[0], ticks[-1]
    body: list[str] = []
    y = MARGIN + TITLE + AXIS
    for group in groups:
        body += _group(group, y, low, high)
        y += TITLE + ROW * len(group.bars) + GAP
    height = y + MARGIN
    grid = [_tick(t, low, high, height) for t in ticks]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
            f'viewBox="0 0 {WIDTH} {height}" role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>{STYLE}</style>",
            _text(MARGIN, MARGIN + 14, title, "title"),
            *grid,
            *body,
            "</svg>",
            "",
        ]
    )


def _group(group: Group, y: int, low: float, high: float) -> list[str]:
    parts = [_text(MARGIN, y + 16, group.title, "group")]
    top = y + TITLE
    one = _x(1.0, low, high)
    for i, bar in enumerate(group.bars):
        end, middle = _x(bar.ratio, low, high), top + i * ROW
        look = "ahead" if bar.ratio >= 1 else "behind"
        left, width = min(one, end), max(abs(end - one), 1.0)
        name = bar.name if len(bar.name) <= NAME_CHARACTERS else bar.name[: NAME_CHARACTERS - 1] + "…"
        parts.append(_text(MARGIN, middle + 10, name))
        parts.append(f'<rect class="{look}" x="{left:.1f}" y="{middle}" width="{width:.1f}" height="{BAR}" rx="2"/>')
        parts.append(_text(max(one, end) + 5, middle + 10, f"{bar.ratio:.2f}×", "small"))
    if group.goal is not None:
        x = _x(group.goal, low, high)
        parts.append(f'<path class="goal" d="M {x:.1f} {top - 3} V {top + ROW * len(group.bars) - 3}"/>')
    return parts


def _ticks(ratios: Sequence[float]) -> list[float]:
    """Powers of two around all bars and 1."""
    inside = [min(max(r, LEAST), MOST) for r in ratios if r > 0]
    low = math.floor(math.log2(min([*inside, 0.5])))
    high = math.ceil(math.log2(max([*inside, 2.0])))
    return [2.0**i for i in range(low, high + 1)]


def _x(ratio: float, low: float, high: float) -> float:
    share = math.log2(min(max(ratio, low), high) / low) / math.log2(high / low)
    return NAMES + share * (WIDTH - NAMES - FIGURES - MARGIN)


def _tick(tick: float, low: float, high: float, height: int) -> str:
    x, top = _x(tick, low, high), MARGIN + TITLE + AXIS - 4
    line = f'<path class="{"one" if tick == 1 else "grid"}" d="M {x:.1f} {top} V {height - MARGIN}"/>'
    return line + _text(x - 8, top - 5, f"{tick:g}×", "small")


def _text(x: float, y: float, text: str, look: str = "") -> str:
    kind = f' class="{look}"' if look else ""
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return f'<text{kind} x="{x:g}" y="{y:g}">{escape(shown)}</text>'
