"""Holds delegates to the contract: what is no delegate, or returns something else, is a TypeError that says which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from subgraft.delegates import Delegate, Device, Executable, Segment, Verdict

METHODS = ("devices", "check", "cost", "compile", "health")

T = TypeVar("T")


def delegate(thing: Any) -> Delegate:
    """`thing`, if it has what every delegate has."""
    kind = type(thing).__name__
    if isinstance(thing, type):
        raise TypeError(f"delegate {thing.__name__} is a class: pass one made from it, {thing.__name__}()")
    name = getattr(thing, "name", None)
    if not isinstance(name, str):
        raise TypeError(
            f"{thing!r} is no delegate: it has no name. A delegate is a device string, (device string, options), what "
            "load_delegate() returned, or an object with the methods of subgraft.delegates.Delegate"
        )
    missing = [method for method in METHODS if not callable(getattr(thing, method, None))]
    if missing:
        raise TypeError(f"delegate {name}: {kind} has no method {', '.join(missing)}; see subgraft.delegates.Delegate")
    found: Delegate = thing
    return found


def answer(name: str, method: str, given: Any, wanted: type[T]) -> T:
    """What a delegate's method returned, if it is of that type."""
    if not isinstance(given, wanted):
        raise TypeError(f"delegate {name}: {method}() returned {given!r}; it returns a {wanted.__name__}")
    return given


def devices(name: str, given: Any) -> Sequence[Device]:
    """What devices() returned."""
    if not isinstance(given, Sequence) or not all(isinstance(device, Device) for device in given):
        raise TypeError(f"delegate {name}: devices() returned {given!r}; it returns a list of Device")
    return given


def verdicts(name: str, given: Any, segment: Segment) -> Sequence[Verdict]:
    """What refine() returned for a segment."""
    wanted = len(segment.ops)
    if not isinstance(given, Sequence) or len(given) != wanted or not all(isinstance(v, Verdict) for v in given):
        raise TypeError(f"delegate {name}: refine() returned {given!r}; it returns {wanted} Verdicts, one for each op")
    return given


def executable(name: str, given: Any) -> Executable:
    """What compile() returned, if it can run and close."""
    missing = [method for method in ("run", "close") if not callable(getattr(given, method, None))]
    if missing:
        lacking = " and ".join(f"no {method}()" for method in missing)
        raise TypeError(f"delegate {name}: compile() returned {given!r}, which has {lacking}; it returns an Executable")
    found: Executable = given
    return found
