"""A progress bar on a terminal's stderr; nothing where stderr is none."""

from __future__ import annotations

import shutil
import sys
import time

BAR_COLUMNS = 24


class Progress:
    """Counts steps of work; every step redraws one line."""

    def __init__(self, total: int) -> None:
        self._total, self._done, self._what = total, 0, ""
        self._started = time.monotonic()
        self._shows = sys.stderr.isatty()

    def at(self, what: str) -> None:
        self._what = what
        self._draw()

    def step(self) -> None:
        self._done += 1
        self._draw()

    def close(self) -> None:
        if self._shows:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def _draw(self) -> None:
        if not self._shows:
            return
        filled = BAR_COLUMNS * self._done // max(self._total, 1)
        passed = time.monotonic() - self._started
        left = f"{passed / self._done * (self._total - self._done):.0f} s left" if self._done else ""
        line = f"[{'#' * filled}{'.' * (BAR_COLUMNS - filled)}] {self._done}/{self._total} {left}  {self._what}"
        columns = shutil.get_terminal_size().columns
        print("\r\x1b[K" + line[: columns - 1], end="", file=sys.stderr, flush=True)
