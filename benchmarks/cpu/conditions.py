"""What the CPU interpreter promises beside LiteRT, and whether the measured rows keep it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.cpu.classes import CLASSES, INTEGER_GOAL
from benchmarks.cpu.measure import Load, Row
from benchmarks.rounds import geometric_mean
from benchmarks.runtimes import OURS

LEAST_RATIO = 0.95  # of any model
NEGLIGIBLE_S = 0.3e-6  # what a model may be slower by, whatever the ratio
BIG_BYTES = 1 << 20  # files from here on must load as fast and in as little memory as with LiteRT
MEASURE_ERROR = 1.02  # load and memory: equal within this
SECOND_SHARE = 0.10  # of the first interpreter's memory, beyond the arena


@dataclass(frozen=True, slots=True)
class Condition:
    """value: None where no row was measured that it speaks of; then it holds."""

    what: str
    holds: bool
    value: float | None = None
    goal: float | None = None
    failing: Sequence[str] = ()


def evaluate(rows: Sequence[Row]) -> list[Condition]:
    counts = sorted({speed.threads for row in rows for speed in row.speeds})
    found = [condition for count in counts for condition in _of_speed(rows, count)]
    return [*found, *_of_loads(rows)]


def ratios(rows: Sequence[Row], threads: int) -> list[float]:
    return [s.ratio for row in rows for s in row.speeds if s.threads == threads and s.ratio is not None]


def _of_speed(rows: Sequence[Row], threads: int) -> Iterator[Condition]:
    said = f"{threads} thread" + ("s" if threads > 1 else "")
    for kind in CLASSES:
        yield _mean(f"{kind.title}, {said}", ratios([r for r in rows if r.kind == kind.key], threads), kind.goal)
    yield _mean(f"all integer models, {said}", ratios([r for r in rows if r.integer], threads), INTEGER_GOAL)
    slow = [f"{row.name} {ratio:.2f}" for row in rows if (ratio := _too_slow(row, threads)) is not None]
    yield Condition(f"no model below {LEAST_RATIO}x, {said}", not slow, failing=slow)
    failed = [row.name for row in rows if any(s.threads == threads and s.median_s(OURS) is None for s in row.speeds)]
    yield Condition(f"every model runs, {said}", not failed, failing=failed)


def _too_slow(row: Row, threads: int) -> float | None:
    """The ratio of a model that is slower by more than what is allowed."""
    for speed in row.speeds:
        ours, theirs = speed.median_s(OURS), speed.median_s(speed.rival)
        if speed.threads != threads or ours is None or theirs is None:
            continue
        if theirs / ours < LEAST_RATIO and ours - theirs > NEGLIGIBLE_S:
            return theirs / ours
    return None


def _of_loads(rows: Sequence[Row]) -> Iterator[Condition]:
    both = [(row, row.loads[OURS], _theirs(row)) for row in rows if len(row.loads) == 2]
    if not both:
        return
    for what, value in (
        ("load to first inference", lambda load: load.fresh_s),
        ("peak memory", lambda load: load.peak_bytes),
    ):
        each = {row.name: max(value(theirs), 1e-9) / max(value(ours), 1e-9) for row, ours, theirs in both}
        big = {row.name for row, _, _ in both if row.size_bytes > BIG_BYTES}
        worse = [f"{name} {r:.2f}" for name, r in each.items() if name in big and r * MEASURE_ERROR < 1]
        yield _mean(f"{what}, geometric mean", list(each.values()), 1.0)
        yield Condition(f"{what}, models over 1 MB no worse than LiteRT", not worse, failing=worse)
    seconds = {row.name: beyond_arena(row.loads[OURS]) for row in rows if OURS in row.loads}
    big = {row.name for row in rows if row.size_bytes > BIG_BYTES}
    much = [f"{name} {100 * s:.0f} %" for name, s in seconds.items() if name in big and s >= SECOND_SHARE]
    yield Condition("a second interpreter adds less than 10 % beyond its arena (over 1 MB)", not much, failing=much)


def beyond_arena(load: Load) -> float:
    """What a second interpreter adds beyond its arena, as a part of what the first one holds."""
    return max(load.second_bytes - (load.arena_bytes or 0), 0) / max(load.held_bytes, 1)


def _theirs(row: Row) -> Load:
    return next(load for runtime, load in row.loads.items() if runtime != OURS)


def _mean(what: str, values: Sequence[float], goal: float) -> Condition:
    if not values:
        return Condition(what, holds=True, goal=goal)
    value = geometric_mean(values)
    return Condition(what, value >= goal, value, goal)
