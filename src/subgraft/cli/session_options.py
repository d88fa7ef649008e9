"""The options about delegates and threads, and the session that they ask for."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

import subgraft
from subgraft.cli.exit_codes import UsageError, checked_by_the_library
from subgraft.delegates import Unavailable
from subgraft.delegates.options import NO, YES
from subgraft.interpreter.discovery import choose, find, label, name_of
from subgraft.partitioner import BODY_OPTIONS, Candidate, Limits, Pins, partition

if TYPE_CHECKING:
    from subgraft import Plan, Session
    from subgraft.interpreter import Model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("delegates")
    group.add_argument(
        "--delegate",
        action="append",
        metavar="NAME[:DEVICE]",
        help='an accelerator, such as "fake" or "fake:1"; may be repeated, the first is asked first. Default: '
        "$SUBGRAFT_DELEGATE (several with commas), else the CPU alone",
    )
    group.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME.KEY=VALUE",
        help="an option of the delegate NAME; may be repeated",
    )
    group.add_argument(
        "--compiled",
        action="append",
        default=[],
        metavar="[NAME=]FILE",
        help="what the delegate NAME's compiler made of the model; may be repeated. NAME may be left out for the first",
    )
    group.add_argument(
        "--emulates",
        action="append",
        default=[],
        metavar="[NAME=]FILE",
        help="the model that MODEL was compiled from, for an emulated device; otherwise like --compiled",
    )
    group.add_argument("--strict", action="store_true", help="fail unless every op runs on a delegate")
    group.add_argument("--no-fallback", action="store_true", help="fail when a delegate does; the CPU does not step in")
    group.add_argument("--deny-op", action="append", default=[], metavar="KIND", help="no delegate gets these ops")
    group.add_argument("--deny-node", action="append", default=[], type=int, metavar="N", help="no delegate gets op N")
    group.add_argument("--min-ops", type=int, default=1, metavar="N", help="a delegate gets no segment with fewer ops")
    group.add_argument("--max-segments", type=int, metavar="N", help="a delegate gets at most so many segments")
    group.add_argument(
        "--threads",
        type=int,
        metavar="N",
        help="threads of the CPU kernels. Default: $SUBGRAFT_THREADS, $OMP_NUM_THREADS or 1",
    )


def is_strict(args: argparse.Namespace) -> bool:
    return args.strict or _switch("SUBGRAFT_STRICT")


def open_session(args: argparse.Namespace, model: Model, *, strict: bool) -> Session:
    """Raises what load() raises, and UsageError for options that contradict the model or each other."""
    wanted = _wanted(args)
    if not wanted and (args.deny_op or args.deny_node or args.option or args.compiled or args.emulates):
        raise UsageError(
            "--deny-op, --deny-node, --option, --compiled and --emulates are about delegates; there is no --delegate"
        )
    with checked_by_the_library():
        return subgraft.load(
            model,
            _with_options(wanted, args),
            fallback=not args.no_fallback,
            strict=strict,
            threads=args.threads if args.threads is not None else _threads(),
            deny_ops=args.deny_op,
            deny_nodes=args.deny_node,
            min_ops=args.min_ops,
            max_segments=args.max_segments,
        )


def plan_only(args: argparse.Namespace, model: Model) -> Plan:
    """The main graph's plan without compiling anything: that of a model which cannot be loaded."""
    candidates: dict[str, Candidate] = {}
    missing: dict[str, str] = {}
    for spec, options in _with_options(_wanted(args), args):
        absent = ""
        try:
            found = find(spec, options)
        except Unavailable as error:
            missing[label(spec, missing)] = error.reason
            continue
        try:
            choose(found)
        except Unavailable as error:
            absent = error.reason
        name = label(spec, candidates)
        candidates[name] = Candidate(name, found.delegate, absent)
    with checked_by_the_library():
        return partition(
            model.graphs[0],
            list(candidates.values()),
            graphs=model.graphs,
            pins=Pins.of(args.deny_op, args.deny_node),
            limits=Limits(args.min_ops, args.max_segments),
            without_kernel=BODY_OPTIONS,
            missing=missing,
        )


def _wanted(args: argparse.Namespace) -> list[str]:
    if args.delegate is not None:
        return list(args.delegate)
    return _listed(os.environ.get("SUBGRAFT_DELEGATE", ""))


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _with_options(wanted: list[str], args: argparse.Namespace) -> list[tuple[str, dict[str, object]]]:
    """Each delegate's device string with its own options."""
    names = [name_of(spec) for spec in wanted]
    options: dict[str, dict[str, object]] = {name: {} for name in names}
    for text in args.option:
        key, equals, value = text.partition("=")
        name, dot, option = key.partition(".")
        if not (equals and dot and option):
            raise UsageError(f"--option {text!r} is not NAME.KEY=VALUE, such as fake.faults=fail@1")
        if name not in options:
            raise UsageError(f"--option {text!r}: there is no --delegate {name}")
        options[name][option] = value
    for option, texts in (("compiled", args.compiled), ("emulates", args.emulates)):
        for text in texts:
            name, file = _named(text, names)
            files = options[name].setdefault(option, [])
            if not isinstance(files, list):
                raise UsageError(f"--{option} and --option {name}.{option} say the same: give one of them")
            if not Path(file).is_file():
                raise UsageError(f"--{option} {text}: there is no file {file}")
            files.append(file)
    return [(spec, options[name]) for spec, name in zip(wanted, names, strict=True)]


def _named(text: str, names: list[str]) -> tuple[str, str]:
    """The delegate and the file of "NAME=FILE", or of "FILE": the first delegate's."""
    name, equals, file = text.partition("=")
    return (name, file) if equals and name in names else (names[0], text)


def _switch(variable: str) -> bool:
    value = os.environ.get(variable, "").lower()
    if value not in (*YES, *NO):
        raise UsageError(f"{variable} is {value!r}; it may be {', '.join((*YES, *NO[1:]))}")
    return value in YES


def _threads() -> int:
    for variable in ("SUBGRAFT_THREADS", "OMP_NUM_THREADS"):
        value = os.environ.get(variable)
        if value:
            # OMP_NUM_THREADS may hold one number per nesting level.
            first = value.partition(",")[0].strip()
            if not first.isdecimal() or int(first) < 1:
                raise UsageError(f"{variable} is {value!r}; it must be a number from 1")
            return int(first)
    return 1
