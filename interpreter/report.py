"""What went another way than planned, and why: one entry and one log line for each cause."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

log = logging.getLogger("subgraft")

MOST_CAUSES = 256  # a reason with a changing number in it must not fill the memory


@dataclass(frozen=True, slots=True)
class Event:
    """Something that made the CPU take over, or that ended it.

    phase: "open", "compile", "run", "deadline", "output", "verify", "health", "close", "plan" or "back".
    segment: its number in the plan of graph `graph`; None where the whole delegate is concerned.
    count: how often it happened.
    """

    phase: str
    device: str
    reason: str
    segment: int | None = None
    graph: int = 0
    count: int = 1

    def __str__(self) -> str:
        where = "" if self.segment is None else f" segment {self.segment}"
        inside = f" of graph {self.graph}" if self.graph else ""
        times = f" ({self.count} times)" if self.count > 1 else ""
        return f"{self.phase}{where}{inside} on {self.device}: {self.reason}{times}"


class Report:
    """The events of one session, in the order in which their causes were first met."""

    def __init__(self) -> None:
        self._events: dict[Event, int] = {}
        self._lock = threading.Lock()  # the thread that waits for devices adds events too

    def add(self, event: Event, outcome: str = "") -> None:
        """Counts the event; the first of its cause is logged, with what subgraft made of it."""
        with self._lock:
            if event not in self._events and len(self._events) >= MOST_CAUSES:
                event = Event(event.phase, event.device, "further causes", event.segment, event.graph)
            first = event not in self._events
            self._events[event] = self._events.get(event, 0) + 1
        if first:
            level = logging.INFO if event.phase == "back" else logging.WARNING
            log.log(level, "%s%s", event, f"; {outcome}" if outcome else "")
        else:
            log.debug("again: %s", event)

    @property
    def events(self) -> tuple[Event, ...]:
        with self._lock:
            return tuple(replace(event, count=count) for event, count in self._events.items())

    def to_dict(self) -> list[dict[str, Any]]:
        """As plain values, for JSON."""
        return [asdict(event) for event in self.events]

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)

    def __len__(self) -> int:
        return len(self._events)

    def __str__(self) -> str:
        return "\n".join(str(event) for event in self) or "nothing to report"

    def __repr__(self) -> str:
        count = len(self)
        return f"<Report of {count} {'cause' if count == 1 else 'causes'}; print() shows them>"
