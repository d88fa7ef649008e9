"""One device as the executables of one delegate share it: won back once when a run fails, and left alone after many."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from subgraft.backends.edgetpu.breaker import CLOSED, OPEN, Breaker
from subgraft.backends.edgetpu.deadline import Deadline
from subgraft.backends.edgetpu.driver import Accelerator
from subgraft.backends.edgetpu.errors import Lost, NotFound
from subgraft.backends.edgetpu.package import Package
from subgraft.backends.edgetpu.prepared import Prepared
from subgraft.backends.edgetpu.sharing import Lease
from subgraft.delegates import Array, DelegateError, Failed, Health


@dataclass(frozen=True, slots=True)
class Status:
    """What has become of a device so far.

    runs: that gave an answer. retries: runs that were repeated after a recovery. failures: that gave none. breaker:
    "closed" (in use), "open" (left alone) or "half-open" (the next run is a trial). last: the latest failure, if any.
    """

    device: str
    runs: int
    retries: int
    failures: int
    breaker: str
    last: str


class Stick:
    """Opened for its first executable, closed after its last."""

    def __init__(self, name: str, lease: Callable[[], Lease], breaker: Breaker) -> None:
        """lease: opens the device, or joins those in this process who have it open."""
        self.name = name
        self._lease_it = lease
        self._breaker = breaker
        self._lock = threading.Lock()
        self._lease: Lease | None = None
        self._users = 0
        self._runs = self._retries = self._failures = 0
        self._last = ""

    def prepare(self, package: Package) -> Prepared:
        """For run(), until release(). Raises Unavailable, Rejected; Failed for a device that does not recover."""
        with self._lock:
            self._lease = self._lease or self._lease_it()
            self._users += 1
            accelerator = self._lease.accelerator
        try:
            accelerator.recover()  # where it needs to be
            return accelerator.prepare(package)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """One executable less."""
        with self._lock:
            self._users -= 1
            if self._users == 0 and self._lease is not None:
                lease, self._lease = self._lease, None
                lease.close()

    def run(self, prepared: Prepared, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        """One inference; one more after a recovery. Raises Failed."""
        lease = self._lease
        if lease is None:
            raise Failed(f"the Edge TPU {self.name} is closed")
        accelerator = lease.accelerator
        if self._breaker.state == OPEN:
            raise Failed(f"the Edge TPU {self.name} is left alone for a while, because it keeps failing: {self._last}")
        before, patience = accelerator.recoveries, accelerator.patience()
        try:
            accelerator.run(prepared, inputs, outputs, patience)
        except DelegateError as error:
            self._run_again(accelerator, before, patience, error, prepared, inputs, outputs)
        with self._lock:
            self._runs += 1
            if self._breaker.state != CLOSED:
                self._breaker.succeeded()

    def health(self) -> Health:
        """Recovers it where that is needed. GONE also while it is left alone."""
        if self._breaker.state == OPEN:
            return Health.GONE
        lease = self._lease
        return lease.accelerator.health() if lease else Health.OK

    def status(self) -> Status:
        with self._lock:
            counts = self._runs, self._retries, self._failures
            return Status(self.name, *counts, self._breaker.state, self._last)

    def _run_again(
        self,
        accelerator: Accelerator,
        recoveries: int,
        patience: Deadline,
        first: DelegateError,
        prepared: Prepared,
        inputs: Sequence[Array],
        outputs: Sequence[Array],
    ) -> None:
        """recoveries: before the run that failed. patience: what is left of it."""
        try:
            accelerator.recover(patience)
            if accelerator.recoveries == recoveries:
                raise first  # nothing that a recovery cures
            accelerator.run(prepared, inputs, outputs, patience)
        except DelegateError as again:
            self._failed(again)
            raise _failure(again, _both(first, again)) from again
        with self._lock:
            self._retries += 1
            self._last = first.reason

    def _failed(self, error: DelegateError) -> None:
        with self._lock:
            self._failures += 1
            self._last = error.reason
            self._breaker.failed()


def _both(first: DelegateError, again: DelegateError) -> str:
    """What happened, and what happened after the recovery."""
    if again is first:
        return first.reason
    before = "as before it" if again.reason == first.reason else f"before it: {first.reason}"
    return f"{again.reason}; that was after a recovery, {before}"


def _failure(error: DelegateError, reason: str) -> Failed:
    """As a run may raise it: a device that is not there is lost, and what else keeps it from being opened a failure."""
    kind = type(error) if isinstance(error, Failed) else Lost if isinstance(error, NotFound) else Failed
    return kind(reason)
