"""A point in time that a row of waits shares."""

from __future__ import annotations

import time


class Deadline:
    """The end of everything that is done under it. Never set back."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def left_s(self) -> float:
        return max(0.0, self._end - time.monotonic())

    @property
    def is_over(self) -> bool:
        return self.left_s() == 0.0

    def left_ms(self, most_s: float) -> int:
        """For one transfer: what is left, at most `most_s`, and at least 1: 0 would mean for ever to USB libraries."""
        return max(1, round(1000 * min(most_s, self.left_s())))

    def sleep(self, seconds: float) -> None:
        """Gives the processor away, not beyond the deadline."""
        time.sleep(min(seconds, self.left_s()))
