"""The frame of the command: options that every verb has, logging, and exit codes by cause."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from difflib import get_close_matches
from importlib.metadata import version
from typing import Any, NoReturn, Protocol, TextIO, cast

from subgraft.cli import demo, devices, emulate, firmware, inspect, plan, run
from subgraft.cli.exit_codes import CommandError, ExitCode, UsageError, exit_code
from subgraft.cli.output import Results, UnwritableResults, print_json
from subgraft.cli.table import printable
from subgraft.delegates import SubgraftError


class Verb(Protocol):
    """What a verb's module offers."""

    def add_parser(self, subparsers: argparse._SubParsersAction[Any]) -> None: ...

    def run(self, args: argparse.Namespace) -> int: ...


VERBS: dict[str, Verb] = {
    "run": run,
    "inspect": inspect,
    "plan": plan,
    "demo": demo,
    "devices": devices,
    "emulate": emulate,
    "firmware": firmware,
}
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one verb. Results go to stdout, everything else to stderr. Returns the exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    try:
        args = build_parser().parse_args(words)
        with log_to_stderr(_level(args)), redirect_stdout(cast(TextIO, Results(sys.stdout))):
            code = VERBS[args.verb].run(args)
            sys.stdout.flush()
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        _leave_stdout()
        return ExitCode.OK  # `subgraft inspect m.tflite | head`: nobody reads on, and that is no error
    except MemoryError:
        return _report("there is not enough memory for this model", ExitCode.RUN_FAILED, "--json" in words)
    except UnwritableResults as error:
        _leave_stdout()
        return _report(str(error), error.code, as_json=False)
    except (CommandError, SubgraftError) as error:
        result = error.result if isinstance(error, CommandError) else None
        return _report(str(error), exit_code(error), "--json" in words, result)
    return code


def _report(message: str, code: ExitCode, as_json: bool, result: Mapping[str, Any] | None = None) -> int:
    """The error as one line on stderr; with --json also as the document on stdout."""
    print(f"subgraft: error: {printable(message)}", file=sys.stderr)
    if as_json:
        with suppress(OSError):  # stderr has the error already
            print_json({**(result or {}), "error": message, "exit_code": int(code)})
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

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; '{self.prog} --help' shows what there is")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse does, but a verb refuses what it does not know itself: it knows what is spelt like it."""
        known, unknown = super().parse_known_args(args, namespace)
        if unknown:
            options = [option for action in self._actions for option in action.option_strings]
            near = get_close_matches(unknown[0].partition("=")[0], options, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            self.error(f"{unknown[0]!r} means nothing here{hint}")
        return known, unknown


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


def _leave_stdout() -> None:
    """Nothing can be written there, and Python must not complain when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
