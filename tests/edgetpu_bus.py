"""A bus with Coral USB Accelerators on it, played in Python down to endpoint 0, and a record of what they are told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from edgetpu_boot_rom import BootRom, usb_error
from edgetpu_chip import RegisterFile
from edgetpu_sequences import POWER_ON
from subgraft.backends.edgetpu.buses import Found

RUNNING, WAITING = (0x18D1, 0x9302), (0x1A6E, 0x089A)


class Stick:
    """One accelerator.

    log: "reset", "claim 0", "open", "close", ... and the accesses of endpoint 0.
    comes_back: where it is after it took its firmware. looks: how often the bus is looked at before it is back.
    opens_after: how often opening it fails with `first` after it came back.
    """

    def __init__(
        self,
        path: str = "1-1",
        *,
        running: bool = True,
        speed_mbps: int = 5000,
        chip: RegisterFile | None = None,
        rom: BootRom | None = None,
        comes_back: str = "",
        looks: int = 2,
        opens_after: tuple[int, str] = (0, "ACCESS"),
        stays_waiting: bool = False,
    ) -> None:
        self.log: list[str] = []
        self.chip = chip or RegisterFile(POWER_ON)
        self.rom = rom or BootRom()
        self.found = _found(path, 5, RUNNING if running else WAITING, speed_mbps)
        self.away = 0
        self.resets_to: str | None = None  # "" comes back running after a reset, "dfu" waiting; None: stays as it is
        self._comes_back, self._looks, self._opens_after = comes_back, looks, opens_after
        self._stays_waiting = stays_waiting
        self._refuses = 0
        self._detached = False
        self.fail: Callable[[str], str] = lambda step: ""  # the code with which a step of the log fails

    @property
    def is_running(self) -> bool:
        return (self.found.vendor, self.found.product) == RUNNING

    def note(self, step: str) -> None:
        self.log.append(step)
        code = self.fail(step)
        if code:
            raise usb_error(code)

    def reset(self) -> None:
        self.note("reset")
        if self._detached or self.resets_to == "dfu":
            self._return_as(WAITING, self.found.path)
        elif not self.is_running and self.rom.loaded and not self._stays_waiting:
            self._return_as(RUNNING, self._comes_back or self.found.path)
        elif self.resets_to == "":
            self._return_as(RUNNING, self.found.path)
        else:
            return
        raise usb_error("NOT_FOUND")

    def _return_as(self, ids: tuple[int, int], path: str) -> None:
        speed_mbps = 5000 if path != self.found.path else self.found.speed_mbps
        self.found = _found(path, self.found.address + 1, ids, speed_mbps)
        self.away, self._refuses, self._detached, self.resets_to = self._looks, self._opens_after[0], False, None

    def refuse(self) -> None:
        """Raises while the node of a device that came back cannot be opened."""
        if self._refuses:
            self._refuses -= 1
            raise usb_error(self._opens_after[1])

    def detach(self) -> None:
        self._detached = True


def _found(path: str, address: int, ids: tuple[int, int], speed_mbps: int) -> Found:
    return Found(path, int(path.partition("-")[0]), address, *ids, speed_mbps)


class Handle:
    """A stick that was opened."""

    def __init__(self, stick: Stick) -> None:
        self._stick = stick
        self._found = stick.found
        self.is_open = True
        self.speed_mbps = stick.found.speed_mbps

    def control_in(self, request_type: int, *request: int) -> bytes:
        self._expect_there()
        if request_type == 0xC0:
            data = self._stick.chip.control_in(request_type, *request)
            self._stick.note(self._stick.chip.log[-1])
            return data
        data = self._stick.rom.control_in(request_type, *request)
        self._stick.note(self._stick.rom.log[-1])
        return data

    def control_out(
        self, request_type: int, request: int, value: int, index: int, data: bytes, timeout_ms: int
    ) -> None:
        self._expect_there()
        if (request_type, request) == (0x21, 0):
            self._stick.note(f"DETACH {value}")
            self._stick.detach()
            return
        device = self._stick.chip if request_type == 0x40 else self._stick.rom
        device.control_out(request_type, request, value, index, data, timeout_ms)
        self._stick.note(device.log[-1])

    def claim(self, interface: int) -> None:
        self._expect_there()
        self._stick.note(f"claim {interface}")

    def release(self, interface: int) -> None:
        self._expect_there()
        self._stick.note(f"release {interface}")

    def reset(self) -> None:
        self._expect_there()
        self._stick.reset()

    def close(self) -> None:
        if self.is_open:
            self.is_open = False
            self._stick.log.append("close")

    def _expect_there(self) -> None:
        assert self.is_open, "a handle is used after it was closed"
        if self._stick.found != self._found:
            raise usb_error("NO_DEVICE")


@dataclass
class FakeBus:
    """Holds sticks; a stick that is away is listed again after so many looks."""

    sticks: list[Stick]
    name: str = "the test's bus"

    def list(self) -> list[Found]:
        there = []
        for stick in self.sticks:
            if stick.away:
                stick.away -= 1
            else:
                there.append(stick.found)
        return [replace(found) for found in reversed(there)]

    def open(self, found: Found) -> Handle:
        for stick in self.sticks:
            if stick.found == found and not stick.away:
                stick.refuse()
                stick.note("open")
                return Handle(stick)
        raise usb_error("NO_DEVICE")
