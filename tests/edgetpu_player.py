"""A Coral's data endpoints, played by a test: it hears bulk-out as one stream, and says what the test has it say."""

from __future__ import annotations

import struct
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import numpy as np

from edgetpu_packages import Package, small_package
from subgraft._native import EdgeTpuScript, Loopback, Urb
from subgraft.backends.edgetpu.relayout import tile
from subgraft.backends.edgetpu.scripts import native_script
from subgraft.delegates import Array

OUT, DATA, EVENT, INTERRUPT = 0x01, 0x81, 0x82, 0x83
Play = Generator[None, None, None]  # yields when it needs another transfer of the host to go on


def message(tag: int, payload: bytes) -> bytes:
    """As libedgetpu's trace of real hardware has it."""
    return struct.pack("<IB3x", len(payload), tag) + payload


def completion(tag: int = 4) -> bytes:
    return struct.pack("<QIB3x", 0, 0, tag)


class Player(threading.Thread):
    """Serves a Loopback until it is closed or unplugged.

    play: what the device does. fault: asked for each transfer in the order of their arrival, counted from 0: a status
    ends the transfer with it, "hang" leaves it, "unplug" unplugs, None lets it be.
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
        self.error: BaseException | None = None
        self.seen = 0
        self.order: list[int] = []  # the endpoints of all transfers
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
            for queue in (*self.waiting.values(), self.held):
                for other in [other for other in queue if other.id == urb.id]:
                    queue.remove(other)
            self.device.complete(urb.id, "CANCELLED")
            return
        fault = self.fault(self.seen, urb)
        self.seen += 1
        self.order.append(urb.endpoint)
        if fault == "unplug":
            self.device.unplug()
        elif fault is not None and fault != "hang":
            self.device.complete(urb.id, fault)
        if fault is not None:
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

    def say_nothing(self) -> Play:
        """A packet of length zero."""
        while not self.waiting[DATA]:
            yield
        self.device.complete(self.waiting[DATA].popleft().id, "COMPLETED", b"")

    def peek(self, timeout_s: float) -> bool:
        """Serves what comes within this time; whether it was bulk-out."""
        urb = self.device.take(timeout_s)
        if urb is None or urb.kind == "close":
            return False
        self._serve(urb)
        return urb.endpoint == OUT


def echo(player: Player, heard_bytes: int, said: bytes) -> Play:
    """Hears one message, answers, and says that it is done."""
    yield from player.hear(8 + heard_bytes)
    yield from player.say(said)
    yield from player.tell(completion())


@dataclass(frozen=True)
class Case:
    """The inference of small_package(), with its tensors and every byte on the wire."""

    script: EdgeTpuScript
    input: Array
    output: Array  # what it shall become
    heard: Sequence[bytes]  # bulk-out before the scratch comes in
    scratch: bytes
    sent: bytes  # the output as the device sends it, in two parts

    @classmethod
    def small(cls, seed: int = 0) -> Case:
        program = Package.parse(small_package()).inference
        (layer,) = program.outputs
        rng = np.random.default_rng(seed)
        x = rng.integers(0, 256, (4, 5, 3), np.uint8)
        y = rng.integers(-128, 128, (4, 5, 3)).astype(np.int8)
        padded = x.tobytes() + bytes(4)
        heard = [
            message(0, bytes(48)),
            message(1, padded[:40]),
            message(0, bytes(16)),
            message(1, padded[32:]),
            message(2, bytes(24)),
        ]
        return cls(native_script(program), x, y, heard, rng.bytes(16), tile(layer, y, rng))

    def play(self, player: Player) -> Play:
        while True:
            yield from self.play_once(player)

    def play_once(self, player: Player) -> Play:
        yield from player.expect(b"".join(self.heard))
        yield from self.answer(player)

    def answer(self, player: Player) -> Play:
        yield from player.say(self.scratch)
        yield from player.expect(message(1, self.scratch[8:16]))
        yield from player.say(self.sent[:56])
        yield from player.say(self.sent[56:])
        yield from player.tell(completion())

    def empty(self) -> Array:
        return np.full_like(self.output, 77)
