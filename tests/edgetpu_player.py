"""A Coral's data endpoints, played by a test: it hears bulk-out as one stream, and says what the test has it say."""

from __future__ import annotations

import struct
import threading
from collections import deque
from collections.abc import Callable, Generator

from subgraft._native import Loopback, Urb

OUT, DATA, EVENT, INTERRUPT = 0x01, 0x81, 0x82, 0x83
Play = Generator[None, None, None]  # yields when it needs another transfer of the host to go on


def message(tag: int, payload: bytes) -> bytes:
    """As libedgetpu's trace of real hardware has it."""
    return struct.pack("<IB3x", len(payload), tag) + payload


def completion(tag: int = 4) -> bytes:
    return struct.pack("<QIB3x", 0, 0, tag)


class Player(threading.Thread):
    """Serves a Loopback until it is closed or unplugged.

    play: what the device does. fault: asked for each bulk transfer of a run, in the order of their arrival, counted
    from 0; a status ends the transfer with it, "hang" leaves it, "unplug" unplugs, None lets it be.
    """

    def __init__(
        self,
        device: Loopback,
        play: Callable[[Player], Play],
        fault: Callable[[int, Urb], str | None] = lambda i, urb: None,
    ) -> None:
        super().__init__(daemon=True)
        self.device, self.fault = device, fault
        self.heard = bytearray()
        self.out_sizes: list[int] = []
        self.in_sizes: list[int] = []
        self.waiting: dict[int, deque[Urb]] = {DATA: deque(), EVENT: deque(), INTERRUPT: deque()}
        self.holds_out = False  # leaves bulk-out unanswered in `held`
        self.held: deque[Urb] = deque()
        self.cancelled = 0
        self.error: BaseException | None = None
        self._seen = 0
        self._play = play(self)
        self.start()

    def run(self) -> None:
        try:
            next(self._play, None)
            while (urb := self.device.take(10)) is not None and urb.kind != "close":
                self._serve(urb)
                next(self._play, None)
        except BaseException as error:
            self.error = error
            self.device.unplug()

    def _serve(self, urb: Urb) -> None:
        if urb.kind == "cancel":
            self.cancelled += 1
            for queue in (*self.waiting.values(), self.held):
                for other in [other for other in queue if other.id == urb.id]:
                    queue.remove(other)
            self.device.complete(urb.id, "CANCELLED")
            return
        if urb.kind == "bulk":
            fault, self._seen = self.fault(self._seen, urb), self._seen + 1
            if fault == "unplug":
                self.device.unplug()
            if fault is not None:
                if fault not in ("unplug", "hang"):
                    self.device.complete(urb.id, fault)
                return
        if urb.endpoint == OUT:
            self.out_sizes.append(urb.length)
            self.heard += bytes(urb)
            if self.holds_out:
                self.held.append(urb)
            else:
                self.device.complete(urb.id, "COMPLETED")
            return
        if urb.endpoint == DATA:
            self.in_sizes.append(urb.length)
        self.waiting[urb.endpoint].append(urb)

    # ---- what plays are made of

    def hear(self, size: int) -> Generator[None, None, bytes]:
        while len(self.heard) < size:
            yield
        heard = bytes(self.heard[:size])
        del self.heard[:size]
        return heard

    def expect(self, wanted: bytes) -> Play:
        heard = yield from self.hear(len(wanted))
        assert heard == wanted, f"heard {heard[:64]!r}..., not {wanted[:64]!r}..."

    def say(self, data: bytes, most: int = 1 << 30) -> Play:
        """Output bytes; a read ends when it is full, after `most` bytes, or with the last of them."""
        while data:
            while not self.waiting[DATA]:
                yield
            urb = self.waiting[DATA].popleft()
            size = min(urb.length, most, len(data))
            self.device.complete(urb.id, "COMPLETED", data[:size])
            data = data[size:]

    def tell(self, event: bytes, endpoint: int = EVENT) -> Play:
        while not self.waiting[endpoint]:
            yield
        self.device.complete(self.waiting[endpoint].popleft().id, "COMPLETED", event)

    def end(self, status: str, endpoint: int) -> Play:
        """The pending transfer of this endpoint ends badly."""
        while not self.waiting[endpoint]:
            yield
        self.device.complete(self.waiting[endpoint].popleft().id, status)
