"""What can go wrong with an Edge TPU, as subclasses of the contract's errors, and the one seam for USB's codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from subgraft.delegates import DelegateError, Failed, ModelError, Rejected, Unavailable


class UsbError(Protocol):
    """What a USB library raises: code is "TIMEOUT", "STALLED", "NO_DEVICE", ..."""

    code: str
    __cause__: BaseException | None


class NotFound(Unavailable):
    """No such device on the bus."""


class NoPermission(Unavailable):
    """This user may not open the device. Raised from a PermissionError."""


class Busy(Unavailable):
    """Somebody else has the device; the message names who, where that is known. Raised from a BlockingIOError."""


class NoUsbLibrary(Unavailable):
    """There is nothing here that speaks USB. Raised from an ImportError."""


class NoFirmware(Unavailable):
    """The device waits for its firmware, and there is none here."""


class FirmwareFailed(Unavailable):
    """The device did not take its firmware, or did not come back with it."""


class LinkTooSlow(Unavailable):
    """The device is on a USB 2 link, and the user asked for nothing slower than USB 3."""


class PackageError(Rejected):
    """The compiled part of the model is malformed."""


class NeedsNewerRuntime(Rejected):
    """The model was compiled for a later runtime than this one."""


class WrongTwin(ModelError):
    """The uncompiled model is not what the compiled one was made from. Never falls back: it is a wrong file."""


class TimedOut(Failed):
    """The device did not answer in time. Raised from a TimeoutError."""


class Stalled(Failed):
    """The device refused a transfer."""


class Lost(Failed):
    """The device is not on the bus any more."""


class LinkFailed(Failed):
    """A transfer broke off: a cable, a hub, power, or a device that is about to go."""


class Fatal(Failed):
    """The device reported an error that it does not go on after."""


class WrongBytes(Failed):
    """The device sent what the protocol does not have here: more, less or other than it should."""


class OutOfMemory(Failed):
    """There is no memory for a run: this machine's, or the kernel's for USB transfers."""


@dataclass(frozen=True, slots=True)
class _Meaning:
    """What a code of the USB library comes to.

    cause: the built-in error that stands for it, which tells callers (and exit codes) the kind of failure.
    """

    kind: type[DelegateError]
    words: str
    cause: type[Exception] | None = None


MEANINGS: Mapping[str, _Meaning] = {
    "TIMEOUT": _Meaning(TimedOut, "did not answer in time; if this repeats, plug it in again", TimeoutError),
    "STALLED": _Meaning(Stalled, "refused the transfer; if this repeats, plug it in again"),
    "NO_DEVICE": _Meaning(Lost, "is gone; check cable, hub and power, and plug it in again"),
    "BUSY": _Meaning(Busy, "is used by another program; end that or choose another device", BlockingIOError),
    "ACCESS": _Meaning(
        NoPermission,
        "may not be opened by this user; 'subgraft devices' prints the udev rule to add, then plug it in again",
        PermissionError,
    ),
    "OVERFLOW": _Meaning(WrongBytes, "sent more than was asked for"),
    "IO": _Meaning(LinkFailed, "had a transfer break off; check cable, hub and power"),
    "NOT_FOUND": _Meaning(NotFound, "is not there (any more); plug it in again"),
    "NO_MEM": _Meaning(
        OutOfMemory,
        "got no memory for USB transfers from the kernel; raise /sys/module/usbcore/parameters/usbfs_memory_mb",
    ),
    "NOT_SUPPORTED": _Meaning(Unavailable, "cannot be used so by the USB library of this system"),
    "CANCELLED": _Meaning(Failed, "had the transfer cancelled"),
    "INVALID": _Meaning(Failed, "got a request that the USB library does not take"),
}


def translate(error: UsbError, doing: str, where: str) -> DelegateError:
    """The error to raise from `error`, which gets the built-in error that it stands for as its own cause.

    doing: what failed, as in "reading scu_ctrl_3"; where: the device as a user types it, "usb@2-1.3".
    """
    meaning = MEANINGS.get(error.code) or _Meaning(Failed, f"failed: {error}")
    if meaning.cause and error.__cause__ is None:
        error.__cause__ = meaning.cause(str(error))
    return meaning.kind(f"the Edge TPU {where} {meaning.words} ({error.code} while {doing})")
