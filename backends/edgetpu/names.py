"""What a user calls an Edge TPU: "usb", "usb:0", ":1", "usb@2-1.3", "emulated:1"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from subgraft.backends.edgetpu.errors import NotFound
from subgraft.delegates import Unavailable

FORMS = '"usb", "usb:0" (the first), "usb@2-1.3" (where it is plugged in), ":0" or "emulated"'
NUMBER = re.compile(r"(?:(?P<kind>usb|pci|emulated)?(?::(?P<index>\d{1,4}))?)")
PATH = re.compile(r"(?:usb@)?(?P<path>\d+-\d+(?:\.\d+)*)")  # bus and ports, as /sys/bus/usb/devices names them


class Plugged(Protocol):
    """A device on a bus."""

    @property
    def path(self) -> str: ...


Stick = TypeVar("Stick", bound=Plugged)


@dataclass(frozen=True, slots=True)
class DeviceName:
    """A device string, understood.

    emulated: one of the emulated devices of this process. path: where it is plugged in; "": the index counts.
    index: among the devices in the order of their paths.
    """

    text: str
    emulated: bool = False
    index: int = 0
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> DeviceName:
        """What follows "edgetpu:" in a device string; pycoral's strings mean what they mean there.

        Raises Unavailable for what names no kind of Edge TPU that subgraft drives.
        """
        plugged = PATH.fullmatch(text)
        if plugged:
            return cls(text, path=plugged["path"])
        match = NUMBER.fullmatch(text)
        if match is None:
            raise Unavailable(f"no Edge TPU goes by {text!r}; write {FORMS}, or nothing for the first one on USB")
        if match["kind"] == "pci":
            raise Unavailable(f"{text!r} is an Edge TPU on PCIe, which subgraft does not drive; it drives those on USB")
        return cls(text, match["kind"] == "emulated", int(match["index"] or 0))

    def pick(self, found: Sequence[Stick]) -> Stick:
        """The one that is meant. Raises NotFound with those that there are."""
        sticks = sorted(found, key=lambda stick: by_path(stick.path))
        fitting = [stick for stick in sticks if stick.path == self.path] if self.path else sticks[self.index :]
        if fitting:
            return fitting[0]
        if not sticks:
            raise NotFound(
                "no Edge TPU is plugged in on USB; plug one in, or ask for 'edgetpu:emulated', which is computed by "
                "the CPU"
            )
        there = ", ".join(f"usb@{stick.path}" for stick in sticks)
        raise NotFound(f"there is no Edge TPU {self.text!r}; there are: {there}")


def by_path(path: str) -> tuple[tuple[int, str], ...]:
    """Sorts "2-1.10" behind "2-1.9"."""
    return tuple((int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"[-.]", path))
