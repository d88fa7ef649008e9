"""The registers of an Edge TPU as endpoint 0 shows them, and a record of every access."""

from __future__ import annotations

from edgetpu_sequences import Chip, normal

SCU_CTRL_3 = 0x1A318
SCU_CTRL_2 = 0x1A314
GATED_BY_HARDWARE = 1
SCALAR_CORE = 0x44018


class RegisterFile:
    """Plays the device's side of control_in() and control_out().

    polls: how often the power state is read before it follows.
    """

    def __init__(self, chip: Chip, polls: int = 3) -> None:
        self.log: list[str] = []
        self.values = dict(chip.start)
        self.chip = chip
        self._polls = polls
        self._reads_left = 0

    def control_in(
        self, request_type: int, request: int, value: int, index: int, length: int, timeout_ms: int
    ) -> bytes:
        assert request_type == 0xC0 and timeout_ms > 0
        assert length == {0: 8, 1: 4}[request]
        register = index << 16 | value
        found = self._read(register)
        self.log.append(normal(f"R{8 * length} {register:x} -> {found:x}"))
        return found.to_bytes(length, "little")

    def control_out(
        self, request_type: int, request: int, value: int, index: int, data: bytes, timeout_ms: int
    ) -> None:
        assert request_type == 0x40 and timeout_ms > 0
        assert len(data) == {0: 8, 1: 4}[request]
        register = index << 16 | value
        written = int.from_bytes(data, "little")
        self.log.append(normal(f"W{8 * len(data)} {register:x} = {written:x}"))
        self._write(register, written)

    def _read(self, register: int) -> int:
        value = self.values.get(register, 0)
        if register != SCU_CTRL_3:
            return value
        if self._reads_left:
            self._reads_left -= 1
            return value
        status = self.chip.asleep if value >> 22 & 3 == 3 else self.chip.awake
        if value >> 22 & 3 == 2 and self.values[SCU_CTRL_2] >> 18 & 3 == GATED_BY_HARDWARE:
            status = self.chip.idle
        if value >> 22 & 3:
            self.values[register] = value & ~self.chip.status | status
        return self.values[register]

    def _write(self, register: int, written: int) -> None:
        if register != SCU_CTRL_3:
            self.values[register] = written
            return
        before = self.values[register]
        self.values[register] = written & ~self.chip.status | before & self.chip.status
        if written >> 22 & 3 != before >> 22 & 3:
            self._reads_left = self._polls
        if written >> 22 & 3 == 3:
            self.values[SCALAR_CORE] = 0
