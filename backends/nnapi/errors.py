"""What can go wrong with NNAPI, as subclasses of the contract's errors, and the one seam for its codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from subgraft import _native
from subgraft.delegates import DelegateError, Failed, Rejected, Unavailable


class Refusal(Rejected):
    """The driver does not take the model, although it may have said that it does."""


class DriverDied(Failed):
    """The driver's process is gone; it may be started again."""


class OutOfMemory(Failed):
    """The driver or this machine has no memory for it."""


class Late(Failed):
    """The driver missed its deadline."""


class Wrong(Failed):
    """The driver computed something else than the model says."""


class Demoted(Failed):
    """It failed before in a way that does not pass: this session leaves it to the CPU."""


class Closed(Failed):
    """It was closed meanwhile."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """kind: what a code comes to in a run; for a compilation it is a Refusal unless it passes. passes: may go away."""

    kind: type[DelegateError]
    words: str
    passes: bool = False


MEANINGS: Mapping[str, Meaning] = {
    "OUT_OF_MEMORY": Meaning(OutOfMemory, "has no memory left for it"),
    "INCOMPLETE": Meaning(Failed, "did not finish it"),
    "UNEXPECTED_NULL": Meaning(Failed, "was handed nothing where it wants something"),
    "BAD_DATA": Meaning(Failed, "does not take the model or its data"),
    "OP_FAILED": Meaning(Failed, "failed in one of the operations"),
    "BAD_STATE": Meaning(Failed, "is not in a state for that"),
    "UNMAPPABLE": Meaning(Failed, "cannot map the memory that it was given"),
    "OUTPUT_INSUFFICIENT_SIZE": Meaning(Wrong, "asks for more room than the output has"),
    "UNAVAILABLE_DEVICE": Meaning(DriverDied, "is not available", passes=True),
    "MISSED_DEADLINE_TRANSIENT": Meaning(Late, "missed its deadline, twice", passes=True),
    "MISSED_DEADLINE_PERSISTENT": Meaning(Late, "misses its deadline and says that it always will"),
    "RESOURCE_EXHAUSTED_TRANSIENT": Meaning(OutOfMemory, "has no resources for it, twice", passes=True),
    "RESOURCE_EXHAUSTED_PERSISTENT": Meaning(OutOfMemory, "has no resources for it and says that it never will"),
    "DEAD_OBJECT": Meaning(DriverDied, "lost its driver", passes=True),
    "MISSING_SYMBOL": Meaning(Failed, "has a library without a function that is needed"),
    "NO_ANSWER": Meaning(Failed, "said that all is well and gave nothing"),
    "WRONG_SHAPE": Meaning(Wrong, "computed another shape"),
    "FORKED": Meaning(Closed, "was opened before this process was forked", passes=True),
    "BUSY": Meaning(Failed, "still runs this segment in another thread", passes=True),
}
UNKNOWN = Meaning(Failed, "failed")


def meaning(code: str) -> Meaning:
    return MEANINGS.get(code, UNKNOWN)


def failed(error: _native.NnapiError, where: str, doing: str = "running") -> Failed:
    """For a run. where: the device as a user knows it."""
    found = meaning(error.code)
    kind = found.kind if issubclass(found.kind, Failed) else Failed
    return kind(_text(error, found, where, doing))


def rejected(error: _native.NnapiError, where: str, doing: str = "compiling a segment") -> DelegateError:
    """For a compilation: Refusal, unless it may pass."""
    found = meaning(error.code)
    kind = found.kind if found.passes else Refusal
    return kind(_text(error, found, where, doing))


def unavailable(error: _native.NnapiError, where: str, doing: str = "asking for its devices") -> Unavailable:
    return Unavailable(_text(error, meaning(error.code), where, doing))


def _text(error: _native.NnapiError, found: Meaning, where: str, doing: str) -> str:
    detail = f": {error}" if error.code == "WRONG_SHAPE" else ""
    place = f"{error.call}, while {doing}" if error.call else f"while {doing}"
    return f"{where} {found.words} ({error.code} in {place}){detail}"
