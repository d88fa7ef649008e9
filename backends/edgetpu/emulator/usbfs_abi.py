"""usbfs as its callers see it: numbers and structures from <linux/usbdevice_fs.h> of 64-bit Linux."""

from __future__ import annotations

import errno
import struct
from typing import Protocol

POINTER = struct.Struct("<Q")
UINT = struct.Struct("<I")
URB = struct.Struct("<BBxxiI4xQiiiiiIQ")  # struct usbdevfs_urb
URB_OUTCOME = struct.Struct("<ii")  # its buffer_length and actual_length
STATUS_OFFSET, LENGTHS_OFFSET = 4, 24

TYPE_INTERRUPT, TYPE_CONTROL, TYPE_BULK = 1, 2, 3


def _request(direction: int, number: int, size: int) -> int:
    """_IOC('U', ...) of <asm-generic/ioctl.h>; direction: 1 write, 2 read, as user space sees them."""
    return direction << 30 | size << 16 | ord("U") << 8 | number


_NONE, _WRITE, _READ = 0, 1, 2
RESETEP = _request(_READ, 3, 4)
SETINTERFACE = _request(_READ, 4, 8)
SETCONFIGURATION = _request(_READ, 5, 4)
GETDRIVER = _request(_WRITE, 8, 260)
SUBMITURB = _request(_READ, 10, URB.size)
DISCARDURB = _request(_NONE, 11, 0)
REAPURB = _request(_WRITE, 12, 8)
REAPURBNDELAY = _request(_WRITE, 13, 8)
CLAIMINTERFACE = _request(_READ, 15, 4)
RELEASEINTERFACE = _request(_READ, 16, 4)
CONNECTINFO = _request(_WRITE, 17, 8)
IOCTL = _request(_READ | _WRITE, 18, 16)
RESET = _request(_NONE, 20, 0)
CLEAR_HALT = _request(_READ, 21, 4)
GET_CAPABILITIES = _request(_READ, 26, 4)
DISCONNECT_CLAIM = _request(_READ, 27, 264)
GET_SPEED = _request(_NONE, 31, 0)


class Refused(Exception):
    """The ioctl fails with this errno."""

    def __init__(self, number: int) -> None:
        super().__init__(errno.errorcode[number])
        self.number = number


class Memory(Protocol):
    """The memory of the process that made the ioctl; valid while it waits for the answer."""

    def read(self, address: int, size: int) -> bytes: ...

    def write(self, address: int, data: bytes) -> None: ...
