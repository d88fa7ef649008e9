"""What the registers of a device in use tell: how warm it is, and what its errors were."""

from __future__ import annotations

from subgraft.backends.edgetpu import registers as r
from subgraft.backends.edgetpu.control import Control, Registers
from subgraft.backends.edgetpu.deadline import Deadline
from subgraft.backends.edgetpu.errors import WrongBytes
from subgraft.backends.edgetpu.opening import Awake
from subgraft.delegates import DelegateError

LOOK_TIMEOUT_S = 1.0
SENSOR_START_S = 0.05  # it takes 0.1 ms
PAUSE_S = 0.001
LEAST_C, MOST_C = -40.0, 130.0  # beyond, the sensor tells nothing of a temperature


def temperature_c(awake: Awake) -> float:
    """Of the chip, in degrees Celsius; its sensor is switched on where it is off. Raises DelegateErrors.

    Experimental: the registers are known from the driver of the PCIe device (google/gasket-driver, apex_driver.c).
    """
    registers = _registers(awake)
    celsius = _read(registers)
    if not _is_plausible(celsius):
        celsius = _read_once_started(registers)
    if not _is_plausible(celsius):
        raise WrongBytes(f"the temperature sensor of the Edge TPU {awake.where} reads {celsius:.1f} °C: it is off")
    return celsius


def _read(registers: Registers) -> float:
    return r.celsius(r.TEMPERATURE.of(registers.read32(r.OMC0_DC)))


def _is_plausible(celsius: float) -> bool:
    return LEAST_C <= celsius <= MOST_C


def _read_once_started(registers: Registers) -> float:
    registers.change32(r.OMC0_D0, (r.SENSOR_CLOCK, 1))
    registers.change32(r.OMC0_D8, (r.SENSOR_POWER, 0b111))
    registers.change32(r.OMC0_DC, (r.SENSOR_RUNS, 1))
    start = Deadline(SENSOR_START_S)
    while not _is_plausible(celsius := _read(registers)) and not start.is_over:
        start.sleep(PAUSE_S)
    return celsius


def error_registers(awake: Awake) -> str:
    """What the host interface has to say, for a message."""
    registers = _registers(awake)
    try:
        status, first = registers.read64(r.HIB_ERROR_STATUS), registers.read64(r.HIB_FIRST_ERROR_STATUS)
    except DelegateError as error:
        return f"its error registers cannot be read: {error.reason}"
    return f"hib_error_status {status:#x}, the first of it {first:#x}"


def _registers(awake: Awake) -> Registers:
    return Registers(Control(awake.device, awake.where, Deadline(LOOK_TIMEOUT_S), LOOK_TIMEOUT_S))
