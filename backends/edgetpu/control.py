"""Register reads and writes as vendor requests on endpoint 0 of a device."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from subgraft import _native
from subgraft.backends.edgetpu.deadline import Deadline
from subgraft.backends.edgetpu.errors import Lost, TimedOut, WrongBytes, translate
from subgraft.backends.edgetpu.registers import Field, name_of

if TYPE_CHECKING:
    from typing import Protocol

    class Device(Protocol):
        """The part of _native.UsbDevice that needs endpoint 0 only."""

        def control_in(
            self, request_type: int, request: int, value: int, index: int, length: int, timeout_ms: int
        ) -> bytes: ...
        def control_out(
            self, request_type: int, request: int, value: int, index: int, data: bytes, timeout_ms: int
        ) -> None: ...


READ = 0xC0  # vendor request, device to host
WRITE = 0x40
BY_64_BITS = 0  # bRequest
BY_32_BITS = 1
TRIES = 3  # of one transfer that the device refused or that broke off
FIRST_PAUSE_S = 0.0005  # between two looks at a register, doubled each time
LONGEST_PAUSE_S = 0.02

T = TypeVar("T")


class Control:
    """Transfers on endpoint 0 that end in typed errors and share a deadline.

    where: the device as a user types it. timeout_s: for one transfer.
    """

    def __init__(self, device: Device, where: str, deadline: Deadline, timeout_s: float) -> None:
        self.device = device
        self.where = where
        self.deadline = deadline
        self.timeout_s = timeout_s

    def read(self, request_type: int, request: int, value: int, index: int, length: int, doing: str) -> bytes:
        """Up to `length` bytes. Raises what errors.translate() makes of USB's codes."""

        def once(timeout_ms: int) -> bytes:
            return bytes(self.device.control_in(request_type, request, value, index, length, timeout_ms))

        return self._tried(once, doing)

    def write(
        self, request_type: int, request: int, value: int, index: int, data: bytes, doing: str, *, tries: int = TRIES
    ) -> None:
        """tries: 1 where the device counts what it gets."""

        def once(timeout_ms: int) -> None:
            self.device.control_out(request_type, request, value, index, data, timeout_ms)

        self._tried(once, doing, tries)

    def _tried(self, once: Callable[[int], T], doing: str, tries: int = TRIES) -> T:
        """A control endpoint forgets a stall with the next request, so that asking again is the cure."""
        for left in reversed(range(tries)):
            self.expect_time(doing)
            try:
                return once(self.deadline.left_ms(self.timeout_s))
            except _native.UsbError as error:
                if not left or error.code not in ("STALLED", "IO"):
                    raise translate(error, doing, self.where) from error
        raise AssertionError("the last try returns or raises")

    def expect_time(self, doing: str) -> None:
        """Raises TimedOut when the deadline is over."""
        if self.deadline.is_over:
            seconds = self.deadline.seconds
            raise TimedOut(
                f"the Edge TPU {self.where} was not ready within {seconds:g} s ({doing}); plug it in again"
            ) from TimeoutError(f"no end within {seconds:g} s")


class Registers:
    """The chip's registers. Every wait ends with the deadline of `control`."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def read32(self, offset: int) -> int:
        return self._read(offset, BY_32_BITS, 4)

    def read64(self, offset: int) -> int:
        return self._read(offset, BY_64_BITS, 8)

    def write32(self, offset: int, value: int) -> None:
        self._write(offset, BY_32_BITS, value.to_bytes(4, "little"))

    def write64(self, offset: int, value: int) -> None:
        self._write(offset, BY_64_BITS, value.to_bytes(8, "little"))

    def change32(self, offset: int, *changes: tuple[Field, int]) -> int:
        """Reads a register and writes it back with other values in some fields. Returns what was read."""
        before = after = self.read32(offset)
        for field, value in changes:
            after = field.put(after, value)
        self.write32(offset, after)
        return before

    def await32(self, offset: int, field: Field, wanted: int) -> int:
        """Reads until the field has the wanted value; returns the register's. Raises TimedOut."""
        return self._await(lambda: self.read32(offset), offset, field.of, wanted)

    def await64(self, offset: int, wanted: int) -> int:
        return self._await(lambda: self.read64(offset), offset, lambda value: value, wanted)

    def _await(self, read: Callable[[], int], offset: int, part: Callable[[int], int], wanted: int) -> int:
        pause = FIRST_PAUSE_S
        while part(value := read()) != wanted:
            self._control.deadline.sleep(pause)
            self._control.expect_time(f"waiting for {name_of(offset)}, which is {value:#x}")
            pause = min(2 * pause, LONGEST_PAUSE_S)
        return value

    def _read(self, offset: int, request: int, size: int) -> int:
        """Raises Lost for all ones: what a bus reads where no chip answers (and no register here ever holds)."""
        doing = f"reading {name_of(offset)}"
        data = self._control.read(READ, request, offset & 0xFFFF, offset >> 16, size, doing)
        if len(data) != size:
            raise WrongBytes(f"the Edge TPU {self._control.where} gave {len(data)} of {size} bytes while {doing}")
        value = int.from_bytes(data, "little")
        if value == (1 << 8 * size) - 1:
            raise Lost(
                f"the Edge TPU {self._control.where} has lost its chip: {name_of(offset)} reads as all ones; it may "
                "be too hot or short of power; plug it in again"
            )
        return value

    def _write(self, offset: int, request: int, data: bytes) -> None:
        self._control.write(WRITE, request, offset & 0xFFFF, offset >> 16, data, f"writing {name_of(offset)}")
