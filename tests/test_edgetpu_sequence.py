"""What passes endpoint 0 at open and close is what descriptions of the protocol say, bit for bit."""

from __future__ import annotations

import pytest

from edgetpu_chip import RegisterFile
from edgetpu_sequences import CHIPS, PERFORMANCE, closing, collapsed, opening
from subgraft.backends.edgetpu import sequence
from subgraft.backends.edgetpu.control import Control, Registers
from subgraft.backends.edgetpu.deadline import Deadline
from subgraft.backends.edgetpu.errors import Lost, TimedOut, WrongBytes


def registers(device: object, seconds: float = 10.0) -> Registers:
    return Registers(Control(device, "usb@1-1", Deadline(seconds), 1.0))


def ignored() -> None:
    """What to do with a chip that was left awake."""


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("usb3", [True, False], ids=["USB 3", "USB 2"])
@pytest.mark.parametrize("performance", PERFORMANCE)
def test_registers_are_accessed_as_described(performance: str, usb3: bool, chip: str) -> None:
    device = RegisterFile(CHIPS[chip])
    sequence.wake(registers(device), performance, 1024 if usb3 else 256, ignored)
    assert collapsed(device.log) == opening(CHIPS[chip], performance, usb3=usb3)
    device.log.clear()
    sequence.put_to_sleep(registers(device))
    assert collapsed(device.log) == closing(CHIPS[chip], performance)


@pytest.mark.parametrize("chip", ["power on", "full of ones"])
def test_a_closed_device_opens_again(chip: str) -> None:
    device = RegisterFile(CHIPS[chip])
    for performance in PERFORMANCE:
        sequence.wake(registers(device), performance, 1024, pytest.fail)
        sequence.put_to_sleep(registers(device))


def test_a_chip_that_somebody_left_awake_is_told_of() -> None:
    device = RegisterFile(CHIPS["power on"])
    sequence.wake(registers(device), "max", 1024, pytest.fail)
    told: list[bool] = []
    sequence.wake(registers(device), "max", 1024, lambda: told.append(True))
    assert told == [True]


def test_a_chip_that_never_falls_asleep_ends_in_an_error_that_names_the_register() -> None:
    device = RegisterFile(CHIPS["power on"], polls=1 << 30)
    with pytest.raises(TimedOut, match=r"usb@1-1 was not ready within 0.05 s .*scu_ctrl_3 \(0x1a318\)") as caught:
        sequence.wake(registers(device, 0.05), "max", 1024, ignored)
    assert isinstance(caught.value.__cause__, TimeoutError)
    assert len(device.log) < 100


@pytest.mark.parametrize(("register", "bits"), [(0x1A318, 32), (0x1A000, 32), (0x44018, 64)])
def test_a_register_of_all_ones_is_a_lost_chip(register: int, bits: int) -> None:
    device = RegisterFile(CHIPS["power on"])
    read = device._read
    device._read = lambda wanted: (1 << bits) - 1 if wanted == register else read(wanted)  # type: ignore[method-assign]
    with pytest.raises(Lost, match="all ones"):
        sequence.wake(registers(device), "max", 1024, ignored)


def test_a_short_register_is_an_error() -> None:
    class Short(RegisterFile):
        def control_in(self, *request: int) -> bytes:
            return super().control_in(*request)[:-1]

    with pytest.raises(WrongBytes, match="gave 3 of 4 bytes while reading scu_ctrl_0"):
        sequence.wake(registers(Short(CHIPS["power on"])), "max", 1024, ignored)
