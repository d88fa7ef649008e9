"""The register file: what reads give, and what writes do to the rest of the device."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from subgraft.backends.edgetpu.emulator import register_map as at

STATUS_BITS = 0x0000FFFF  # of scu_ctrl_3: read-only, power state and clocks
IDLE_GATED = 1 << 3  # cur_gated_gcb, set by itself while hardware clock gating is on and nothing runs
ASLEEP = 0x258  # cur_pwr_state 2, cur_gcb_sram_sd, cur_rst_gcb, cur_gated_gcb; as hardware showed them
SLEEP_SHIFT, GATING_SHIFT = 22, 18  # rg_force_sleep of scu_ctrl_3, rg_gated_gcb of scu_ctrl_2; two bits each
GO_TO_SLEEP, WAKE_UP = 3, 2
HARDWARE_GATING = 1

WRITE_1_CLEARS = {at.SCU_CTR_7: 0x00030000, at.RAMBIST_CTRL_1: 0x00070000}
WRITE_0_CLEARS = frozenset({at.FATAL_STATUS, *at.TOP_LEVEL_STATUSES, *at.HOST_STATUSES})

TEMPERATURE_SHIFT, TEMPERATURE_MASK = 16, 0x3FF
SHUTDOWN_CLEAR, WARNING_CLEAR, SHUTDOWN_ON, WARNING_ON = 1 << 28, 1 << 29, 1 << 30, 1 << 31  # of omc0_dc
THERMAL_SHUTDOWN, THERMAL_WARNING = 0, 3  # top-level interrupts
FATAL_BIT, TOP_LEVEL_BIT = 1 << 0, 1  # of the interrupt word: bit 0, and 1 + the number

# hib_error_status. Which bit hardware sets for what is not public; these are ours.
UNKNOWN_PROGRAM, UNWANTED_DATA = 1 << 0, 1 << 1

PLAIN_CHUNK = 0x80  # ours, for a driver that sets none: 1 KiB


class Registers:
    """violation: told (rule, text) of what hardware would not forgive. slept: told when the core lost its power.

    reset_values: of register_map. power_reads: how many reads of scu_ctrl_3 still show the old power state after a
    change. changed: told after each write that worked.
    """

    def __init__(
        self,
        violation: Callable[[str, str], None],
        slept: Callable[[], None],
        *,
        reset_values: Mapping[int, int] = at.HARDWARE,
        power_reads: int = 0,
    ) -> None:
        self.temperature_c = 45.0
        self.working: Callable[[], bool] = lambda: False  # whether a program runs now
        self._violation = violation
        self._slept = slept
        self._reset_values = reset_values
        self._power_reads = power_reads
        self._stuck: dict[int, int] = {}
        self.reset()

    def reset(self) -> None:
        """As after power-up."""
        self._values = dict(self._reset_values)
        self._awake = True
        self._reads_until_power = 0
        self._thermal = 0

    # What the rest of the device asks.

    @property
    def awake(self) -> bool:
        return self._awake

    @property
    def running(self) -> bool:
        return self._awake and all(self._values.get(offset) == at.RUN for offset in at.RUN_CONTROLS)

    @property
    def chunk_bytes(self) -> int:
        """In which pieces outputs are sent."""
        return (self._values.get(at.OUTFEED_CHUNK_LENGTH, 0) or PLAIN_CHUNK) * at.CHUNK_UNIT_BYTES

    @property
    def single_endpoint(self) -> bool:
        return not self._values.get(at.MULTI_BO_EP, 0)

    def announces(self, tag: int) -> bool:
        """Whether descriptors of this tag go to the event endpoint."""
        return bool(self._values.get(at.DESCR_EP, 0) >> tag & 1)

    def fail(self, hib_error: int) -> int:
        """Notes a fatal error. Returns the interrupt word to send; 0: this interrupt is off."""
        self._values[at.HIB_ERROR_STATUS] = self._values.get(at.HIB_ERROR_STATUS, 0) | hib_error
        self._values.setdefault(at.HIB_FIRST_ERROR, hib_error)
        self._values[at.FATAL_STATUS] = 1
        return FATAL_BIT if self._values.get(at.FATAL_CONTROL) else 0

    def overheat(self, number: int) -> int:
        """THERMAL_WARNING or THERMAL_SHUTDOWN. Returns the interrupt word to send; 0: this interrupt is off."""
        self._thermal |= WARNING_ON if number == THERMAL_WARNING else SHUTDOWN_ON
        self._values[at.TOP_LEVEL_STATUSES[number]] = 1
        return 1 << (TOP_LEVEL_BIT + number) if self._values.get(at.TOP_LEVEL_CONTROLS[number]) else 0

    def reset_one(self, offset: int) -> None:
        """A register that lost its value."""
        self._values.pop(offset, None)
        if offset in self._reset_values:
            self._values[offset] = self._reset_values[offset]

    def stick(self, offset: int, value: int) -> None:
        """Reads give this from now on, whatever is written."""
        self._stuck[offset] = value

    def unstick(self) -> None:
        self._stuck.clear()

    # What the host does.

    def read(self, offset: int, width: int) -> int | None:
        """None: stalls."""
        if not self._reachable(offset, width, "read"):
            return None
        if offset in self._stuck:
            return self._stuck[offset]
        if offset == at.SCU_CTRL_3:
            return self._power_register()
        if offset == at.OMC0_DC:
            return self._values.get(offset, 0) & 1 | self._thermal | self._adc() << TEMPERATURE_SHIFT
        return self._values.get(offset, 0)

    def write(self, offset: int, width: int, value: int) -> bool:
        """False: stalls."""
        if not self._reachable(offset, width, "written"):
            return False
        if offset in at.READ_ONLY:
            self._violation("register", f"register {offset:05x} was written, which is read-only")
        elif offset == at.SCU_CTRL_3:
            self._set_power(value)
        elif offset == at.OMC0_DC:
            self._thermal &= ~(WARNING_ON if value & WARNING_CLEAR else 0)
            self._thermal &= ~(SHUTDOWN_ON if value & SHUTDOWN_CLEAR else 0)
            self._values[offset] = value
        elif offset in WRITE_0_CLEARS:
            self._values[offset] = self._values.get(offset, 0) & value
        else:
            self._check(offset, value)
            sticky = WRITE_1_CLEARS.get(offset, 0)
            self._values[offset] = value & ~sticky | self._values.get(offset, 0) & sticky & ~value
        return True

    def _reachable(self, offset: int, width: int, verb: str) -> bool:
        known = at.width_of(offset)
        if known == 0:
            self._violation("register", f"register {offset:05x} was {verb}, which is not known to exist")
        elif known != width:
            self._violation("register", f"register {offset:05x} has {8 * known} bits and was {verb} with {8 * width}")
        elif offset >= at.CORE_START and not self._awake:
            self._violation("asleep", f"register {offset:05x} was {verb} while the device slept")
        else:
            return True
        return False

    def _check(self, offset: int, value: int) -> None:
        if offset in at.TILE_RUN_CONTROLS and self._values.get(at.TILE_CONFIG0) != at.BROADCAST:
            self._violation("tiles", f"register {offset:05x} was written while tileconfig0 did not name all tiles")
        if offset == at.MULTI_BO_EP and value:
            self._violation("register", "several bulk-out endpoints were asked for, which this firmware lacks")

    def _power_register(self) -> int:
        written = self._values[at.SCU_CTRL_3] & ~STATUS_BITS
        status = self._reset_values[at.SCU_CTRL_3] & STATUS_BITS
        asleep = not self._awake
        if self._reads_until_power > 0:
            self._reads_until_power -= 1
            asleep = not asleep
        if asleep:
            return written | status | ASLEEP
        gating = self._values[at.SCU_CTRL_2] >> GATING_SHIFT & 3 == HARDWARE_GATING
        return written | status | (IDLE_GATED if gating and not self.working() else 0)

    def _set_power(self, value: int) -> None:
        self._values[at.SCU_CTRL_3] = value
        wanted = value >> SLEEP_SHIFT & 3
        if wanted == GO_TO_SLEEP and self._awake:
            self._awake = False
            self._reads_until_power = self._power_reads
            for offset in [o for o in self._values if o >= at.CORE_START]:
                del self._values[offset]
            self._slept()
        elif wanted == WAKE_UP and not self._awake:
            self._awake = True
            self._reads_until_power = self._power_reads

    def _adc(self) -> int:
        """m°C = (662 - adc) * 250 + 550 (the public kernel driver's formula)."""
        adc = round(662 - (1000 * self.temperature_c - 550) / 250)
        return max(0, min(TEMPERATURE_MASK, adc))
