"""Leaves a device alone that fails again and again, for longer each time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

FAILURES = 3
WINDOW_S = 60.0
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0

CLOSED, OPEN, HALF_OPEN = "closed", "open", "half-open"  # the words of the pattern's literature


class Breaker:
    """Opens after `failures` within `window_s`; closes again when a trial after the wait goes well.

    Every trial that fails doubles the wait. Not thread-safe.
    """

    def __init__(
        self, failures: int = FAILURES, window_s: float = WINDOW_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = failures
        self._window_s = window_s
        self._clock = clock
        self._failed_at: deque[float] = deque(maxlen=failures)
        self._wait_s = FIRST_WAIT_S
        self._open_until: float | None = None

    @property
    def state(self) -> str:
        """CLOSED: in use; OPEN: left alone; HALF_OPEN: the wait is over, and the next run is a trial."""
        if self._open_until is None:
            return CLOSED
        return OPEN if self._clock() < self._open_until else HALF_OPEN

    def failed(self) -> None:
        """A run failed, and so did its repetition."""
        now = self._clock()
        if self.state == HALF_OPEN:
            self._wait_s = min(2 * self._wait_s, LONGEST_WAIT_S)
            self._open_until = now + self._wait_s
            return
        self._failed_at.append(now)
        if len(self._failed_at) == self._most and now - self._failed_at[0] <= self._window_s:
            self._open_until = now + self._wait_s

    def succeeded(self) -> None:
        """A run went well."""
        if self._open_until is not None and self.state == HALF_OPEN:
            self._open_until = None
            self._wait_s = FIRST_WAIT_S
            self._failed_at.clear()
