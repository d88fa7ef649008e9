"""The first compilation for a device, where a crash of its driver does not end this process, or is remembered.

A driver runs partly inside this process. So before the first compilation of a model here, a forked child tries it; and
while it then happens, a locked file says so. The system lets go of the lock when the process ends, however it ends: a
file of this kind that nobody holds means that the process ended in the middle of the compilation.
"""

from __future__ import annotations

import fcntl
import math
import os
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

GOOD, CRASHED, STARTED = ".good", ".crashed", ".started"
STARTING = ".starting"  # not locked yet, and nothing to anybody
POLL_S = 0.002


class Crashed(Exception):
    """The driver ends the process that compiles with it; the message says how that is known."""


class Sentinel:
    """What is known of compiling one model for one device, in files named by its token.

    Each compilation under way has a file of its own, so that one that comes back says nothing of another. A folder
    that cannot be written, or whose files cannot be locked, remembers nothing.
    """

    def __init__(self, folder: Path | None, token: bytes) -> None:
        self._folder = folder
        self._name = token.hex()
        self._under_way: tuple[Path, int] | None = None  # its file, and the descriptor that holds the lock

    def is_good(self) -> bool:
        return self._exists(GOOD)

    def raise_if_crashed(self) -> None:
        """Raises Crashed where a compilation did not come back in an earlier process."""
        if self._exists(CRASHED):
            raise Crashed(f"the driver crashed or did not come back when it was tried before; {self._cure()}")
        if any(_is_abandoned(path) for path in self._started()):
            raise Crashed(
                f"a process ended while the driver compiled it before, by a crash or from outside; {self._cure()}"
            )

    def start(self) -> None:
        """Now it is compiled. Once for each of these."""
        if self._folder is None:
            return
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._under_way = _locked(self._folder, self._name)

    def end(self) -> None:
        """The compilation came back, well or not."""
        self._write(GOOD)
        if self._under_way is None:
            return
        path, descriptor = self._under_way
        self._under_way = None
        with suppress(OSError):
            path.unlink()  # while it is locked: nobody finds it without an owner
        os.close(descriptor)

    def crashed(self) -> None:
        """A process died of it, or had to be ended."""
        self._write(CRASHED)

    def remembered(self) -> str:
        """What to add to the words on a crash; nothing where nothing is kept of it."""
        return f"; {self._cure()}" if self._exists(CRASHED) else ""

    def _cure(self) -> str:
        return f"delete {self._path('.*')} to try again"

    def _started(self) -> list[Path]:
        if self._folder is None:
            return []
        try:
            return list(self._folder.glob(f"{self._name}.*{STARTED}"))
        except OSError:
            return []

    def _path(self, suffix: str) -> Path | None:
        return None if self._folder is None else self._folder / f"{self._name}{suffix}"

    def _exists(self, suffix: str) -> bool:
        path = self._path(suffix)
        try:
            return path is not None and path.exists()
        except OSError:
            return False

    def _write(self, suffix: str) -> None:
        path = self._path(suffix)
        if path is None:
            return
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()


def _locked(folder: Path, name: str) -> tuple[Path, int]:
    """A new file that says that a compilation is under way, and its descriptor. Raises OSError.

    It has that name only when it is locked: who finds it finds its owner too.
    """
    descriptor, made = tempfile.mkstemp(STARTING, f"{name}.", folder)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return Path(made).rename(made.removesuffix(STARTING) + STARTED), descriptor
    except OSError:
        os.close(descriptor)
        Path(made).unlink()
        raise


def _is_abandoned(path: Path) -> bool:
    """Whether nobody holds the file any more, although it is still there."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False  # the compilation came back meanwhile
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return os.fstat(descriptor).st_nlink > 0
    except OSError:
        return False  # it is held
    finally:
        os.close(descriptor)


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
            # Where this process dies meanwhile, nobody ends a child that hangs.
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(math.ceil(timeout_s) + 1)
            compile_once()
        finally:
            os._exit(0)
    try:
        ended = _wait(child, timeout_s)
    except BaseException:  # an interrupt: nobody waits for the child any more
        _end(child)
        raise
    if ended is None:
        _end(child)
        raise Crashed(f"the driver did not come back from compiling it within {timeout_s:g} s, in a process of its own")
    if os.WIFSIGNALED(ended):
        name = signal.Signals(os.WTERMSIG(ended)).name
        raise Crashed(f"the driver crashed ({name}) while compiling it, in a process of its own")
    if ended:
        code = os.WEXITSTATUS(ended)
        raise Crashed(f"the driver ended the process ({code}) that compiled it, which was one of its own")


def _end(child: int) -> None:
    with suppress(ProcessLookupError, ChildProcessError):
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


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
