"""Both sides of a USB device that a test plays, and programs in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable

import pytest

from subgraft._native import Loopback, Urb, UsbError, UsbTransfer

OUT, IN, EVENTS, INTERRUPTS = 0x01, 0x81, 0x82, 0x83
READ_32 = (0xC0, 1, 0xA30C, 1)  # a register read: request type, request, value, index
WRITE_32 = (0x40, 1, 0xA30C, 1)


class Player(threading.Thread):
    """Answers every request with `answer` until the device is closed or unplugged."""

    def __init__(self, device: Loopback, answer: Callable[[Loopback, Urb], object]) -> None:
        super().__init__(daemon=True)
        self.device, self.answer = device, answer
        self.seen: list[str] = []
        self.start()

    def run(self) -> None:
        while (urb := self.device.take(5)) is not None and urb.kind != "close":
            self.seen.append(urb.kind)
            self.answer(self.device, urb)


def accept(device: Loopback, urb: Urb) -> None:
    if urb.kind != "cancel":
        device.complete(urb.id, "COMPLETED", bytes(urb.length) if urb.endpoint & 0x80 else None)


def taken(device: Loopback) -> Urb:
    urb = device.take(5)
    assert urb is not None
    return urb


def finish(device: Loopback, *transfers: UsbTransfer) -> None:
    end = time.monotonic() + 5
    while any(transfer.status is None for transfer in transfers):
        assert device.wait(max(0.0, end - time.monotonic()))


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(UsbError) as caught:
        call()
    return caught.value.code


def in_child(script: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout
