"""Fixed-point multipliers of quantized kernels: the CPU's own."""

from subgraft._native import quantize_multiplier as quantize_multiplier
