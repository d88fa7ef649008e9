"""The endpoints' queues: transfers that wait for the device, and bytes that wait for the host."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from subgraft.backends.edgetpu.emulator.urb import OK, OVERFLOW, Urb


@dataclass(slots=True)
class _Burst:
    """Bytes for the host, sent in chunks: a chunk that is no multiple of a packet ends with a short packet."""

    data: memoryview
    chunk_bytes: int
    sent: int = 0

    def span(self, packet_bytes: int) -> int:
        """Bytes up to where a short packet may be: the end of the chunk, or of all."""
        rest = len(self.data) - self.sent
        if self.chunk_bytes % packet_bytes == 0:
            return rest
        return min(rest, self.chunk_bytes - self.sent % self.chunk_bytes)

    def take(self, size: int) -> memoryview:
        self.sent += size
        return self.data[self.sent - size : self.sent]


class InPipe:
    """One IN endpoint: ends transfers in order, as packets come.

    deliver: gets each transfer with its status and bytes; False: it stays pending, and nothing passes it.
    """

    def __init__(self, packet_bytes: int, deliver: Callable[[Urb, str, bytes], bool]) -> None:
        self.halted = False
        self._packet_bytes = packet_bytes
        self._deliver = deliver
        self._urbs: deque[Urb] = deque()
        self._bursts: deque[_Burst] = deque()
        self._parts: list[memoryview] = []  # that the first transfer has so far
        self._held: Urb | None = None

    @property
    def has_data(self) -> bool:
        """Whether the host has not taken everything yet."""
        return bool(self._bursts)

    def push(self, data: bytes | memoryview, chunk_bytes: int) -> None:
        if data:
            self._bursts.append(_Burst(memoryview(data), chunk_bytes))
            self.pump()

    def push_back(self, data: bytes) -> None:
        """Bytes that did not get through are the next ones again."""
        if data:
            self._bursts.appendleft(_Burst(memoryview(data), len(data)))

    def post(self, urb: Urb) -> None:
        self._urbs.append(urb)
        self.pump()

    def release(self) -> None:
        """The transfer that was held is over."""
        self._held = None
        self.pump()

    def withdraw(self, urb: Urb) -> bytes:
        """Takes a pending transfer out. Returns the bytes that it already had."""
        if urb is self._held:
            self.release()
            return b""
        if urb not in self._urbs:
            return b""
        has_parts = urb is self._urbs[0]
        self._urbs.remove(urb)
        return self._joined() if has_parts else b""

    def drain(self) -> Iterator[Urb]:
        """Forgets everything; gives the transfers that were pending."""
        pending = ([self._held] if self._held else []) + list(self._urbs)
        self._held = None
        self._urbs.clear()
        self._bursts.clear()
        self._parts.clear()
        return iter(pending)

    def pump(self) -> None:
        while self._urbs and self._bursts and self._held is None and not self.halted:
            status = self._fill(self._urbs[0])
            if not status:
                return
            urb = self._urbs.popleft()
            if not self._deliver(urb, status, self._joined()):
                self._held = urb

    def _fill(self, urb: Urb) -> str:
        """Gives it what there is. Returns how it ended; "": it has room left and no short packet came."""
        room = urb.length - sum(len(part) for part in self._parts)
        while self._bursts:
            burst = self._bursts[0]
            span = burst.span(self._packet_bytes)
            if span > room:
                whole = room - room % self._packet_bytes
                if whole:
                    self._parts.append(burst.take(whole))
                if room == whole:
                    return OK
                burst.take(min(self._packet_bytes, span - whole))  # the packet that does not fit is lost
                self._drop_empty()
                return OVERFLOW
            self._parts.append(burst.take(span))
            self._drop_empty()
            room -= span
            if room == 0 or span % self._packet_bytes:
                return OK
        return ""

    def _drop_empty(self) -> None:
        if self._bursts[0].sent == len(self._bursts[0].data):
            self._bursts.popleft()

    def _joined(self) -> bytes:
        data = b"".join(self._parts)
        self._parts.clear()
        return data


@dataclass(slots=True, eq=False)
class _Waiting:
    urb: Urb
    data: memoryview
    begun: bool = False
    used: int = 0


class OutPipe:
    """One OUT endpoint: transfers wait in order until the device takes their bytes.

    begin: asked once for each transfer when its turn comes, with its bytes: the bytes to take instead, or None when
    it does not reach the device. consume: takes some of the bytes, returns how many; fewer: not now. end: told when
    all were taken.
    """

    def __init__(
        self,
        begin: Callable[[Urb, memoryview], memoryview | None],
        consume: Callable[[memoryview], int],
        end: Callable[[Urb], None],
    ) -> None:
        self.halted = False
        self._begin = begin
        self._consume = consume
        self._end = end
        self._waiting: deque[_Waiting] = deque()
        self._held: Urb | None = None
        self._pumping = False

    def post(self, urb: Urb) -> None:
        self._waiting.append(_Waiting(urb, memoryview(urb.data)))
        self.pump()

    def hold(self, urb: Urb) -> None:
        """Called by begin: the transfer stays pending, and nothing passes it."""
        self._held = urb

    def release(self, resumed: memoryview | None = None) -> None:
        """The transfer that was held is over; or it goes on with these bytes."""
        urb, self._held = self._held, None
        if urb and resumed is not None:
            self._waiting.appendleft(_Waiting(urb, resumed, begun=True))
        self.pump()

    def withdraw(self, urb: Urb) -> None:
        """Takes a pending transfer out, and notes how much of it was taken."""
        if urb is self._held:
            self.release()
            return
        found = next((entry for entry in self._waiting if entry.urb is urb), None)
        if found:
            urb.actual = found.used
            self._waiting.remove(found)
            self.pump()

    def drain(self) -> Iterator[Urb]:
        """Forgets everything; gives the transfers that were pending."""
        pending = ([self._held] if self._held else []) + [entry.urb for entry in self._waiting]
        self._held = None
        self._waiting.clear()
        return iter(pending)

    def pump(self) -> None:
        if self._pumping:  # what a transfer sets off may lead here again
            return
        self._pumping = True
        try:
            while self._waiting and self._held is None and not self.halted and self._advance(self._waiting[0]):
                pass
        finally:
            self._pumping = False

    def _advance(self, entry: _Waiting) -> bool:
        """Moves the first transfer on. False: the device takes nothing now."""
        if not entry.begun:
            entry.begun = True
            data = self._begin(entry.urb, entry.data)
            if data is None:
                if self._waiting and self._waiting[0] is entry:
                    self._waiting.popleft()
                return True
            entry.data = data
        rest = entry.data[entry.used :]
        used = self._consume(rest) if len(rest) else 0
        if not self._waiting or self._waiting[0] is not entry:  # what it set off emptied the queue
            return True
        entry.used += used
        if entry.used < len(entry.data):
            return used > 0
        self._waiting.popleft()
        self._end(entry.urb)
        return True
