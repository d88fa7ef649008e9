"""The first compilation for a device, where a crash of its driver does not end this process, or is remembered.

A driver runs partly inside this process. So before the first compilation of a model here, a forked child tries it; and
while it then happens, a file says so: one that is found at the next start means that the process died of it.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

GOOD, CRASHED, STARTED = ".good", ".crashed", ".started"
POLL_S = 0.002


class Crashed(Exception):
    """The driver ends the process that compiles with it; the message says how that is known."""


class Sentinel:
    """What is known of compiling one model for one device, in files named by its token."""

    def __init__(self, folder: Path | None, token: bytes) -> None:
        self._folder = folder
        self._name = token.hex()

    def is_good(self) -> bool:
        return self._exists(GOOD)

    def raise_if_crashed(self) -> None:
        """Raises Crashed where a compilation did not come back in an earlier process."""
        if self._exists(CRASHED):
            raise Crashed(f"the driver crashed when it was tried before; delete {self._path(CRASHED)} to try again")
        if self._exists(STARTED) and not self._is_being_compiled():
            raise Crashed(
                f"the driver ended the process that compiled it before; delete {self._path(STARTED)} to try again"
            )

    def start(self) -> None:
        self._write(STARTED, str(os.getpid()))

    def end(self) -> None:
        """The compilation came back, well or not."""
        self._write(GOOD)
        self._drop(STARTED)

    def crashed(self) -> None:
        """A process died of it, or had to be ended."""
        self._write(CRASHED)
        self._drop(STARTED)

    def _is_being_compiled(self) -> bool:
        """Whether the process that started is still there, this one perhaps, in another thread."""
        path = self._path(STARTED)
        try:
            owner = int(path.read_text()) if path is not None else 0
            os.kill(owner, 0)
        except (OSError, ValueError):
            return False
        return owner > 0

    def _path(self, suffix: str) -> Path | None:
        return None if self._folder is None else self._folder / f"{self._name}{suffix}"

    def _exists(self, suffix: str) -> bool:
        path = self._path(suffix)
        try:
            return path is not None and path.exists()
        except OSError:
            return False

    def _write(self, suffix: str, text: str = "") -> None:
        path = self._path(suffix)
        if path is None:
            return
        with suppress(OSError):  # a folder that cannot be written remembers nothing
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def _drop(self, suffix: str) -> None:
        path = self._path(suffix)
        if path is not None:
            with suppress(OSError):
                path.unlink()


def can_fork() -> bool:
    """On Android the connection to drivers does not survive a fork: there only the sentinel watches."""
    return hasattr(os, "fork") and not hasattr(sys, "getandroidapilevel")


def in_a_child(compile_once: Callable[[], object], timeout_s: float) -> None:
    """Compiles in a forked child. Raises Crashed where it dies or does not come back; a refusal is none of these."""
    with warnings.catch_warnings():
        # Python warns of forks of a process with threads. This child calls the driver and ends; it takes no lock.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            compile_once()
        finally:
            os._exit(0)
    ended = _wait(child, timeout_s)
    if ended is None:
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        raise Crashed(f"the driver did not come back from compiling it within {timeout_s:g} s, in a process of its own")
    if os.WIFSIGNALED(ended):
        name = signal.Signals(os.WTERMSIG(ended)).name
        raise Crashed(f"the driver crashed ({name}) while compiling it, in a process of its own")
    if ended:
        code = os.WEXITSTATUS(ended)
        raise Crashed(f"the driver ended the process ({code}) that compiled it, which was one of its own")


def _wait(child: int, timeout_s: float) -> int | None:
    end = time.monotonic() + timeout_s
    while True:
        try:
            done, status = os.waitpid(child, os.WNOHANG)
        except ChildProcessError:
            return 0  # this process lets the system collect its children, and nobody can say how it ended
        if done:
            return status
        if time.monotonic() > end:
            return None
        time.sleep(POLL_S)
