"""The bus of emulated Corals: who is listed, who may open and claim, and what happens when a device goes."""

from __future__ import annotations

import struct
import threading
import time

import pytest

from edgetpu_packages import small_package
from edgetpu_raw_client import FIRMWARE
from edgetpu_small_program import IN, coral_with, made
from subgraft import _native
from subgraft.backends.edgetpu.buses import Bus, Found
from subgraft.backends.edgetpu.emulator import EmulatedCoral, EmulatedProgram, Fault
from subgraft.backends.edgetpu.emulator.bus import EmulatedBus
from subgraft.delegates import Array

READ_32 = (0xC0, 1)
SCU_CTRL_3 = (0xA318, 1)

_bus: type[Bus] = EmulatedBus


def code_of(action: object, *arguments: object) -> str:
    with pytest.raises(_native.UsbError) as caught:
        action(*arguments)  # type: ignore[operator]
    return str(caught.value.code)


def opened(coral: EmulatedCoral) -> tuple[EmulatedBus, _native.UsbDevice]:
    bus = EmulatedBus([coral])
    return bus, bus.open(bus.list()[0])


def listed(bus: EmulatedBus) -> Found:
    """The one device, once it is there."""
    until = time.monotonic() + 5
    while not bus.list() and time.monotonic() < until:
        time.sleep(0.001)
    (found,) = bus.list()
    return found


def wait_for_threads(count: int) -> None:
    until = time.monotonic() + 5
    while threading.active_count() > count and time.monotonic() < until:
        time.sleep(0.005)
    assert threading.active_count() <= count


def test_several_devices_have_their_ports_and_say_that_they_are_emulated() -> None:
    first, second = EmulatedCoral("dfu"), EmulatedCoral("app", "high")
    bus = EmulatedBus([first, second])
    found = bus.list()
    assert [(f.path, f.vendor, f.product, f.speed_mbps, f.emulated) for f in found] == [
        ("0-1", 0x1A6E, 0x089A, 5000, True),
        ("0-2", 0x18D1, 0x9302, 480, True),
    ]
    assert bus.open(found[1]).speed_mbps == 480
    first.unplug()
    assert [f.path for f in bus.list()] == ["0-2"]


def test_registers_are_reached_through_an_opened_device() -> None:
    _, device = opened(EmulatedCoral("app"))
    assert device.control_in(*READ_32, *SCU_CTRL_3, 4, 1000) == bytes.fromhex("04000560")
    assert code_of(device.control_in, *READ_32, 0x1234, 0, 4, 1000) == "STALLED"


def test_firmware_makes_it_another_device_at_another_address() -> None:
    coral = EmulatedCoral("dfu")
    bus, device = opened(coral)
    (before,) = bus.list()
    blocks = [FIRMWARE[at : at + 256] for at in range(0, len(FIRMWARE), 256)]
    device.claim(0)
    for number, block in enumerate([*blocks, b""]):
        device.control_out(0x21, 1, number, 0, block, 1000)
        device.control_in(0xA1, 3, 0, 0, 6, 1000)
    assert code_of(device.reset) == "NOT_FOUND"
    after = listed(bus)
    assert (after.vendor, after.product, after.path) == (0x18D1, 0x9302, before.path)
    assert after.address != before.address
    assert code_of(bus.open, before) == "NO_DEVICE"
    assert code_of(device.control_in, *READ_32, *SCU_CTRL_3, 4, 1000) == "NO_DEVICE"
    bus.open(after).claim(0)


def test_a_device_that_takes_its_time_to_come_back_is_not_listed_meanwhile() -> None:
    coral = EmulatedCoral("app", reenumerate_s=0.05)
    bus, device = opened(coral)
    device.control_out(0x21, 0, 100, 0, b"", 1000)
    assert code_of(device.reset) == "NOT_FOUND"
    assert bus.list() == []
    assert listed(bus).product == 0x089A


