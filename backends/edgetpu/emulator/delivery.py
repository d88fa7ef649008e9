"""Ends transfers and tells whoever waits for them: in order, and with no lock held."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from subgraft.backends.edgetpu.emulator.log import Log
from subgraft.backends.edgetpu.emulator.urb import Done, Urb


class Delivery:
    """The lock of an emulated device, the transfers that are pending, and what is to be told once it is free."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._lock = threading.RLock()
        self._done: dict[Urb, Done] = {}
        self._outbox: deque[Callable[[], None]] = deque()
        self._delivering = False
        self._generation = 0

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the lock; then tells others what ended meanwhile."""
        with self._lock:
            yield
        self._deliver()

    def begin(self, urb: Urb, done: Done) -> None:
        if urb in self._done:
            raise ValueError("this transfer is pending already")
        self._done[urb] = done

    def is_pending(self, urb: Urb) -> bool:
        return urb in self._done

    def pending(self) -> list[Urb]:
        return list(self._done)

    def end(self, urb: Urb, status: str, reply: bytes = b"", actual: int | None = None) -> None:
        """Does nothing for a transfer that ended before."""
        done = self._done.pop(urb, None)
        if done is None:
            return
        urb.status, urb.reply = status, reply
        urb.actual = len(reply) if actual is None else actual
        self._log.ended(urb)
        self.tell(partial(done, urb))

    def tell(self, callback: Callable[[], None]) -> None:
        """Calls it when the lock is free, after all that was to be told before."""
        self._outbox.append(callback)

    def forget_later(self) -> None:
        """Nothing that later() was asked for before happens any more."""
        self._generation += 1

    def later(self, after_s: float, action: Callable[[], None]) -> None:
        """Does it under the lock after so many seconds; never when they are infinite."""
        if math.isinf(after_s):
            return
        timer = threading.Timer(after_s, self._act, (self._generation, action))
        timer.daemon = True
        timer.start()

    def _act(self, generation: int, action: Callable[[], None]) -> None:
        with self.locked():
            if self._generation == generation:
                action()

    def _deliver(self) -> None:
        """One thread at a time, so that everybody hears of things in order; who is told may submit again."""
        while True:
            with self._lock:
                if self._delivering or not self._outbox:
                    return
                self._delivering = True
            try:
                while self._outbox:
                    self._outbox.popleft()()
            finally:
                self._delivering = False
