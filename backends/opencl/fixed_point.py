"""Fixed-point multipliers of quantized kernels: the CPU's own."""

from __future__ import annotations

from functools import lru_cache

from subgraft import _native

REMEMBERED = 1 << 14  # a rule asks for each channel's, and the lowering again; layers share many


@lru_cache(REMEMBERED)
def quantize_multiplier(real: float, max_shift: int = 30) -> tuple[int, int]:
    """(value, shift) that stand for value * 2^(shift - 31): TFLite's QuantizeMultiplier. Raises ModelError."""
    return _native.quantize_multiplier(real, max_shift)
