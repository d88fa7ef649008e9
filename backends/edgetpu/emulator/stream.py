"""The bulk-out stream: a header of 8 bytes, then as many bytes as it says, however the transfers cut them."""

from __future__ import annotations

import struct
from dataclasses import dataclass

HEADER = struct.Struct("<IB3s")  # bytes that follow, tag, zeros
INSTRUCTIONS, INPUT, PARAMETERS, OUTPUT, INTERRUPT = 0, 1, 2, 3, 4  # tags; interrupts 0 to 3 have 4 to 7


@dataclass(frozen=True, slots=True)
class Header:
    """Announces a payload. clean: the bytes that mean nothing are 0."""

    tag: int
    size: int
    clean: bool


@dataclass(frozen=True, slots=True)
class Payload:
    tag: int
    data: bytes


class Stream:
    """Cuts the stream. Whoever feeds it decides after each header whether such a payload is wanted at all: nothing
    is kept in memory for one before its bytes are there."""

    def __init__(self) -> None:
        self._held = bytearray()  # of a header or a payload that came in part
        self._header: Header | None = None

    @property
    def between_payloads(self) -> bool:
        return self._header is None and not self._held

    def take(self, data: memoryview) -> tuple[int, Header | Payload | None]:
        """How many bytes were used, and what they completed. Never looks further than that."""
        missing = (self._header.size if self._header else HEADER.size) - len(self._held)
        used = min(missing, len(data))
        if used < missing:
            self._held += data[:used]
            return used, None
        if self._held:
            self._held += data[:used]
            whole = bytes(self._held)
            self._held = bytearray()
        else:
            whole = bytes(data[:used])
        if self._header:
            payload = Payload(self._header.tag, whole)
            self._header = None
            return used, payload
        size, tag, zeros = HEADER.unpack(whole)
        header = Header(tag & 0xF, size, not any(zeros) and tag < 0x10)
        self._header = header if size else None
        return used, header
