"""One thread that runs one call at a time, and can be left behind when a call does not come back."""

from __future__ import annotations

import _thread
import logging
import threading
from collections.abc import Callable
from typing import Any

from subgraft.delegates import Failed

log = logging.getLogger("subgraft")


class Worker:
    """Two locks hand the call over and back: the cheapest way between threads that Python has."""

    def __init__(self) -> None:
        self.abandoned = False
        self._go = _thread.allocate_lock()
        self._done = _thread.allocate_lock()
        self._go.acquire()
        self._done.acquire()
        self._ending = _thread.allocate_lock()  # decides who is first: the call's end, or its being given up
        self._finished = False
        self._task: tuple[Callable[..., object], tuple[Any, ...]] | None = None
        self._error: BaseException | None = None
        self._last_words: Callable[[], object] | None = None
        threading.Thread(target=self._serve, name="subgraft-delegate", daemon=True).start()

    def call(self, timeout_s: float, function: Callable[..., object], *arguments: Any) -> bool:
        """Runs function(*arguments) here and raises what it raises; False when the time is up.

        After False, or an interrupt in between, `abandoned` is set: the call goes on with its arguments, and this
        worker takes no other.
        """
        self._finished = False
        self._task = (function, arguments)
        self._go.release()
        try:
            in_time = self._done.acquire(timeout=timeout_s)
        except BaseException:
            self._give_up()
            raise
        if not in_time and self._give_up():
            return False
        error, self._error = self._error, None
        if error is not None:
            try:
                raise error
            finally:
                del error  # the frames that it holds would hold it, and all that it went through
        return True

    def leave(self, last_words: Callable[[], object]) -> None:
        """Of an abandoned worker: calls last_words once its call has come back after all."""
        with self._ending:
            self._last_words = last_words
            over = self._finished
        if over:
            last_words()

    def close(self) -> None:
        """Ends the thread, unless a call occupies it."""
        if not self.abandoned:
            self._task = None
            self._go.release()

    def _give_up(self) -> bool:
        """Whether the call is really not over; a call that ended just now counts."""
        with self._ending:
            self.abandoned = not self._finished
        if not self.abandoned:
            self._done.acquire()
        return self.abandoned

    def _serve(self) -> None:
        while True:
            self._go.acquire()
            if self._task is None:
                return
            function, arguments = self._task
            try:
                function(*arguments)
            except BaseException as error:
                self._error = error
            del function, arguments
            with self._ending:
                self._finished = True
                abandoned, last_words = self.abandoned, self._last_words
            if abandoned:
                break
            self._done.release()
        if self._error is not None and not isinstance(self._error, Failed):
            log.error("a call that was given up ended in an error", exc_info=self._error)
        if last_words:
            last_words()
