"""Which NNAPI devices there are, and which one a user means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from subgraft import _native
from subgraft.backends.nnapi import codes
from subgraft.backends.nnapi.errors import unavailable
from subgraft.delegates import Device, Unavailable

NAME = "nnapi"
REFERENCE = "nnapi-reference"  # the runtime's own CPU device, which is slower than this library's
RUNTIME = "runtime"  # the one device before feature level 3, where the runtime chooses


@dataclass(frozen=True, slots=True)
class Found:
    """A device here.

    index: its place in the library's list; None where the library chooses. level: what it and the library both have.
    """

    library: _native.NnapiLibrary
    index: int | None
    name: str
    version: str
    type: int
    level: int

    @property
    def id(self) -> str:
        return self.name

    @property
    def called(self) -> str:
        """For messages."""
        return f"{NAME}:{self.name}"

    @property
    def is_cpu(self) -> bool:
        return self.type == codes.CPU or self.name == REFERENCE

    @property
    def device(self) -> Device:
        level = codes.called(self.level)
        if self.index is None:
            text = f"the runtime chooses among its drivers and its own CPU, {level}"
        else:
            text = f"{codes.DEVICE_TYPES.get(self.type, 'unknown')}, driver {self.version}, {level}"
        return Device(NAME, self.id, text)


def attached(library: _native.NnapiLibrary, level: int) -> list[Found]:
    """All devices, the library's CPU last. level: the highest to use; 0: all there is. Raises Unavailable."""
    most = min(library.feature_level, level) if level else library.feature_level
    if library.feature_level < codes.LEVEL_3:
        return [Found(library, None, RUNTIME, "", 0, most)]
    try:
        devices = library.devices()
    except _native.NnapiError as error:
        raise unavailable(error, f"{NAME} ({library.path})") from error
    found = [Found(library, d.index, d.name, d.version, d.type, min(d.feature_level, most)) for d in devices]
    return sorted(found, key=lambda f: f.is_cpu)


def find(wanted: str, found: Sequence[Found]) -> Found:
    """The device of a device string; "": the first that is no CPU. Raises Unavailable with what there is."""
    there = ", ".join(f.called for f in found) or "none at all"
    if wanted:
        for one in found:
            if one.name == wanted:
                return one
        raise Unavailable(f"{NAME} has no device {wanted!r}; devices there: {there}")
    for one in found:
        if not one.is_cpu:
            return one
    raise Unavailable(
        f"{NAME} has no accelerator here, only {there}. That computes on the CPU as this library does, more slowly; "
        f"name it to use it all the same"
    )
