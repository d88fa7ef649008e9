"""From a device on the bus to one that is awake, in whatever state it was, and back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgetpu_boot_rom import BootRom
from edgetpu_bus import FakeBus, Stick
from edgetpu_chip import RegisterFile
from edgetpu_sequences import AFTER_A_CLOSE, CHIPS, PERFORMANCE, POWER_ON, closing, collapsed, opening
from subgraft.backends.edgetpu import opening as under_test
from subgraft.backends.edgetpu.errors import (
    Busy,
    FirmwareFailed,
    LinkTooSlow,
    Lost,
    NoPermission,
    TimedOut,
)
from subgraft.backends.edgetpu.opening import Awake, Opening, put_to_sleep
from subgraft.backends.edgetpu.settings import Settings
from subgraft.cli.exit_codes import ExitCode, exit_code

IMAGE = np.random.default_rng(2).bytes(1000)


def opened(*sticks: Stick, dirty: bool = False, **settings: object) -> Awake:
    image = lambda: IMAGE  # noqa: E731
    return Opening(FakeBus(list(sticks)), sticks[0].found, Settings.of(settings, {}), image).run(dirty=dirty)


def accesses(stick: Stick) -> list[str]:
    return collapsed([line for line in stick.log if line[:3] in ("R32", "R64", "W32", "W64")])


def others(stick: Stick) -> list[str]:
    """The log without the accesses to registers."""
    return [line for line in stick.log if line[:3] not in ("R32", "R64", "W32", "W64")]


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("reset", ["auto", "always", "never"])
@pytest.mark.parametrize("usb3", [True, False], ids=["USB 3", "USB 2"])
@pytest.mark.parametrize("performance", PERFORMANCE)
def test_open_and_close_are_as_described_with_a_reset_by_policy(
    performance: str, usb3: bool, reset: str, chip: str
) -> None:
    stick = Stick(speed_mbps=5000 if usb3 else 480, chip=RegisterFile(CHIPS[chip]))
    awake = opened(stick, performance=performance, reset=reset)
    first = ["claim 0", "release 0", "reset"] if reset == "always" else []
    assert others(stick) == ["open", *first, "claim 0"]
    assert accesses(stick) == opening(CHIPS[chip], performance, usb3=usb3)
    stick.log.clear()
    put_to_sleep(awake)
    assert accesses(stick) == closing(CHIPS[chip], performance)
    assert others(stick) == ["release 0", "close"]
    assert stick.log[-2:] == ["release 0", "close"]


@pytest.mark.parametrize(("reset", "resets"), [("auto", 1), ("always", 1), ("never", 0)])
def test_a_device_left_in_disorder_is_reset_unless_never(reset: str, resets: int) -> None:
    stick = Stick()
    opened(stick, dirty=True, reset=reset)
    assert stick.log.count("reset") == resets


@pytest.mark.parametrize(("reset", "dirty"), [("always", False), ("auto", True)])
def test_a_device_that_somebody_else_runs_is_not_reset(reset: str, dirty: bool) -> None:
    stick = Stick()
    stick.fail = lambda line: "BUSY" if line.startswith("claim") else ""
    with pytest.raises(Busy, match="usb@1-1"):
        opened(stick, reset=reset, dirty=dirty)
    assert stick.log == ["open", "claim 0", "close"]


@pytest.mark.parametrize(("reset", "resets"), [("auto", 1), ("always", 1), ("never", 0)])
def test_a_chip_that_another_driver_left_awake_is_reset_unless_never(reset: str, resets: int) -> None:
    stick = Stick(chip=RegisterFile(POWER_ON))
    opened(stick)
    stick.log.clear()
    awake = opened(stick, reset=reset)
    assert stick.log.count("reset") == resets
    assert awake.found == stick.found


def test_a_wider_chunk_can_be_asked_for_on_usb_2(caplog: pytest.LogCaptureFixture) -> None:
    stick = Stick(speed_mbps=480)
    opened(stick, usb2_chunk_bytes=1024)
    assert "W64 4c058 = 80" in stick.log
    assert "USB 2" in caplog.text


def test_a_link_that_is_too_slow_is_refused_when_asked_to() -> None:
    stick = Stick(speed_mbps=480)
    with pytest.raises(LinkTooSlow, match=r"usb@1-1 is on a USB 2 link \(480 Mbit/s\); use a USB 3 port"):
        opened(stick, require_superspeed=True)
    assert others(stick) == ["open", "claim 0", "close"]


@pytest.mark.parametrize("verify", [True, False])
def test_a_device_without_firmware_gets_it_and_is_waited_for(verify: bool) -> None:
    stick = Stick(running=False, looks=5)
    awake = opened(stick, verify_firmware=verify)
    assert stick.rom.memory[:1000] == IMAGE
    assert ("UPLOAD 0" in stick.log) == verify
    around = [line for line in others(stick) if line.split()[0] not in ("DNLOAD", "GETSTATUS", "UPLOAD", "DESCRIPTOR")]
    assert around == ["open", "claim 0", "release 0", "reset", "close", "open", "claim 0"]
    assert awake.found == stick.found and stick.is_running


def test_a_device_with_firmware_needs_no_image() -> None:
    stick = Stick()
    Opening(FakeBus([stick]), stick.found, Settings(), pytest.fail).run(dirty=False)


def test_a_device_that_comes_back_on_the_usb_3_side_of_its_port_is_found_by_the_port() -> None:
    stick = Stick("1-1.3", running=False, speed_mbps=480, comes_back="2-1.3")
    neighbours = [Stick("2-1.2"), Stick("4-1.3")]
    awake = opened(stick, *neighbours)
    assert (awake.found.path, awake.found.speed_mbps) == ("2-1.3", 5000)


def test_a_device_that_comes_back_elsewhere_is_not_guessed_at_but_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "REENUMERATION_TIMEOUT_S", 0.2)
    with pytest.raises(FirmwareFailed, match="usb@1-1 took its firmware and did not come back .*there is usb@2-4"):
        opened(Stick("1-1", running=False, comes_back="2-4"), Stick("2-5"))


def test_a_device_that_never_comes_back_ends_in_an_error_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "REENUMERATION_TIMEOUT_S", 0.1)
    stick = Stick(running=False, looks=1 << 30)
    with pytest.raises(FirmwareFailed, match="did not come back with it within 0.1 s") as caught:
        opened(stick)
    assert exit_code(caught.value) is ExitCode.TIMEOUT
    assert stick.log[-1] == "close"


def test_a_device_that_a_reset_makes_vanish_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "REENUMERATION_TIMEOUT_S", 0.1)
    monkeypatch.setattr(under_test, "RETURN_PATIENCE_S", 0.0)
    stick = Stick(looks=1 << 30)
    stick.resets_to = ""
    with pytest.raises(Lost, match="usb@1-1"):
        opened(stick, reset="always")


def test_a_device_that_comes_back_without_its_firmware_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "REENUMERATION_TIMEOUT_S", 0.1)
    with pytest.raises(FirmwareFailed, match="did not come back with it"):
        opened(Stick(running=False, stays_waiting=True))


def test_a_node_that_gets_its_permissions_late_is_waited_for() -> None:
    opened(Stick(running=False, opens_after=(5, "ACCESS")))


def test_a_node_that_never_does_names_the_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "NODE_PATIENCE_S", 0.05)
    with pytest.raises(NoPermission, match="1a6e") as caught:
        opened(Stick(running=False, opens_after=(1 << 30, "ACCESS")))
    assert "9302" in caught.value.reason
    assert exit_code(caught.value) is ExitCode.PERMISSION


@pytest.mark.parametrize(
    ("step", "code", "kind", "ends_with"),
    [
        ("open", "ACCESS", NoPermission, ExitCode.PERMISSION),
        ("open", "NO_DEVICE", Lost, ExitCode.RUN_FAILED),
        ("claim 0", "BUSY", Busy, ExitCode.BUSY),
        ("R32 1a30c -> f0959", "NO_DEVICE", Lost, ExitCode.RUN_FAILED),
        ("claim 0", "TIMEOUT", TimedOut, ExitCode.TIMEOUT),
    ],
)
def test_what_fails_is_told_at_once_and_nothing_stays_open(
    step: str, code: str, kind: type[Exception], ends_with: ExitCode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(under_test, "RETURN_PATIENCE_S", 0.0)
    stick = Stick()
    stick.fail = lambda line: code if line == step else ""
    with pytest.raises(kind, match="usb@1-1") as caught:
        opened(stick, reset="never")
    assert exit_code(caught.value) is ends_with  # type: ignore[arg-type]
    assert "open" not in stick.log or step == "open" or stick.log[-1] == "close"


def test_a_device_that_vanishes_for_a_moment_is_opened_again() -> None:
    stick = Stick()

    def vanish(line: str) -> str:
        if line.startswith("W64 4a000") and stick.found.address == 5:
            stick.away, stick.found = 3, replace(stick.found, address=6)
            return "NO_DEVICE"
        return ""

    stick.fail = vanish
    assert opened(stick).found.address == 6


@pytest.mark.parametrize("code", ["TIMEOUT", "STALLED", "IO"])
def test_a_device_that_fails_the_first_time_is_reset_and_tried_once_more(code: str) -> None:
    stick = Stick()
    stick.fail = lambda line: code if line.startswith("W32 1907c") and "reset" not in stick.log else ""
    opened(stick)
    assert stick.log.count("reset") == 1


def test_a_device_that_fails_every_time_is_given_up() -> None:
    stick = Stick()
    stick.fail = lambda line: "TIMEOUT" if line.startswith("W64 4a000") else ""
    with pytest.raises(TimedOut):
        opened(stick)
    assert stick.log.count("reset") == 1 and stick.log[-1] == "close"


@pytest.mark.parametrize("mode", ["", "dfu"])
def test_a_device_that_a_reset_turns_into_another_one_is_opened_again(mode: str) -> None:
    stick = Stick(chip=RegisterFile(CHIPS["closed before"]))
    stick.resets_to = mode
    awake = opened(stick, reset="always")
    assert awake.found == stick.found and stick.is_running
    assert stick.rom.loaded == (mode == "dfu")


def test_a_running_device_can_be_given_its_firmware_anew() -> None:
    stick = Stick()
    opened(stick, always_dfu=True)
    assert stick.rom.loaded and stick.is_running
    assert others(stick)[:5] == ["open", "claim 0", "DETACH 100", "release 0", "reset"]


def test_a_device_that_spoils_its_firmware_is_refused_and_let_go() -> None:
    stick = Stick(running=False, rom=BootRom(flips=99))
    with pytest.raises(FirmwareFailed, match="another image"):
        opened(stick)
    assert stick.log[-1] == "close"


def test_a_device_that_cannot_be_put_to_sleep_is_closed_all_the_same() -> None:
    stick = Stick(chip=RegisterFile(POWER_ON))
    awake = opened(stick)
    stick.fail = lambda line: "NO_DEVICE" if line.startswith("W64 4c060") else ""
    with pytest.raises(Lost):
        put_to_sleep(awake)
    assert stick.log[-1] == "close"


def test_the_second_open_finds_what_the_first_close_left() -> None:
    stick = Stick()
    put_to_sleep(opened(stick))
    assert {register: stick.chip.values[register] for register in AFTER_A_CLOSE} == AFTER_A_CLOSE
    stick.log.clear()
    opened(stick)
    assert accesses(stick) == opening(CHIPS["closed before"], "max", usb3=True)
