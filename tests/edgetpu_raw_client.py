"""A client of the emulated Coral that shares nothing with the driver: transfers as in public traces of hardware."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from contextlib import suppress

from subgraft.backends.edgetpu.emulator import EmulatedCoral, Urb

FIRMWARE = bytes(i * 7 % 251 for i in range(10783))  # of the size of the real one: 42 blocks and 31 bytes
SCALARS = (0x44018, 0x44158, 0x44198, 0x441D8, 0x44218)
TILES = (0x400C0, 0x40150, 0x40110, 0x40250, 0x40298, 0x402E0, 0x40328, 0x40190, 0x401D0, 0x40210)
INTERRUPTS = (0x4C060, 0x4C070, 0x4C080, 0x4C090, 0x4C0A0)


class Unanswered(Exception):
    """The device leaves the transfer pending."""


class Ended(Exception):
    """The transfer ended with another status than OK."""


class RawClient:
    """Every transfer is expected to end at once: there is no latency in the emulated device unless asked for."""

    def __init__(self, coral: EmulatedCoral) -> None:
        self.coral = coral

    def start(self, urb: Urb) -> Urb:
        self.coral.submit(urb, lambda ended: None)
        return urb

    def finish(self, urb: Urb) -> Urb:
        if not urb.status:
            self.coral.cancel(urb)
            raise Unanswered
        if urb.status != "OK":
            raise Ended(urb.status)
        return urb

    def control(self, kind: int, request: int, value: int, index: int, data: int | bytes) -> bytes:
        """data: how many bytes to read, or what to write."""
        length = data if isinstance(data, int) else len(data)
        setup = struct.pack("<BBHHH", kind, request, value, index, length)
        return self.finish(self.start(Urb(0, length, b"" if isinstance(data, int) else data, setup))).reply

    def read(self, offset: int, width: int) -> int:
        request = {8: 0, 4: 1}[width]
        return int.from_bytes(self.control(0xC0, request, offset & 0xFFFF, offset >> 16, width), "little")

    def write(self, offset: int, width: int, value: int) -> None:
        request = {8: 0, 4: 1}[width]
        self.control(0x40, request, offset & 0xFFFF, offset >> 16, value.to_bytes(width, "little"))

    def out(self, data: bytes, endpoint: int = 0x01) -> int:
        return self.finish(self.start(Urb(endpoint, len(data), data))).actual

    def read_later(self, endpoint: int, length: int) -> Urb:
        return self.start(Urb(endpoint, length))

    def take(self, endpoint: int, length: int) -> bytes:
        return self.finish(self.read_later(endpoint, length)).reply

    # Sequences.

    def send(self, tag: int, payload: bytes, most: int = 1 << 20) -> None:
        self.out(struct.pack("<IBBBB", len(payload), tag, 0, 0, 0))
        for at in range(0, len(payload), most):
            self.out(payload[at : at + most])

    def download(self, firmware: bytes = FIRMWARE) -> None:
        blocks = [firmware[at : at + 256] for at in range(0, len(firmware), 256)]
        for number, block in enumerate([*blocks, b""]):
            self.control(0x21, 1, number, 0, block)
            status, poll, _, state, _ = struct.unpack("<BBHBB", self.control(0xA1, 3, 0, 0, 6))
            if (status, state) != (0, 5 if block else 2):
                raise AssertionError(f"block {number}: status {status}, state {state}, poll {poll}")

    def upload(self) -> list[bytes]:
        blocks: list[bytes] = []
        while not blocks or len(blocks[-1]) == 256:
            blocks.append(self.control(0xA1, 2, len(blocks), 0, 256))
        return blocks

    def open(self, chunk: int = 0x80) -> None:
        """As a public trace of hardware shows it, at the highest clocks."""
        self.write(0x1A30C, 4, self.read(0x1A30C, 4) & ~0x00000F00)
        self.read(0x1A314, 4)
        self.write(0x1A318, 4, self.read(0x1A318, 4) | 0x00C00000)
        assert self.read(0x1A318, 4) >> 8 & 3 == 2
        self.write(0x1907C, 4, 0xF)
        self.write(0x1907C, 4, 0)
        self.write(0x1A318, 4, self.read(0x1A318, 4) & 0x0FFFFFFF & ~0x00400000)
        assert self.read(0x1A318, 4) >> 8 & 3 == 0
        assert self.read(0x44018, 8) == 0
        self.write(0x4A000, 8, 1)
        self.broadcast()
        self.write(0x40020, 8, 0x1E02)
        self.write(0x1A314, 4, self.read(0x1A314, 4) & ~0x000C0000 | 0x00040000)
        self.read(0x1A000, 4)
        for offset, value in ((0x4C148, 0xF0), (0x4C160, 0), (0x4C058, chunk)):
            self.write(offset, 8, value)
        self.run_controls(1)
        for offset in INTERRUPTS:
            self.write(offset, 8, 1)

    def broadcast(self) -> None:
        self.write(0x48788, 8, 0x7F)
        assert self.read(0x48788, 8) == 0x7F

    def run_controls(self, value: int) -> None:
        for offset in SCALARS:
            self.write(offset, 8, value)
        self.broadcast()
        for offset in TILES:
            self.write(offset, 8, value)

    def sleep(self) -> None:
        self.write(0x1A318, 4, self.read(0x1A318, 4) | 0x00C00000)

    def sleep_quietly(self) -> None:
        """Whatever state the device is in."""
        with suppress(Unanswered, Ended):
            self.sleep()

    def store(self, instructions: Sequence[bytes], parameters: bytes) -> bytes:
        """The first half of a first inference. Returns the event."""
        self.send(0, instructions[0])
        self.send(2, parameters)
        return self.take(0x82, 16)


def event(tag: int, size: int = 0, address: int = 0) -> bytes:
    return struct.pack("<QIBBBB", address, size, tag, 0, 0, 0)
