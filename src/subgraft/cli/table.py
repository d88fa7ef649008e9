"""Plain text tables, at most 100 columns wide."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

MAX_COLUMNS = 100
MIN_CELL = 8  # a column is not squeezed below this
GAP = "  "


def table(headers: Sequence[str], rows: Sequence[Sequence[object]], *, right: Sequence[int] = ()) -> str:
    """Columns as wide as their content; where that is too wide, the widest are cut in the middle with "…".

    right: the columns that are aligned to the right, usually numbers.
    """
    cells = [tuple(headers), *(tuple(printable(cell) for cell in row) for row in rows)]
    widths = _fit([max(len(row[i]) for row in cells) for i in range(len(headers))])
    lines = []
    for row in cells:
        columns = [_aligned(cell, width, i in right) for i, (cell, width) in enumerate(zip(row, widths, strict=True))]
        lines.append(GAP.join(columns).rstrip())
    return "\n".join(lines)


def printable(text: object) -> str:
    """The text on one line and without control characters: names come out of files that nobody vouches for."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(text).replace("\n", " "))


def wrapped(text: object) -> str:
    """The text in lines that fit, each but the first set in by two."""
    return "\n".join(textwrap.wrap(printable(text), MAX_COLUMNS, subsequent_indent="  "))


def shorten(text: str, width: int) -> str:
    """The text with its middle replaced by "…" when it is longer than `width`: tensor names differ at both ends."""
    if len(text) <= width:
        return text
    tail = (width - 1) // 2
    return text[: width - 1 - tail] + "…" + text[len(text) - tail :]


def _aligned(cell: str, width: int, to_the_right: bool) -> str:
    cell = shorten(cell, width)
    return cell.rjust(width) if to_the_right else cell.ljust(width)


def _fit(widths: list[int]) -> list[int]:
    """Takes from the widest columns until the row fits."""
    room = MAX_COLUMNS - len(GAP) * (len(widths) - 1)
    widths = list(widths)
    while sum(widths) > room and max(widths) > MIN_CELL:
        widest = widths.index(max(widths))
        widths[widest] -= 1
    return widths
