"""One USB transfer, as a transport hands it to the emulated device and gets it back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

# How a transfer ended, in the words of _native.UsbError.code. A transfer that the device never ends is one it NAKs:
# the time limit is the host's.
OK = "OK"
STALLED = "STALLED"
NO_DEVICE = "NO_DEVICE"
OVERFLOW = "OVERFLOW"
IO = "IO"
CANCELLED = "CANCELLED"
NOT_FOUND = "NOT_FOUND"

IN = 0x80  # bit 7 of an endpoint and of bmRequestType
SETUP_BYTES = 8


@dataclass(slots=True, eq=False)
class Urb:
    """A transfer on its way. The device fills the lower half when it ends.

    endpoint: with the direction in bit 7; 0 for control transfers, whose setup says the direction.
    length: what the host asks for or sends (wLength for control). data: what the host sends; it must stay as it is
    until the transfer ends. setup: the 8 bytes of a control transfer, empty for others.
    status: "" until it ends. actual: bytes moved. reply: what the device sent.
    """

    endpoint: int
    length: int
    data: bytes | bytearray | memoryview = b""
    setup: bytes = b""

    status: str = ""
    actual: int = 0
    reply: bytes = b""

    @property
    def is_in(self) -> bool:
        return bool((self.setup[0] if self.setup else self.endpoint) & IN)


Done = Callable[[Urb], None]
