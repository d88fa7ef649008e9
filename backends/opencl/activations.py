"""Fused activation functions: the clamp of a kernel's last step."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from subgraft.backends.opencl.launch import Int, Real, Step
from subgraft.delegates import Graph, Op, Tensor, rule

FUSED = "fused_activation_function"
LARGEST = float(np.finfo(np.float32).max)
REAL_RANGES: Mapping[str, tuple[float, float]] = {
    "NONE": (-LARGEST, LARGEST),
    "RELU": (0.0, LARGEST),
    "RELU_N1_TO_1": (-1.0, 1.0),
    "RELU6": (0.0, 6.0),
}


@rule
def clamping_activation(op: Op, graph: Graph) -> bool:
    """its fused activation must be NONE, RELU, RELU6 or RELU_N1_TO_1"""
    return op.options.get(FUSED, "NONE") in REAL_RANGES


def scale_of(tensor: Tensor) -> float:
    """A tensor's scale, 0 where it has none; single precision, as the file has it."""
    scales = tensor.quantization.scales if tensor.quantization else ()
    return float(np.float32(scales[0])) if scales else 0.0


def zero_point_of(tensor: Tensor) -> int:
    zero_points = tensor.quantization.zero_points if tensor.quantization else ()
    return int(zero_points[0]) if zero_points else 0


def integer_range(activation: str, output: Tensor) -> tuple[int, int]:
    """The least and the largest quantized value of an output after its activation.

    The bounds are x / scale in single precision, halves away from zero, plus the zero point, as TFLite has them.
    """
    kind = np.iinfo(output.dtype)
    low, high = kind.min, kind.max
    least, most = REAL_RANGES[activation]
    if least > -LARGEST:
        low = min(max(_quantized(least, output), low), high)
    if most < LARGEST:
        high = min(max(_quantized(most, output), kind.min), high)
    return int(low), int(high)


def clamp_step(activation: str, output: Tensor) -> Step:
    """The step that an op with a fused activation ends with; without one it makes infinities finite, as TFLite does."""
    if output.dtype == "float32":
        least, most = REAL_RANGES[activation]
        return Step("$w = clamped($v, $low, $high);", "float", (Real("low", least), Real("high", most)))
    low, high = integer_range(activation, output)
    return Step("$w = clamp($v, $low, $high);", "int", (Int("low", low), Int("high", high)))


def _quantized(real: float, output: Tensor) -> int:
    steps = float(np.float32(real) / np.float32(scale_of(output)))
    rounded = math.floor(abs(steps) + 0.5)  # exact: a float's half fits into a double
    return int(math.copysign(rounded, steps)) + zero_point_of(output)
