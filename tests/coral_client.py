"""A program that talks to a Coral by pyusb, as users' programs do: what it does is named on its command line.

It is run in a process of its own, and prints one line of JSON.
"""

from __future__ import annotations

import json
import resource
import struct
import sys
import time
from collections.abc import Callable
from typing import Any

import usb.backend.libusb1
import usb.core
import usb.util

DFU, APP = (0x1A6E, 0x089A), (0x18D1, 0x9302)
BLOCK = 256
FOUND_WITHIN_S = 5.0
TIMEOUT_MS = 2000
REGISTER = (0xA30C, 1)  # scu_ctrl_0: wValue, wIndex


def say(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def find(ids: tuple[int, int]) -> Any:
    """With the libusb context that pyusb has: what is plugged in later is seen by udev's announcement."""
    deadline = time.monotonic() + FOUND_WITHIN_S
    while time.monotonic() < deadline:
        device = usb.core.find(idVendor=ids[0], idProduct=ids[1])
        if device is not None:
            return device
        time.sleep(0.01)
    raise SystemExit(f"no device {ids}")


def claimed(ids: tuple[int, int] = APP) -> Any:
    device = find(ids)
    usb.util.claim_interface(device, 0)
    return device


def read_register(device: Any) -> int:
    return int(struct.unpack("<I", bytes(device.ctrl_transfer(0xC0, 1, *REGISTER, 4, TIMEOUT_MS)))[0])


def download(device: Any, image: bytes) -> bool:
    """DFU 1.1, sections 6 and 7. Whether the device gave the image back."""
    blocks = [image[start : start + BLOCK] for start in range(0, len(image), BLOCK)]
    for number, block in enumerate([*blocks, b""]):
        device.ctrl_transfer(0x21, 1, number, 0, block, TIMEOUT_MS)
        status = bytes(device.ctrl_transfer(0xA1, 3, 0, 0, 6, TIMEOUT_MS))
        assert status[0] == 0 and status[4] == (5 if block else 2), status
    back = block = b""
    while len(block) == BLOCK or not back:
        block = bytes(device.ctrl_transfer(0xA1, 2, len(back) // BLOCK, 0, BLOCK, TIMEOUT_MS))
        back += block
    return back[: len(image)] == image


def flash() -> object:
    device = claimed(DFU)
    verified = download(device, bytes(i * 31 & 0xFF for i in range(10783)))
    error = None
    try:
        device.reset()
    except usb.core.USBError as reset:
        error = reset.backend_error_code
    usb.util.dispose_resources(device)
    device = claimed()
    return {"verified": verified, "reset": error, "register": read_register(device), "address": device.address}


def register() -> object:
    return {"register": read_register(claimed())}


def listing() -> object:
    there = usb.core.find(find_all=True)
    return [(device.idVendor, device.idProduct, device.bus, device.port_numbers) for device in there]


def failure(action: Callable[[Any], object]) -> dict[str, object]:
    """What an operation on the device fails with, and what the wait cost."""
    device = claimed()
    cpu, started = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    try:
        action(device)
    except usb.core.USBError as error:
        spent = resource.getrusage(resource.RUSAGE_SELF)
        seconds = spent.ru_utime + spent.ru_stime - cpu.ru_utime - cpu.ru_stime
        return {"errno": error.errno, "waited_s": time.monotonic() - started, "cpu_s": seconds}
    return {"errno": 0}


def read_event() -> object:
    return failure(lambda device: device.read(0x82, 16, 300))


def send_header() -> object:
    return failure(lambda device: device.write(0x01, struct.pack("<II", 16, 0), 300))


def send_much() -> object:
    return failure(lambda device: device.write(0x01, bytes(1 << 20), 300))


def unplugged() -> object:
    """Waits for an event of a device that is pulled meanwhile."""
    return failure(lambda device: device.read(0x82, 16, 20000))


def hold() -> object:
    """Claims the device and waits in a read to be killed."""
    return claimed().read(0x82, 16, 60000)


def claim() -> object:
    try:
        claimed()
    except usb.core.USBError as error:
        return {"errno": error.errno}
    return {"errno": 0}


DOES = (flash, register, listing, read_event, send_header, send_much, unplugged, hold, claim)

if __name__ == "__main__":
    say({does.__name__: does for does in DOES}[sys.argv[1]]())
