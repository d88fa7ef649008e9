"""A compiled segment on one device, and what is made of its failures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from subgraft import _native
from subgraft.backends.nnapi.compiler import Compiled
from subgraft.backends.nnapi.errors import Closed, Demoted, Wrong, failed, meaning
from subgraft.delegates import Array, Executable, Failed, Segment

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
        self.last_failure: Failed | None = None

    def run(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        compiled = self._compiled
        if compiled is None:
            raise Closed(f"this segment on {self._where} is closed")
        if self._demoted:
            raise Demoted(self._demoted)
        try:
            compiled.runner.run([inputs[i] for i in compiled.inputs], [outputs[i] for i in compiled.outputs])
        except (_native.NnapiError, MemoryError) as error:
            self.last_failure = self._failed(error)
            raise self.last_failure from error
        for i, value in compiled.constants.items():
            outputs[i][...] = value
        if self._verifies:
            self._verify(inputs, outputs)
        self._failures = 0
        self.last_failure = None

    def close(self) -> None:
        self._compiled = None

    @property
    def counts(self) -> dict[str, int]:
        """Runs, retries, resized outputs and recompilations so far."""
        return dict(self._compiled.runner.counts) if self._compiled is not None else {}

    def _failed(self, error: _native.NnapiError | MemoryError) -> Failed:
        """Classifies, and demotes the segment where trying again makes no sense."""
        if isinstance(error, MemoryError):
            return Failed(f"{self._where} got no memory from this machine while running")
        found = failed(error, self._where)
        self._failures += 1
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
                self.last_failure = Wrong(self._demoted)
                raise self.last_failure
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


_executable: type[Executable] = NnapiExecutable  # mypy proves the contract
