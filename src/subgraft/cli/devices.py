"""subgraft devices: what every delegate has, how it is, what stands in the way of using it, and the CPU's kernels."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from subgraft import _native
from subgraft.cli.exit_codes import CommandError, ExitCode, checked_by_the_library, exit_code
from subgraft.cli.output import print_json
from subgraft.cli.table import table, wrapped
from subgraft.delegates import Delegate, DelegateError, Describes, Device, Facts, Thermometer, Unavailable
from subgraft.interpreter import checked
from subgraft.interpreter.discovery import choose, find, names


@dataclass(frozen=True, slots=True)
class Shown:
    """One device. temperature_c: None where nobody asked, or where `cold` says why there is none."""

    device: Device
    facts: Facts
    temperature_c: float | None = None
    cold: str = ""

    @property
    def spec(self) -> str:
        """As a user types it."""
        return f"{self.device.delegate}:{self.device.id}"

    def to_dict(self) -> dict[str, Any]:
        device, facts = self.device, self.facts
        found: dict[str, Any] = {
            "device": self.spec,
            "description": device.description,
            "link": facts.link,
            "state": facts.state,
            "emulated": device.emulated,
            "problem": facts.problem.reason if facts.problem else None,
        }
        if self.temperature_c is not None or self.cold:
            found["temperature_c_experimental"] = self.temperature_c
            found["no_temperature"] = self.cold or None
        return found


class Unusable(CommandError):
    """Nothing of a delegate that was named can be used; the code is that of the cause."""

    def __init__(self, name: str, cause: Unavailable, result: Mapping[str, Any]) -> None:
        super().__init__(f"{name} has no device that can be used: {cause.reason.splitlines()[0]}", result)
        self.code = exit_code(cause)


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser("devices", help="list the devices of every delegate, and what is wrong with them")
    parser.add_argument(
        "delegates",
        nargs="*",
        metavar="NAME[:DEVICE]",
        help="only these delegates or devices, such as edgetpu or edgetpu:emulated; then it is an error when there is "
        "none that can be used",
    )
    parser.add_argument(
        "--temperature", action="store_true", help="open each device and read how warm it is (experimental)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def run(args: argparse.Namespace) -> int:
    """Raises Unusable when a delegate that was named has no device that can be used."""
    found: dict[str, list[Shown]] = {}
    missing: dict[str, Unavailable] = {}
    for name in args.delegates or names():
        try:
            found[name] = _devices(name, with_temperature=args.temperature)
        except Unavailable as error:
            missing[name] = error
    shown = [one for some in found.values() for one in some]
    with checked_by_the_library():  # SUBGRAFT_ISA may be wrong
        best, there = _native.instruction_set(), list(_native.instruction_sets())
    result = {
        "cpu": {"instruction_set": best, "instruction_sets": there},
        "devices": [one.to_dict() for one in shown],
        "unavailable": [{"delegate": name, "reason": error.reason} for name, error in missing.items()],
    }
    if not args.json:
        _print(shown, missing, with_temperature=args.temperature)
        if not args.delegates:
            print(wrapped(f"CPU: kernels for {best}; this processor has {', '.join(there)}"))
    for name in args.delegates:
        problem = missing.get(name) or _problem_of_all(found[name])
        if problem:
            raise Unusable(name, problem, result)
    if args.json:
        print_json(result)
    return ExitCode.OK


def _devices(name: str, *, with_temperature: bool) -> list[Shown]:
    """Of "edgetpu" all, of "edgetpu:emulated" the one that it means.

    Raises Unavailable where there is none, UsageError for variables that the delegate does not take.
    """
    with checked_by_the_library():
        wanted = find(name)
        delegate = wanted.delegate
        there = [choose(wanted)] if wanted.device else checked.devices(delegate.name, delegate.devices())
    shown = [Shown(device, _facts(delegate, device)) for device in there]
    return [_with_temperature(delegate, one) for one in shown] if with_temperature else shown


def _facts(delegate: Delegate, device: Device) -> Facts:
    return delegate.facts(device) if isinstance(delegate, Describes) else Facts()


def _with_temperature(delegate: Delegate, one: Shown) -> Shown:
    if not isinstance(delegate, Thermometer):
        return replace(one, cold="its delegate does not tell how warm it is")
    try:
        return replace(one, temperature_c=delegate.temperature_c(one.device))
    except DelegateError as error:
        return replace(one, cold=error.reason)


def _print(shown: Sequence[Shown], missing: Mapping[str, Unavailable], *, with_temperature: bool) -> None:
    if shown:
        headers = ["device", "description", "link", "state", "emulated"]
        rows = [_row(one) for one in shown]
        if with_temperature:
            headers.append("temperature")
            rows = [[*row, _degrees(one)] for row, one in zip(rows, shown, strict=True)]
        print(table(headers, rows))
        if any(one.temperature_c is not None for one in shown):
            print("temperature: experimental, never compared with a thermometer")
    for one in shown:
        if one.facts.problem:
            _print_reason(one.spec, one.facts.problem.reason)
        if one.cold:
            _print_reason(one.spec, one.cold)
    for name, error in missing.items():
        _print_reason(name, error.reason)


def _row(one: Shown) -> list[str]:
    state = "cannot be used" if one.facts.problem else one.facts.state
    return [one.spec, one.device.description, one.facts.link, state, "yes" if one.device.emulated else "no"]


def _degrees(one: Shown) -> str:
    return "" if one.temperature_c is None else f"{one.temperature_c:.1f} °C"


def _print_reason(who: str, reason: str) -> None:
    """Its first line in lines that fit; the rest is for copying, such as a udev rule, and stays as it is."""
    first, *rest = reason.splitlines()
    print(wrapped(f"{who}: {first}"), *rest, sep="\n")


def _problem_of_all(shown: Sequence[Shown]) -> Unavailable | None:
    """The first one's, when none of the devices can be used."""
    problems = [one.facts.problem for one in shown if one.facts.problem]
    return problems[0] if problems and len(problems) == len(shown) else None
