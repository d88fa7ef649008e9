"""Our two ways to USB against libusb and pyusb as they are, with an emulated Coral below them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgetpu_packages import (
    INPUT,
    OUTPUT,
    STAND_ALONE,
    Executable,
    bitstream,
    data,
    instructions,
    interrupt,
    layer,
    package,
)
from edgetpu_raw_client import RawClient
from subgraft.backends.edgetpu.emulator import EmulatedProgram
from subgraft.backends.edgetpu.emulator.daemon import Emulation
from subgraft.backends.edgetpu.emulator.umockdev import NoUmockdev
from subgraft.backends.edgetpu.package import Package

CLIENT = Path(__file__).parent / "usb_client.py"
NEEDED = "SUBGRAFT_REQUIRE_UMOCKDEV"  # set where these tests must not be skipped
REGISTER = "000f0959"
BUSES = ["libusb", "pyusb"]


@pytest.fixture(scope="module")
def emulation() -> Iterator[Emulation]:
    if not os.environ.get(NEEDED):
        pytest.importorskip("usb.core", reason="pyusb is not installed")
    try:
        emulation = Emulation(mode="app")
    except NoUmockdev as error:
        if os.environ.get(NEEDED):
            raise
        pytest.skip(error.reason)
    yield emulation
    emulation.close()


@pytest.fixture
def stick(emulation: Emulation) -> Emulation:
    """Freshly plugged in, in application mode, on USB 3."""
    coral = emulation.corals[0]
    coral.unplug()
    coral.clear_faults()
    coral.clear_log()
    coral.plug("app")
    return emulation


def start(emulation: Emulation, bus: str, does: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(CLIENT), bus, does, *arguments]
    environment = {**os.environ, **emulation.environment}
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def client(emulation: Emulation, bus: str, does: str, *arguments: str) -> Any:
    """What the client said of what it did."""
    child = start(emulation, bus, does, *arguments)
    out, _ = child.communicate(timeout=60)
    assert child.returncode == 0
    return json.loads(out)


@pytest.mark.parametrize("bus", BUSES)
def test_a_stick_is_listed_and_opened(stick: Emulation, bus: str) -> None:
    assert client(stick, bus, "listing") == {
        "found": ["2-1", 5000, True],
        "speed_mbps": 5000,
        "register": REGISTER,
        "elsewhere": "NO_DEVICE",
    }


@pytest.mark.parametrize("bus", BUSES)
def test_commands_and_control_transfers_end_as_the_device_says_or_in_time(stick: Emulation, bus: str) -> None:
    seen = client(stick, bus, "commands")
    assert 0.2 <= seen.pop("waited_s") < 2
    assert seen == {
        "second": "BUSY",
        "after close": "COMPLETED",
        "stalled": "STALLED",
        "next": REGISTER,
        "late": "TIMEOUT",
        "then": REGISTER,
        "halted": ["STALLED", "STALLED"],
        "cleared": "COMPLETED",
        "reset": "COMPLETED",
        "released": "COMPLETED",
    }


@pytest.mark.parametrize("bus", BUSES)
def test_another_program_has_the_device_until_it_ends(stick: Emulation, bus: str) -> None:
    with start(stick, bus, "hold") as first:
        assert first.stdout and first.stdout.readline() == "claimed\n"
        assert client(stick, bus, "claim") == "BUSY"
        assert first.communicate("\n", timeout=60)[0] == '"done"\n'
    assert client(stick, bus, "claim") == "COMPLETED"


@pytest.mark.parametrize("bus", BUSES)
def test_transfers_are_cancelled_one_by_one_and_by_closing(stick: Emulation, bus: str) -> None:
    seen = client(stick, bus, "cancelling")
    assert 0.2 <= seen.pop("silent_s") < 2
    assert seen.pop("cancelled_s") < 1
    assert seen.pop("closed_s") < 1
    assert seen == {
        "statuses": ["CANCELLED", "CANCELLED", None],
        "waits": False,
        "last": "CANCELLED",
        "closed": "NO_DEVICE",
    }


@pytest.mark.parametrize("size", [1000, 300 * 1024 + 5])
@pytest.mark.parametrize("bus", BUSES)
def test_bytes_come_back_as_they_were_sent(stick: Emulation, bus: str, size: int) -> None:
    code = bytes(range(48))
    compiled = package(
        Executable(
            STAND_ALONE,
            [bitstream(code)],
            [instructions(0), data(INPUT, 0, size, "in"), data(OUTPUT, 0, size, "out", outfeed=True), interrupt(0)],
            inputs=[layer("in", (1, 1, size), 2)],
            outputs=[layer("out", (1, 1, size), 1)],
        )
    )
    coral = stick.corals[0]
    coral.teach(EmulatedProgram(Package.parse(compiled), lambda parameters, inputs: [np.array(inputs[0])]))
    RawClient(coral).open()
    assert client(stick, bus, "echoes", code.hex(), str(size)) == {"right": 10, "interrupt": None}
    assert coral.violations == ()


@pytest.mark.parametrize("bus", BUSES)
def test_pulling_the_stick_ends_everything_and_a_stick_that_is_back_is_found(stick: Emulation, bus: str) -> None:
    seen = client(stick, bus, "unplugged")
    assert 0.2 <= seen.pop("lost_s") < 2
    assert seen.pop("closed_s") < 1
    sent = seen.pop("sent", ["NO_DEVICE"])  # known at once, or when it is tried
    assert (sent, seen.pop("send") in ("NO_DEVICE", "COMPLETED")) == (["NO_DEVICE"], True)
    assert seen == {"statuses": ["NO_DEVICE"], "control": "NO_DEVICE", "listed": 0, "again": REGISTER}


@pytest.mark.parametrize(("bus", "times"), [("libusb", 60), ("pyusb", 15)])
def test_opening_and_closing_leaves_no_thread_file_or_memory(stick: Emulation, bus: str, times: int) -> None:
    threads, files, rss = client(stick, bus, "reopening", str(times))
    assert (threads, files) == (0, 0)
    assert rss < 4 << 20


@pytest.mark.parametrize("bus", BUSES)
def test_a_program_may_end_with_everything_pending(stick: Emulation, bus: str) -> None:
    assert client(stick, bus, "leaving") == [None, None]
    assert client(stick, bus, "claim") == "COMPLETED"
