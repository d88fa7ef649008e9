"""Where the chip's registers are and what their bits mean.

Source: public knowledge of the chip; names are those of libedgetpu's driver/config/beagle/beagle_csr_offsets.h.
Registers from 0x10000 to 0x1FFFF are read and written as 32 bits, those from 0x40000 on as 64.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Field:
    """Some neighbouring bits of a register."""

    lowest_bit: int
    bits: int = 1

    @property
    def mask(self) -> int:
        return ((1 << self.bits) - 1) << self.lowest_bit

    def of(self, register: int) -> int:
        """The field's value in the register's."""
        return (register & self.mask) >> self.lowest_bit

    def put(self, register: int, value: int) -> int:
        """The register's value with another one in the field."""
        return (register & ~self.mask) | (value << self.lowest_bit & self.mask)


# Clocks, power and resets (SCU).
SCU_CTRL_0 = 0x1A30C
PCIE_INACTIVE_PHY_MODE = Field(8, 3)
USB_INACTIVE_PHY_MODE = Field(11, 3)

SCU_CTRL_2 = 0x1A314
CLOCK_GATE = Field(18, 2)
GATED_BY_HARDWARE = 1
NOT_GATED = 2

SCU_CTRL_3 = 0x1A318
POWER_STATE = Field(8, 2)  # follows FORCE_SLEEP
POWERED = 0
ASLEEP = 2
FORCE_SLEEP = Field(22, 2)
WAKE = 2
SLEEP = 3
CORE_CLOCK = Field(28, 2)  # 0: 500 MHz, halved with each step
SLOW_AXI = Field(30)  # 125 MHz
SLOW_8051 = Field(31)  # 250 MHz

SCU_CTR_7 = 0x1A33C
BOOT_FAILURE_MASK = Field(18, 2)

# Temperature and e-fuses (OMC).
OMC0_00 = 0x1A000
OMC0_D0 = 0x1A0D0
SENSOR_CLOCK = Field(7)
OMC0_D4 = 0x1A0D4
THERMAL_WARNING = Field(31)
OMC0_D8 = 0x1A0D8
SENSOR_POWER = Field(0, 3)  # band gap, voltage reference and converter
THERMAL_SHUTDOWN = Field(31)
OMC0_DC = 0x1A0DC
SENSOR_RUNS = Field(0)
TEMPERATURE = Field(16, 10)

# Bridges and memory tests.
GCBB_CREDIT0 = 0x1907C
SLV_ABM_EN = 0x1A500
MST_ABM_EN = 0x1A600
SLV_ERR_RESP_ISR_MASK = 0x1A558
MST_ERR_RESP_ISR_MASK = 0x1A658
RAMBIST_CTRL_1 = 0x1A704
RAMBIST_INTERRUPT_MASK = Field(20, 3)

# The scalar core, the tiles, and what runs in them.
DEEP_SLEEP = 0x40020
TO_SLEEP_DELAY = Field(0, 8)
TO_WAKE_DELAY = Field(8, 8)
SCALAR_CORE_RUN_CONTROL = 0x44018
SCALAR_RUN_CONTROLS = {
    "scalarCoreRunControl": SCALAR_CORE_RUN_CONTROL,
    "avDataPopRunControl": 0x44158,
    "parameterPopRunControl": 0x44198,
    "infeedRunControl": 0x441D8,
    "outfeedRunControl": 0x44218,
}
TILE_RUN_CONTROLS = {
    "opRunControl": 0x400C0,
    "narrowToWideRunControl": 0x40150,
    "wideToNarrowRunControl": 0x40110,
    "meshBus0RunControl": 0x40250,
    "meshBus1RunControl": 0x40298,
    "meshBus2RunControl": 0x402E0,
    "meshBus3RunControl": 0x40328,
    "ringBusConsumer0RunControl": 0x40190,
    "ringBusConsumer1RunControl": 0x401D0,
    "ringBusProducerRunControl": 0x40210,
}
RUN = 1
HALT = 2
TILE_CONFIG_0 = 0x48788
ALL_TILES = 0x7F
IDLE_REGISTER = 0x4A000

# Errors of the host interface.
HIB_ERROR_STATUS = 0x486F0
HIB_FIRST_ERROR_STATUS = 0x48700

# The USB block.
OUTFEED_CHUNK_LENGTH = 0x4C058
CHUNK_UNIT_BYTES = 8
FATAL_INTERRUPT_CONTROL = 0x4C060
FATAL_INTERRUPT_STATUS = 0x4C068
TOP_LEVEL_INTERRUPT_CONTROLS = (0x4C070, 0x4C080, 0x4C090, 0x4C0A0)
DESCR_EP = 0x4C148
ONLY_INTERRUPTS = 0xF0  # the device sends no descriptors of its transfers
MULTI_BO_EP = 0x4C160

_NAMES = {
    **{value: name.lower() for name, value in list(globals().items()) if isinstance(value, int) and value >= 0x10000},
    **{offset: f"top_level_int_{i}_control" for i, offset in enumerate(TOP_LEVEL_INTERRUPT_CONTROLS)},
    **{offset: name for table in (SCALAR_RUN_CONTROLS, TILE_RUN_CONTROLS) for name, offset in table.items()},
}


def name_of(offset: int) -> str:
    """For messages."""
    return f"{_NAMES[offset]} ({offset:#x})" if offset in _NAMES else f"{offset:#x}"


def celsius(adc: int) -> float:
    """The temperature that the sensor's converter shows (google/gasket-driver's formula)."""
    return ((662 - adc) * 250 + 550) / 1000
