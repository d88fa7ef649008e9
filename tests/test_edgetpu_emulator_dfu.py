"""The emulated boot ROM: firmware upgrade by the specification, and every wrong turn."""

from __future__ import annotations

import struct

import pytest

from edgetpu_raw_client import FIRMWARE, Ended, RawClient
from subgraft.backends.edgetpu.emulator import EmulatedCoral, Fault
from subgraft.backends.edgetpu.emulator.descriptors import Speed

IDLE, DNLOAD_IDLE, MANIFEST_SYNC, UPLOAD_IDLE, ERROR = 2, 5, 6, 9, 10


@pytest.fixture
def coral() -> EmulatedCoral:
    return EmulatedCoral("dfu")


@pytest.fixture
def client(coral: EmulatedCoral) -> RawClient:
    return RawClient(coral)


def status(client: RawClient) -> tuple[int, int]:
    """bStatus and bState."""
    code, _, _, state, _ = struct.unpack("<BBHBB", client.control(0xA1, 3, 0, 0, 6))
    return code, state


def state(client: RawClient) -> int:
    return client.control(0xA1, 5, 0, 0, 1)[0]


def stalls(client: RawClient, kind: int, request: int, value: int, data: int | bytes, index: int = 0) -> None:
    with pytest.raises(Ended, match="STALLED"):
        client.control(kind, request, value, index, data)


@pytest.mark.parametrize("speed", ["super", "high"])
def test_the_boot_rom_says_what_it_is(speed: Speed) -> None:
    client = RawClient(EmulatedCoral("dfu", speed))
    device = client.control(0x80, 6, 0x0100, 0, 18)
    assert struct.unpack_from("<HH", device, 8) == (0x1A6E, 0x089A)
    assert device[14:17] == bytes(3)  # no strings
    configuration = client.control(0x80, 6, 0x0200, 0, 521)
    assert struct.unpack_from("<H", configuration, 2) == (len(configuration),)
    assert configuration[9:18] == bytes.fromhex("09 04 00 00 00 fe 01 02 00")
    length, kind, attributes, _, transfer_bytes, _ = struct.unpack("<BBBHHH", configuration[18:])
    assert (length, kind, attributes & 3, transfer_bytes) == (9, 0x21, 3, 256)


@pytest.mark.parametrize(
    ("speed", "device", "configuration"),
    [
        (
            "high",
            "12 01 10 02 00 00 00 40 d1 18 02 93 00 01 00 00 00 01",
            "09 02 3c 00 01 01 00 c0 31 09 04 00 00 06 ff ff ff 00 07 05 01 02 00 02 00 07 05 02 02 00 02 00"
            "07 05 03 02 00 02 00 07 05 81 02 00 02 00 07 05 82 02 00 02 00 07 05 83 03 40 00 01",
        ),
        (
            "super",
            "12 01 10 03 00 00 00 09 d1 18 02 93 00 01 00 00 00 01",
            "09 02 60 00 01 01 00 c0 0c 09 04 00 00 06 ff ff ff 00"
            "07 05 01 02 00 04 00 06 30 0f 00 00 00 07 05 02 02 00 04 00 06 30 0f 00 00 00"
            "07 05 03 02 00 04 00 06 30 0f 00 00 00 07 05 81 02 00 04 00 06 30 0f 00 00 00"
            "07 05 82 02 00 04 00 06 30 0f 00 00 00 07 05 83 03 40 00 01 06 30 00 00 04 00",
        ),
    ],
)
def test_the_application_has_the_descriptors_of_the_firmware_image(
    speed: Speed, device: str, configuration: str
) -> None:
    client = RawClient(EmulatedCoral("app", speed))
    assert client.control(0x80, 6, 0x0100, 0, 18) == bytes.fromhex(device)
    assert client.control(0x80, 6, 0x0200, 0, 4096) == bytes.fromhex(configuration)
    assert client.control(0x80, 6, 0x0200, 0, 9) == bytes.fromhex(configuration)[:9]
    assert client.control(0x80, 6, 0x0F00, 0, 22)[:5] == bytes.fromhex("05 0f 16 00 02")
    stalls(client, 0x80, 6, 0x0300, 255)


def test_standard_requests_are_answered() -> None:
    client = RawClient(EmulatedCoral("app"))
    assert client.control(0x80, 0, 0, 0, 2) == b"\x01\x00"
    assert client.control(0x80, 8, 0, 0, 1) == b"\x01"
    assert client.control(0x81, 10, 0, 0, 1) == b"\x00"
    client.control(0x00, 9, 1, 0, b"")
    client.control(0x02, 3, 0, 0x81, b"")
    assert client.control(0x82, 0, 0, 0x81, 2) == b"\x01\x00"
    client.control(0x02, 1, 0, 0x81, b"")
    assert client.control(0x82, 0, 0, 0x81, 2) == b"\x00\x00"
    stalls(client, 0x80, 99, 0, 1)
    stalls(client, 0x00, 99, 0, b"")


