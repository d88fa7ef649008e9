"""Calls that a driver may never come back from."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Overdue(Exception):
    """The call has not come back; its thread is left to it."""


def within(timeout_s: float, function: Callable[[], T]) -> T:
    """What the function gives or raises. Raises Overdue; then it may still be running, with all that it holds."""
    results: list[T] = []
    errors: list[BaseException] = []

    def call() -> None:
        try:
            results.append(function())
        except BaseException as error:  # handed to the caller's thread as it is
            errors.append(error)

    thread = threading.Thread(target=call, name="nnapi", daemon=True)
    thread.start()
    thread.join(timeout_s)
    if thread.is_alive():
        raise Overdue
    if errors:
        raise errors.pop()
    return results[0]
