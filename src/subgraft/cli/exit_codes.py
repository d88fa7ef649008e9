"""Why the command ends: one exit code per cause, so that a script need not read messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import IntEnum
from typing import Any

from subgraft.delegates import (
    DelegateError,
    ModelError,
    NotDelegated,
    Overrun,
    SubgraftError,
    Unavailable,
    Unsupported,
)


class ExitCode(IntEnum):
    """docs/cli.md shows this table; tests compare the two."""

    OK = 0  # it worked
    CHECK_FAILED = 1  # the check asked for failed: not fully delegated under --strict, wrong answers in the demo
    USAGE = 2  # the command line, a file named on it other than the model, or stdout cannot be used
    MODEL = 3  # the model cannot be read, or has an op, a type or a shape that no kernel supports
    NOT_FOUND = 4  # no such delegate or, where nothing may fall back, no such device
    PERMISSION = 5  # the device may not be opened by this user
    BUSY = 6  # another process holds the device
    RUN_FAILED = 7  # the device, a delegate or the model failed while compiling or running
    TIMEOUT = 8  # the device did not answer in time
    MISSING_DEPENDENCY = 9  # an optional package or library is not installed
    INTERRUPTED = 130  # Ctrl-C


class CommandError(Exception):
    """Ends the command with a message and a code.

    result: what --json shows beside the error.
    """

    code = ExitCode.USAGE

    def __init__(self, message: str, result: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.result = result


class UsageError(CommandError):
    """The command line asks for something that makes no sense, or names a file that cannot be used."""


class MissingDependency(CommandError):
    """An optional package is not installed; the message is the command that installs it."""

    code = ExitCode.MISSING_DEPENDENCY


class CheckFailed(CommandError):
    """Everything ran, and what was asked for does not hold."""

    code = ExitCode.CHECK_FAILED


class CannotRun(CommandError):
    """The model has ops that nothing here runs."""

    code = ExitCode.MODEL


def why(error: OSError) -> str:
    """The system's words, without the number and the file's name, which the message around them has."""
    return error.strerror or str(error)


@contextmanager
def checked_by_the_library() -> Iterator[None]:
    """What load() and run() refuse with a ValueError is a wrong option or input, and no bug."""
    try:
        yield
    except SubgraftError:
        raise
    except ValueError as error:
        raise UsageError(str(error)) from error


# What a delegate translated: `raise Unavailable(...) from PermissionError(...)`.
CAUSES: tuple[tuple[type[BaseException], ExitCode], ...] = (
    (PermissionError, ExitCode.PERMISSION),
    (BlockingIOError, ExitCode.BUSY),
    (TimeoutError, ExitCode.TIMEOUT),
    (ImportError, ExitCode.MISSING_DEPENDENCY),
)


def exit_code(error: CommandError | SubgraftError) -> ExitCode:
    """The code for an error that is the user's, the model's or the device's, not a bug."""
    if isinstance(error, CommandError):
        return error.code
    if isinstance(error, (ModelError, Unsupported)):
        return ExitCode.MODEL
    if isinstance(error, NotDelegated):
        return ExitCode.CHECK_FAILED
    if isinstance(error, Overrun):
        return ExitCode.TIMEOUT
    if isinstance(error, DelegateError):
        for cause in _chain(error):
            for kind, code in CAUSES:
                if isinstance(cause, kind):
                    return code
    return ExitCode.NOT_FOUND if isinstance(error, Unavailable) else ExitCode.RUN_FAILED


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__
