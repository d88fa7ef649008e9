"""A compiled segment on one device, and what is made of its failures."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from subgraft import _native
from subgraft.backends.nnapi.compiler import Compiled
from subgraft.backends.nnapi.errors import Closed, Demoted, DriverDied, Wrong, failed, meaning
from subgraft.delegates import Array, Executable, Failed, KernelTime, Profiles, Segment

log = logging.getLogger("subgraft")

MOST_FAILURES = 3  # one after the other; then the segment stays on the CPU

# How far a first run may be from the CPU's: steps of 8-bit and 16-bit values (Android's own tests of whole models allow
# 3), and parts of the largest magnitude for floats, computed in float32 or in float16.
QUANTIZED_STEPS = 3
FLOAT_PART, HALF_PART = 1e-3, 2e-2


class NnapiExecutable:
    """Runs a model that the driver compiled; native code does it without the GIL."""

    def __init__(self, segment: Segment, compiled: Compiled, where: str, *, verify: bool, fp16: bool) -> None:
        self.segment = segment
        self._compiled: Compiled | None = compiled
        self._where = where
        self._verifies = verify
        self._fp16 = fp16
        self._failures = 0
        self._demoted = ""
        self._recoveries = 0
        self.lost_driver = False  # in the latest run; an error would keep the frames that it went through

    def run(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        compiled = self._opened()
        if self._demoted:
            raise Demoted(self._demoted)
        try:
            compiled.runner.run([inputs[i] for i in compiled.inputs], [outputs[i] for i in compiled.outputs])
        except (_native.NnapiError, MemoryError) as error:
            raise self._failed(error) from error
        for i, value in compiled.constants.items():
            outputs[i][...] = value
        if self._verifies:
            self._verify(inputs, outputs)
        self._failures = 0
        self.lost_driver = False
        self._tell_recoveries(compiled.runner)

    def profile(self, inputs: Sequence[Array], outputs: Sequence[Array], runs: int) -> Sequence[KernelTime]:
        """What the device says of its own times: in the hardware, and in the driver around it. Raises Failed.

        Nothing where it does not tell, or before feature level 3.
        """
        runner = self._opened().runner
        told = []
        runner.measure(True)
        try:
            for _ in range(runs):
                self.run(inputs, outputs)
                told.append(runner.durations)
        finally:
            runner.measure(False)
        hardware = [on_hardware for on_hardware, _ in told if on_hardware is not None]
        around = [in_driver - (on_hardware or 0.0) for on_hardware, in_driver in told if in_driver is not None]
        return [
            KernelTime(name, self.segment.ops, sum(seconds) / len(seconds))
            for name, seconds in (("in the hardware", hardware), ("in the driver around it", around))
            if seconds
        ]

    def close(self) -> None:
        self._compiled = None

    def _opened(self) -> Compiled:
        compiled = self._compiled
        if compiled is None:
            raise Closed(f"this segment on {self._where} is closed")
        return compiled

    def _tell_recoveries(self, runner: _native.NnapiRunner) -> None:
        """A driver that fails and computes at the second attempt gives no event: the device has the answer."""
        if runner.recoveries == self._recoveries:
            return
        self._recoveries = runner.recoveries
        counts = runner.counts
        log.warning(
            "%s failed and computed at the next attempt: of %d attempts so far, %d were a second one, and the model "
            "was compiled again %d times",
            self._where, counts["runs"], counts["retries"], counts["recompilations"],
        )  # fmt: skip

    def _failed(self, error: _native.NnapiError | MemoryError) -> Failed:
        """Classifies, and demotes the segment where trying again makes no sense."""
        if isinstance(error, MemoryError):
            return Failed(f"{self._where} got no memory from this machine while running")
        found = failed(error, self._where)
        self._failures += 1
        self.lost_driver = isinstance(found, DriverDied)
        if not meaning(error.code).passes:
            self._demote(f"{found.reason}. That does not pass: this session leaves the segment to the CPU")
        elif self._failures >= MOST_FAILURES:
            self._demote(f"{found.reason}, {self._failures} times in a row: this session leaves the segment to the CPU")
        return type(found)(self._demoted or found.reason)

    def _demote(self, reason: str) -> None:
        self._demoted = reason

    def _verify(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        """Compares with the CPU, once. Raises Wrong, and leaves the segment to the CPU."""
        reference = self.segment.reference()
        expected = [np.empty_like(array) for array in outputs]
        try:
            reference.run(inputs, expected)
        finally:
            reference.close()
        for i, (ours, cpu) in enumerate(zip(outputs, expected, strict=True)):
            if difference := self._difference(ours, cpu):
                name = self.segment.graph.tensors[self.segment.outputs[i]].name
                self._demote(f"{self._where} computes {name!r} otherwise than the CPU ({difference}): it is not used")
                raise Wrong(self._demoted)
        self._verifies = False

    def _difference(self, ours: Array, cpu: Array) -> str:
        """Empty where both are the same within the tolerance."""
        if ours.dtype.kind == "f":
            largest = float(np.max(np.abs(cpu[np.isfinite(cpu)]), initial=1.0))
            allowed = (HALF_PART if self._fp16 else FLOAT_PART) * largest
            with np.errstate(invalid="ignore"):  # infinity less infinity
                wrong = ~((ours == cpu) | (np.abs(ours - cpu) <= allowed) | (np.isnan(ours) & np.isnan(cpu)))
        elif ours.dtype.itemsize <= 2 and ours.dtype.kind in "iu":
            wrong = np.abs(ours.astype(np.int64) - cpu.astype(np.int64)) > QUANTIZED_STEPS
        else:
            wrong = ours != cpu
        if not wrong.any():
            return ""
        return f"{int(wrong.sum())} of {wrong.size} elements"


_executable: type[Executable] = NnapiExecutable  # mypy proves the contracts
_profiles: type[Profiles] = NnapiExecutable
