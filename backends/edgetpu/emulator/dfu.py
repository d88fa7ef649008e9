"""The boot ROM: takes firmware by USB's Device Firmware Upgrade 1.1 and gives its memory back for comparison."""

from __future__ import annotations

import struct
from collections.abc import Callable
from enum import IntEnum

import numpy as np

from subgraft.backends.edgetpu.emulator.descriptors import DFU_TRANSFER_BYTES

MEMORY_BYTES = 32768  # what UPLOAD gives before a short block, seen on hardware
POLL_MS = 1  # bwPollTimeout after a block, seen on hardware


class State(IntEnum):
    """bState, table A.1 of the DFU specification."""

    IDLE = 2
    DNLOAD_SYNC = 3
    DNLOAD_IDLE = 5
    MANIFEST_SYNC = 6
    UPLOAD_IDLE = 9
    ERROR = 10


class Status(IntEnum):
    """bStatus, DFU 1.1, 6.1.2."""

    OK = 0
    ADDRESS = 8
    NOT_DONE = 9
    STALLED_PACKET = 15


class Request(IntEnum):
    """bRequest, DFU 1.1, table 3.2."""

    DETACH = 0
    DNLOAD = 1
    UPLOAD = 2
    GETSTATUS = 3
    CLRSTATUS = 4
    GETSTATE = 5
    ABORT = 6


class BootRom:
    """Takes any image and checks how it comes. An answer of None is a stall.

    firmware: the last image that arrived whole; None: none did since the device was plugged in.
    """

    def __init__(self, violation: Callable[[str, str], None], seed: int) -> None:
        self.firmware: bytes | None = None
        self.state = State.IDLE
        self._status = Status.OK
        self._violation = violation
        self._image = bytearray()
        self._next_block = 0
        self._left_over = np.random.default_rng(seed).bytes(MEMORY_BYTES)  # what memory holds behind the image

    def request(self, request: int, value: int, index: int, length: int, data: bytes) -> bytes | None:
        """One class request to the interface; IN requests give bytes, OUT requests b""."""
        if index != 0:
            self._violation("dfu", f"a DFU request for interface {index}; there is interface 0 only")
            return None
        if request == Request.GETSTATUS:
            return self._get_status()[:length]
        if request == Request.GETSTATE:
            return bytes([self.state])[:length]
        if request == Request.DNLOAD:
            return self._download(value, data)
        if request == Request.UPLOAD:
            return self._upload(value, length)
        if request == Request.CLRSTATUS and self.state is State.ERROR:
            return self._to_idle()
        if request == Request.ABORT and self.state is not State.ERROR:
            return self._to_idle()
        return self._stall(Status.STALLED_PACKET, f"DFU request {request} in state {self.state.name}")

    def fail(self) -> None:
        """Puts it into dfuERROR, as a flash that does not verify would."""
        self.state, self._status = State.ERROR, Status.NOT_DONE
        self.firmware = None

    def _to_idle(self) -> bytes:
        self.state, self._status = State.IDLE, Status.OK
        return b""

    def _get_status(self) -> bytes:
        if self.state is State.DNLOAD_SYNC:
            self.state = State.DNLOAD_IDLE
        elif self.state is State.MANIFEST_SYNC:  # manifestation tolerant: back to idle at once, seen on hardware
            self.state = State.IDLE
            self.firmware = bytes(self._image)
        poll = POLL_MS if self.state is State.DNLOAD_IDLE else 0
        return struct.pack("<BBHBB", self._status, poll, 0, self.state, 0)

    def _download(self, block: int, data: bytes) -> bytes | None:
        if self.state not in (State.IDLE, State.DNLOAD_IDLE):
            return self._stall(Status.STALLED_PACKET, f"a block was sent in state {self.state.name}")
        if self.state is State.IDLE:
            if not data:
                return self._stall(Status.STALLED_PACKET, "an empty image was sent")
            self._image.clear()
            self._next_block = 0
            self.firmware = None
        if block != self._next_block:
            return self._stall(Status.ADDRESS, f"block {block} was sent where {self._next_block} was due")
        self._next_block = (block + 1) & 0xFFFF
        if not data:
            self.state = State.MANIFEST_SYNC
            return b""
        if len(data) > DFU_TRANSFER_BYTES or len(self._image) + len(data) > MEMORY_BYTES:
            return self._stall(Status.ADDRESS, f"{len(data)} bytes were sent after {len(self._image)}")
        self._image += data
        self.state = State.DNLOAD_SYNC
        return b""

    def _upload(self, block: int, length: int) -> bytes | None:
        if self.state not in (State.IDLE, State.UPLOAD_IDLE) or length > DFU_TRANSFER_BYTES:
            return self._stall(Status.STALLED_PACKET, f"{length} bytes were asked for in state {self.state.name}")
        if self.state is State.IDLE:
            self._next_block = 0
        if block != self._next_block:
            return self._stall(Status.ADDRESS, f"block {block} was asked for where {self._next_block} was due")
        self._next_block = block + 1
        start = block * DFU_TRANSFER_BYTES
        memory = bytes(self._image) + self._left_over[len(self._image) :]
        part = memory[start : start + length]
        self.state = State.UPLOAD_IDLE if len(part) == length else State.IDLE
        return part

    def _stall(self, status: Status, text: str) -> bytes | None:
        self._violation("dfu", text)
        self.state, self._status = State.ERROR, status
        return None
