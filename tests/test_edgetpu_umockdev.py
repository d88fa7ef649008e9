"""The emulated Coral as other processes see it, through libusb and pyusb as they are."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from subgraft.backends.edgetpu.emulator.daemon import Emulation
from subgraft.backends.edgetpu.emulator.umockdev import NoUmockdev
from subgraft.testing import Emulator
from waiting import until

CLIENT = Path(__file__).parent / "coral_client.py"
NOBODY = 65534
NEEDED = "SUBGRAFT_REQUIRE_UMOCKDEV"  # set where these tests must not be skipped


@pytest.fixture
def plugged() -> Iterator[Emulation]:
    """A stick in application mode on USB 3."""
    yield from emulated(mode="app")


def emulated(**options: Any) -> Iterator[Emulation]:
    if not os.environ.get(NEEDED):
        pytest.importorskip("usb.core", reason="pyusb is not installed")
    try:
        emulation = Emulation(**options)
    except NoUmockdev as error:
        if os.environ.get(NEEDED):
            raise
        pytest.skip(error.reason)
    try:
        yield emulation
    finally:
        emulation.close()


def start(emulation: Emulation, does: str, *before: str) -> subprocess.Popen[str]:
    command = [*before, sys.executable, str(CLIENT), does]
    return subprocess.Popen(command, env={**os.environ, **emulation.environment}, stdout=subprocess.PIPE, text=True)


def result(child: subprocess.Popen[str]) -> Any:
    out, _ = child.communicate(timeout=60)
    assert child.returncode == 0, out
    return json.loads(out)


def client(emulation: Emulation, does: str, *before: str) -> Any:
    """What the client said of what it did."""
    return result(start(emulation, does, *before))


@pytest.mark.parametrize("speed", ["super", "high"])
def test_firmware_is_taken_and_the_stick_comes_back_as_another_device(speed: str) -> None:
    for emulation in emulated(mode="dfu", speed=speed):
        seen = client(emulation, "flash")
        assert seen == {"verified": True, "reset": -5, "register": 0x000F0959, "address": 3}  # -5: not found
        assert emulation.corals[0].mode == "app"
        assert emulation.corals[0].violations == ()


def test_a_stick_is_found_by_its_bus_and_port_beside_the_root_hubs() -> None:
    for emulation in emulated(mode="app", sticks=2):
        sticks = sorted(each for each in client(emulation, "listing") if each[0] == 0x18D1)
        assert sticks == [[0x18D1, 0x9302, 2, [1]], [0x18D1, 0x9302, 2, [2]]]


def test_a_wait_for_a_silent_device_ends_in_time_and_does_not_spin(plugged: Emulation) -> None:
    seen = client(plugged, "read_event")
    assert seen["errno"] == errno.ETIMEDOUT
    assert 0.25 < seen["waited_s"] < 2.0
    assert seen["cpu_s"] < 0.1


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("stall@out:1", errno.EPIPE),
        ("halt@out:1", errno.EPIPE),
        ("error@out:1", errno.EIO),
        ("timeout@out:1", errno.ETIMEDOUT),
        ("unplug@out:1", errno.EIO),  # the transfer broke off before the hub noticed
    ],
)
def test_a_fault_reaches_the_program_as_usb_says_it(plugged: Emulation, rule: str, expected: int) -> None:
    Emulator.connect(plugged.environment["SUBGRAFT_EMULATOR"]).fault(rule)
    assert client(plugged, "send_header")["errno"] == expected


def test_a_transfer_beyond_the_hosts_usb_memory_is_refused(plugged: Emulation) -> None:
    emulator = Emulator.connect(plugged.environment["SUBGRAFT_EMULATOR"])
    emulator.set("memory_bytes", 1 << 16)
    assert client(plugged, "send_much")["errno"] == errno.ENOMEM
    assert client(plugged, "register") == {"register": 0x000F0959}


def test_a_read_that_is_waiting_ends_when_the_stick_is_pulled(plugged: Emulation) -> None:
    emulator = Emulator.connect(plugged.environment["SUBGRAFT_EMULATOR"])
    child = start(plugged, "unplugged")
    until(lambda: 0x82 in plugged.in_flight())
    emulator.unplug()
    seen = result(child)
    assert seen["errno"] == errno.ENODEV
    assert seen["waited_s"] < 15
    emulator.plug("app")
    assert client(plugged, "register") == {"register": 0x000F0959}


def test_a_second_program_is_told_that_the_interface_is_taken(plugged: Emulation) -> None:
    with start(plugged, "hold") as first:
        until(lambda: 0x82 in plugged.in_flight())
        assert client(plugged, "claim") == {"errno": errno.EBUSY}
        first.kill()
    until(lambda: not plugged.in_flight())
    assert client(plugged, "claim") == {"errno": 0}


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="only root can become another user")
def test_a_user_without_permission_for_the_node_is_refused_and_one_with_it_is_not(plugged: Emulation) -> None:
    Path(plugged.environment["UMOCKDEV_DIR"]).chmod(0o1777)  # libusb listens to plugging in there
    as_nobody = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    assert client(plugged, "claim", *as_nobody) == {"errno": errno.EACCES}
    for node in Path(plugged.environment["UMOCKDEV_DIR"]).glob("dev/bus/usb/*/*"):
        node.chmod(0o666)
    assert client(plugged, "claim", *as_nobody) == {"errno": 0}


def test_nothing_is_left_when_the_emulation_ends() -> None:
    for emulation in emulated(mode="app"):
        folder = Path(emulation.environment["UMOCKDEV_DIR"])
        assert folder.is_dir()
    assert not folder.exists()


def test_what_a_killed_emulation_left_is_removed_by_the_next() -> None:
    for emulation in emulated(mode="app"):
        command = [
            sys.executable,
            "-m",
            "subgraft",
            "emulate",
            "--",
            "sh",
            "-c",
            "echo $$ $UMOCKDEV_DIR; exec sleep 60",
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as killed:
            assert killed.stdout is not None
            child, _, folder = killed.stdout.readline().strip().partition(" ")
            assert Path(folder).is_dir()
            killed.kill()
            os.kill(int(child), signal.SIGKILL)
        for _ in emulated(mode="app"):
            assert not Path(folder).exists()
        assert Path(emulation.environment["UMOCKDEV_DIR"]).is_dir(), "that one is alive"
