"""How fast models run beside LiteRT, how long they take to load, and what memory they need.

    python -m benchmarks.cpu [--threads N...] [--models WORD|FILE...] [--class CLASS...] [--json FILE] [--svg FILE]

Both runtimes take turns in one process for each model; the rival is the faster of LiteRT's default path and its path
without delegates. Exit codes: 0, 1 with --check where a condition is missed, 2 for a command line that makes no sense,
3 where models or ai-edge-litert are absent.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks import machine
from benchmarks.chart import Bar, Group, chart
from benchmarks.cpu.classes import CLASSES
from benchmarks.cpu.conditions import Condition, evaluate
from benchmarks.cpu.measure import LOADS, Row, measure
from benchmarks.cpu.models import Candidate, candidates, shared
from benchmarks.cpu.report import report
from benchmarks.known import MODELS
from benchmarks.progress import Progress
from benchmarks.rounds import Effort
from benchmarks.runtimes import INSTALL, is_litert_there
from subgraft.delegates import SubgraftError

QUICK = Effort(block_s=0.005, least=3, most=5, budget_s=0.5)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m benchmarks.cpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--threads", type=int, nargs="+", default=[1, 2], metavar="N")
    made.add_argument(
        "--models",
        nargs="+",
        default=[],
        metavar="WORD|FILE",
        help="files, or shared models with a word in their names",
    )
    made.add_argument("--class", nargs="+", default=[], dest="classes", choices=[c.key for c in CLASSES])
    made.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    made.add_argument("--svg", type=Path, metavar="FILE", help="draw the ratios")
    made.add_argument("--quick", action="store_true", help="a few rounds only: for a first look")
    made.add_argument("--no-load", action="store_true", help="leave out load and memory")
    made.add_argument("--check", action="store_true", help="exit with 1 where a condition is missed")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    if min(arguments.threads) < 1:
        parser().error("--threads takes numbers from 1 on")
    if not is_litert_there():
        print(INSTALL, file=sys.stderr)
        return 3
    try:
        chosen = choose(arguments.models, arguments.classes)
    except SubgraftError as error:
        parser().error(str(error))
    if not chosen:
        print(f"no such model; the shared ones are looked for in {MODELS} (SUBGRAFT_SHARED)", file=sys.stderr)
        return 3
    rows = measure_all(chosen, arguments)
    conditions = evaluate(rows)
    print(machine.headline())
    print()
    print(report(rows, conditions))
    write(arguments, rows, conditions)
    return 1 if arguments.check and not all(c.holds for c in conditions) else 0


def choose(words: Sequence[str], classes: Sequence[str]) -> list[Candidate]:
    """Words that are files stand for themselves, the others for shared models."""
    files = [Path(word) for word in words if Path(word).is_file()]
    names = [word for word in words if not Path(word).is_file()]
    found = candidates(files, (), classes)
    if names or not words:
        found += candidates(list(shared(MODELS)), names, classes)
    return list({c.sha256: c for c in found}.values())


def measure_all(chosen: Sequence[Candidate], arguments: argparse.Namespace) -> list[Row]:
    effort = QUICK if arguments.quick else Effort()
    loads = 0 if arguments.no_load else (1 if arguments.quick else LOADS)
    progress = Progress(len(chosen) * (len(arguments.threads) + bool(loads)))
    rows = []
    for candidate in chosen:
        progress.at(candidate.name)
        rows.append(measure(candidate, arguments.threads, effort, loads, progress.step))
    progress.close()
    return rows


def write(arguments: argparse.Namespace, rows: Sequence[Row], conditions: Sequence[Condition]) -> None:
    if arguments.json:
        document = {
            "machine": machine.describe(),
            "models": [row.to_dict() for row in rows],
            "conditions": [asdict(condition) for condition in conditions],
        }
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")
    if arguments.svg:
        threads = arguments.threads[0]
        arguments.svg.write_text(chart(f"Speed beside LiteRT, {threads} thread(s)", groups(rows, threads)))


def groups(rows: Sequence[Row], threads: int) -> list[Group]:
    made = []
    for kind in CLASSES:
        ratios = {r.name: s.ratio for r in rows if r.kind == kind.key for s in r.speeds if s.threads == threads}
        bars = [Bar(name, ratio) for name, ratio in ratios.items() if ratio is not None]
        made.append(Group(kind.title, sorted(bars, key=lambda bar: -bar.ratio), kind.goal))
    return made


if __name__ == "__main__":
    sys.exit(main())
