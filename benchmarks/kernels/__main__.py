"""How fast single ops are for each instruction set, as GMAC/s or GB/s, beside the machine's peak and LiteRT.

    python -m benchmarks.kernels [--ops WORD...] [--types TYPE...] [--sets SET...] [--quick] [--json FILE]

One thread. An op's bytes count once each: what an ideal kernel would read and write. The peak is measured in the same
run: of multiply-accumulates in registers with the set's own instructions, of bytes that a copy of as many moves.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import machine
from benchmarks.kernels.peaks import UNITS, Peaks
from benchmarks.kernels.shapes import DTYPES, Kernel, kernels, of_model
from benchmarks.progress import Progress
from benchmarks.rounds import Effort, interleave
from benchmarks.runtimes import INSTALL, OURS, REFUSALS, RIVALS, feed, is_litert_there, open_model
from subgraft import _native
from subgraft.cli.table import table, wrapped

EFFORT = Effort(block_s=0.005, least=5, most=15, budget_s=1.0)
QUICK = Effort(block_s=0.002, least=3, most=3, budget_s=0.2)


@dataclass(frozen=True, slots=True)
class Rate:
    """Of one instruction set. of_peak: 0 to 1, None without a peak."""

    seconds: float
    of_peak: float | None


@dataclass(frozen=True, slots=True)
class Row:
    """One op. litert_s: the faster of LiteRT's two ways; None where it refuses."""

    name: str
    dtype: str
    macs: int
    bytes: int
    sets: dict[str, Rate]
    litert_s: float | None

    @property
    def best(self) -> str:
        return list(self.sets)[-1]

    @property
    def ratio(self) -> float | None:
        return None if self.litert_s is None else self.litert_s / self.sets[self.best].seconds

    def rate(self, seconds: float) -> float:
        """GMAC/s, or GB/s of an op that multiplies nothing."""
        return (self.macs or self.bytes) / seconds / 1e9


def measure(kernel: Kernel, sets: Sequence[str], peaks: Peaks, effort: Effort) -> Row:
    content = kernel.model()
    values = kernel.case.feed()
    contestants = {}
    for name in sets:
        _native.limit_instruction_set(name)
        try:
            contestants[name] = open_model(OURS, content, threads=1)
            feed(contestants[name], values)
            contestants[name].invoke()  # whatever is chosen late is chosen under this limit
        finally:
            _native.limit_instruction_set()
    for rival in RIVALS:
        try:
            contestants[rival] = open_model(rival, content, threads=1)
            feed(contestants[rival], values)
        except REFUSALS:
            contestants.pop(rival, None)
    times = interleave([one.invoke for one in contestants.values()], effort)
    seconds = {name: t.median_s for name, t in zip(contestants, times, strict=True)}
    macs, size = of_model(content)
    rates = {}
    for name in sets:
        peak = _peak(peaks, kernel.dtype, name) if macs else peaks.bytes_per_s(size)
        rates[name] = Rate(seconds[name], (macs or size) / seconds[name] / peak if peak else None)
    theirs = min((seconds[r] for r in RIVALS if r in seconds), default=None)
    return Row(kernel.name, kernel.dtype, macs, size, rates, theirs)


def _peak(peaks: Peaks, dtype: str, instruction_set: str) -> float | None:
    if dtype == "float32":
        return peaks.macs_per_s(instruction_set, "float32")
    peak = peaks.macs_per_s(instruction_set, "int8")
    return peak / 2 if peak and dtype == "int16x8" else peak  # two products of bytes each


def report(rows: Sequence[Row], sets: Sequence[str]) -> str:
    headers = ["op", "type", *(name.replace("avx512vnni", "vnni") for name in sets), "peak%", "LiteRT", "ratio"]
    body = []
    for row in rows:
        best = row.sets[row.best]
        peak = "-" if best.of_peak is None else f"{100 * best.of_peak:.0f}"
        theirs = "-" if row.litert_s is None else _rate(row.rate(row.litert_s))
        ratio = "-" if row.ratio is None else f"{row.ratio:.2f}"
        unit = "" if row.macs else " GB/s"
        rates = [_rate(row.rate(row.sets[name].seconds)) for name in sets]
        body.append([row.name + unit, row.dtype, *rates, peak, theirs, ratio])
    note = "GMAC/s unless GB/s is said; peak%: of the best set; ratio: LiteRT's time over that of the best set."
    return table(headers, body, right=range(2, len(headers))) + "\n" + wrapped(note)


def _rate(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m benchmarks.kernels", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--ops", nargs="+", default=[], metavar="WORD", help="those with a word in their names")
    made.add_argument("--types", nargs="+", default=list(DTYPES), choices=DTYPES)
    made.add_argument("--sets", nargs="+", default=list(_native.instruction_sets()), choices=_native.instruction_sets())
    made.add_argument("--quick", action="store_true", help="a few rounds only")
    made.add_argument("--json", type=Path, metavar="FILE")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    if not is_litert_there():
        print(INSTALL, file=sys.stderr)
        return 3
    words = arguments.ops
    chosen = [k for k in kernels() if k.dtype in arguments.types and (not words or any(w in k.name for w in words))]
    if not chosen:
        parser().error("no such op; their names: " + ", ".join(dict.fromkeys(k.name for k in kernels())))
    sets = [name for name in _native.instruction_sets() if name in arguments.sets]
    peaks, progress, rows = Peaks(), Progress(len(chosen)), []
    for kernel in chosen:
        progress.at(f"{kernel.name} {kernel.dtype}")
        rows.append(measure(kernel, sets, peaks, QUICK if arguments.quick else EFFORT))
        progress.step()
    progress.close()
    print(machine.headline())
    if peaks.problem:
        print(wrapped(peaks.problem))
    print()
    print(report(rows, sets))
    if arguments.json:
        figures = {
            f"{dtype} {name}": peaks.macs_per_s(name, dtype) for dtype in UNITS for name in sets if name in UNITS[dtype]
        }
        document = {"machine": machine.describe(), "peaks_macs_per_s": figures, "ops": [asdict(row) for row in rows]}
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
