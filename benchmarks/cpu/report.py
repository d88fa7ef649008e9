"""The tables: models by class with their ratios, load and memory, and the conditions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.cpu.classes import CLASSES, ModelClass
from benchmarks.cpu.conditions import Condition, beyond_arena, ratios
from benchmarks.cpu.measure import Load, Row, Speed
from benchmarks.rounds import geometric_mean, verdict
from benchmarks.runtimes import OURS, XNNPACK
from subgraft.cli.table import shorten, table, wrapped

NAME_COLUMNS, TIME_COLUMNS, RATIO_COLUMNS = 38, 7, 6
BY = {XNNPACK: "X"}  # else B
LEGEND = (
    "Medians in us; 1T: one thread. by: LiteRT with XNNPACK (X) or its built-in kernels (B), whichever is "
    "faster; ratio: LiteRT's time over ours; ~ a rough measurement, ! a noisy one."
)
MARKS = {"steady": " ", "rough": "~", "noisy": "!"}


def report(rows: Sequence[Row], conditions: Sequence[Condition]) -> str:
    parts = [*_classes(rows), wrapped(LEGEND)]
    if any(row.loads for row in rows):
        parts.append(_loads(rows))
    notes = [f"{shorten(row.name, NAME_COLUMNS)}: {note}" for row in rows for note in row.notes]
    if notes:
        parts.append("\n".join(wrapped(note) for note in notes))
    parts.append(_conditions(conditions))
    return "\n\n".join(parts)


def _classes(rows: Sequence[Row]) -> Iterator[str]:
    for kind in CLASSES:
        members = [row for row in rows if row.kind == kind.key]
        if members:
            yield _class(kind, members)


def _class(kind: ModelClass, rows: Sequence[Row]) -> str:
    """Cells are padded, so that the tables of all classes have the same columns."""
    counts = [speed.threads for speed in rows[0].speeds]
    title = f"{kind.title}, goal {kind.goal:g}x"
    headers = [title.ljust(NAME_COLUMNS)]
    for count in counts:
        headers += [
            f"ours {count}T".rjust(TIME_COLUMNS),
            "LiteRT".rjust(TIME_COLUMNS),
            "by",
            "ratio".rjust(RATIO_COLUMNS),
        ]
    body = [[shorten(row.name, NAME_COLUMNS), *(c for speed in row.speeds for c in _cells(speed))] for row in rows]
    means = [geometric_mean(found) if (found := ratios(rows, count)) else None for count in counts]
    body.append(["geometric mean", *(cell for mean in means for cell in ("", "", "", _ratio(mean) + " "))])
    return table(headers, body, right=[i for i in range(1, len(headers)) if headers[i] != "by"])


def _cells(speed: Speed) -> list[str]:
    ours, theirs = speed.median_s(OURS), speed.median_s(speed.rival)
    by = "" if theirs is None else BY.get(speed.rival or "", "B")
    return [_us(ours), _us(theirs), by, _ratio(speed.ratio) + MARKS[verdict(speed.spread)]]


def _loads(rows: Sequence[Row]) -> str:
    headers = [
        "load to first result, memory",
        "ours ms",
        "LiteRT",
        "warm",
        "LiteRT",
        "peak MB",
        "LiteRT",
        "2nd %",
        "LiteRT",
    ]
    body = []
    for row in rows:
        ours = row.loads.get(OURS)
        theirs = next((load for runtime, load in row.loads.items() if runtime != OURS), None)
        pairs = zip(_load_cells(ours), _load_cells(theirs), strict=True)
        body.append([shorten(row.name, NAME_COLUMNS), *(cell for pair in pairs for cell in pair)])
    note = "2nd: what a second interpreter adds, in per cent of the first; ours without the arena, LiteRT's with it."
    return table(headers, body, right=range(1, len(headers))) + "\n" + wrapped(note)


def _load_cells(load: Load | None) -> list[str]:
    if load is None:
        return ["-"] * 4
    second = f"{100 * beyond_arena(load):.0f}"
    return [f"{load.fresh_s * 1e3:.2f}", f"{load.warm_s * 1e3:.2f}", f"{load.peak_bytes / 1e6:.1f}", second]


def _conditions(conditions: Sequence[Condition]) -> str:
    lines = []
    for c in conditions:
        if c.value is None and c.goal is not None:
            continue  # nothing of this class was measured
        measured = "" if c.value is None else f": {c.value:.2f} (goal {c.goal:g})"
        failing = f": {', '.join(c.failing)}" if c.failing else ""
        lines.append(wrapped(f"{'ok  ' if c.holds else 'MISS'} {c.what}{measured}{failing}"))
    return "\n".join(lines)


def _us(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds * 1e6:.2f}" if seconds < 1e-4 else f"{seconds * 1e6:.0f}"


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
