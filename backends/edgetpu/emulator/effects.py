"""What a fault does to one transfer."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from subgraft.backends.edgetpu.emulator.faults import Fault
from subgraft.backends.edgetpu.emulator.urb import IO, OK, OVERFLOW, STALLED

DELAY_S = 0.05
HEADER_BYTES = 8  # before a payload: left alone, so that it is the payload that is wrong
ENDS = {
    "stall": STALLED,
    "halt": STALLED,
    "error": IO,
    "babble": OVERFLOW,
    "unplug": IO,
    "dfu": IO,
    "thermal_shutdown": IO,
}
STAYS = frozenset({"stall", "halt"})  # the device keeps what it had for the host


@dataclass(frozen=True, slots=True)
class Effect:
    """status: it ends like this and moves nothing; "": it goes on. hold_s: it stays pending for so long first;
    infinite: until the host takes it back. data: what moves. actual: how much the host believes has moved.
    keeps: the device has the bytes still.
    """

    data: bytes | memoryview
    actual: int
    status: str = ""
    hold_s: float = 0.0
    keeps: bool = False


def effect(fault: Fault, data: bytes | memoryview, chance: random.Random, header_bytes: int = 0) -> Effect:
    """header_bytes: how many of the first bytes the faults of what the device gets leave alone."""
    action, size = fault.action, len(data)
    if action in ENDS:
        return Effect(b"", 0, ENDS[action], keeps=action in STAYS)
    if action == "timeout":
        return Effect(data, size, hold_s=math.inf)
    if action == "delay":
        return Effect(data, size, hold_s=fault.number(DELAY_S))
    if action == "short":
        kept = min(size, int(fault.number(size // 2)))
        return Effect(data[:kept], kept)
    if action == "zero":
        return Effect(b"", 0, OK, keeps=True)
    if action in ("corrupt", "flip", "truncate", "reorder"):
        return Effect(_damaged(fault, bytes(data), chance, min(header_bytes, size)), size)
    return Effect(data, size)


def _damaged(fault: Fault, data: bytes, chance: random.Random, header_bytes: int) -> bytes:
    head, body = data[:header_bytes], data[header_bytes:]
    if not body:
        head, body = b"", data
    if fault.action == "truncate":
        return head + body[: max(0, len(body) - int(fault.number(1)))]
    if fault.action == "reorder":
        half = len(body) // 2
        return head + body[half:] + body[:half]
    changed = bytearray(body)
    bits = 8 * len(changed)
    for bit in chance.sample(range(bits), min(bits, int(fault.number(1)))):
        changed[bit // 8] ^= 1 << bit % 8
    return head + bytes(changed)
