"""What becomes of transfers through pyusb when its libraries do what they should not."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from edgetpu_usb import IN, OUT, READ_32, code_of, finish
from subgraft.backends.edgetpu.pyusb_bus import _Player
from waiting import until


class Library:
    """A backend of pyusb that fails with what pyusb never announced."""

    def __init__(self) -> None:
        self.is_closed = False

    def _fail(self, *_: Any) -> int:
        raise RuntimeError("what a broken library does")

    ctrl_transfer = bulk_read = bulk_write = _fail

    def claim_interface(self, handle: object, interface: int) -> None:
        pass

    def release_interface(self, handle: object, interface: int) -> None:
        pass

    def close_device(self, handle: object) -> None:
        self.is_closed = True


@pytest.mark.parametrize("kind", ["control", "out", "in"])
def test_a_library_that_breaks_down_ends_every_transfer_at_once(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[type[BaseException]] = []
    monkeypatch.setattr(threading, "excepthook", lambda arguments: told.append(arguments.exc_type))
    library = Library()
    device = _Player(library, object(), 5000, OSError).loopback
    device.claim(0)
    start = time.monotonic()
    if kind == "control":
        assert code_of(lambda: device.control_in(*READ_32, 4, 10_000)) == "NO_DEVICE"
    else:
        transfer = device.submit_out(OUT, b"abc") if kind == "out" else device.submit_in(IN, 16)
        finish(device, transfer)
        assert transfer.status == "NO_DEVICE"
    assert code_of(lambda: device.control_in(*READ_32, 4, 10_000)) == "NO_DEVICE"
    assert time.monotonic() - start < 5
    device.close()
    until(lambda: not any(thread.name.startswith("pyusb") for thread in threading.enumerate()))
    assert library.is_closed
    assert told == [RuntimeError]
