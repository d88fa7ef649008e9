"""A folder that stands in for /sys and /dev in programs that run with libumockdev-preload.

The preloaded library reads $UMOCKDEV_DIR/sys for /sys, $UMOCKDEV_DIR/dev for /dev where the name exists there, and
gives each socket that listens to the kernel's device events the name $UMOCKDEV_DIR/event<number>.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import struct
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

USB_MAJOR = 189  # Documentation/admin-guide/devices.txt
CONTROLLER = "devices/pci0000:00/0000:00:14.0"
SHOWN_OF_THE_HOST = ("devices/system", "fs", "kernel", "module")  # what programs ask about CPUs, memory and limits
PREFIX, LOCK = "coral-", "lock"
LONGEST_SOCKET_PATH = 107  # sun_path, less the final zero
LONGEST_NAME_BELOW = len("/ioctl//dev/bus/usb/000/000")
UDEV_MAGIC = 0xFEEDCAFE  # systemd's device-monitor.c
UDEV_HEADER = struct.Struct("=8s4sIII4s4s8s")  # who, magic, sizes, hashes for the listeners' socket filters, tags
SUBSYSTEM, DEVTYPE = "usb", "usb_device"
SPEED_MBPS = {"high": "480", "super": "5000"}
ROOT_HUBS = {  # as Linux has them
    "high": bytes.fromhex(
        "12 01 00 02 09 00 01 40 6b 1d 02 00 01 06 03 02 01 01"
        "09 02 19 00 01 01 00 e0 00 09 04 00 00 01 09 00 00 00 07 05 81 03 04 00 0c"
    ),
    "super": bytes.fromhex(
        "12 01 00 03 09 00 03 09 6b 1d 03 00 01 06 03 02 01 01"
        "09 02 1f 00 01 01 00 e0 00 09 04 00 00 01 09 00 00 00 07 05 81 03 04 00 0c 06 30 00 00 02 00"
    ),
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a device sits: bus and port as sysfs names them, and the address it got this time."""

    bus: int
    port: int
    address: int

    @property
    def name(self) -> str:
        return f"{self.bus}-{self.port}"

    @property
    def node(self) -> str:
        return f"bus/usb/{self.bus:03}/{self.address:03}"


class TestbedTooDeep(OSError):
    """The temporary directory's name is too long for sockets in it."""


class Testbed:
    """The folder. close() removes it with all that is in it."""

    def __init__(self) -> None:
        _remove_left_over()
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX))
        self._lock = os.open(self.path / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)  # until this process ends, however it ends
        if len(str(self.path)) + LONGEST_NAME_BELOW > LONGEST_SOCKET_PATH:
            self.close()
            raise TestbedTooDeep(f"{self.path} is too long a name for the sockets in it; set TMPDIR to a shorter one")
        self._sequence = 0
        (self.path / "sys/bus/usb/devices").mkdir(parents=True)
        (self.path / "dev/.node").mkdir(parents=True)
        for shown in SHOWN_OF_THE_HOST:
            link = self.path / "sys" / shown
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(f"/sys/{shown}")
        for bus, speed in ((1, "high"), (2, "super")):
            self._add_root_hub(bus, speed)

    def close(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)

    def socket_of(self, place: Place) -> Path:
        """Where the preloaded library connects to when a program opens the node."""
        return self.path / "ioctl/dev" / place.node

    def add(self, place: Place, descriptors: bytes, speed: str, mode: int) -> Gate:
        """Shows the device, which programs can open from now on, and announces it."""
        gate = self._add_node(place, mode)
        self._add_device(place, f"usb{place.bus}/{place.name}", place.name, descriptors, speed)
        self._announce("add", place)
        return gate

    def remove(self, place: Place) -> None:
        """Takes the device away. Its socket stays: a program that opens the node at this moment must find it."""
        (self.path / "sys/bus/usb/devices" / place.name).unlink()
        (self.path / "dev" / place.node).unlink()
        self._node_number(place).unlink()
        shutil.rmtree(self.path / "sys" / CONTROLLER / f"usb{place.bus}" / place.name)
        self._announce("remove", place)

    def _node_number(self, place: Place) -> Path:
        """The preloaded library reads the node's device number here."""
        return self.path / "dev/.node" / place.node.replace("/", "_")

    def _add_node(self, place: Place, mode: int) -> Gate:
        node = self.path / "dev" / place.node
        node.parent.mkdir(parents=True, exist_ok=True)
        self._node_number(place).symlink_to(f"{USB_MAJOR}:{_minor(place)}")
        os.mkfifo(node)
        node.chmod(mode)
        return Gate(node)

    def _add_root_hub(self, bus: int, speed: str) -> None:
        place = Place(bus, 0, 1)
        node = self.path / "dev" / place.node
        node.parent.mkdir(parents=True, exist_ok=True)
        node.touch()
        self._node_number(place).symlink_to(f"{USB_MAJOR}:{_minor(place)}")
        self._add_device(place, f"usb{bus}", f"usb{bus}", ROOT_HUBS[speed], speed)

    def _add_device(self, place: Place, below: str, name: str, descriptors: bytes, speed: str) -> None:
        final = self.path / "sys" / CONTROLLER / below
        folder = final.with_name(f".{name}")  # a program that looks meanwhile sees all of it or nothing
        folder.mkdir(parents=True)
        vendor, product = struct.unpack_from("<HH", descriptors, 8)
        attributes = {
            "busnum": f"{place.bus}",
            "devnum": f"{place.address}",
            "speed": SPEED_MBPS[speed],
            "idVendor": f"{vendor:04x}",
            "idProduct": f"{product:04x}",
            "bConfigurationValue": "1",
            "bNumConfigurations": "1",
            "bDeviceClass": f"{descriptors[4]:02x}",
            "dev": f"{USB_MAJOR}:{_minor(place)}",
        }
        for attribute, value in attributes.items():
            (folder / attribute).write_text(value + "\n")
        (folder / "descriptors").write_bytes(descriptors)
        (folder / "uevent").write_text("".join(f"{key}={value}\n" for key, value in _properties(place).items()))
        (folder / "subsystem").symlink_to(self.path / "sys/bus/usb")
        folder.rename(final)
        (self.path / "sys/bus/usb/devices" / name).symlink_to(os.path.relpath(final, self.path / "sys/bus/usb/devices"))

    def _announce(self, action: str, place: Place) -> None:
        """The message that udevd sends; who does not read its socket misses it, as with the kernel."""
        self._sequence += 1
        properties = {
            "ACTION": action,
            "DEVPATH": f"/{CONTROLLER}/usb{place.bus}/{place.name}",
            "SUBSYSTEM": SUBSYSTEM,
            **_properties(place),
            "DEVNAME": f"/dev/{place.node}",
            "SEQNUM": str(self._sequence),
        }
        body = b"".join(f"{key}={value}".encode() + b"\0" for key, value in properties.items())
        size = UDEV_HEADER.size
        hashes = (struct.pack(">I", murmur2(text.encode())) for text in (SUBSYSTEM, DEVTYPE))
        magic = struct.pack(">I", UDEV_MAGIC)
        header = UDEV_HEADER.pack(b"libudev\0", magic, size, size, len(body), *hashes, bytes(8))
        for listener in self.path.glob("event[0-9]*"):
            _send(listener, header + body)


