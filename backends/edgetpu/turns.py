"""Whose turn it is: the threads that share a device, and how long one waits for the others."""

from __future__ import annotations

import queue
import threading
from typing import Protocol

from subgraft.backends.edgetpu import opening
from subgraft.backends.edgetpu.accelerators import called
from subgraft.backends.edgetpu.buses import Found
from subgraft.backends.edgetpu.deadline import Deadline
from subgraft.backends.edgetpu.errors import TimedOut
from subgraft.backends.edgetpu.settings import Settings

TURN_TIMEOUT_S = 2 * opening.OPEN_TIMEOUT_S  # of patience with a thread that recovers the device
ENDING_TIMEOUT_S = 4.0  # of a failure: what is pending is called back, twice for 1 s, and 2 registers are read in 1 s


def patience_s(settings: Settings) -> float:
    """How long one call waits for other threads in all: one may be sending parameters, or recover the device."""
    return settings.timeout_s + TURN_TIMEOUT_S


def run_bound_s(settings: Settings) -> float:
    """The most that one run takes besides its waits for other threads: parameters, inference, and ending in order."""
    return 2 * settings.timeout_s + ENDING_TIMEOUT_S


class Placed(Protocol):
    """A device that may come back elsewhere."""

    found: Found


class Turn:
    """One thread at a time decides what the device does next; held also while it is opened and closed."""

    def __init__(self, lock: threading.Lock, patience: Deadline, whose: Placed) -> None:
        self._lock = lock
        self._patience = patience
        self._whose = whose

    def __enter__(self) -> None:
        if not self._lock.acquire(timeout=self._patience.left_s()):
            where = called(self._whose.found)
            raise TimedOut(f"the Edge TPU {where} is kept busy by another thread") from TimeoutError("no turn")

    def __exit__(self, *_: object) -> None:
        self._lock.release()


class Slots:
    """How many requests may be in flight: a queue of tokens, which costs less than a semaphore."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._free: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(count):
            self.release()

    def acquire(self, timeout_s: float) -> bool:
        """False: none got free in time."""
        try:
            self._free.get(timeout=timeout_s)
        except queue.Empty:
            return False
        return True

    def release(self) -> None:
        self._free.put(None)
