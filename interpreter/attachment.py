"""One delegate on one device: how it is, when to try again, and the thread that its calls run in."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from subgraft.delegates import DelegateError, Device, Health, Overrun, Timed
from subgraft.interpreter import checked
from subgraft.interpreter.discovery import Wanted, choose
from subgraft.interpreter.report import Event, Report
from subgraft.interpreter.worker import Worker

if TYPE_CHECKING:
    from subgraft.interpreter.lane import Lane

DEADLINE_S = 10.0
FIRST_WAIT_S, LONGEST_WAIT_S = 0.01, 10.0  # of a busy device; doubled each time


class Attachment:
    """What a session holds of one delegate.

    label: its name in plans and reports. device: None while there is none. left: a call did not come back.
    busy_with_it: held by whoever talks to the device; the background thread holds it while it compiles anew.
    """

    def __init__(self, label: str, wanted: Wanted, report: Report) -> None:
        self.label = label
        self.wanted = wanted
        self.delegate = wanted.delegate
        self.device: Device | None = None
        self.absent = ""
        self.state = Health.OK
        self.left = False
        self.timeout_s = self.delegate.timeout_s if isinstance(self.delegate, Timed) else DEADLINE_S
        self.busy_with_it = threading.Lock()
        self.lanes: dict[Lane, None] = {}
        self._report = report
        self._worker: Worker | None = None
        self._wait_s = FIRST_WAIT_S
        self._retry_at = 0.0
        self._is_stuck = False  # the background thread did not leave the device in time

    @property
    def name(self) -> str:
        """The device as reports name it: "fake:0"."""
        return f"{self.delegate.name}:{self.device.id}" if self.device else self.label

    def open(self) -> Device:
        """Looks for the device. Raises Unavailable."""
        self.device = choose(self.wanted)
        return self.device

    def is_usable(self) -> bool:
        """Whether a run may go to the device now."""
        if self.state is Health.OK:
            return True
        return self.state is Health.BUSY and time.monotonic() >= self._retry_at

    def call(
        self, function: Callable[..., object], *arguments: Any, afterwards: Callable[[], object] = lambda: None
    ) -> None:
        """Runs function(*arguments) within the deadline. Raises Overrun, and what the function raises.

        A call that overruns, or that an interrupt leaves behind, goes on with its arguments, and `afterwards` is called
        should it ever come back; `left` is set until the caller took note of that.
        """
        if self._worker is None:
            self._worker = Worker()
        worker = self._worker
        try:
            in_time = worker.call(self.timeout_s, function, *arguments)
        finally:
            if worker.abandoned:
                self._worker = None
                self.left = True
                worker.leave(afterwards)
        if not in_time:
            raise Overrun(f"no answer within {self.timeout_s:g} s")

    def succeeded(self) -> None:
        """A run went well: a busy device is free again."""
        if self.state is Health.BUSY:
            self.state = Health.OK
            self._wait_s = FIRST_WAIT_S

    def failed(self) -> None:
        """Asks how the device is and acts on it."""
        self.state = self.ask()
        if self.state is Health.BUSY:
            self._retry_at = time.monotonic() + self._wait_s
            self._wait_s = min(2 * self._wait_s, LONGEST_WAIT_S)
        else:
            self._wait_s = FIRST_WAIT_S

    def ask(self) -> Health:
        """health() within the deadline; a device that does not say is gone."""
        answers: list[Health] = []
        device = self.device
        assert device is not None
        self.settle("health", lambda: answers.append(self._health(device)))
        return answers[0] if answers else Health.GONE

    def _health(self, device: Device) -> Health:
        return checked.answer(self.delegate.name, "health", self.delegate.health(device), Health)

    def settle(self, phase: str, function: Callable[[], object]) -> None:
        """Runs a call within the deadline on whose outcome no value depends; its failure is reported."""
        try:
            self.call(function)
        except DelegateError as error:  # a device that is unplugged may well answer with Unavailable
            self.left = False
            self._report.add(Event(phase, self.name, error.reason))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Waits until the background thread leaves the device, but no longer than a call may take, and once only."""
        held = self.busy_with_it.acquire(timeout=0.0 if self._is_stuck else self.timeout_s)
        self._is_stuck = not held
        try:
            yield
        finally:
            if held:
                self.busy_with_it.release()

    def close(self) -> None:
        """Ends the thread that calls run in."""
        with self.alone():
            if self._worker is not None:
                self._worker.close()
                self._worker = None
