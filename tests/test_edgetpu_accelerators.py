"""How accelerators are named, and what is told of one that cannot be used."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgetpu_boot_rom import usb_error
from edgetpu_bus import FakeBus, Stick
from subgraft.backends.edgetpu import accelerators
from subgraft.backends.edgetpu.accelerators import attached, device_of, facts, find, in_use, lock_name
from subgraft.backends.edgetpu.buses import Found
from subgraft.backends.edgetpu.errors import Busy, NoPermission, NotFound
from subgraft.backends.edgetpu.locks import DeviceLock
from subgraft.cli.exit_codes import ExitCode, exit_code
from subgraft.delegates import Failed


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    tmp_path.chmod(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("SUBGRAFT_EMULATOR", raising=False)
    monkeypatch.setattr(accelerators, "NODES", tmp_path / "bus")
    monkeypatch.setattr(accelerators, "PROCESSES", tmp_path / "proc")
    return tmp_path


def bus() -> FakeBus:
    """Listed by the bus in another order."""
    return FakeBus([Stick("1-10"), Stick("2-1.3", running=False), Stick("2-1"), Stick("1-2", running=False)])


@pytest.mark.parametrize(
    ("wanted", "path"),
    [
        ("", "1-2"),
        ("usb", "1-2"),
        ("usb:0", "1-2"),
        (":0", "1-2"),
        ("0", "1-2"),
        ("usb:1", "1-10"),
        (":2", "2-1"),
        ("3", "2-1.3"),
        ("usb@2-1.3", "2-1.3"),
        ("@1-10", "1-10"),
        (" usb:1 ", "1-10"),
    ],
)
def test_a_device_string_means_one_device_whatever_its_mode(wanted: str, path: str) -> None:
    assert find(bus(), wanted).path == path


@pytest.mark.parametrize("wanted", ["usb:4", "usb@9-9", "usb@2-1.3.1"])
def test_a_device_that_is_not_there_is_told_with_those_that_are(wanted: str) -> None:
    with pytest.raises(NotFound, match=r"there: usb@1-2, usb@1-10, usb@2-1, usb@2-1.3$"):
        find(bus(), wanted)


@pytest.mark.parametrize(
    "wanted", ["USB", "usb:x", "usb::1", "usb:-1", "usb:0@1-2", "gpu", "usb@1", "usb@1-", "usb1", "usb:", "²"]
)
def test_a_string_that_names_nothing_is_told_how_to_write_one(wanted: str) -> None:
    with pytest.raises(NotFound, match='write "usb", "usb:0", ":0" or "usb@2-1.3"'):
        find(bus(), wanted)


@pytest.mark.parametrize("wanted", ["pci", "pci:0"])
def test_the_pci_device_is_not_looked_for(wanted: str) -> None:
    with pytest.raises(NotFound, match="drives the USB Accelerator only"):
        find(bus(), wanted)


def test_without_any_it_is_told_what_was_looked_for() -> None:
    with pytest.raises(NotFound, match="18d1:9302 nor 1a6e:089a") as caught:
        find(FakeBus([]), "usb")
    assert exit_code(caught.value) is ExitCode.NOT_FOUND


def test_other_devices_on_the_bus_are_left_out() -> None:
    there = bus()
    there.sticks[0].found = Found("1-10", 1, 5, 0x046D, 0xC31C, 12)
    assert [found.path for found in attached(there)] == ["1-2", "2-1", "2-1.3"]


def test_a_bus_that_cannot_be_listed_is_an_error_of_its_own() -> None:
    class Broken(FakeBus):
        def list(self) -> list[Found]:
            raise usb_error("IO")

    with pytest.raises(Failed, match="IO while looking for devices"):
        attached(Broken([]))


def test_link_and_mode_are_told(runtime: Path) -> None:
    running, waiting = Stick("2-1").found, Stick("1-1", running=False, speed_mbps=480).found
    assert (facts(running).link, facts(running).state) == ("USB 3, 5000 Mbit/s", "ready")
    assert (facts(waiting).link, facts(waiting).state) == ("USB 2, 480 Mbit/s", "no firmware")
    assert facts(running).problem is None


def test_a_device_of_another_process_is_told_with_the_process(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Stick("2-1").found
    lock = DeviceLock.acquire("usb@2-1")
    assert facts(found).problem is None  # it is ours
    lock.path.write_text("4711")
    problem = facts(found).problem
    assert isinstance(problem, Busy) and "used by process 4711" in problem.reason
    assert exit_code(problem) is ExitCode.BUSY
    lock.release()
    assert facts(found).problem is None


def test_a_device_of_a_program_without_our_locks_is_told_with_the_process(runtime: Path) -> None:
    found = Stick("2-1").found
    node = runtime / "bus" / "002" / "005"
    node.parent.mkdir(parents=True)
    node.touch()
    for process, target in ((str(os.getpid()), node), ("4711", Path("/dev/null")), ("4712", node)):
        folder = runtime / "proc" / process / "fd"
        folder.mkdir(parents=True)
        (folder / "3").symlink_to(target)
    assert "used by process 4712;" in in_use(found, None)
    (runtime / "proc" / "4712" / "fd" / "3").unlink()
    assert "used by another program;" in in_use(found, None)


def test_a_device_without_permission_is_told_with_the_rule_for_both_modes(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Stick("2-1").found
    node = runtime / "bus" / "002" / "005"
    node.parent.mkdir(parents=True)
    node.touch()
    assert facts(found).problem is None
    monkeypatch.setattr(os, "access", lambda path, mode: path != node)
    problem = facts(found).problem
    assert isinstance(problem, NoPermission)
    assert exit_code(problem) is ExitCode.PERMISSION
    first, *rules = problem.reason.splitlines()
    assert str(node) in first and "udevadm control --reload" in first
    assert [rule[:41] for rule in rules] == [
        'SUBSYSTEM=="usb", ATTR{idVendor}=="1a6e",',
        'SUBSYSTEM=="usb", ATTR{idVendor}=="18d1",',
    ]
    assert max(map(len, rules)) <= 100


def test_emulated_devices_say_so_and_lock_nothing_of_real_ones(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, emulated = Stick("2-1").found, Found("2-1", 2, 5, 0x18D1, 0x9302, 5000, emulated=True)
    assert "emulated" in device_of(emulated).description and device_of(emulated).emulated
    assert (device_of(real).id, device_of(real).emulated) == ("usb@2-1", False)
    assert lock_name(real) == "usb@2-1"
    assert lock_name(emulated) is None
    monkeypatch.setenv("SUBGRAFT_EMULATOR", "/run/a")
    name = lock_name(emulated)
    monkeypatch.setenv("SUBGRAFT_EMULATOR", "/run/b")
    assert name and name.startswith("usb@2-1-") and name != lock_name(emulated)
