"""Fixed-point multipliers of quantized kernels: the CPU's own."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from subgraft import _native
from subgraft.delegates import Array

UNIT_BITS = 31
SMALLEST_SHIFT = -31
REMEMBERED = 1 << 14  # a rule asks for each channel's, and the lowering again; layers share many


@lru_cache(REMEMBERED)
def quantize_multiplier(real: float, max_shift: int = 30) -> tuple[int, int]:
    """(value, shift) that stand for value * 2^(shift - 31): TFLite's QuantizeMultiplier. Raises ModelError."""
    return _native.quantize_multiplier(real, max_shift)


def quantize_multipliers(reals: Array, max_shift: int = 30) -> tuple[Array, Array]:
    """The same for many, as int32 arrays of values and shifts. Raises ModelError."""
    reals = np.asarray(reals, np.float64)
    if not np.isfinite(reals).all():
        quantize_multiplier(float(reals[~np.isfinite(reals)][0]), max_shift)
    fractions, shifts = np.frexp(reals)
    values = np.copysign(np.floor(np.abs(fractions) * 2.0**UNIT_BITS + 0.5), fractions)  # exact: 53 bits hold both
    carried = values == 2.0**UNIT_BITS
    values, shifts = np.where(carried, values / 2, values), shifts + carried
    if (shifts > max_shift).any():
        quantize_multiplier(float(reals[shifts > max_shift][0]), max_shift)
    gone = (shifts < SMALLEST_SHIFT) | (reals == 0)
    return np.where(gone, 0, values).astype(np.int32), np.where(gone, 0, shifts).astype(np.int32)
