"""What can go wrong, and when: "fail@3, hang" is a failure of the third run and a hang of every run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from subgraft.delegates.options import words

KINDS = {
    "unavailable": "there is no device",
    "reject": "no segment compiles",
    "fail": "a run raises Failed",
    "sizes": "a run gives an output of another size",
    "values": "a run gives wrong values",
    "hang": "a run does not come back",
    "gone": "the device is unplugged in a run",
    "busy": "the device is busy for a while",
}

OUTSIDE_RUNS = frozenset({"unavailable", "reject"})


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault. run: in which run, counted from 1 over all segments; None: every time."""

    kind: str
    run: int | None = None

    @classmethod
    def parse(cls, text: object) -> tuple[Fault, ...]:
        """Reads "kind@run, kind, ...". Raises ValueError for a kind that does not exist."""
        return tuple(cls._one(word) for word in words("faults", text))

    @classmethod
    def _one(cls, word: str) -> Fault:
        kind, at, run = word.partition("@")
        if kind not in KINDS:
            known = ", ".join(f"{name} ({meaning})" for name, meaning in KINDS.items())
            raise ValueError(f"no fault named {kind!r}; there are: {known}")
        if at and kind in OUTSIDE_RUNS:
            raise ValueError(f"{word!r}: {KINDS[kind]}, whatever the run; write {kind!r} alone")
        if at and not (run.isdecimal() and int(run) > 0):
            raise ValueError(f"{word!r}: write the number of the run behind '@', 1 for the first")
        return cls(kind, int(run) if at else None)


def due(faults: Sequence[Fault], run: int) -> frozenset[str]:
    """The kinds of fault that happen in this run."""
    return frozenset(f.kind for f in faults if f.run in (None, run))
