"""From a device on the bus to one that is awake: reset, firmware, link, registers. And back."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from subgraft import _native
from subgraft.backends.edgetpu import accelerators, dfu, sequence
from subgraft.backends.edgetpu.accelerators import USB3_MBPS, called, is_running
from subgraft.backends.edgetpu.buses import Bus, Found
from subgraft.backends.edgetpu.control import Control, Registers
from subgraft.backends.edgetpu.deadline import Deadline
from subgraft.backends.edgetpu.errors import (
    Busy,
    FirmwareFailed,
    LinkFailed,
    LinkTooSlow,
    Lost,
    NoPermission,
    Stalled,
    TimedOut,
    translate,
)
from subgraft.backends.edgetpu.settings import USB3_CHUNK_BYTES, Settings
from subgraft.delegates import DelegateError

OPEN_TIMEOUT_S = 10.0  # for everything: firmware, two re-enumerations and the registers take about 1 s
REENUMERATION_TIMEOUT_S = 3.0  # of these for one re-enumeration, as libedgetpu waits
CLOSE_TIMEOUT_S = 2.0
TRANSFER_TIMEOUT_S = 2.0  # of one control transfer; a device answers within 1 ms
RETURN_PATIENCE_S = 0.5  # with a lost device, which may be on its way back
LOOK_PAUSE_S = 0.01  # between two looks at the bus
NODE_PATIENCE_S = 2.0  # udev gives a new node its permissions after a while
APPLICATION_INTERFACE = 0
RESETTABLE = (TimedOut, Stalled, LinkFailed)  # what a port reset may cure
GONE = ("NOT_FOUND", "NO_DEVICE")  # what a reset says when the device comes back as another one
NOT_YET = ("ACCESS", "BUSY", "NO_DEVICE", "NOT_FOUND", "IO")  # what a device says that just came back

LOG = logging.getLogger("subgraft.edgetpu")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Awake:
    """A device whose interface is claimed and whose chip takes instructions."""

    device: _native.UsbDevice
    found: Found

    @property
    def where(self) -> str:
        """For messages."""
        return called(self.found)


class _LeftAwake(Exception):
    """The chip was not put to sleep: whatever its last user had it do, it may still be at it."""


class Opening:
    """One attempt to open one device, bounded as a whole.

    image: gives the firmware; asked for only when the device needs it.
    """

    def __init__(self, bus: Bus, found: Found, settings: Settings, image: Callable[[], bytes]) -> None:
        self._bus = bus
        self._found = found
        self._settings = settings
        self._image = image
        self._deadline = Deadline(OPEN_TIMEOUT_S)
        self._device: _native.UsbDevice | None = None
        self._patience_s = 0.0  # with a node that is there and cannot be opened yet
        self._neighbours: frozenset[str] = frozenset()  # paths of all accelerators before the device left the bus

    def run(self, *, dirty: bool) -> Awake:
        """dirty: its last user left it in disorder. Raises a DelegateError; then nothing stays open."""
        policy = self._settings.reset
        try:
            return self._run(reset_first=policy == "always" or (policy == "auto" and dirty))
        except _LeftAwake:
            LOG.info("%s was left awake by its last user and is reset", self._where)
        except RESETTABLE as error:
            if policy != "auto" or self._deadline.is_over:
                raise
            LOG.warning("%s; it is reset", error.reason)
        except Lost as error:
            self._found = seen_again(self._bus, self._found)
            LOG.warning("%s; it is there again", error.reason)
        return self._run(reset_first=policy != "never")

    @property
    def _where(self) -> str:
        return called(self._found)

    def _run(self, *, reset_first: bool) -> Awake:
        try:
            device = self._enter(reset_first)
            self._expect_speed()
            self._wake(device, may_be_awake=reset_first or self._settings.reset != "auto")
            return Awake(device, self._found)
        except BaseException:
            self._leave()
            raise

    def _enter(self, reset_first: bool) -> _native.UsbDevice:
        """The device with its firmware and its interface claimed."""
        if self._settings.always_dfu and is_running(self._found):
            self._forget_firmware()
        elif reset_first:
            self._reset()
        if not is_running(self._found):
            self._load_firmware()
        device = self._opened()
        self._patiently(lambda: device.claim(APPLICATION_INTERFACE), "claiming its interface")
        return device

    def _reset(self) -> None:
        """Also where the device comes back as another one, in whatever mode. Raises Busy where somebody else runs it.

        A lock of another user's may lie where this one does not look; the kernel's claim is there for all.
        """
        device = self._opened()
        before = self._found
        if is_running(before):
            self._patiently(lambda: device.claim(APPLICATION_INTERFACE), "claiming its interface")
        try:
            self._note_neighbours()
            if is_running(before):
                device.release(APPLICATION_INTERFACE)
            device.reset()
        except _native.UsbError as error:
            if error.code not in GONE:
                raise self._failure(error, "resetting its port") from error
            self._leave()
            self._await_return(lambda found: found != before, Lost, "did not come back after a reset")

    def _forget_firmware(self) -> None:
        device = self._opened()
        self._patiently(lambda: device.claim(APPLICATION_INTERFACE), "claiming its interface")
        dfu.detach(self._control(device), APPLICATION_INTERFACE)
        self._restart(device, APPLICATION_INTERFACE)
        self._await_return(
            lambda found: not is_running(found), FirmwareFailed, "did not go back to wait for its firmware"
        )

    def _load_firmware(self) -> None:
        image = self._image()
        device = self._opened()
        control = self._control(device)
        interface = dfu.dfu_interface(control)
        self._patiently(lambda: device.claim(interface.number), "claiming its interface")
        download = dfu.Download(control, interface, image)
        if self._settings.verify_firmware:
            download.run_verified()
        else:
            download.run()
        self._restart(device, interface.number)
        self._await_return(is_running, FirmwareFailed, "took its firmware and did not come back with it")

    def _restart(self, device: _native.UsbDevice, interface: int) -> None:
        """A port reset after which the device shows itself as another one."""
        self._note_neighbours()
        try:
            device.release(interface)
            device.reset()
        except _native.UsbError as error:
            if error.code not in GONE:
                raise self._failure(error, "resetting its port") from error
        self._leave()

    def _note_neighbours(self) -> None:
        self._neighbours = frozenset(found.path for found in accelerators.attached(self._bus))

    def _await_return(self, is_it: Callable[[Found], bool], kind: type[DelegateError], otherwise: str) -> None:
        """Looks at the bus until the device is there again: at the same port, or at the same of another bus.

        Raises `kind` with the words `otherwise`.

        A change between USB 2 and USB 3 changes the bus, whose root hubs number the same ports.
        """
        ports = accelerators.place(self._found.path)[1:]
        patience = Deadline(min(REENUMERATION_TIMEOUT_S, self._deadline.left_s()))
        while True:
            there = [found for found in accelerators.attached(self._bus) if is_it(found)]
            new = [found for found in there if found.path not in self._neighbours]
            moved = [found for found in new if accelerators.place(found.path)[1:] == ports]
            back = next((found for found in there if found.path == self._found.path), *moved[:1] or (None,))
            if back:
                self._found, self._patience_s = back, NODE_PATIENCE_S
                return
            if patience.is_over:
                within = f"within {patience.seconds:.1f} s"
                elsewhere = f"; meanwhile there is {', '.join(map(called, new))}" if new else ""
                raise kind(
                    f"the Edge TPU {self._where} {otherwise} {within}{elsewhere}; plug it in again"
                ) from TimeoutError(within)
            patience.sleep(LOOK_PAUSE_S)

    def _opened(self) -> _native.UsbDevice:
        if self._device is None:
            self._device = self._patiently(lambda: self._bus.open(self._found), "opening it")
        return self._device

    def _patiently(self, once: Callable[[], T], doing: str) -> T:
        """Tries again while a device that just came back gets its permissions and interfaces."""
        patience = Deadline(min(self._patience_s, self._deadline.left_s()))
        while True:
            try:
                return once()
            except _native.UsbError as error:
                if error.code not in NOT_YET or patience.is_over:
                    raise self._failure(error, doing) from error
            patience.sleep(LOOK_PAUSE_S)

    def _failure(self, error: _native.UsbError, doing: str) -> DelegateError:
        failure = translate(error, doing, self._where)
        if isinstance(failure, Busy):
            return Busy(accelerators.in_use(self._found, None))
        if isinstance(failure, NoPermission):
            return accelerators.no_permission(self._found)
        return failure

    def _expect_speed(self) -> None:
        if self._found.speed_mbps >= USB3_MBPS:
            return
        if self._settings.require_superspeed:
            raise LinkTooSlow(
                f"the Edge TPU {self._where} is on a USB 2 link ({self._found.speed_mbps} Mbit/s); use a USB 3 port "
                "and cable, or leave out require_superspeed and USB_FAIL_IF_SLOWER_THAN_SUPERSPEED"
            )
        LOG.warning("%s is on a USB 2 link, where inferences take several times as long", self._where)

    def _wake(self, device: _native.UsbDevice, *, may_be_awake: bool) -> None:
        def left_awake() -> None:
            if not may_be_awake:
                raise _LeftAwake

        registers = Registers(self._control(device))
        sequence.wake(registers, self._settings.performance, chunk_bytes(self._found, self._settings), left_awake)

    def _control(self, device: _native.UsbDevice) -> Control:
        return Control(device, self._where, self._deadline, min(self._settings.timeout_s, TRANSFER_TIMEOUT_S))

    def _leave(self) -> None:
        """Lets go of the handle, whatever state the device is in."""
        if self._device is not None:
            self._device.close()
            self._device = None


def seen_again(bus: Bus, found: Found) -> Found:
    """A device that was lost, in whatever mode it came back to its port. Raises Lost."""
    patience = Deadline(RETURN_PATIENCE_S)
    while True:
        for there in accelerators.attached(bus):
            if there.path == found.path:
                return there
        if patience.is_over:
            raise Lost(f"the Edge TPU {called(found)} is not plugged in any more; plug it in again")
        patience.sleep(LOOK_PAUSE_S)


def chunk_bytes(found: Found, settings: Settings) -> int:
    """How much output the device sends at a time."""
    return USB3_CHUNK_BYTES if found.speed_mbps >= USB3_MBPS else settings.usb2_chunk_bytes


def put_to_sleep(awake: Awake) -> None:
    """Leaves the device as its next user expects it. Raises a DelegateError where that failed; it is closed anyway."""
    control = Control(awake.device, awake.where, Deadline(CLOSE_TIMEOUT_S), TRANSFER_TIMEOUT_S)
    try:
        sequence.put_to_sleep(Registers(control))
        awake.device.release(APPLICATION_INTERFACE)
    except _native.UsbError as error:
        raise translate(error, "releasing its interface", awake.where) from error
    finally:
        awake.device.close()
