"""A compiled segment on one device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from subgraft import _native
from subgraft.backends.opencl.compiler import Program, record
from subgraft.backends.opencl.errors import failed
from subgraft.delegates import Array, Chains, Executable, Failed, Native, Segment

if TYPE_CHECKING:
    from subgraft.backends.opencl.opened import Opened


class OpenClExecutable:
    """Runs a recorded list of launches; native code does it without the GIL."""

    def __init__(self, segment: Segment, compiled: Program, opened: Opened) -> None:
        self.segment = segment
        self._compiled = compiled
        self._opened = opened
        self._chained: dict[int, _native.ClBuffer] = {}  # inputs that lie in another segment's buffers
        self._kept: set[int] = set()  # outputs that only a chained segment reads
        self._commands: _native.ClCommands | None = self._record()

    def run(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        if self._commands is None:
            raise Failed(f"this segment on {self._opened.caps.name} is closed")
        try:
            self._commands.run(list(inputs), list(outputs))
        except _native.ClError as error:
            raise failed(error, self._opened.where) from error

    def capsule(self) -> object:
        if self._commands is None:
            raise Failed(f"this segment on {self._opened.caps.name} is closed")
        return self._commands.capsule()

    def accepts(self, producer: Executable) -> bool:
        if not isinstance(producer, OpenClExecutable) or producer._opened is not self._opened:
            return False
        handed = producer.segment.handed_to(self.segment)
        producer._kept.update(handed)
        producer._commands = producer._record()
        self._chained |= {t: producer.buffer(t) for t in handed}
        self._commands = self._record()
        return True

    def buffer(self, t: int) -> _native.ClBuffer:
        """Where an output of the segment lies."""
        return self._compiled.buffers[self._compiled.layout.arrays[t].buffer]

    def close(self) -> None:
        self._commands = None

    def _record(self) -> _native.ClCommands:
        return record(self.segment, self._compiled, self._opened, self._chained, tuple(self._kept))


_executable: type[Executable] = OpenClExecutable  # mypy proves the contract
_chains: type[Chains] = OpenClExecutable
_native_executable: type[Native] = OpenClExecutable
