"""Wakes the chip up for use and puts it to sleep again: which registers, in which order, with which values.

The order is that of libedgetpu (driver/usb/usb_driver.cc, driver/beagle/beagle_top_level_handler.cc,
driver/run_controller.cc, driver/beagle/beagle_top_level_interrupt_manager.cc), as dumps of real devices show it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from subgraft.backends.edgetpu import registers as r
from subgraft.backends.edgetpu.control import Registers

TO_SLEEP_CYCLES = 2
TO_WAKE_CYCLES = 30
IDLE_COUNTER = 1
ALL_CREDITS = 0xF


@dataclass(frozen=True, slots=True)
class Clocks:
    """The clock fields of scu_ctrl_3."""

    core: int
    slow_axi: int
    slow_8051: int


CLOCKS: Mapping[str, Clocks] = {
    "max": Clocks(core=0, slow_axi=0, slow_8051=0),  # 500 MHz
    "high": Clocks(core=1, slow_axi=1, slow_8051=0),  # 250 MHz
    "medium": Clocks(core=2, slow_axi=1, slow_8051=0),  # 125 MHz, which the device has by itself
    "low": Clocks(core=3, slow_axi=1, slow_8051=1),  # 63 MHz
}


def wake(registers: Registers, performance: str, chunk_bytes: int, left_awake: Callable[[], None]) -> None:
    """From whatever state the chip is in to one where it takes instructions.

    chunk_bytes: of output, which the device sends at a time.
    left_awake: called when its last user did not put the chip to sleep; what it raises ends the sequence.
    Raises TimedOut, Lost and what else registers raise; then the chip is in no known state.
    """
    registers.change32(r.SCU_CTRL_0, (r.PCIE_INACTIVE_PHY_MODE, 0), (r.USB_INACTIVE_PHY_MODE, 0))
    _stop_clock_gating(registers)
    _enter_reset(registers, left_awake)
    _leave_reset(registers, CLOCKS[performance])
    registers.change32(r.SCU_CTRL_2, (r.CLOCK_GATE, r.GATED_BY_HARDWARE))
    registers.read32(r.OMC0_00)
    registers.write64(r.DESCR_EP, r.ONLY_INTERRUPTS)
    registers.write64(r.MULTI_BO_EP, 0)
    registers.write64(r.OUTFEED_CHUNK_LENGTH, chunk_bytes // r.CHUNK_UNIT_BYTES)
    _control_cores(registers, r.RUN)
    _enable_interrupts(registers)


def put_to_sleep(registers: Registers) -> None:
    """From use to a state that another program can wake() from. The device keeps its firmware."""
    for control in r.TOP_LEVEL_INTERRUPT_CONTROLS:
        registers.write64(control, 0)
    registers.change32(r.OMC0_D4, (r.THERMAL_WARNING, 0))
    registers.change32(r.RAMBIST_CTRL_1, (r.RAMBIST_INTERRUPT_MASK, 0b111))
    registers.change32(r.SCU_CTR_7, (r.BOOT_FAILURE_MASK, 0b11))
    for enable in (r.SLV_ABM_EN, r.MST_ABM_EN, r.SLV_ERR_RESP_ISR_MASK, r.MST_ERR_RESP_ISR_MASK):
        registers.write32(enable, 0)
    registers.change32(r.OMC0_D8, (r.THERMAL_SHUTDOWN, 0))
    registers.write64(r.FATAL_INTERRUPT_CONTROL, 0)
    _control_cores(registers, r.HALT)
    _fall_asleep(registers, registers.read32(r.SCU_CTRL_3))


def _stop_clock_gating(registers: Registers) -> None:
    before = registers.read32(r.SCU_CTRL_2)
    if r.CLOCK_GATE.of(before) == r.GATED_BY_HARDWARE:
        registers.write32(r.SCU_CTRL_2, r.CLOCK_GATE.put(before, r.NOT_GATED))


def _enter_reset(registers: Registers, left_awake: Callable[[], None]) -> None:
    before = registers.read32(r.SCU_CTRL_3)
    if r.FORCE_SLEEP.of(before) == r.WAKE:
        left_awake()
    if r.FORCE_SLEEP.of(before) != r.SLEEP:
        _fall_asleep(registers, before)


def _fall_asleep(registers: Registers, scu_ctrl_3: int) -> None:
    registers.write32(r.SCU_CTRL_3, r.FORCE_SLEEP.put(scu_ctrl_3, r.SLEEP))
    registers.await32(r.SCU_CTRL_3, r.POWER_STATE, r.ASLEEP)
    registers.write32(r.GCBB_CREDIT0, ALL_CREDITS)  # a pulse: bulk credits of the last user are gone
    registers.write32(r.GCBB_CREDIT0, 0)


def _leave_reset(registers: Registers, clocks: Clocks) -> None:
    registers.change32(
        r.SCU_CTRL_3,
        (r.FORCE_SLEEP, r.WAKE),
        (r.CORE_CLOCK, clocks.core),
        (r.SLOW_AXI, clocks.slow_axi),
        (r.SLOW_8051, clocks.slow_8051),
    )
    registers.await32(r.SCU_CTRL_3, r.POWER_STATE, r.POWERED)
    registers.await64(r.SCALAR_CORE_RUN_CONTROL, 0)
    registers.write64(r.IDLE_REGISTER, IDLE_COUNTER)
    _address_all_tiles(registers)
    delays = r.TO_WAKE_DELAY.put(r.TO_SLEEP_DELAY.put(0, TO_SLEEP_CYCLES), TO_WAKE_CYCLES)
    registers.write64(r.DEEP_SLEEP, delays)


def _address_all_tiles(registers: Registers) -> None:
    registers.write64(r.TILE_CONFIG_0, r.ALL_TILES)
    registers.await64(r.TILE_CONFIG_0, r.ALL_TILES)


def _control_cores(registers: Registers, state: int) -> None:
    """Everything that moves data or computes runs, or halts."""
    for control in r.SCALAR_RUN_CONTROLS.values():
        registers.write64(control, state)
    _address_all_tiles(registers)
    for control in r.TILE_RUN_CONTROLS.values():
        registers.write64(control, state)


def _enable_interrupts(registers: Registers) -> None:
    for control in (r.FATAL_INTERRUPT_CONTROL, *r.TOP_LEVEL_INTERRUPT_CONTROLS):
        registers.write64(control, 1)
    registers.change32(r.OMC0_D4, (r.THERMAL_WARNING, 1))
    registers.change32(r.RAMBIST_CTRL_1, (r.RAMBIST_INTERRUPT_MASK, 0))
    registers.change32(r.SCU_CTR_7, (r.BOOT_FAILURE_MASK, 0))
    for enable in (r.SLV_ABM_EN, r.MST_ABM_EN):
        registers.write32(enable, 1)
    for mask in (r.SLV_ERR_RESP_ISR_MASK, r.MST_ERR_RESP_ISR_MASK):
        registers.write32(mask, 0b11)
    registers.change32(r.OMC0_D8, (r.THERMAL_SHUTDOWN, 1))
