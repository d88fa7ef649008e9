"""The process that measures one model: reads a task as JSON from stdin and writes the answer to stdout.

LiteRT prints to both streams and can abort; its prints go to stderr here, and who started this sees how it ended.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cpu import memory
from benchmarks.rounds import Effort, interleave
from benchmarks.runtimes import OURS, REFUSALS, feed, load_module, open_model, reason
from subgraft.delegates import Array

FIRST_INFERENCES = 3  # until then everything that is made on demand is there
WARM_LOADS, WARM_BUDGET_S = 5, 2.0


def time_all(task: Mapping[str, Any]) -> dict[str, Any]:
    """For each runtime its times, or why it refuses."""
    values, threads = _values(task), task["threads"]
    answer: dict[str, Any] = {}
    ready = {}
    for runtime, path in task["files"].items():
        try:
            interpreter = open_model(runtime, Path(path), threads)
            feed(interpreter, values)
            interpreter.invoke()
            ready[runtime] = interpreter
        except REFUSALS as error:
            answer[runtime] = {"error": reason(error)}
    times = interleave([interpreter.invoke for interpreter in ready.values()], Effort(**task["effort"]))
    for runtime, each in zip(ready, times, strict=True):
        answer[runtime] = {"median_s": each.median_s, "least_s": each.least_s, "rounds": each.rounds}
    return answer


def load(task: Mapping[str, Any]) -> dict[str, Any]:
    """One runtime's time from path to first result and what memory grows by, of a first and of a second interpreter."""
    values = _values(task)
    runtime, path, threads = task["runtime"], Path(task["file"]), task["threads"]

    def first_result() -> tuple[float, Any]:
        start = time.perf_counter()
        interpreter = open_model(runtime, path, threads)
        feed(interpreter, values)
        interpreter.invoke()
        return time.perf_counter() - start, interpreter

    load_module(runtime)
    gc.collect()
    share, resident = memory.share_bytes(), memory.resident_bytes()
    memory.reset_peak()
    fresh_s, first = first_result()
    for _ in range(FIRST_INFERENCES - 1):
        first.invoke()
    peak, held = memory.peak_bytes() - resident, memory.share_bytes() - share
    _, second = first_result()
    for _ in range(FIRST_INFERENCES - 1):
        second.invoke()
    added = memory.share_bytes() - share - held
    answer = {"fresh_s": fresh_s, "peak_bytes": peak, "held_bytes": held, "second_bytes": added}
    answer["arena_bytes"] = _arena_bytes(second) if runtime == OURS else None
    del first, second
    answer["warm_s"] = _warm(first_result)
    return answer


def _warm(first_result: Any) -> float:
    """The median of loads in a process that has loaded this model before and holds none."""
    times: list[float] = []
    deadline = time.monotonic() + WARM_BUDGET_S
    while len(times) < WARM_LOADS and (not times or time.monotonic() < deadline):
        gc.collect()
        seconds, interpreter = first_result()
        times.append(seconds)
        del interpreter
    return sorted(times)[len(times) // 2]


def _arena_bytes(interpreter: Any) -> int:
    """What each interpreter needs for itself; 0 where the graph is cut into several programs."""
    return int(getattr(interpreter._main.engine, "arena_bytes", 0))


def _values(task: Mapping[str, Any]) -> list[Array]:
    with np.load(task["feeds"]) as stored:
        return [stored[name] for name in stored.files]


TASKS = {"time": time_all, "load": load}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    task = json.load(sys.stdin)
    try:
        answer = TASKS[task["task"]](task)
    except REFUSALS as error:
        answer = {"error": reason(error)}
    json.dump(answer, answers)
    answers.close()
    sys.stdout.flush()
    os._exit(0)  # no teardown: what a runtime does at exit is not measured


if __name__ == "__main__":
    main()