class Gate:
    """A node's file, which is a pipe: poll() finds it writable exactly while its one page is empty.

    That is how usbfs says that there is something to reap. A pipe cannot be mapped, so libusb_dev_mem_alloc() fails
    here as on kernels before 4.6, and its caller uses plain memory.
    """

    def __init__(self, path: Path) -> None:
        self._pipe: int | None = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.fcntl(self._pipe, fcntl.F_SETPIPE_SZ, os.sysconf("SC_PAGE_SIZE"))
        self._open = True
        self.set(False)

    def set(self, ready: bool) -> None:
        """Not thread-safe."""
        if ready == self._open or self._pipe is None:
            return
        self._open = ready
        with suppress(BlockingIOError):  # a program has read from its node
            if ready:
                os.read(self._pipe, 1)
            else:
                os.write(self._pipe, b"\0")

    def close(self) -> None:
        """May be called twice."""
        if self._pipe is not None:
            os.close(self._pipe)
        self._pipe = None


def murmur2(data: bytes) -> int:
    """MurmurHash2 with the seed 0, which udev's socket filters look for."""
    multiplier, mask = 0x5BD1E995, 0xFFFFFFFF
    state = len(data)
    whole = len(data) & ~3
    for (word,) in struct.iter_unpack("<I", data[:whole]):
        word = word * multiplier & mask
        word = (word ^ word >> 24) * multiplier & mask
        state = state * multiplier & mask ^ word
    if data[whole:]:
        state = (state ^ int.from_bytes(data[whole:], "little")) * multiplier & mask
    state = (state ^ state >> 13) * multiplier & mask
    return state ^ state >> 15


def _remove_left_over() -> None:
    """Folders of processes that were killed."""
    for lock in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{LOCK}"):
        with suppress(OSError):  # somebody else's, or being removed by another process
            file = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(lock.parent, ignore_errors=True)
            finally:
                os.close(file)


def _minor(place: Place) -> int:
    return (place.bus - 1) * 128 + place.address - 1


def _properties(place: Place) -> Mapping[str, str]:
    """The kernel's, as a device's uevent file has them."""
    return {
        "MAJOR": f"{USB_MAJOR}",
        "MINOR": f"{_minor(place)}",
        "DEVNAME": place.node,
        "DEVTYPE": DEVTYPE,
        "BUSNUM": f"{place.bus:03}",
        "DEVNUM": f"{place.address:03}",
    }


def _send(listener: Path, message: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
        try:
            sender.sendto(message, str(listener))
        except ConnectionRefusedError:
            listener.unlink(missing_ok=True)  # the program has closed it
        except (BlockingIOError, FileNotFoundError):
            pass
