"""How a user wants the device driven: the delegate's options, and behind them libedgetpu's environment variables."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from subgraft.delegates.options import flag, seconds, whole

PERFORMANCE = ("max", "high", "medium", "low")
RESETS = ("auto", "always", "never")
SHA256_DIGITS = 64

# libedgetpu driver/beagle/beagle_usb_driver_provider.cc has these defaults.
DEFAULT_TIMEOUT_S = 6.0
DEFAULT_MAX_BULK_OUT_BYTES = 1 << 20
DEFAULT_ASYNC_TRANSFERS = 1 if sys.platform == "darwin" else 3
USB3_CHUNK_BYTES = 1024
USB2_CHUNK_BYTES = 256
SINGLE_ENDPOINT_MODE = 2


@dataclass(frozen=True, slots=True)
class Settings:
    """One way to drive a device.

    performance: the clock, "max", "high", "medium" or "low": 500, 250, 125 or 63 MHz.
    reset: a port reset before use: "auto" (after an unclean close or a failure), "always" or "never".
    timeout_s: for one request, and for one transfer while opening.
    firmware: an image to use instead of the installed one; firmware_sha256: of an image that subgraft does not know.
    verify_firmware: read the image back before the device starts it.
    always_dfu: load the firmware anew, also into a device that has it.
    require_superspeed: refuse a device on a USB 2 link.
    usb2_chunk_bytes: how much output the device sends at a time on a USB 2 link, 256 or 1024.
    max_bulk_out_bytes, async_transfers: bytes of one transfer to the device, and how many of them are outstanding.
    requests_in_flight: 2 where the next request may be sent while the device still works on the last, else 1.
    library: the file of libusb-1.0, or "pyusb"; "": the system's libusb, else pyusb.
    """

    performance: str = "max"
    reset: str = "auto"
    timeout_s: float = DEFAULT_TIMEOUT_S
    firmware: str = ""
    firmware_sha256: str = ""
    verify_firmware: bool = True
    always_dfu: bool = False
    require_superspeed: bool = False
    usb2_chunk_bytes: int = USB2_CHUNK_BYTES
    max_bulk_out_bytes: int = DEFAULT_MAX_BULK_OUT_BYTES
    async_transfers: int = DEFAULT_ASYNC_TRANSFERS
    requests_in_flight: int = 2
    library: str = ""

    @classmethod
    def of(cls, options: Mapping[str, object], environment: Mapping[str, str]) -> Settings:
        """The user's options, which may be text, before the environment's variables before the defaults.

        Raises ValueError, also for a variable that asks libedgetpu for what this driver does not do.
        """
        known = {field.name for field in fields(cls)}
        for name in options:
            if name not in known:
                raise ValueError(f"no setting named {name!r}; there are: {', '.join(sorted(known))}")
        values = _from_environment(environment)
        values.update({name: READERS[name](name, value) for name, value in options.items()})
        return cls(**values)


def _one_of(*allowed: str) -> Callable[[str, object], str]:
    def read(name: str, value: object) -> str:
        text = str(value).strip().lower()
        if text not in allowed:
            raise ValueError(f"option {name!r} is {value!r}: write {', '.join(allowed[:-1])} or {allowed[-1]}")
        return text

    return read


def _between(least: int, most: int) -> Callable[[str, object], int]:
    def read(name: str, value: object) -> int:
        number = whole(name, value)
        if not least <= number <= most:
            raise ValueError(f"option {name!r} is {value!r}: write a number from {least} to {most}")
        return number

    return read


def _chunk(name: str, value: object) -> int:
    number = whole(name, value)
    if number not in (USB2_CHUNK_BYTES, USB3_CHUNK_BYTES):
        raise ValueError(f"option {name!r} is {value!r}: write {USB2_CHUNK_BYTES} or {USB3_CHUNK_BYTES}")
    return number


def _text(name: str, value: object) -> str:
    return str(value)


def _sha256(name: str, value: object) -> str:
    text = str(value).strip().lower()
    if text and (len(text) != SHA256_DIGITS or set(text) - set("0123456789abcdef")):
        raise ValueError(f"option {name!r} is {value!r}: write the {SHA256_DIGITS} hexadecimal digits of a sha256")
    return text


READERS: Mapping[str, Callable[[str, object], Any]] = {
    "performance": _one_of(*PERFORMANCE),
    "reset": _one_of(*RESETS),
    "timeout_s": seconds,
    "firmware": _text,
    "firmware_sha256": _sha256,
    "verify_firmware": flag,
    "always_dfu": flag,
    "require_superspeed": flag,
    "usb2_chunk_bytes": _chunk,
    "max_bulk_out_bytes": _between(1024, 1 << 30),
    "async_transfers": _between(1, 64),
    "requests_in_flight": _between(1, 2),
    "library": _text,
}


def _milliseconds(name: str, value: object) -> float:
    return seconds(name, value) / 1000


def _largest_chunk(name: str, value: object) -> int:
    return USB3_CHUNK_BYTES if flag(name, value) else USB2_CHUNK_BYTES


def _in_flight(name: str, value: object) -> int:
    return 2 if flag(name, value) else 1


# What a variable of libedgetpu sets here.
VARIABLES: Mapping[str, tuple[str, Callable[[str, object], Any]]] = {
    "USB_TIMEOUT_MILLIS": ("timeout_s", _milliseconds),
    "USB_RESET_BACK_TO_DFU_MODE": ("always_dfu", flag),
    "USB_MAX_BULK_OUT_TRANSFER": ("max_bulk_out_bytes", READERS["max_bulk_out_bytes"]),
    "USB_MAX_NUM_ASYNC_TRANSFERS": ("async_transfers", READERS["async_transfers"]),
    "USB_FORCE_LARGEST_BULK_IN_CHUNK_SIZE": ("usb2_chunk_bytes", _largest_chunk),
    "USB_ENABLE_OVERLAPPING_REQUESTS": ("requests_in_flight", _in_flight),
    "USB_FAIL_IF_SLOWER_THAN_SUPERSPEED": ("require_superspeed", flag),
}


@dataclass(frozen=True, slots=True)
class _Only:
    """A variable of libedgetpu that has one value here."""

    value: int
    why: str


FIXED: Mapping[str, _Only] = {
    "USB_OPERATING_MODE": _Only(SINGLE_ENDPOINT_MODE, "this driver speaks to one endpoint and its firmware only"),
    "USB_ENABLE_BULK_DESCRIPTORS_FROM_DEVICE": _Only(0, "this driver follows the hints of the compiled model only"),
    "USB_ENABLE_PROCESSING_OF_HINTS": _Only(1, "this driver follows the hints of the compiled model only"),
    "USB_ENABLE_QUEUED_BULK_IN_REQUESTS": _Only(1, "this driver always posts its reads before it sends"),
}

# Of no effect: credits belong to modes with several endpoints; with one, nothing is sent while an output is on its way,
# in libedgetpu as here; and reads are as long as the outputs here, so that they need no queue.
WITHOUT_EFFECT: Mapping[str, Callable[[str, object], Any]] = {
    "USB_SOFTWARE_CREDITS_LOW_LIMIT": whole,
    "USB_ENABLE_OVERLAPPING_BULK_IN_AND_OUT": flag,
    "USB_BULK_IN_QUEUE_CAPACITY": whole,
}


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """Raises ValueError for values that cannot be read or honoured. An empty variable counts as none."""
    given = {name: text for name, text in environment.items() if text.strip()}
    for name, only in FIXED.items():
        if name in given and int(_switch(name, given[name])) != only.value:
            raise ValueError(f"{name} is {given[name]!r}, and {only.why}; unset it or set it to {only.value}")
    for name, read in WITHOUT_EFFECT.items():
        if name in given:
            read(name, given[name])
    return {setting: read(name, given[name]) for name, (setting, read) in VARIABLES.items() if name in given}


def _switch(name: str, text: str) -> int:
    """A number, or yes and no."""
    return int(text) if text.strip().isdecimal() else int(flag(name, text))
