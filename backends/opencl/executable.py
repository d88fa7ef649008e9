"""A compiled segment on one device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from subgraft import _native
from subgraft.backends.opencl.compiler import Program, record
from subgraft.backends.opencl.errors import failed
from subgraft.backends.opencl.measure import measured
from subgraft.delegates import Array, Chains, Executable, Failed, KernelTime, Native, Profiles, Segment

if TYPE_CHECKING:
    from subgraft.backends.opencl.opened import Opened


class OpenClExecutable:
    """Runs a recorded list of launches; native code does it without the GIL.

    Raises ClError and MemoryError where the list cannot be recorded.
    """

    def __init__(self, segment: Segment, compiled: Program, opened: Opened) -> None:
        self.segment = segment
        self._compiled = compiled
        self._opened = opened
        self._taken: dict[int, _native.ClBuffer] = {}  # inputs that lie in another segment's buffers
        self._kept: frozenset[int] = frozenset()  # outputs that only a chained segment reads
        self._commands: _native.ClCommands | None = self._recorded(self._taken, self._kept)

    def run(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        commands = self._open()
        try:
            commands.run(list(inputs), list(outputs))
        except (_native.ClError, MemoryError) as error:
            raise failed(error, self._opened.where) from error

    def capsule(self) -> object:
        return self._open().capsule()

    def profile(self, inputs: Sequence[Array], outputs: Sequence[Array], runs: int) -> list[KernelTime]:
        commands, device = self._open(), measured(self._opened)
        try:
            times = commands.profile(list(inputs), list(outputs), runs)
        except (_native.ClError, MemoryError) as error:
            raise failed(error, self._opened.where, "timing its kernels") from error
        return [
            KernelTime(
                recorded.kernel,
                recorded.launch.ops,
                seconds,
                recorded.launch.work.macs,
                recorded.launch.work.bytes,
                device.float_macs_per_s,
                device.copy_bytes_per_s,
            )
            for recorded, seconds in zip(self._compiled.source.launches, times, strict=True)
        ]

    def accepts(self, producer: Executable) -> bool:
        if not isinstance(producer, OpenClExecutable) or producer._opened is not self._opened:
            return False
        handed = producer.segment.handed_to(self.segment)
        if self._commands is None or producer._commands is None or not handed:
            return False
        taken = self._taken | {t: producer.buffer(t) for t in handed}
        kept = producer._kept.union(handed)
        try:
            commands, of_producer = self._recorded(taken, self._kept), producer._recorded(producer._taken, kept)
        except (_native.ClError, MemoryError):
            return False  # the tensors go through the host, as before
        self._taken, self._commands = taken, commands
        producer._kept, producer._commands = kept, of_producer
        return True

    def unchain(self) -> None:
        """Raises Failed."""
        if self._commands is None or not (self._taken or self._kept):
            return
        try:
            commands = self._recorded({}, frozenset())
        except (_native.ClError, MemoryError) as error:
            raise failed(error, self._opened.where, "preparing its kernels") from error
        self._taken, self._kept, self._commands = {}, frozenset(), commands

    def buffer(self, t: int) -> _native.ClBuffer:
        """Where an output of the segment lies."""
        return self._compiled.buffers[self._compiled.layout.arrays[t].buffer]

    def close(self) -> None:
        self._commands = None
        self._taken = {}

    def _open(self) -> _native.ClCommands:
        if self._commands is None:
            raise Failed(f"this segment on {self._opened.where} is closed")
        return self._commands

    def _recorded(self, taken: dict[int, _native.ClBuffer], kept: frozenset[int]) -> _native.ClCommands:
        return record(self.segment, self._compiled, self._opened, taken, kept)


_executable: type[Executable] = OpenClExecutable  # mypy proves the contracts
_chains: type[Chains] = OpenClExecutable
_native_executable: type[Native] = OpenClExecutable
_profiles: type[Profiles] = OpenClExecutable
