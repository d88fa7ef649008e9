"""Which Coral USB Accelerators are plugged in, how they are named, and what stands in the way of using one."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

from subgraft import _native
from subgraft.backends.edgetpu import locks
from subgraft.backends.edgetpu.buses import Bus, Found
from subgraft.backends.edgetpu.errors import Busy, NoPermission, NotFound, translate
from subgraft.delegates import Device, Facts, Unavailable

# Vendor and product. A device without firmware shows the boot ROM's, one with firmware its own.
RUNNING = (0x18D1, 0x9302)
WAITING = (0x1A6E, 0x089A)

USB3_MBPS = 5000
IN_PROCESS_BUS = 0  # of emulator/bus.py; no machine has a bus with this number
NODES = Path("/dev/bus/usb")
PROCESSES = Path("/proc")

UDEV_FILE = "/etc/udev/rules.d/65-edgetpu-accelerator.rules"
UDEV_RULES = "\n".join(
    f'SUBSYSTEM=="usb", ATTR{{idVendor}}=="{vendor:04x}", ATTR{{idProduct}}=="{product:04x}", '
    'GROUP="plugdev", TAG+="uaccess"'
    for vendor, product in (WAITING, RUNNING)
)

WANTED = re.compile(r"(?P<kind>[a-z]+)?(?:(?:^|:)(?P<index>\d+))?(?:@(?P<path>\d+-\d+(?:\.\d+)*))?")


def attached(bus: Bus) -> list[Found]:
    """Every accelerator on the bus, in either mode, by bus number and port: a stick keeps its place in this list."""
    try:
        listed = bus.list()
    except _native.UsbError as error:
        raise translate(error, "looking for devices", f"on the bus {bus.name}") from error
    return sorted((found for found in listed if _ids(found) in (RUNNING, WAITING)), key=lambda found: place(found.path))


def is_running(found: Found) -> bool:
    """It has its firmware."""
    return _ids(found) == RUNNING


def place(path: str) -> tuple[int, ...]:
    """The numbers in "2-1.3", for sorting and comparing: the bus, then the ports from the root on."""
    return tuple(map(int, re.split(r"[-.]", path)))


def name_of(found: Found) -> str:
    """As a user types it."""
    bus, *ports = place(found.path)
    if found.emulated and bus == IN_PROCESS_BUS:
        return f"emulated:{ports[0] - 1}"
    return f"usb@{found.path}"


def called(found: Found) -> str:
    """For messages: as a user types it, and that it is emulated where that does not say so."""
    name = name_of(found)
    return f"{name} (emulated)" if found.emulated and not name.startswith("emulated") else name


def find(bus: Bus, wanted: str) -> Found:
    """The accelerator of a device string: "" or "usb" (the first), "usb:1", ":1" or "1", or "usb@2-1.3".

    Raises NotFound, which says what there is.
    """
    match = WANTED.fullmatch(wanted.strip())
    if not match or (match["kind"] or "usb") != "usb" or (match["index"] and match["path"]):
        raise NotFound(_no_such_name(wanted, match is not None and match["kind"] == "pci"))
    there = attached(bus)
    if not there:
        raise NotFound(
            f"no Coral USB Accelerator is plugged in: {bus.name} shows neither 18d1:9302 nor 1a6e:089a; check the "
            f"cable{_container_hint()}"
        )
    if match["path"]:
        fitting = [found for found in there if found.path == match["path"]]
    else:
        index = int(match["index"] or 0)
        fitting = there[index : index + 1]
    if not fitting:
        raise NotFound(f"no Edge TPU {wanted}; there: {', '.join(map(called, there))}")
    return fitting[0]


def _no_such_name(wanted: str, is_pci: bool) -> str:
    if is_pci:
        return f"no Edge TPU {wanted}: this release drives the USB Accelerator only"
    return f'no Edge TPU goes by {wanted!r}: write "usb", "usb:0", ":0" or "usb@2-1.3"'


def lock_name(found: Found) -> str | None:
    """What the device's lock file is called; None for a device that lives in this very process."""
    if not found.emulated:
        return name_of(found)
    socket = os.environ.get("SUBGRAFT_EMULATOR")  # emulated by another process, which serves several of its own
    return f"{name_of(found)}-{hashlib.sha256(socket.encode()).hexdigest()[:8]}" if socket else None


def device_of(found: Found) -> Device:
    """As the framework sees it."""
    description = "emulated Coral, no hardware" if found.emulated else "Coral USB Accelerator"
    return Device("edgetpu", name_of(found), description, emulated=found.emulated)


def facts(found: Found) -> Facts:
    """What the bus, its node's permissions and the lock file tell of it."""
    generation = "USB 3" if found.speed_mbps >= USB3_MBPS else "USB 2"
    state = "ready" if is_running(found) else "no firmware"
    return Facts(f"{generation}, {found.speed_mbps} Mbit/s", state, _problem(found))


def _problem(found: Found) -> Unavailable | None:
    lock = lock_name(found)
    holder = locks.owner(lock) if lock else None
    if holder is not None and holder != os.getpid():
        return caused(Busy(in_use(found, holder)), BlockingIOError("the lock is held"))
    path = node(found)
    if not found.emulated and path.exists() and not os.access(path, os.R_OK | os.W_OK):
        return caused(no_permission(found), PermissionError(str(path)))
    return None


def caused(error: Unavailable, cause: Exception) -> Unavailable:
    """The error with the built-in one that it stands for, for an error that is not raised here."""
    error.__cause__ = cause
    return error


def node(found: Found) -> Path:
    """The kernel's file for the device, on Linux."""
    return NODES / f"{place(found.path)[0]:03d}" / f"{found.address:03d}"


def no_permission(found: Found) -> NoPermission:
    """Says how to get it."""
    return NoPermission(
        f"no permission for the Edge TPU {called(found)} ({node(found)}); write these two lines to {UDEV_FILE}, then "
        f"run 'sudo udevadm control --reload' and plug it in again{_container_hint()}:\n{UDEV_RULES}"
    )


def in_use(found: Found, holder: int | None) -> str:
    """holder: the process that our lock file names, or 0, or None where it is none of ours."""
    process = holder or _process_with(node(found))
    who = f"process {process}" if process else "another program"
    return f"the Edge TPU {called(found)} is used by {who}; end it, or choose another device"


def _process_with(path: Path) -> int:
    """Another process that has the file open, as far as this user may see; 0: none is seen."""
    for folder in PROCESSES.glob("[0-9]*/fd"):
        process = int(folder.parent.name)
        if process == os.getpid():
            continue
        try:
            if any(file.readlink() == path for file in folder.iterdir()):
                return process
        except OSError:
            continue  # another user's, or gone meanwhile
    return 0


def _container_hint() -> str:
    if not Path("/.dockerenv").exists() and not Path("/run/.containerenv").exists():
        return ""
    return (
        "; this is a container: start it with -v /dev/bus/usb:/dev/bus/usb --device-cgroup-rule='c 189:* rmw', so that "
        "the device is seen also after it changed its address"
    )


def _ids(found: Found) -> tuple[int, int]:
    return found.vendor, found.product


def others(there: Sequence[Found], known: Sequence[Found]) -> list[Found]:
    """What was not there before, by path."""
    before = {found.path for found in known}
    return [found for found in there if found.path not in before]
