"""What the emulated device remembers: its transfers, and whatever a driver did that hardware would not forgive."""

from __future__ import annotations

import struct
from collections import Counter, deque
from dataclasses import dataclass

from subgraft.backends.edgetpu.emulator.urb import IN, OK, Urb

TRACE_LENGTH = 4096
VIOLATIONS_KEPT = 1024
HEAD_BYTES = 64  # of a transfer's data that stay in the trace
VENDOR = 0x40  # of bmRequestType's type bits
REGISTER_BYTES = {0: 8, 1: 4}  # by bRequest
KINDS = {0x81: "in", 0x82: "event", 0x83: "interrupt"}


@dataclass(frozen=True, slots=True)
class Transfer:
    """One transfer that ended.

    kind: "control", "out", "in", "event" or "interrupt". data: the first bytes that were moved, size: how many were.
    """

    number: int
    kind: str
    endpoint: int
    setup: bytes
    data: bytes
    size: int
    status: str

    def __str__(self) -> str:
        """ "R32 1a30c -> 000f0959", "W64 44018 = 1", "OUT 01 9680", "IN 82 16"; "!" and the status where it failed."""
        failed = "" if self.status == OK else f" ! {self.status}"
        if self.kind != "control":
            return f"{'IN' if self.endpoint & IN else 'OUT'} {self.endpoint:02x} {self.size}{failed}"
        kind, request, value, index, length = struct.unpack("<BBHHH", self.setup)
        if kind & 0x60 == VENDOR and REGISTER_BYTES.get(request) == length:
            return self._register(index << 16 | value, length) + failed
        return f"{'IN' if kind & IN else 'OUT'} 00 {kind:02x} {request:02x} {value:04x} {index:04x} {self.size}{failed}"

    def _register(self, offset: int, width: int) -> str:
        number = int.from_bytes(self.data, "little")
        text = f"{number:08x}" if width == 4 else f"{number:x}"
        if self.setup[0] & IN:
            return f"R{8 * width} {offset:05x} -> {text}"
        return f"W{8 * width} {offset:05x} = {text}"


@dataclass(frozen=True, slots=True)
class Violation:
    """rule: a short name that tests can ask for. transfer: how many transfers had ended before."""

    rule: str
    text: str
    transfer: int


class Log:
    """Bounded: the newest are kept, and everything is counted."""

    def __init__(self) -> None:
        self.trace: deque[Transfer] = deque(maxlen=TRACE_LENGTH)
        self.violations: deque[Violation] = deque(maxlen=VIOLATIONS_KEPT)
        self.notes: deque[str] = deque(maxlen=VIOLATIONS_KEPT)
        self.counts: Counter[str] = Counter()
        self._number = 0

    def ended(self, urb: Urb) -> None:
        kind = kind_of(urb)
        moved = urb.reply if urb.is_in else urb.data
        head = bytes(moved[: min(HEAD_BYTES, urb.actual)])
        self.trace.append(Transfer(self._number, kind, urb.endpoint, urb.setup, head, urb.actual, urb.status))
        self.counts[kind] += 1
        self._number += 1

    def violation(self, rule: str, text: str) -> None:
        self.violations.append(Violation(rule, text, self._number))
        self.counts[f"violation {rule}"] += 1

    def note(self, text: str) -> None:
        """Worth knowing, and nobody's fault."""
        self.notes.append(text)

    def clear(self) -> None:
        self.trace.clear()
        self.violations.clear()
        self.notes.clear()
        self.counts.clear()


def kind_of(urb: Urb) -> str:
    """Which kind of transfer, in the words of faults and trace."""
    if urb.setup:
        return "control"
    return KINDS.get(urb.endpoint, "in") if urb.endpoint & IN else "out"