def test_a_port_reset_without_firmware_to_start_keeps_the_device() -> None:
    bus, device = opened(EmulatedCoral("app"))
    before = bus.list()
    device.reset()
    assert bus.list() == before
    assert device.control_in(*READ_32, *SCU_CTRL_3, 4, 1000) == bytes.fromhex("04000560")


def test_an_interface_is_claimed_by_one_and_free_when_it_closes() -> None:
    bus, device = opened(EmulatedCoral("app"))
    other = bus.open(bus.list()[0])
    device.claim(0)
    assert code_of(other.claim, 0) == "BUSY"
    device.close()
    other.claim(0)
    other.release(0)
    assert code_of(other.release, 0) == "NOT_FOUND"


def test_unplugging_ends_what_is_pending_and_the_serving_thread() -> None:
    threads = threading.active_count()
    coral = EmulatedCoral("app")
    _, device = opened(coral)
    reads = [device.submit_in(0x81, 1024), device.submit_in(0x83, 4, interrupt=True)]
    coral.unplug()
    for _ in range(10):
        device.wait(0.5)
        if all(read.status for read in reads):
            break
    assert [read.status for read in reads] == ["NO_DEVICE", "NO_DEVICE"]
    wait_for_threads(threads)


def test_closing_ends_the_serving_thread() -> None:
    threads = threading.active_count()
    coral = EmulatedCoral("app")
    bus = EmulatedBus([coral])
    for _ in range(20):
        device = bus.open(bus.list()[0])
        device.claim(0)
        read = device.submit_in(0x81, 1024)
        device.close()
        assert read.status in ("CANCELLED", "NO_DEVICE")
    wait_for_threads(threads)
    bus.open(bus.list()[0]).claim(0)


def test_a_cancelled_read_comes_back_cancelled() -> None:
    _, device = opened(EmulatedCoral("app"))
    read = device.submit_in(0x82, 16)
    read.cancel()
    assert device.wait(5)
    assert read.status == "CANCELLED"


def test_a_silent_device_ends_in_the_time_limit_of_the_caller() -> None:
    coral = EmulatedCoral("app")
    _, device = opened(coral)
    coral.inject(*Fault.parse("timeout@control"))
    assert code_of(device.control_in, *READ_32, *SCU_CTRL_3, 4, 50) == "TIMEOUT"
    assert device.control_in(*READ_32, *SCU_CTRL_3, 4, 1000)


def test_a_stalled_endpoint_works_again_once_it_is_cleared() -> None:
    coral = EmulatedCoral("app")
    _, device = opened(coral)
    coral.inject(*Fault.parse("halt@out"))
    first, second = device.submit_out(0x01, bytes(8)), device.submit_out(0x01, bytes(8))
    while not (first.status and second.status):
        assert device.wait(5)
    assert [first.status, second.status] == ["STALLED", "STALLED"]
    device.clear_halt(0x01)
    third = device.submit_out(0x01, small_package()[:8])
    assert not device.wait(0.02)  # taken by nobody, as nothing runs yet
    assert [violation.rule for violation in coral.violations] == ["halted"]
    third.cancel()


def test_a_bug_in_what_computes_is_seen_and_leaves_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    def compute(parameters: bytes, inputs: list[Array]) -> list[Array]:
        raise ZeroDivisionError("a bug")

    seen: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", seen.append)
    threads = threading.active_count()
    compiled, _, running = made()
    coral, _ = coral_with(EmulatedProgram(compiled, compute))
    _, device = opened(coral)
    read = device.submit_in(0x81, 1024)
    for tag, payload in ((0, running), (1, bytes(IN))):
        device.submit_out(0x01, struct.pack("<II", len(payload), tag) + payload)
    while not read.status:
        assert device.wait(5)
    assert read.status == "NO_DEVICE"
    wait_for_threads(threads)
    assert [args.exc_type for args in seen] == [ZeroDivisionError]
