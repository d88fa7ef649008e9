"""Which OpenCL devices there are, in which order, and which one a user means."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from subgraft.backends.opencl import drivers
from subgraft.backends.opencl.caps import KINDS, Caps, read, small
from subgraft.backends.opencl.library import pyopencl
from subgraft.delegates import Device, Facts, Unavailable

NAME = "opencl"
SIMULATOR = "Oclgrind"
RENDER_NODES = Path("/dev/dri")

FORKED = (
    "OpenCL was used in this process's parent before it forked, and drivers do not survive that; start processes with "
    "multiprocessing's 'spawn', or fork before OpenCL is asked for devices"
)

# "1" · "gpu" · "NVIDIA" · "NVIDIA/H100" · "gpu:1", the second of those
WANTED = re.compile(r"(?:(?P<vendor>[^/]+)/)?(?P<name>.+?)(?::(?P<number>\d+))?")

_asking = threading.Lock()  # the loader looks for drivers once, when it is asked first
_asked_by: set[int] = set()  # the process that it was asked in


@dataclass(frozen=True, slots=True)
class Found:
    """A device here.

    index: its place in the list, which is its name in device strings. handle: pyopencl's device.
    problem: why it cannot be used; "" where nothing speaks against it.
    """

    index: int
    handle: Any
    caps: Caps
    problem: str = ""

    @property
    def id(self) -> str:
        return str(self.index)

    @property
    def is_emulated(self) -> bool:
        return self.caps.vendor == SIMULATOR

    @property
    def called(self) -> str:
        """For messages: as a user types it, and what it is."""
        return f"{NAME}:{self.index} ({self.caps.vendor}, {self.caps.name})"


def attached(limits: str = "device") -> list[Found]:
    """Every device, GPUs first and simulators last; else in the loader's order.

    limits: "small" gives each the limits of the smallest device (caps.small).
    Raises Unavailable, which says what was looked for, where there is none.
    """
    cl = pyopencl()
    platforms = _platforms(cl)
    handles = [handle for platform in platforms for handle in _devices(cl, platform)]
    if not handles:
        cause = PermissionError(f"may not open {', '.join(_closed())}") if platforms and _closed() else None
        raise Unavailable(_nothing(platforms)) from cause
    shrink = small if limits == "small" else _as_it_is
    seen = [(handle, shrink(caps)) for handle in handles if (caps := _read(cl, handle)) is not None]
    if not seen:
        names = ", ".join(str(platform.name) for platform in platforms)
        raise Unavailable(f"the OpenCL drivers ({names}) do not say what their devices can do; reinstall them")
    seen.sort(key=lambda one: (one[1].vendor == SIMULATOR, KINDS.index(one[1].kind)))
    return [Found(i, handle, caps, _problem(handle)) for i, (handle, caps) in enumerate(seen)]


def find(wanted: str, there: Sequence[Found]) -> Found:
    """The device that a device string means; "": the first that can be used and is no simulator.

    A number is a place in the list. Else a kind ("gpu", "cpu", "accelerator"), or a part of the names of vendor,
    platform or device, in any case; "vendor/device" has a part of each. Behind ":" the place among those that fit.
    Raises Unavailable with what there is instead.
    """
    text = wanted.strip().lower()
    if not text:
        return _first(there)
    if text.isdecimal():
        fitting = [one for one in there if one.index == int(text)]
    else:
        match = WANTED.fullmatch(text)
        assert match is not None  # of any text that is not empty
        fitting = [one for one in there if _fits(one.caps, match["vendor"] or "", match["name"])]
        if match["number"]:
            fitting = fitting[int(match["number"]) :][:1]
    if not fitting:
        raise Unavailable(f"OpenCL has no device {wanted!r}; there: {_listed(there)}")
    chosen = next((one for one in fitting if not one.problem), fitting[0])
    if chosen.problem:
        raise Unavailable(f"{chosen.called} {chosen.problem}")
    return chosen


def device_of(found: Found) -> Device:
    """As the framework sees it."""
    caps = found.caps
    kind = {"gpu": "GPU", "cpu": "CPU"}.get(caps.kind, caps.kind)
    simulated = "; simulates OpenCL on the CPU" if found.is_emulated else ""
    return Device(NAME, found.id, f"{caps.vendor} {kind}, {caps.name}{simulated}", emulated=found.is_emulated)


def facts(found: Found, state: str) -> Facts:
    """What is known without opening it. state: what earlier sessions have found out of it."""
    problem = Unavailable(f"{found.called} {found.problem}") if found.problem else None
    caps = found.caps
    version = " ".join(caps.version.split()[:2])  # "OpenCL 3.0" of "OpenCL 3.0 CUDA 12.8.90"
    return Facts(f"{version}, driver {caps.driver}", state, problem)


def _first(there: Sequence[Found]) -> Found:
    usable = [one for one in there if not one.problem and not one.is_emulated]
    if usable:
        return usable[0]
    broken = next((one for one in there if one.problem), None)
    if broken:
        raise Unavailable(f"{broken.called} {broken.problem}")
    raise Unavailable(f"OpenCL has only a simulator here, which must be asked for: {_listed(there)}")


def _fits(caps: Caps, vendor: str, name: str) -> bool:
    vendors = f"{caps.vendor}\n{caps.platform}".lower()
    if vendor:
        return vendor in vendors and name in caps.name.lower()
    if name in KINDS:
        return caps.kind == name
    return name in f"{vendors}\n{caps.name.lower()}"


def _listed(there: Sequence[Found]) -> str:
    return ", ".join(one.called for one in there)


def _as_it_is(caps: Caps) -> Caps:
    return caps


def _platforms(cl: Any) -> list[Any]:
    with _asking, drivers.registering(drivers.vendor_folders(), drivers.places()):
        _asked_by.add(os.getpid())
        if len(_asked_by) > 1:  # PoCL waits forever for threads that stayed behind; GPUs' drivers fail
            raise Unavailable(FORKED)
        try:
            return list(cl.get_platforms())
        except cl.Error as error:  # PLATFORM_NOT_FOUND_KHR where there is no driver
            if getattr(error, "code", None) == cl.status_code.PLATFORM_NOT_FOUND_KHR:
                return []
            raise Unavailable(f"the OpenCL loader does not list its drivers: {error}") from error


def _devices(cl: Any, platform: Any) -> list[Any]:
    """A platform whose driver finds no hardware, or breaks, has none."""
    try:
        return list(platform.get_devices())
    except cl.Error:
        return []


def _read(cl: Any, handle: Any) -> Caps | None:
    """None for a device whose driver does not answer, as after its hardware is gone."""
    try:
        return read(handle)
    except cl.Error:
        return None


def _problem(handle: Any) -> str:
    if not handle.available:
        return "is not available now, says its driver"
    if not handle.compiler_available:
        return "has no compiler for OpenCL C, so nothing can be run on it"
    return ""


def _nothing(platforms: Sequence[Any]) -> str:
    """Says what was looked for and how to get it."""
    if platforms:
        names = ", ".join(str(platform.name) for platform in platforms)
        closed = _closed()
        permission = f"; this user may not open {', '.join(closed)}: add it to the group 'render'" if closed else ""
        return f"OpenCL drivers are here ({names}), and none of them finds a device{permission}"
    return f"OpenCL finds no driver: {_looked()}. To get one:\n{drivers.advice()}"


def _closed() -> list[str]:
    """Nodes of GPUs that this user may not open."""
    return [str(node) for node in sorted(RENDER_NODES.glob("renderD*")) if not os.access(node, os.R_OK | os.W_OK)]


def _looked() -> str:
    chosen = drivers.told()
    if chosen:
        return f"{chosen} names none that can be loaded"
    vendors = drivers.vendor_folders()
    known = drivers.registered(vendors)
    tried = [*known, *map(str, drivers.unregistered(drivers.places(), known))]
    if tried:
        return f"{', '.join(tried)} cannot be loaded, or {'has' if len(tried) == 1 else 'have'} nothing to offer here"
    files = ", ".join(file for driver in drivers.DRIVERS for file in driver.files[:1])
    return (
        f"there is no .icd file in {' or '.join(map(str, vendors))}, and the usual folders for libraries have none of "
        f"{files}"
    )