def test_each_block_is_confirmed_and_the_image_starts_with_a_port_reset(
    coral: EmulatedCoral, client: RawClient
) -> None:
    client.control(0x21, 1, 0, 0, b"a" * 256)
    assert state(client) == 3
    assert status(client) == (0, DNLOAD_IDLE)
    client.control(0x21, 1, 1, 0, b"")
    assert state(client) == MANIFEST_SYNC
    assert status(client) == (0, IDLE)
    assert coral.bus_reset()
    assert (coral.mode, coral.firmware) == ("app", b"a" * 256)


def test_a_port_reset_in_the_middle_leaves_it_in_the_boot_rom(coral: EmulatedCoral, client: RawClient) -> None:
    client.control(0x21, 1, 0, 0, b"a" * 256)
    assert not coral.bus_reset()
    assert coral.mode == "dfu"
    assert state(client) == IDLE
    client.download()
    assert coral.bus_reset()


def test_a_stick_that_does_not_start_its_firmware_stays_in_the_boot_rom() -> None:
    coral = EmulatedCoral("dfu", starts_firmware=False)
    RawClient(coral).download()
    assert not coral.bus_reset()
    assert coral.mode == "dfu"


def test_detached_it_returns_to_the_boot_rom_with_the_next_port_reset() -> None:
    coral = EmulatedCoral("app")
    client = RawClient(coral)
    client.control(0x21, 0, 100, 0, b"")
    assert coral.mode == "app"
    assert coral.bus_reset()
    assert coral.mode == "dfu"
    client.download()
    stalls(client, 0x21, 0, 100, b"")


def test_the_image_reads_back_at_any_size_and_ends_with_a_short_block(client: RawClient) -> None:
    client.download(FIRMWARE[:1000])
    blocks = client.upload()
    assert [len(block) for block in blocks] == [256] * 128 + [0]
    assert b"".join(blocks)[:1000] == FIRMWARE[:1000]
    assert state(client) == IDLE


def test_an_upload_that_is_aborted_can_be_started_again(client: RawClient) -> None:
    client.download()
    client.control(0xA1, 2, 0, 0, 256)
    assert state(client) == UPLOAD_IDLE
    client.control(0x21, 6, 0, 0, b"")
    assert state(client) == IDLE
    assert client.control(0xA1, 2, 0, 0, 256) == FIRMWARE[:256]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda c: stalls(c, 0x21, 1, 0, b""),  # an empty image
        lambda c: stalls(c, 0x21, 1, 5, bytes(256)),  # not the first block
        lambda c: stalls(c, 0x21, 1, 0, bytes(257)),  # more than the transfer size
        lambda c: (c.control(0x21, 1, 0, 0, bytes(256)), stalls(c, 0x21, 1, 1, bytes(256))),  # no status in between
        lambda c: (c.control(0x21, 1, 0, 0, bytes(256)), stalls(c, 0xA1, 2, 0, 256)),
        lambda c: (c.control(0xA1, 2, 0, 0, 256), stalls(c, 0x21, 1, 0, bytes(256))),
        lambda c: stalls(c, 0xA1, 2, 1, 256),
        lambda c: stalls(c, 0xA1, 2, 0, 257),
        lambda c: stalls(c, 0x21, 4, 0, b""),  # nothing to clear
        lambda c: stalls(c, 0x21, 9, 0, b""),
        lambda c: stalls(c, 0x21, 0, 100, b""),
    ],
)
def test_what_the_specification_forbids_ends_in_the_error_state(coral: EmulatedCoral, client: RawClient, wrong) -> None:  # type: ignore[no-untyped-def]
    wrong(client)
    code, now = status(client)
    assert (code != 0, now) == (True, ERROR)
    stalls(client, 0x21, 1, 0, bytes(256))
    assert {violation.rule for violation in coral.violations} == {"dfu"}
    client.control(0x21, 4, 0, 0, b"")
    assert status(client) == (0, IDLE)
    client.download()
    assert coral.bus_reset()


def test_more_than_the_memory_holds_is_refused(client: RawClient) -> None:
    with pytest.raises(Ended, match="STALLED"):
        client.download(bytes(32768 + 256))
    assert status(client)[1] == ERROR


@pytest.mark.parametrize(
    ("kind", "request_number", "data"), [(0xA1, 1, 256), (0x21, 3, bytes(6)), (0x21, 2, bytes(256))]
)
def test_requests_in_the_wrong_direction_stall(
    client: RawClient, kind: int, request_number: int, data: int | bytes
) -> None:
    stalls(client, kind, request_number, 0, data)
    assert state(client) == IDLE


def test_another_interface_has_no_firmware_upgrade(client: RawClient) -> None:
    stalls(client, 0xA1, 3, 0, 6, index=1)


def test_the_error_state_can_be_asked_for(coral: EmulatedCoral, client: RawClient) -> None:
    coral.inject(*Fault.parse("dfu_error@control:3"))
    with pytest.raises(Ended, match="STALLED"):
        client.download()
    assert status(client)[1] == ERROR
    assert not coral.bus_reset()


def test_a_wrong_bit_of_the_image_shows_when_it_is_read_back(coral: EmulatedCoral, client: RawClient) -> None:
    coral.inject(*Fault.parse("flip@control:5"))
    client.download()
    assert b"".join(client.upload())[: len(FIRMWARE)] != FIRMWARE
