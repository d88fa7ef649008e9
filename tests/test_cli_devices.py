"""subgraft devices: what it lists of each delegate, and the exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from subgraft import _native
from subgraft.backends.fake import Fake
from subgraft.cli import main
from subgraft.cli.exit_codes import ExitCode
from subgraft.cli.table import MAX_COLUMNS
from subgraft.delegates import Device, Facts, Failed, Unavailable
from subgraft.interpreter import discovery


def without_permission() -> Unavailable:
    error = Unavailable(
        "no permission for the widget on port 1, which takes a rule that is explained at some length here, so that the "
        'line is too long for a terminal:\nSUBSYSTEM=="usb", MODE="0666"'
    )
    error.__cause__ = PermissionError("/dev/widget")
    return error


class Widget(Fake):
    """Knows more of its devices than their descriptions."""

    def __init__(self, facts: Sequence[Facts], warm: float | None) -> None:
        super().__init__(devices=len(facts))
        self._facts = facts
        self._warm = warm

    @property
    def name(self) -> str:
        return "widget"

    def devices(self) -> Sequence[Device]:
        return [
            Device("widget", f"usb@1-{i + 1}", "a widget with a rather long description")
            for i in range(len(self._facts))
        ]

    def facts(self, device: Device) -> Facts:
        return self._facts[int(device.id[-1]) - 1]

    def temperature_c(self, device: Device) -> float:
        if self._warm is None:
            raise Failed("the sensor is off")
        return self._warm


class Absent(Fake):
    def devices(self) -> Sequence[Device]:
        raise Unavailable("there is no such thing here; plug one in")


@dataclass
class Point:
    name: str
    load_: Callable[[], object]
    group: str = field(default=discovery.ENTRY_POINTS)

    def load(self) -> object:
        return self.load_


READY = Facts("USB 3, 5000 Mbit/s", "ready")
LOCKED = Facts("USB 2, 480 Mbit/s", "waits for its firmware", without_permission())


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def install(**delegates: Callable[[], object]) -> None:
        points = [Point(name, factory) for name, factory in delegates.items()]
        monkeypatch.setattr(discovery, "entry_points", lambda group: points)

    return install


def test_all_that_is_known_of_every_device_is_listed(
    installed: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    installed(fake=lambda: Fake(devices=1), widget=lambda: Widget([READY, LOCKED], 42.04), none=Absent)
    assert main(["devices", "--temperature"]) == ExitCode.OK
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= MAX_COLUMNS
    for words in ("fake:0", "widget:usb@1-1", "USB 3, 5000", "ready", "cannot be used", "yes", "no", "42.0 °C"):
        assert words in shown
    assert "experimental" in shown
    assert 'SUBSYSTEM=="usb", MODE="0666"' in shown.splitlines()
    assert "none: there is no such thing here; plug one in" in shown


def test_as_json_everything_is_there(installed: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    installed(widget=lambda: Widget([READY, LOCKED], 42.04), none=Absent)
    assert main(["devices", "--temperature", "--json"]) == ExitCode.OK
    result = json.loads(capsys.readouterr().out)
    first, second = result["devices"]
    assert (first["device"], first["link"], first["problem"]) == ("widget:usb@1-1", "USB 3, 5000 Mbit/s", None)
    assert (first["temperature_c_experimental"], first["emulated"]) == (42.04, False)
    assert second["problem"].startswith("no permission")
    assert result["unavailable"] == [{"delegate": "none", "reason": "there is no such thing here; plug one in"}]


def test_the_instruction_set_of_the_kernels_is_told(
    installed: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    installed(fake=Fake)
    before = _native.instruction_set()
    try:
        _native.limit_instruction_set("generic")
        assert main(["devices"]) == ExitCode.OK
        assert "CPU: kernels for generic; this processor has generic" in capsys.readouterr().out
        assert main(["devices", "--json"]) == ExitCode.OK
    finally:
        _native.limit_instruction_set(before)
    told = {"instruction_set": "generic", "instruction_sets": list(_native.instruction_sets())}
    assert json.loads(capsys.readouterr().out)["cpu"] == told


def test_a_wrong_limit_of_the_instruction_set_is_a_wrong_command_line() -> None:
    command = [sys.executable, "-m", "subgraft", "devices", "fake"]
    environment = {**os.environ, "SUBGRAFT_ISA": "mmx"}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode == ExitCode.USAGE
    assert "SUBGRAFT_ISA: instruction set 'mmx' is none" in ended.stderr


def test_one_device_can_be_named_also_one_that_is_listed_only_when_it_is_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["devices", "--json", "fake:1", "edgetpu:emulated"]) == ExitCode.OK
    result = json.loads(capsys.readouterr().out)
    assert [one["device"] for one in result["devices"]] == ["fake:1", "edgetpu:emulated:0"]
    assert main(["devices", "--json", "edgetpu:emulated:7"]) == ExitCode.NOT_FOUND


def test_a_temperature_that_cannot_be_read_says_why_and_none_is_read_unasked(
    installed: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    installed(widget=lambda: Widget([READY], None), fake=lambda: Fake(devices=1))
    assert main(["devices", "--temperature"]) == ExitCode.OK
    assert "widget:usb@1-1: the sensor is off" in capsys.readouterr().out
    assert main(["devices", "--json"]) == ExitCode.OK
    assert "temperature" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("named", "code"),
    [
        ([], ExitCode.OK),
        (["usable"], ExitCode.OK),
        (["locked"], ExitCode.PERMISSION),
        (["usable", "none"], ExitCode.NOT_FOUND),
        (["nonsense"], ExitCode.NOT_FOUND),
        (["picky"], ExitCode.USAGE),
    ],
)
def test_a_delegate_that_is_named_has_to_have_a_usable_device(
    named: list[str], code: ExitCode, installed: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    def picky() -> Fake:
        raise ValueError("USB_OPERATING_MODE is '1'; unset it")

    delegates = {
        "usable": lambda: Widget([LOCKED, READY], None),
        "locked": lambda: Widget([LOCKED], None),
        "none": Absent,
    }
    installed(**delegates, **({"picky": picky} if "picky" in named else {}))
    assert main(["devices", "--json", *named]) == code
    document = json.loads(capsys.readouterr().out)
    assert document.get("exit_code", ExitCode.OK) == code
