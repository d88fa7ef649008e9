"""The constants of layers that are quantized per tensor, which stand in the instructions instead of the parameters.

Instructions are words of 128 bits. Three in a row hold, for each such layer, whatever else they mean:

| word | bits | what |
| --- | --- | --- |
| first | 62 to 77, 78 to 93 | zero points of the weights and of the input, unsigned |
| second | 29 to 60 | multiplier, float32: (input scale * weight scale) * (1 / output scale) |
| third | 29 to 36 | zero point of the output, unsigned |

Found so in all such layers of the compiled models at hand (see tests/test_edgetpu_parameters.py). Layers quantized per
channel have multipliers and zero points of weights in the parameters (see parameters.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from subgraft.backends.edgetpu.package import Program
from subgraft.delegates import Array

WORD = np.dtype([("low", "<u8"), ("high", "<u8")])


@dataclass(frozen=True, slots=True)
class ZeroPoints:
    """Of a layer's tensors, unsigned: those of int8 tensors are higher by 128."""

    weights: int
    input: int
    output: int


class Immediates:
    """What may be the constants of a layer in a program's instructions."""

    def __init__(self, program: Program) -> None:
        chunks = [np.frombuffer(c.data, WORD, len(c.data) // WORD.itemsize) for c in program.bitstreams]
        words: Array = np.concatenate(chunks) if chunks else np.empty(0, WORD)
        low, high = words["low"], words["high"]
        self._multipliers = ((low >> np.uint64(29)) & np.uint64(0xFFFFFFFF)).astype(np.uint32)
        self._weights = (low >> np.uint64(62) | high << np.uint64(2)) & np.uint64(0xFFFF)
        self._inputs = (high >> np.uint64(14)) & np.uint64(0xFFFF)
        self._outputs = (low >> np.uint64(29)) & np.uint64(0xFF)

    def beside(self, multiplier: np.float32) -> frozenset[ZeroPoints]:
        """The zero points that stand beside this multiplier, wherever it is; none where it is nowhere."""
        at = np.flatnonzero(self._multipliers == multiplier.view(np.uint32))
        at = at[(at > 0) & (at + 1 < len(self._multipliers))]
        columns = (self._weights[at - 1], self._inputs[at - 1], self._outputs[at + 1])
        return frozenset(ZeroPoints(*(int(value) for value in row)) for row in zip(*columns, strict=True))
