"""subgraft emulate: runs a command whose USB programs find an emulated accelerator plugged in."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from types import FrameType
from typing import Any, Protocol

from subgraft.cli.exit_codes import UsageError, checked_by_the_library, why
from subgraft.delegates import Unavailable
from subgraft.interpreter.services import main_graphs

ENTRY_POINTS = "subgraft.emulators"
NOT_EXECUTABLE, NOT_FOUND, KILLED = 126, 127, 128  # as shells say it
FORWARDED = (signal.SIGTERM, signal.SIGHUP)


class Emulation(Protocol):
    """What an emulator's factory gives: devices that programs find while they run with this environment."""

    environment: Mapping[str, str]
    description: str

    def remarks(self) -> Sequence[str]: ...  # on what the programs did, for people
    def close(self) -> None: ...


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser(
        "emulate",
        help="run a command that finds an emulated accelerator on its USB",
        usage="subgraft emulate [options] -- COMMAND [ARGUMENT]...",
        description="Runs COMMAND with an emulated accelerator on its USB, for unmodified programs that use libusb. "
        "Ends with the command's exit code.",
    )
    parser.add_argument("--emulator", default="edgetpu", metavar="NAME", help="what to emulate (default: edgetpu)")
    parser.add_argument("--model", action="append", default=[], metavar="FILE", help="an uncompiled model it knows")
    parser.add_argument("--compiled", action="append", default=[], metavar="FILE", help="what was compiled from it")
    parser.add_argument("--speed", choices=("super", "high"), default="super", help="USB 3 (default) or USB 2")
    parser.add_argument(
        "--mode", choices=("dfu", "app"), default="dfu", help="waits for firmware (default), or has it already"
    )
    parser.add_argument("--sticks", type=int, default=1, metavar="N", help="how many are plugged in (default: 1)")
    parser.add_argument("--fault", action="append", default=[], metavar="RULE", help="a fault of the first stick")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="what to run")


def run(args: argparse.Namespace) -> int:
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    if not command:
        raise UsageError("no command to run; put it behind '--', as in: subgraft emulate -- pytest")
    emulation = _start(args)
    try:
        if not getattr(args, "quiet", False):
            print(f"subgraft: {emulation.description}", file=sys.stderr, flush=True)
        code = _run(command, {**os.environ, **emulation.environment})
        for remark in emulation.remarks():
            print(f"subgraft: {remark}", file=sys.stderr)
        return code
    finally:
        emulation.close()


def _start(args: argparse.Namespace) -> Emulation:
    factory = _entry_point(args.emulator).load()
    with checked_by_the_library():
        emulation: Emulation = factory(
            models=main_graphs(args.model),
            compiled=main_graphs(args.compiled),
            speed=args.speed,
            mode=args.mode,
            sticks=args.sticks,
            faults=args.fault,
            read=main_graphs,
        )
    return emulation


def _entry_point(name: str) -> EntryPoint:
    points = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if name not in points:
        raise Unavailable(f"no emulator goes by {name!r}; emulators here: {', '.join(sorted(points)) or 'none'}")
    return points[name]


def _run(command: list[str], environment: Mapping[str, str]) -> int:
    """The command's exit code."""
    with _Signals() as signals:
        try:
            child = subprocess.Popen(command, env=environment)
        except OSError as error:
            print(f"subgraft: error: {command[0]}: {why(error)}", file=sys.stderr)
            return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
        signals.are_for(child)
        code = child.wait()
    return KILLED - code if code < 0 else code


class _Signals:
    """Signals to end are the command's, whatever it does about them; this process ends after it, and cleans up.

    Ctrl-C reaches the command by itself, as it is in the same terminal.
    """

    def __enter__(self) -> _Signals:
        self._child: subprocess.Popen[bytes] | None = None
        self._came: list[int] = []  # before there was a command
        self._before = {number: signal.signal(number, self._forward) for number in FORWARDED}
        # A handler, as the command would inherit that a signal is ignored.
        self._before[signal.SIGINT] = signal.signal(signal.SIGINT, lambda number, frame: None)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def are_for(self, child: subprocess.Popen[bytes]) -> None:
        self._child = child
        for number in self._came:
            child.send_signal(number)

    def _forward(self, number: int, frame: FrameType | None) -> None:
        if self._child is None:
            self._came.append(number)
        else:
            self._child.send_signal(number)
