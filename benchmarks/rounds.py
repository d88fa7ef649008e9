"""Times contestants in turns, so that what disturbs the machine disturbs them all; says how sure the result is."""

from __future__ import annotations

import gc
import math
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

SAMPLES = 5  # of a block; its time is their median, so that one interruption in a block does no harm
STEADY, ROUGH = 0.05, 0.15  # spreads
WARM_UP_S = 0.05


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure.

    block_s: one contestant's turn. least, most: rounds; more than the least only until the times are steady or
    budget_s is spent.
    """

    block_s: float = 0.015
    least: int = 7
    most: int = 25
    budget_s: float = 3.0


@dataclass(frozen=True, slots=True)
class Times:
    """Of one contestant, in seconds per call; rounds: each round's time."""

    median_s: float
    least_s: float
    rounds: tuple[float, ...]


def interleave(contestants: Sequence[Callable[[], object]], effort: Effort) -> list[Times]:
    """Every contestant has one block in each round, in a new order each time."""
    calls = [_calls(contestant, effort.block_s / SAMPLES) for contestant in contestants]
    times: list[list[float]] = [[] for _ in contestants]
    order = list(range(len(contestants)))
    shuffle = random.Random(1).shuffle
    deadline = time.monotonic() + effort.budget_s
    with _no_collector():
        for count in range(1, effort.most + 1):
            shuffle(order)
            for i in order:
                times[i].append(_block(contestants[i], calls[i], effort.block_s))
            if count >= effort.least and (time.monotonic() > deadline or all(spread(t) < STEADY for t in times)):
                break
    return [Times(statistics.median(t), min(t), tuple(t)) for t in times]


def spread(values: Sequence[float]) -> float:
    """The middle half's width as a part of the median."""
    if len(values) < 2:
        return 0.0
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return (high - low) / middle if middle else 0.0


def ratio_spread(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Of the rounds' ratios: what slows both in a round cancels out."""
    return spread([b / a for a, b in zip(ours, theirs, strict=True)])


def verdict(value: float) -> str:
    """What a spread says of the median beside it."""
    if value < STEADY:
        return "steady"
    return "rough" if value < ROUGH else "noisy"


def geometric_mean(values: Sequence[float]) -> float:
    """nan for no values."""
    return math.exp(statistics.fmean(math.log(v) for v in values)) if values else math.nan


def _calls(contestant: Callable[[], object], sample_s: float) -> int:
    """How many calls fill a sample, after a warm-up of at least one call."""
    start, done = time.perf_counter(), 0
    least = math.inf
    while done < 2 or time.perf_counter() - start < WARM_UP_S:
        before = time.perf_counter()
        contestant()
        least = min(least, time.perf_counter() - before)
        done += 1
        if time.perf_counter() - start > 10 * WARM_UP_S:
            break
    return max(1, round(sample_s / max(least, 1e-7)))


def _block(contestant: Callable[[], object], calls: int, block_s: float) -> float:
    """Seconds per call: the median of the block's samples. What takes longer than the block has one sample."""
    if calls > 1:
        contestant()  # brings its data back into the caches
    samples = []
    start = time.perf_counter()
    for _ in range(SAMPLES):
        before = time.perf_counter()
        for _ in range(calls):
            contestant()
        samples.append((time.perf_counter() - before) / calls)
        if calls == 1 and time.perf_counter() - start > block_s:
            break
    return statistics.median(samples)


@contextmanager
def _no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
