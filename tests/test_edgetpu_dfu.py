"""Firmware goes into a device that waits for it, is read back, and every way to fail ends in bounded time."""

from __future__ import annotations

import numpy as np
import pytest

from edgetpu_boot_rom import CONFIGURATION, DNLOAD_IDLE, ERROR, IDLE, UPLOAD_IDLE, BootRom
from subgraft.backends.edgetpu.control import Control
from subgraft.backends.edgetpu.deadline import Deadline
from subgraft.backends.edgetpu.dfu import DfuInterface, Download, detach, dfu_interface
from subgraft.backends.edgetpu.errors import FirmwareFailed, TimedOut

IMAGE = np.random.default_rng(1).bytes(10_783)
BLOCKS = 43  # of 256 bytes


def download(device: BootRom, seconds: float = 5.0, image: bytes = IMAGE) -> Download:
    control = Control(device, "usb@1-1", Deadline(seconds), 1.0)
    return Download(control, dfu_interface(control), image)


def test_an_image_goes_in_as_blocks_each_with_a_look_at_the_state() -> None:
    device = BootRom()
    download(device).run()
    blocks = [line for i in range(BLOCKS + 1) for line in (f"DNLOAD {i}", "GETSTATUS 0")]
    assert device.log == ["DESCRIPTOR 512", "GETSTATUS 0", *blocks]
    assert device.memory[: len(IMAGE)] == IMAGE
    assert device.state == IDLE


def test_it_is_read_back_until_a_short_block() -> None:
    device = BootRom()
    download(device).run_verified()
    assert device.log[-129:] == [f"UPLOAD {i}" for i in range(129)]
    assert device.state == IDLE


@pytest.mark.parametrize("size", [1, 255, 256, 257, 512])
def test_images_of_any_length_fit(size: int) -> None:
    device = BootRom()
    download(device, image=IMAGE[:size]).run_verified()
    assert device.memory[:size] == IMAGE[:size]


def test_an_image_that_arrived_wrong_is_sent_again() -> None:
    device = BootRom(flips=2)
    download(device).run_verified()
    assert device.memory[: len(IMAGE)] == IMAGE


def test_a_device_that_always_gives_back_another_image_is_given_up() -> None:
    device = BootRom(flips=99)
    with pytest.raises(FirmwareFailed, match=r"usb@1-1 .* from byte 300 on; so it went 3 times"):
        download(device).run_verified()
    assert device.log.count("DNLOAD 0") == 3


def test_unread_a_wrong_image_is_not_noticed() -> None:
    download(BootRom(flips=99)).run()


@pytest.mark.parametrize("given", [0, 1000, 10_782])
def test_a_device_that_gives_too_little_back_is_given_up(given: int) -> None:
    with pytest.raises(FirmwareFailed, match=f"gives back {given} of 10783 bytes"):
        download(BootRom(gives_back=given)).run_verified()


def test_a_device_that_refuses_a_block_is_talked_out_of_its_error() -> None:
    device = BootRom(errors=2)
    download(device).run_verified()
    assert device.log.count("CLRSTATUS 0") == 2
    assert device.memory[: len(IMAGE)] == IMAGE


def test_a_device_that_refuses_every_block_is_given_up_and_the_state_named() -> None:
    device = BootRom(errors=99)
    with pytest.raises(FirmwareFailed, match="block 0 of 43 .*dfuERROR, errVERIFY"):
        download(device).run_verified()
    assert device.log.count("DNLOAD 0") == 3


@pytest.mark.parametrize("state", [DNLOAD_IDLE, UPLOAD_IDLE, ERROR])
def test_what_somebody_left_half_done_is_ended_first(state: int) -> None:
    device = BootRom(state=state)
    download(device).run_verified()
    assert device.log[2] == ("CLRSTATUS 0" if state == ERROR else "ABORT 0")


@pytest.mark.parametrize("state", [0, 8, 200])
def test_a_state_in_which_no_firmware_is_taken_ends_at_once(state: int) -> None:
    device = BootRom(state=state)
    with pytest.raises(FirmwareFailed, match="stays in state"):
        download(device).run()
    assert len(device.log) < 5


def test_a_device_that_works_on_each_block_is_waited_for() -> None:
    device = BootRom(busy=2)
    download(device, image=IMAGE[:1024]).run_verified()
    assert device.memory[:1024] == IMAGE[:1024]


def test_a_device_that_works_for_ever_is_not() -> None:
    with pytest.raises(TimedOut, match=r"within 0.05 s"):
        download(BootRom(busy=1 << 30), seconds=0.05).run()


@pytest.mark.parametrize("after", [0, 1, 2, 3, 60, 100])
def test_a_silent_device_is_a_timeout_that_is_not_waited_for_twice(after: int) -> None:
    device = BootRom(silent_after=after)
    with pytest.raises(TimedOut, match="usb@1-1 did not answer in time"):
        download(device).run_verified()
    assert len(device.timeouts_ms) == after + 1
    assert 0 < device.timeouts_ms[-1] <= 1000


@pytest.mark.parametrize(
    "configuration",
    [
        b"",
        CONFIGURATION[:9],
        CONFIGURATION[:18],
        CONFIGURATION[:-1],
        CONFIGURATION.replace(b"\xfe\x01", b"\xff\x01"),  # another class
        CONFIGURATION.replace(b"\x09\x21\x0f", b"\x09\x21\x0e"),  # no download
        CONFIGURATION.replace(b"\x00\x01\x10\x01", b"\x00\x00\x10\x01"),  # blocks of no bytes
        CONFIGURATION.replace(b"\x00\x01\x10\x01", b"\xff\xff\x10\x01"),  # blocks beyond a control transfer
        CONFIGURATION[:9] + b"\x00" * 18,
        CONFIGURATION[:9] + b"\x01" * 18,
        bytes(range(255)),
    ],
)
def test_descriptors_without_a_place_for_firmware_are_refused(configuration: bytes) -> None:
    with pytest.raises(FirmwareFailed, match="no interface that takes any"):
        DfuInterface.parse(configuration, "usb@1-1")


def test_the_block_size_is_the_devices() -> None:
    device = BootRom(configuration=CONFIGURATION.replace(b"\x00\x01\x10\x01", b"\x00\x08\x10\x01"))
    download(device).run_verified()
    assert device.log.count("DNLOAD 5") == 1 and device.log.count("DNLOAD 6") == 1
    assert device.memory[: len(IMAGE)] == IMAGE


def test_a_device_that_cannot_be_read_back_has_to_be_trusted_in_words() -> None:
    unreadable = CONFIGURATION.replace(b"\x09\x21\x0f", b"\x09\x21\x0d")
    with pytest.raises(FirmwareFailed, match="verify_firmware=false"):
        download(BootRom(configuration=unreadable)).run_verified()
    download(BootRom(configuration=unreadable)).run()


def test_an_empty_image_is_refused() -> None:
    with pytest.raises(FirmwareFailed, match="empty"):
        download(BootRom(), image=b"")


def test_detaching_gives_the_device_100_ms() -> None:
    asked: list[tuple[object, ...]] = []

    class Device:
        def control_out(self, *request: object) -> None:
            asked.append(request[:5])

    detach(Control(Device(), "usb@1-1", Deadline(1), 1.0), 0)  # type: ignore[arg-type]
    assert asked == [(0x21, 0, 100, 0, b"")]
