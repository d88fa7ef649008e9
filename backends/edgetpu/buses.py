"""Where Edge TPUs are looked for: the machine's USB, through one library or another."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from subgraft import _native
from subgraft.backends.edgetpu.errors import NoUsbLibrary

PYUSB = "pyusb"  # in place of a library's path
LIBRARY_VARIABLE = "SUBGRAFT_LIBUSB"
EMULATOR_VARIABLE = "SUBGRAFT_EMULATOR"  # set for programs whose whole USB is emulated
LIST_TRIES, LIST_PAUSE_S = 10, 0.02
LIST_AGAIN = ("IO", "NO_DEVICE")


@dataclass(frozen=True, slots=True)
class Found:
    """One device that is plugged in.

    path: "2-1.3": the bus, and the ports from its root on; stays while the device stays in its port.
    address: another one after every reset or replugging.
    speed_mbps: of the link; 0 if unknown.
    """

    path: str
    bus: int
    address: int
    vendor: int
    product: int
    speed_mbps: int
    emulated: bool = False


class Bus(Protocol):
    """One way to reach USB devices."""

    @property
    def name(self) -> str: ...

    def list(self) -> Sequence[Found]:
        """What is plugged in now. Raises _native.UsbError."""

    def open(self, found: Found) -> _native.UsbDevice:
        """Raises _native.UsbError: NO_DEVICE when it is gone, ACCESS without permission."""


class LibusbBus:
    """Through libusb-1.0, from native code. Raises NoUsbLibrary where it cannot be loaded.

    library: its file; "": what SUBGRAFT_LIBUSB names, else the system's.
    """

    name = "libusb"

    def __init__(self, library: str = "") -> None:
        try:
            self._usb = _native.LibUsb(library or None)
        except _native.UsbError as error:
            raise NoUsbLibrary(str(error)) from ImportError(str(error))

    def list(self) -> Sequence[Found]:
        emulated = is_emulated()
        return [
            Found(path_of(bus, ports), bus, address, vendor, product, speed_mbps, emulated)
            for bus, ports, address, vendor, product, speed_mbps in self._listed()
            if ports  # a root hub has none
        ]

    def _listed(self) -> Sequence[tuple[int, tuple[int, ...], int, int, int, int]]:
        """Again, a few times: libusb gives up when any device comes or goes while it reads what there is."""
        for _ in range(LIST_TRIES - 1):
            try:
                return self._usb.list()
            except _native.UsbError as error:
                if error.code not in LIST_AGAIN:
                    raise
                time.sleep(LIST_PAUSE_S)
        return self._usb.list()

    def open(self, found: Found) -> _native.UsbDevice:
        return self._usb.open(found.bus, ports_of(found.path))


def default_bus(library: str = "") -> Bus:
    """libusb, else pyusb. Raises NoUsbLibrary, which says what was looked for.

    library: the file of libusb-1.0, or "pyusb"; then nothing else is tried.
    """
    from subgraft.backends.edgetpu.pyusb_bus import PyusbBus

    if library == PYUSB:
        return PyusbBus()
    try:
        return LibusbBus(library)
    except NoUsbLibrary as no_libusb:
        if library or os.environ.get(LIBRARY_VARIABLE):
            raise
        try:
            return PyusbBus()
        except NoUsbLibrary as no_pyusb:
            reason = f"{no_libusb.reason}; {no_pyusb.reason}"
            raise NoUsbLibrary(reason) from ImportError(reason)


def is_emulated() -> bool:
    """Whether this process sees an emulated USB in place of the machine's."""
    return bool(os.environ.get(EMULATOR_VARIABLE))


def path_of(bus: int, ports: Sequence[int]) -> str:
    """As in /sys/bus/usb/devices."""
    return f"{bus}-{'.'.join(map(str, ports))}"


def ports_of(path: str) -> tuple[int, ...]:
    """Of "2-1.3": (1, 3)."""
    return tuple(map(int, path.partition("-")[2].split(".")))
