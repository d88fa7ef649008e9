"""Fixed-point multipliers of quantized kernels, as the CPU's kernels make them (native/src/core/fixed_point.h)."""

from __future__ import annotations

import math

MAX_SHIFT = 30  # the largest left shift that rescale() is defined for
UNIT_BITS = 31
SMALLEST_SHIFT = -31


def quantize_multiplier(real: float, max_shift: int = MAX_SHIFT) -> tuple[int, int]:
    """(value, shift) that stand for value * 2^(shift - 31); TFLite's QuantizeMultiplier.

    Numbers under 2^-32 become zero. Raises ValueError for what is not finite, or too large.
    """
    if not math.isfinite(real):
        raise ValueError(f"quantization scales give the multiplier {real}")
    if real == 0:
        return 0, 0
    fraction, shift = math.frexp(real)
    scaled = fraction * (1 << UNIT_BITS)
    value = math.floor(abs(scaled) + 0.5) * (1 if scaled > 0 else -1)
    if value == 1 << UNIT_BITS:  # 0.99999999999 rounds up to 1
        value //= 2
        shift += 1
    if shift < SMALLEST_SHIFT:
        return 0, 0
    if shift > max_shift:
        raise ValueError(f"quantization scales give the multiplier {real}, which is too large")
    return value, shift
