"""How a tensor is quantized, and what that asks of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from subgraft.backends.opencl.fixed_point import quantize_multiplier
from subgraft.backends.opencl.launch import Int
from subgraft.delegates import Tensor

LIMITS: Mapping[str, tuple[int, int]] = {
    name: (int(np.iinfo(name).min), int(np.iinfo(name).max)) for name in ("int8", "uint8", "int16", "int32")
}
SMALLEST_SCALE = 1e-37  # below, a scale or its inverse is no normal float, and devices may take it for 0


@dataclass(frozen=True, slots=True)
class Affine:
    """real = scale * (value - zero point)."""

    scale: np.float32
    zero: int


def affine(tensor: Tensor) -> Affine:
    """Of a tensor with one scale, which the rules saw to."""
    quantization = tensor.quantization
    if quantization is None or not quantization.scales:
        raise ValueError(f"tensor {tensor.name!r} has no scale")
    zeros = quantization.zero_points
    return Affine(np.float32(quantization.scales[0]), int(zeros[0]) if zeros else 0)


def is_quantized(tensor: Tensor) -> bool:
    return tensor.quantization is not None and bool(tensor.quantization.scales)


def has_one_scale(tensor: Tensor) -> bool:
    """Whether it is quantized with one scale, finite and above 0, and with a zero point within its type."""
    quantization = tensor.quantization
    if quantization is None or quantization.blockwise is not None or len(quantization.scales) != 1:
        return False
    low, high = LIMITS.get(tensor.dtype, LIMITS["int32"])
    zero = quantization.zero_points[0] if quantization.zero_points else 0
    return SMALLEST_SCALE < quantization.scales[0] < math.inf and low <= zero <= high


def multiplier(name: str, real: float | np.floating) -> tuple[Int, Int]:
    """A kernel's arguments for rescale(x, <name>_value, <name>_shift). Raises ValueError."""
    value, shift = quantize_multiplier(float(real))
    return Int(f"{name}_value", value), Int(f"{name}_shift", shift)
