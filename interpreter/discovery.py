"""Finds delegates by name: "edgetpu:usb:0" is the first USB device of the delegate that calls itself "edgetpu"."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from subgraft.delegates import Chooses, Delegate, Device, Models, Unavailable
from subgraft.interpreter import checked
from subgraft.interpreter.services import main_graphs

ENTRY_POINTS = "subgraft.delegates"
SPEC = re.compile(r"(?P<name>[A-Za-z0-9_-]+)(?:[:@](?P<device>.+))?")
LIBRARY = re.compile(r"\.(so(\.\d+)*|dylib|dll)$", re.IGNORECASE)


class NoSuchDelegate(Unavailable):
    """Nothing that is installed goes by this name."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A delegate and which of its devices; "": any."""

    delegate: Delegate
    device: str = ""

    @property
    def spec(self) -> str:
        """As a user would type it."""
        return f"{self.delegate.name}:{self.device}" if self.device else self.delegate.name


def names() -> list[str]:
    """Every delegate that is installed."""
    return sorted({point.name for point in entry_points(group=ENTRY_POINTS)})


def find(spec: str, options: Mapping[str, object] | None = None) -> Wanted:
    """The delegate of a device string, made with these options.

    spec: "name", "name:device" or "name@device".
    Raises NoSuchDelegate for names that nothing here goes by, Unavailable for delegates whose libraries are missing,
    ValueError for options that the delegate does not have.
    """
    if LIBRARY.search(spec):
        ours = '. For an Edge TPU write "edgetpu"' if "edgetpu" in spec.lower() else ""
        raise NoSuchDelegate(
            f"{spec} looks like a shared library, and delegates from such come in a later release{ours}. Leave it out "
            f"to run on the CPU; delegates here: {_known()}"
        )
    match = SPEC.fullmatch(spec)
    points = [p for p in entry_points(group=ENTRY_POINTS) if match and p.name == match["name"]]
    if match is None or not points:
        raise NoSuchDelegate(f"no delegate goes by {spec!r}; delegates here: {_known()}")
    return Wanted(_make(points[0], options or {}), match["device"] or "")


def choose(wanted: Wanted) -> Device:
    """The device to use. Raises Unavailable with what there is instead."""
    delegate = wanted.delegate
    if isinstance(delegate, Chooses):
        return checked.answer(delegate.name, "choose", delegate.choose(wanted.device), Device)
    found = checked.devices(delegate.name, delegate.devices())
    fitting = [device for device in found if _fits(device.id, wanted.device)]
    if fitting:
        return fitting[0]
    there = ", ".join(device.id for device in found) or "none at all"
    raise Unavailable(f"{delegate.name} has no device {wanted.device or 'to use'}; devices there: {there}")


def _make(point: EntryPoint, options: Mapping[str, object]) -> Delegate:
    try:
        factory = point.load()
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("subgraft"):
            raise
        raise Unavailable(f"{point.name} needs the Python package {error.name!r}; install it with pip") from error
    parameters = inspect.signature(factory).parameters
    known: Sequence[str] = list(parameters)
    for name in options:
        if name not in known:
            raise ValueError(f"{point.name} has no option {name!r}; it has: {', '.join(known) or 'none'}")
    read = {
        name: main_graphs(value) if parameters[name].annotation in (Models, "Models") else value
        for name, value in options.items()
    }
    return checked.delegate(factory(**read))


def _fits(device: str, wanted: str) -> bool:
    """The same, or its beginning up to a separator: "usb" is any USB device."""
    return device == wanted or not wanted or (device.startswith(wanted) and device[len(wanted)] in ":@/")


def _known() -> str:
    return ", ".join(names()) or "none is installed"


def name_of(spec: str) -> str:
    """The delegate's name in a device string: "edgetpu" of "edgetpu:usb:0"."""
    return spec.partition(":")[0].partition("@")[0]


def label(spec: str, taken: Mapping[str, object]) -> str:
    """The spec itself, or with a number behind it when another delegate has it."""
    number = 2
    name = spec
    while name in taken:
        name, number = f"{spec}#{number}", number + 1
    return name
