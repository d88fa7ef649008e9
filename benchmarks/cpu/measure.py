"""Measures each model in child processes, and keeps what they say as plain values."""

from __future__ import annotations

import json
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cpu.models import Candidate, feeds, rivals_file
from benchmarks.rounds import Effort, ratio_spread
from benchmarks.runtimes import OURS, RIVALS, TITLES

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 300.0
LOADS = 3  # fresh processes of each runtime, in turns


@dataclass(frozen=True, slots=True)
class Speed:
    """One model at one number of threads. times: the answers of the child by runtime, each with times or an error."""

    threads: int
    times: Mapping[str, Mapping[str, Any]]

    @property
    def rival(self) -> str | None:
        """The faster of LiteRT's two ways, of those that work."""
        there = [r for r in RIVALS if "median_s" in self.times.get(r, {})]
        return min(there, key=lambda r: float(self.times[r]["median_s"]), default=None)

    def median_s(self, runtime: str | None) -> float | None:
        seconds = self.times.get(runtime or "", {}).get("median_s")
        return None if seconds is None else float(seconds)

    @property
    def ratio(self) -> float | None:
        """LiteRT's median over ours; None when one of them cannot."""
        ours, theirs = self.median_s(OURS), self.median_s(self.rival)
        return None if ours is None or theirs is None else theirs / ours

    @property
    def spread(self) -> float:
        if self.ratio is None:
            return 0.0
        return ratio_spread(self.times[OURS]["rounds"], self.times[self.rival or ""]["rounds"])


@dataclass(frozen=True, slots=True)
class Load:
    """Medians over fresh processes; see child.load() for the fields."""

    fresh_s: float
    warm_s: float
    peak_bytes: float
    held_bytes: float
    second_bytes: float
    arena_bytes: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A model's results. notes: what a reader must know of the comparison, such as why there is none."""

    name: str
    path: str
    sha256: str
    size_bytes: int
    kind: str
    integer: bool
    speeds: Sequence[Speed] = ()
    loads: Mapping[str, Load] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def to_dict(self) -> dict[str, Any]:
        made = asdict(self)
        for speed, plain in zip(self.speeds, made["speeds"], strict=True):
            plain |= {"rival": speed.rival, "ratio": speed.ratio, "spread": speed.spread}
        return made


def measure(
    candidate: Candidate, threads: Sequence[int], effort: Effort, loads: int, step: Callable[[], None] = lambda: None
) -> Row:
    """step: called after each part, len(threads) + (1 if loads else 0) in all. loads: 0 leaves load and memory out."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        stored = folder / "feeds.npz"
        np.savez(stored, *feeds(candidate))
        theirs, why = rivals_file(candidate, folder)
        files = {OURS: str(candidate.path), **dict.fromkeys(RIVALS, str(theirs))}
        speeds = []
        for count in threads:
            task = {"task": "time", "files": files, "feeds": str(stored), "threads": count, "effort": asdict(effort)}
            speeds.append(Speed(count, timed(task)))
            step()
        loaded: dict[str, Load] = {}
        if loads:
            runtimes = [OURS] + [r for r in (speeds[0].rival,) if r]
            task = {"task": "load", "feeds": str(stored), "threads": threads[0]}
            loaded = load_in_turns({r: {**task, "runtime": r, "file": files[r]} for r in runtimes}, loads)
            step()
    notes = [*([why] if why else []), *_refusals(speeds[0])]
    c = candidate
    return Row(c.name, str(c.path), c.sha256, c.size_bytes, c.kind.key, c.integer, speeds, loaded, notes)


def timed(task: Mapping[str, Any]) -> dict[str, Any]:
    """The child's answer. Where it dies, each runtime is tried alone, and those that live are measured together."""
    answer = ask(task)
    if "error" not in answer:
        return answer
    files, dead = task["files"], {}
    for runtime, path in files.items():
        alone = ask({**task, "files": {runtime: path}, "effort": asdict(Effort(least=1, most=1))})
        if "error" in alone:
            dead[runtime] = alone
    if not dead:
        return {runtime: answer for runtime in files}  # together they fail, alone they do not
    living = {runtime: path for runtime, path in files.items() if runtime not in dead}
    return {**(ask({**task, "files": living}) if living else {}), **dead}


def load_in_turns(tasks: Mapping[str, Mapping[str, Any]], times: int) -> dict[str, Load]:
    """By runtime; without those that fail."""
    answers: dict[str, list[dict[str, Any]]] = {runtime: [] for runtime in tasks}
    for _ in range(times):
        for runtime, task in tasks.items():
            answers[runtime].append(ask(task))
    return {r: _medians(a) for r, a in answers.items() if not any("error" in each for each in a)}


def ask(task: Mapping[str, Any]) -> dict[str, Any]:
    """What a fresh child answers; {"error": ...} when it dies or takes too long."""
    command = [sys.executable, "-m", "benchmarks.cpu.child"]
    try:
        child = subprocess.run(
            command, input=json.dumps(task), capture_output=True, text=True, timeout=TIMEOUT_S, cwd=ROOT
        )
    except subprocess.TimeoutExpired:
        return {"error": f"no result within {TIMEOUT_S:g} s"}
    if child.returncode < 0:
        return {"error": f"the process died of {signal.Signals(-child.returncode).name}"}
    if child.returncode:
        raise RuntimeError(f"the measuring process failed:\n{child.stderr}")
    answer: dict[str, Any] = json.loads(child.stdout)
    return answer


def _refusals(speed: Speed) -> list[str]:
    """Why there is nothing to compare: ours refuses, or LiteRT in both ways, mostly for the same reason."""
    errors = {r: str(times["error"]) for r, times in speed.times.items() if "error" in times}
    theirs = dict.fromkeys(errors[r] for r in RIVALS if r in errors and speed.rival is None)
    ours = [f"{TITLES[OURS]}: {errors[OURS]}"] if OURS in errors else []
    return [*ours, *(f"LiteRT: {error}" for error in theirs)]


def _medians(answers: Sequence[Mapping[str, Any]]) -> Load:
    keys = answers[0]
    return Load(**{k: None if answers[0][k] is None else statistics.median(float(a[k]) for a in answers) for k in keys})
