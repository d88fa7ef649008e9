"""subgraft plan: who would run each op, and every reason why not."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from subgraft.cli import session_options
from subgraft.cli.exit_codes import ExitCode
from subgraft.cli.output import print_json
from subgraft.interpreter import Model


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser("plan", help="show who runs each op, and every reason why not elsewhere")
    parser.add_argument("model", metavar="MODEL", help="a .tflite file")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    session_options.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    model = Model.open(Path(args.model))
    with session_options.open_session(args, model, strict=False) as session:
        plan = session.plan
        if args.json:
            print_json({"model": args.model, "plan": plan.to_dict(), "report": session.report.to_dict()})
        else:
            print(plan.explain())
    left = any(part.on_cpu for part in (plan, *plan.bodies.values()))
    return ExitCode.CHECK_FAILED if left and session_options.is_strict(args) else ExitCode.OK
