"""The emulated Corals of one delegate: in this process, taught what they have to compute, told to misbehave."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from subgraft.backends.edgetpu.accelerators import device_of, name_of
from subgraft.backends.edgetpu.errors import NotFound
from subgraft.backends.edgetpu.loadable import Loadable
from subgraft.backends.edgetpu.package import Package
from subgraft.delegates import Device, ModelError, Rejected, Unsupported

# The emulator itself is imported in the functions that need it: with a real device none is called.
if TYPE_CHECKING:
    from subgraft.backends.edgetpu.buses import Bus, Found
    from subgraft.backends.edgetpu.emulator import EmulatedCoral

NAME = "edgetpu"
KIND = "emulated"
FORM = re.compile(KIND + r"(?::(?P<index>\d{1,4}))?")
MOST_STICKS = 16


class Emulation:
    """Made when the first emulated device is asked for.

    sticks: how many there are. faults: what goes wrong with each of them from the beginning.
    Raises ValueError for what is no fault, and for a number of sticks that cannot be.
    """

    def __init__(self, sticks: int, faults: str) -> None:
        if not 1 <= sticks <= MOST_STICKS:
            raise ValueError(f"option 'sticks' is {sticks}: there may be 1 to {MOST_STICKS} emulated devices")
        self._count = sticks
        self._faults = faults
        self._lock = threading.Lock()
        self._bus: Bus | None = None  # made for the first who asks
        self._corals: list[EmulatedCoral] = []
        self._taught: set[bytes] = set()
        if faults:
            self._rules()

    @staticmethod
    def is_meant(wanted: str) -> bool:
        """Whether a device string is of an emulated device."""
        return FORM.fullmatch(wanted) is not None

    def device(self, wanted: str) -> Device:
        """The device of such a string. Raises NotFound."""
        match = FORM.fullmatch(wanted)
        index = int(match["index"] or 0) if match else 0
        if index >= self._count:
            raise NotFound(
                f"there is no {NAME}:{wanted}: the option 'sticks' says {self._count}, counted from 0; give more sticks"
            )
        return device_of(self._at(index))

    def devices(self) -> list[Device]:
        """Those that are plugged in."""
        return [device_of(found) for found in self.bus.list()]

    def has(self, device: Device) -> bool:
        """Whether it is one of these."""
        return device.emulated and self.is_meant(device.id)

    def found(self, device: Device) -> Found:
        """Where it is on the bus. Raises NotFound."""
        return self._at(_number(device))

    def _at(self, index: int) -> Found:
        name = f"{KIND}:{index}"
        for found in self.bus.list():
            if name_of(found) == name:
                return found
        raise NotFound(f"{NAME}:{name} is unplugged")

    @property
    def bus(self) -> Bus:
        from subgraft.backends.edgetpu.emulator.bus import EmulatedBus

        with self._lock:
            if self._bus is None:
                self._bus = EmulatedBus(self._devices())
            return self._bus

    def teach(self, loadable: Loadable) -> None:
        """Every device learns the program. Raises Rejected for one that the CPU cannot compute."""
        from subgraft.backends.edgetpu.emulator import EmulatedProgram
        from subgraft.backends.edgetpu.emulator.numerics import Numerics

        if loadable.uncompiled is None:
            raise Rejected("nobody told the emulated device what this program computes")
        key = _digest(loadable.package)
        with self._lock:
            if key in self._taught:
                return
            try:
                compute = Numerics(loadable.package, loadable.uncompiled)
            except (ValueError, Unsupported, ModelError) as error:
                raise Rejected(f"the emulated device cannot compute this: {error}") from error
            program = EmulatedProgram(loadable.package, compute)
            for coral in self._devices():
                coral.teach(program)
            self._taught.add(key)

    def ask(self, device: Device) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
        """What plugs, unplugs and breaks this device; see emulator/remote.py."""
        from subgraft.backends.edgetpu.emulator.remote import Remote

        with self._lock:
            remote, number = Remote(self._devices()), _number(device)
        return lambda request: remote.ask({"stick": number, **request})

    def _devices(self) -> Sequence[EmulatedCoral]:
        """Makes them, with their faults, when there are none. Called with the lock."""
        from subgraft.backends.edgetpu.emulator import EmulatedCoral

        if not self._corals:
            self._corals = [EmulatedCoral(seed=number) for number in range(self._count)]
            for coral in self._corals:
                coral.inject(*self._rules())
        return self._corals

    def _rules(self) -> Sequence[Any]:
        from subgraft.backends.edgetpu.emulator import Fault

        return Fault.parse(self._faults)


def _number(device: Device) -> int:
    return int(device.id.partition(":")[2] or 0)


def _digest(package: Package) -> bytes:
    """Equal for programs that a device cannot tell apart."""
    digest = hashlib.sha256()
    for program in package.executables:
        for part in (*(bitstream.data for bitstream in program.bitstreams), program.parameters):
            digest.update(hashlib.sha256(part).digest())
    return digest.digest()
