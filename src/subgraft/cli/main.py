"""The frame of the command: options that every verb has, logging, and exit codes by cause."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, Protocol

from subgraft.cli import demo, inspect, plan, run
from subgraft.cli.exit_codes import CommandError, ExitCode, UsageError, exit_code
from subgraft.cli.table import printable
from subgraft.delegates import SubgraftError


class Verb(Protocol):
    """What a verb's module offers."""

    def add_parser(self, subparsers: argparse._SubParsersAction[Any]) -> None: ...

    def run(self, args: argparse.Namespace) -> int: ...


VERBS: dict[str, Verb] = {"run": run, "inspect": inspect, "plan": plan, "demo": demo}
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one verb. Results go to stdout, everything else to stderr. Returns the exit code."""
    args = build_parser().parse_args(argv)
    try:
        with log_to_stderr(_level(args)):
            code = VERBS[args.verb].run(args)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        return _reader_left()
    except MemoryError:
        print("subgraft: error: there is not enough memory for this model", file=sys.stderr)
        return ExitCode.RUN_FAILED
    except (CommandError, SubgraftError) as error:
        print(f"subgraft: error: {printable(error)}", file=sys.stderr)
        return exit_code(error)
    return code


class VerbParser(argparse.ArgumentParser):
    """A parser with the options that every verb has; they may stand before or after the verb."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        group = self.add_argument_group("logging")
        group.add_argument(
            "-v", "--verbose", action="count", default=argparse.SUPPRESS, help="say more on stderr; -vv says everything"
        )
        group.add_argument(
            "-q", "--quiet", action="store_true", default=argparse.SUPPRESS, help="say only errors on stderr"
        )


def build_parser() -> argparse.ArgumentParser:
    parser = VerbParser(
        prog="subgraft",
        description="Run .tflite models with hardware accelerators attached, and the CPU behind them.",
        epilog="Exit codes and environment variables: docs/cli.md. 'subgraft VERB --help' lists a verb's options.",
    )
    parser.add_argument("--version", action="version", version=f"subgraft {version('subgraft')}")
    subparsers = parser.add_subparsers(title="verbs", metavar="VERB", dest="verb", required=True)
    for verb in VERBS.values():
        verb.add_parser(subparsers)
    return parser


@contextmanager
def log_to_stderr(level: int) -> Iterator[None]:
    """subgraft's log records on stderr while the command runs."""
    logger = logging.getLogger("subgraft")
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(logging.Formatter("%(name)s: %(levelname)s: %(message)s"))
    before = logger.level
    logger.addHandler(stream)
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.removeHandler(stream)
        logger.setLevel(before)


def _level(args: argparse.Namespace) -> int:
    if getattr(args, "quiet", False):
        return logging.ERROR
    verbose = getattr(args, "verbose", 0)
    if verbose:
        return logging.INFO if verbose == 1 else logging.DEBUG
    name = os.environ.get("SUBGRAFT_LOG", "warning")
    if name.lower() not in LEVELS:
        raise UsageError(f"SUBGRAFT_LOG is {name!r}; it may be {', '.join(LEVELS)}")
    return LEVELS[name.lower()]


def _reader_left() -> int:
    """`subgraft inspect m.tflite | head`: nobody reads on, and Python must not complain when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return ExitCode.OK
