"""The emulated Coral as other processes see it, through libusb and pyusb as they are."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import subgraft
from coral_session import answers
from subgraft.backends.edgetpu.emulator.compiler import compile_model
from subgraft.backends.edgetpu.emulator.daemon import Emulation
from subgraft.backends.edgetpu.emulator.umockdev import OLD_SOCKETS, NoUmockdev
from subgraft.interpreter.services import main_graphs
from subgraft.models import DIGITS_INT8
from subgraft.testing import Emulator
from waiting import until

Child = subprocess.Popen[str]
CLIENT = Path(__file__).parent / "coral_client.py"
SESSION = Path(__file__).parent / "coral_session.py"
NOBODY = 65534
WITHOUT_OVERRIDE = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
NEEDED = "SUBGRAFT_REQUIRE_UMOCKDEV"  # set where these tests must not be skipped

only_root = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("setpriv"), reason="only root can give a node to somebody else"
)


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


def start(emulation: Emulation, does: str, *before: str) -> Child:
    command = [*before, sys.executable, str(CLIENT), does]
    return subprocess.Popen(command, env={**os.environ, **emulation.environment}, stdout=subprocess.PIPE, text=True)


def session(emulation: Emulation, pair: tuple[Path, Path], *arguments: str, before: Sequence[str] = ()) -> Child:
    """Runs the pair's model on the device in a process of its own."""
    command = [*before, sys.executable, str(SESSION), *map(str, pair), *arguments]
    return subprocess.Popen(command, env={**os.environ, **emulation.environment}, stdout=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model and what the stand-in compiler makes of it."""
    compiled = tmp_path_factory.mktemp("compiled") / "digits_edgetpu.tflite"
    compiled.write_bytes(compile_model(DIGITS_INT8.read_bytes()))
    compiled.parent.chmod(0o755)
    return DIGITS_INT8, compiled


@pytest.fixture
def taught(pair: tuple[Path, Path]) -> Iterator[Emulation]:
    """A stick in application mode that knows the model."""
    yield from emulated(mode="app", models=main_graphs(pair[0]), compiled=main_graphs(pair[1]))


@cache
def expected() -> list[str]:
    """What the CPU answers."""
    with subgraft.load(DIGITS_INT8) as cpu:
        return answers(cpu)


def result(child: Child) -> Any:
    out, _ = child.communicate(timeout=60)
    assert child.returncode == 0, out
    return json.loads(out)


def first_line(child: Child) -> Any:
    """What it said first; it goes on."""
    assert child.stdout is not None
    return json.loads(child.stdout.readline())


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


def take_permission_away(emulation: Emulation) -> None:
    """The nodes become somebody else's, and ours alone to open with a right that WITHOUT_OVERRIDE takes from root."""
    for node in Path(emulation.environment["UMOCKDEV_DIR"]).glob("dev/bus/usb/*/*"):
        os.chown(node, NOBODY, NOBODY)
        node.chmod(0o600)


@only_root
def test_a_node_that_may_not_be_opened_is_refused(plugged: Emulation) -> None:
    assert client(plugged, "claim", *WITHOUT_OVERRIDE) == {"errno": 0}
    take_permission_away(plugged)
    assert client(plugged, "claim", *WITHOUT_OVERRIDE) == {"errno": errno.EACCES}


@pytest.mark.parametrize("library", ["", "pyusb"])
@pytest.mark.parametrize("mode", ["dfu", "app"])
@pytest.mark.parametrize("speed", ["super", "high"])
def test_a_model_on_the_stick_gives_the_cpus_bits(pair: tuple[Path, Path], library: str, mode: str, speed: str) -> None:
    graphs = {"models": main_graphs(pair[0]), "compiled": main_graphs(pair[1])}
    for emulation in emulated(mode=mode, speed=speed, **graphs):
        seen = result(session(emulation, pair, "--library", library))
        assert seen["on_device"]
        assert seen["answers"] == expected()
        assert emulation.corals[0].violations == ()
        assert emulation.corals[0].counts()["inference"] == len(expected())


def test_two_programs_use_a_stick_each_at_the_same_time(pair: tuple[Path, Path]) -> None:
    graphs = {"models": main_graphs(pair[0]), "compiled": main_graphs(pair[1])}
    for emulation in emulated(sticks=2, **graphs):
        programs = [session(emulation, pair, "--device", device) for device in ("usb:0", "usb@2-2")]
        for program in programs:
            seen = result(program)
            assert seen.get("answers") == expected(), seen
        assert [coral.counts()["inference"] for coral in emulation.corals] == [len(expected())] * 2


def test_a_second_program_is_told_who_has_the_stick(taught: Emulation, pair: tuple[Path, Path]) -> None:
    with session(taught, pair, "--endlessly") as first:
        pid = first_line(first)["pid"]
        seen = result(session(taught, pair))
        first.kill()
    assert seen["error"] == "Busy"
    assert "BlockingIOError" in seen["causes"]
    assert str(pid) in seen["reason"]


def test_after_a_program_was_killed_in_an_inference_the_next_gets_right_answers(
    taught: Emulation, pair: tuple[Path, Path]
) -> None:
    for _ in range(3):
        with session(taught, pair, "--endlessly") as killed:
            assert first_line(killed)["answers"] == expected()
            until(lambda: 0x81 in taught.in_flight())
            killed.kill()
        until(lambda: not taught.in_flight())
        seen = result(session(taught, pair))
        assert seen["answers"] == expected()


def test_a_model_that_the_emulated_device_was_not_taught_is_remarked_on(pair: tuple[Path, Path]) -> None:
    for _ in emulated():
        pass  # skips where there is no umockdev
    model, compiled = pair
    run = ["run", str(model), "--compiled", str(compiled), "--delegate", "edgetpu", "--input", "image=blank.npy"]
    np.save(compiled.parent / "blank.npy", np.zeros((1, 8, 8, 1), np.int8))
    subgraft_ = [sys.executable, "-m", "subgraft"]
    done = subprocess.run(
        [*subgraft_, "emulate", "--", *subgraft_, *run],
        cwd=compiled.parent,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "the Edge TPU usb@2-1 (emulated): endpoint 0x83: the device reports a fatal error" in done.stderr
    assert "name it with --model FILE --compiled FILE" in done.stderr


def test_a_host_without_memory_for_usb_is_told_where_to_give_some(taught: Emulation, pair: tuple[Path, Path]) -> None:
    emulator = Emulator.connect(taught.environment["SUBGRAFT_EMULATOR"])
    emulator.set("memory_bytes", 512)
    seen = result(session(taught, pair))
    assert seen["error"] == "OutOfMemory"
    assert "usbfs_memory_mb" in seen["reason"]
    emulator.set("memory_bytes", 1 << 24)
    emulator.set("refuse_submits", 1)
    assert result(session(taught, pair))["answers"] == expected()


@only_root
def test_a_user_without_permission_is_told_what_to_do(taught: Emulation, pair: tuple[Path, Path]) -> None:
    take_permission_away(taught)
    seen = result(session(taught, pair, before=WITHOUT_OVERRIDE))
    assert seen["error"] == "NoPermission"
    assert "PermissionError" in seen["causes"]
    assert "udev" in seen["reason"]


def test_a_stick_that_is_replugged_often_gets_new_addresses_and_holds_no_more(plugged: Emulation) -> None:
    coral = plugged.corals[0]
    before = None
    for number in range(3 * OLD_SOCKETS):  # more than there are addresses on a bus
        coral.unplug()
        coral.plug("app")
        if number == OLD_SOCKETS:
            before = held()
    assert before is not None
    until(lambda: all(now <= then for now, then in zip(held(), before, strict=True)))
    assert client(plugged, "register") == {"register": 0x000F0959}


def held() -> tuple[int, int]:
    """Threads and files of this process."""
    return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))


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
