"""The driver through unmodified libusb and pyusb, in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgetpu_client import MODEL
from subgraft.backends.edgetpu.emulator.daemon import Emulation
from subgraft.backends.edgetpu.emulator.faults import Fault
from subgraft.backends.edgetpu.emulator.umockdev import NoUmockdev

CLIENT = Path(__file__).parent / "edgetpu_client.py"
NEEDED = "SUBGRAFT_REQUIRE_UMOCKDEV"  # set where these tests must not be skipped


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


def emulated(**options: Any) -> Iterator[Emulation]:
    try:
        emulation = Emulation(**options)
    except NoUmockdev as error:
        if os.environ.get(NEEDED):
            raise
        pytest.skip(error.reason)
    emulation.corals[0].teach(MODEL.program())
    try:
        yield emulation
    finally:
        emulation.close()


def start(emulation: Emulation, does: str, library: str = "") -> subprocess.Popen[str]:
    environment = {**os.environ, **emulation.environment}
    command = [sys.executable, str(CLIENT), does, library]
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def result(child: subprocess.Popen[str]) -> Any:
    out, _ = child.communicate(timeout=60)
    assert child.returncode == 0, out
    return json.loads(out.splitlines()[-1])


@pytest.mark.parametrize(
    ("library", "speed", "mode"), [("", "super", "dfu"), ("", "high", "app"), ("pyusb", "super", "dfu")]
)
def test_inferences_are_right_from_either_mode(library: str, speed: str, mode: str, runtime: None) -> None:
    if library:
        pytest.importorskip("usb.core", reason="pyusb is not installed")
    for emulation in emulated(mode=mode, speed=speed):
        assert result(start(emulation, "infers", library)) == {"right": 10, "failed": [], "emulated": True}
        assert emulation.corals[0].violations == ()


def test_a_second_process_is_told_who_has_the_device_and_a_killed_one_leaves_a_reset(runtime: None) -> None:
    for emulation in emulated(mode="app"):
        coral = emulation.corals[0]
        first = start(emulation, "hangs")
        assert first.stdout and first.stdin and first.stdout.readline() == "ready\n"
        second = result(start(emulation, "infers"))
        assert (second["error"], second["code"]) == ("Busy", 6)
        assert f"process {first.pid}" in second["reason"]
        coral.inject(*Fault.parse("timeout@event"))
        first.stdin.write("\n")
        first.stdin.flush()
        assert first.stdout.readline() == "sent\n"
        first.kill()
        first.communicate()
        assert coral.counts().get("bus reset", 0) == 0
        assert result(start(emulation, "infers")) == {"right": 10, "failed": [], "emulated": True}
        assert coral.counts()["bus reset"] == 1


@pytest.mark.parametrize(
    ("fault", "kind"), [("dfu@out:6", "Lost"), ("unplug@in:3=0.1", "Lost"), ("stall@in:4", "Stalled")]
)
def test_a_failure_is_recovered_from_and_the_request_repeated(fault: str, kind: str, runtime: None) -> None:
    for emulation in emulated(mode="app"):
        emulation.corals[0].inject(*Fault.parse(fault))
        assert result(start(emulation, "infers")) == {"right": 10, "failed": [kind], "emulated": True}
