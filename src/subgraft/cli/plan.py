"""subgraft plan: who would run each op, and every reason why not."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from subgraft.cli import session_options
from subgraft.cli.exit_codes import CannotRun, CheckFailed, ExitCode
from subgraft.cli.facts import kinds_the_cpu_runs
from subgraft.cli.output import print_json
from subgraft.cli.table import table
from subgraft.delegates import Unsupported
from subgraft.interpreter import Model

if TYPE_CHECKING:
    from subgraft.interpreter import Plan

MOST_OPS_SHOWN = 10  # of one kind that nothing runs


@dataclass(frozen=True, slots=True)
class Orphan:
    """Ops of one kind in one graph that nothing here runs."""

    graph: int
    kind: str
    ops: tuple[int, ...]


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser("plan", help="show who runs each op, and every reason why not elsewhere")
    parser.add_argument("model", metavar="MODEL", help="a .tflite file")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    session_options.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Raises CannotRun after the plan of a model with ops that nothing here runs, CheckFailed for an unmet --strict."""
    model = Model.open(Path(args.model))
    try:
        with session_options.open_session(args, model, strict=False) as session:
            plan, report = session.plan, session.report.to_dict()
    except Unsupported as error:
        raise _cannot_run(args, session_options.plan_only(args, model), error) from error
    result = {"model": args.model, "plan": plan.to_dict(), "report": report}
    if not args.json:
        print(plan.explain())
    left = {part.graph.index: part.on_cpu for part in (plan, *plan.bodies.values()) if part.on_cpu}
    if left and session_options.is_strict(args):
        raise CheckFailed(_unmet(plan, left), result)
    if args.json:
        print_json(result)
    return ExitCode.OK


def _cannot_run(args: argparse.Namespace, plan: Plan, error: Unsupported) -> CannotRun:
    """Prints the plan with the ops that nothing here runs."""
    orphans = tuple(_orphans(plan))
    if not args.json:
        print(plan.explain())
    if orphans and not args.json:
        rows = [(len(o.ops), o.kind, o.graph, _some(o.ops)) for o in orphans]
        print(f"\nnothing here runs\n{table(('count', 'kind', 'graph', 'ops'), rows, right=(0, 2))}")
    counts: Counter[str] = Counter()
    for orphan in orphans:
        counts[orphan.kind] += len(orphan.ops)
    kinds = ", ".join(f"{kind} ({count})" for kind, count in counts.most_common())
    cannot_run = [{"graph": o.graph, "kind": o.kind, "ops": list(o.ops)} for o in orphans]
    result = {"model": args.model, "plan": plan.to_dict(), "cannot_run": cannot_run}
    # The library says more about one cause than a list does: a type, a shape, or what to do about this very kind.
    message = f"nothing here runs {kinds}" if len(counts) > 1 else str(error)
    return CannotRun(message, result)


def _orphans(plan: Plan) -> Iterator[Orphan]:
    kinds = kinds_the_cpu_runs()
    for part in (plan, *plan.bodies.values()):
        found: dict[str, list[int]] = {}
        for i, (op, placement) in enumerate(zip(part.graph.ops, part.placements, strict=True)):
            if placement.owner is None and op.kind not in kinds:
                found.setdefault(op.kind, []).append(i)
        yield from (Orphan(part.graph.index, kind, tuple(ops)) for kind, ops in found.items())


def _unmet(plan: Plan, left: Mapping[int, Sequence[int]]) -> str:
    count = sum(len(ops) for ops in left.values())
    total = sum(len(part.graph.ops) for part in (plan, *plan.bodies.values()))
    return f"strict: {count} of {total} ops would run on the CPU; the plan tells why"


def _some(ops: Sequence[int]) -> str:
    return ", ".join(map(str, ops[:MOST_OPS_SHOWN])) + (" ..." if len(ops) > MOST_OPS_SHOWN else "")
