"""The registers of the emulated Coral: values after power-up, what writes set off, and what is not allowed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edgetpu_raw_client import INTERRUPTS, SCALARS, TILES, Ended, RawClient
from subgraft.backends.edgetpu.emulator import EmulatedCoral
from subgraft.backends.edgetpu.emulator import register_map as at

SCU_CTRL_3 = 0x1A318


@pytest.fixture
def coral() -> EmulatedCoral:
    return EmulatedCoral("app")


@pytest.fixture
def client(coral: EmulatedCoral) -> Iterator[RawClient]:
    yield RawClient(coral)


def rules(coral: EmulatedCoral) -> list[str]:
    return [violation.rule for violation in coral.violations]


def test_opening_reads_and_writes_the_values_that_hardware_showed(coral: EmulatedCoral, client: RawClient) -> None:
    client.open()
    assert [str(transfer) for transfer in coral.trace][:20] == [
        "R32 1a30c -> 000f0959",
        "W32 1a30c = 000f0059",
        "R32 1a314 -> 00110000",
        "R32 1a318 -> 60050004",
        "W32 1a318 = 60c50004",
        "R32 1a318 -> 60c5025c",
        "W32 1907c = 0000000f",
        "W32 1907c = 00000000",
        "R32 1a318 -> 60c5025c",
        "W32 1a318 = 0085025c",
        "R32 1a318 -> 00850004",
        "R64 44018 -> 0",
        "W64 4a000 = 1",
        "W64 48788 = 7f",
        "R64 48788 -> 7f",
        "W64 40020 = 1e02",
        "R32 1a314 -> 00110000",
        "W32 1a314 = 00150000",
        "R32 1a000 -> 00000001",
        "W64 4c148 = f0",
    ]
    assert coral.violations == ()


@pytest.mark.parametrize(
    ("offset", "value"), [(0x1A0D4, 0x1), (0x1A704, 0x0070007F), (0x1A33C, 0x000C003F), (0x1A0D8, 0)]
)
def test_the_remaining_registers_start_as_hardware_does(client: RawClient, offset: int, value: int) -> None:
    assert client.read(offset, 4) == value


def test_the_clock_is_seen_gated_while_nothing_runs(client: RawClient) -> None:
    client.open()
    assert client.read(SCU_CTRL_3, 4) == 0x0085000C
    client.sleep()
    assert client.read(SCU_CTRL_3, 4) == 0x00C5025C


def test_another_set_of_reset_values_keeps_its_own_bits() -> None:
    coral = EmulatedCoral("app", reset_values=at.OTHER)
    client = RawClient(coral)
    before = client.read(SCU_CTRL_3, 4)
    client.open()
    assert client.read(SCU_CTRL_3, 4) & 0x000F0C05 == before & 0x000F0C05
    assert client.read(0x1A30C, 4) == at.OTHER[at.SCU_CTRL_0] & ~0xF00


def test_the_power_state_follows_late_where_asked_to() -> None:
    client = RawClient(EmulatedCoral("app", power_reads=2))
    client.sleep()
    assert [client.read(SCU_CTRL_3, 4) >> 8 & 3 for _ in range(4)] == [0, 0, 2, 2]


def test_sleep_loses_the_core_and_keeps_the_bridge(coral: EmulatedCoral, client: RawClient) -> None:
    client.open()
    client.write(0x1A500, 4, 1)
    client.sleep()
    client.write(SCU_CTRL_3, 4, 0x00850000)
    assert [client.read(offset, 8) for offset in (*SCALARS, *TILES, *INTERRUPTS, 0x48788, 0x4C148)] == [0] * 22
    assert client.read(0x1A500, 4) == 1
    assert client.read(0x1A314, 4) == 0x00150000


def test_a_port_reset_gives_every_register_its_first_value(coral: EmulatedCoral, client: RawClient) -> None:
    client.open()
    client.sleep()
    assert not coral.bus_reset()
    assert client.read(SCU_CTRL_3, 4) == 0x60050004
    assert client.read(0x1A314, 4) == 0x00110000


@pytest.mark.parametrize("offset", [0x40020, 0x44018, 0x48788, 0x4C148])
def test_the_core_is_out_of_reach_while_it_sleeps(coral: EmulatedCoral, client: RawClient, offset: int) -> None:
    client.sleep()
    with pytest.raises(Ended, match="STALLED"):
        client.read(offset, 8)
    with pytest.raises(Ended, match="STALLED"):
        client.write(offset, 8, 1)
    assert rules(coral) == ["asleep", "asleep"]


@pytest.mark.parametrize(("offset", "width"), [(0x1A318, 8), (0x44018, 4), (0x1A31C, 4), (0x12345678, 8), (0, 4)])
def test_a_wrong_width_or_an_unknown_register_stalls(
    coral: EmulatedCoral, client: RawClient, offset: int, width: int
) -> None:
    with pytest.raises(Ended, match="STALLED"):
        client.read(offset, width)
    with pytest.raises(Ended, match="STALLED"):
        client.write(offset, width, 0)
    assert rules(coral) == ["register", "register"]


def test_a_register_request_of_another_length_stalls(coral: EmulatedCoral, client: RawClient) -> None:
    for kind, data in ((0xC0, 8), (0x40, bytes(8))):
        with pytest.raises(Ended, match="STALLED"):
            client.control(kind, 1, 0xA318, 1, data)
    assert rules(coral) == ["register", "register"]


def test_writing_what_is_read_only_changes_nothing(coral: EmulatedCoral, client: RawClient) -> None:
    client.write(0x1A000, 4, 0xFFFFFFFF)
    assert client.read(0x1A000, 4) == 1
    assert rules(coral) == ["register"]


def test_failures_are_cleared_by_writing_ones() -> None:
    coral = EmulatedCoral("app", reset_values={**at.HARDWARE, at.SCU_CTR_7: 0x000F003F, at.RAMBIST_CTRL_1: 0x0077007F})
    client = RawClient(coral)
    client.write(0x1A33C, 4, 0x0001003F)
    assert client.read(0x1A33C, 4) == 0x0002003F
    client.write(0x1A704, 4, 0x0005007F)
    assert client.read(0x1A704, 4) == 0x0002007F


def test_interrupts_are_cleared_by_writing_zero(coral: EmulatedCoral, client: RawClient) -> None:
    client.open()
    coral.registers.fail(1)
    assert client.read(0x4C068, 8) == 1
    client.write(0x4C068, 8, 1)
    assert client.read(0x4C068, 8) == 1
    client.write(0x4C068, 8, 0)
    assert client.read(0x4C068, 8) == 0
    client.write(0x4C068, 8, 1)
    assert client.read(0x4C068, 8) == 0


def test_one_tile_alone_is_started_by_no_driver(coral: EmulatedCoral, client: RawClient) -> None:
    client.write(0x400C0, 8, 1)
    assert rules(coral) == ["tiles"]


@pytest.mark.parametrize("celsius", [-10.0, 25.0, 45.05, 99.8])
def test_the_temperature_reads_back_by_the_public_formula(
    coral: EmulatedCoral, client: RawClient, celsius: float
) -> None:
    coral.registers.temperature_c = celsius
    adc = client.read(0x1A0DC, 4) >> 16 & 0x3FF
    assert abs((662 - adc) * 250 + 550 - 1000 * celsius) <= 125


def test_a_thermal_warning_stays_until_it_is_cleared(coral: EmulatedCoral, client: RawClient) -> None:
    client.open()
    assert coral.registers.overheat(3) == 1 << 4
    assert coral.registers.overheat(0) == 1 << 1
    assert client.read(0x1A0DC, 4) >> 30 == 3
    client.write(0x1A0DC, 4, 1 << 29)
    assert client.read(0x1A0DC, 4) >> 30 == 1
    client.write(0x1A0DC, 4, 1 << 28)
    assert client.read(0x1A0DC, 4) >> 30 == 0
    client.write(0x4C0A0, 8, 0)
    assert coral.registers.overheat(3) == 0


def test_a_stuck_register_reads_the_same_whatever_is_written(coral: EmulatedCoral, client: RawClient) -> None:
    coral.registers.stick(SCU_CTRL_3, 0x60050004)
    client.sleep()
    assert client.read(SCU_CTRL_3, 4) == 0x60050004
    coral.registers.unstick()
    assert client.read(SCU_CTRL_3, 4) >> 8 & 3 == 2


def test_several_bulk_out_endpoints_are_not_in_this_firmware(coral: EmulatedCoral, client: RawClient) -> None:
    client.open()
    client.write(0x4C160, 8, 1)
    assert rules(coral) == ["register"]


def test_registers_are_the_applications_alone() -> None:
    client = RawClient(EmulatedCoral("dfu"))
    with pytest.raises(Ended, match="STALLED"):
        client.read(SCU_CTRL_3, 4)
