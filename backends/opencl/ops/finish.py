"""What follows the sums of a product: bias, requantization, the fused activation's clamp.

A template hands each sum to BIASED(sum, i), which adds the bias i, and the total to FINISH(total, c), which makes the
output value of channel c, which may depend on the output's `pixel`. Both are macros that come from here, with the
arguments that they read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from subgraft.backends.opencl.activations import FUSED, REAL_RANGES, integer_range, scale_of, zero_point_of
from subgraft.backends.opencl.fixed_point import quantize_multipliers
from subgraft.backends.opencl.launch import Argument, In, Int, Real, Table
from subgraft.delegates import Array, Graph, Op, Tensor

MAX_SHIFT, MAX_WIDE_SHIFT = 30, 14  # the largest left shifts that rescale() and rescale_wide() are defined for
MANTISSA_BITS = 53  # of a double
FLOAT_MAX = float(np.finfo(np.float32).max)  # the CPU clamps infinities to it
LOW_WORD = 0xFFFFFFFF

# A BIASED for each type of total.
BIASED = {
    "float": "((sum) + LOAD(bias, i))",
    "uint": "((sum) + (uint)LOAD(bias, i))",
    "long": "((sum) + (((long)LOAD(bias_high, i) << 32) | (uint)LOAD(bias, i)))",
}
CLAMPED = "clamp((int)((uint){scaled} + (uint)zero_out), low, high)"
FIXED = CLAMPED.format(scaled="rescale((int)(total), LOAD(multiplier, c), LOAD(shift, c))")
WIDE = CLAMPED.format(scaled="rescale_wide(total, LOAD(multiplier, c), LOAD(shift, c))")
REAL = (
    "rescale_real({total}, (uint)LOAD(scale_high, c), (uint)LOAD(scale_low, c), LOAD(exponent, c), zero_out, low, high)"
)
ACTIVATED = "clamped(total, low, high)"
PIXELS_OF_SCALE = "pixels_of_scale"


@dataclass(frozen=True, slots=True)
class Finish:
    """text: of FINISH. total: the type of sums with their bias. given: the type of what comes out."""

    text: str
    total: str
    given: str
    arguments: tuple[Argument, ...]

    def macros(self) -> dict[str, str | int]:
        return {"TOTAL_TYPE": self.total, "BIASED(sum, i)": BIASED[self.total], "FINISH(total, c)": self.text}

    def biases(self, bias: Array) -> tuple[Argument, ...]:
        """bias: float32, or whole numbers that wrap around as the totals do."""
        if self.total == "float":
            return (Table("bias", np.ascontiguousarray(bias, np.float32)),)
        words = bias.astype(np.int64).view(np.uint64)
        low = Table("bias", (words & np.uint64(LOW_WORD)).astype(np.uint32).view(np.int32))
        if self.total == "uint":
            return (low,)
        return low, Table("bias_high", (words >> np.uint64(32)).astype(np.uint32).view(np.int32))


def of_floats(activation: str) -> Finish:
    low, high = (min(max(bound, -FLOAT_MAX), FLOAT_MAX) for bound in REAL_RANGES[activation])
    return Finish(ACTIVATED, "float", "float", (Real("low", low), Real("high", high)))


def in_fixed_point(scales: Sequence[float] | Array, out: Tensor, activation: str, *, wide: bool = False) -> Finish:
    """Multipliers of 32 bits. wide: sums in 64 bits, multipliers in 16. Raises ValueError for scales too large."""
    multiplier, shift = quantize_multipliers(np.asarray(scales), MAX_WIDE_SHIFT if wide else MAX_SHIFT)
    tables = Table("multiplier", multiplier), Table("shift", shift)
    return Finish(WIDE if wide else FIXED, "long" if wide else "uint", "int", (*tables, *_range(out, activation)))


def in_real_numbers(scales: Sequence[float] | Array, out: Tensor, activation: str, *, wide: bool = False) -> Finish:
    """As if multiplied in double precision, bit by bit in whole numbers: few GPUs are quick with doubles."""
    fractions, exponents = np.frexp(np.asarray(scales, np.float64))
    mantissas = (fractions * 2.0**MANTISSA_BITS).astype(np.uint64)
    tables = (
        Table("scale_high", (mantissas >> np.uint64(32)).astype(np.uint32).view(np.int32)),
        Table("scale_low", (mantissas & np.uint64(LOW_WORD)).astype(np.uint32).view(np.int32)),
        Table("exponent", (exponents - MANTISSA_BITS).astype(np.int32)),
    )
    text = REAL.format(total="total" if wide else "(long)(int)(total)")
    return Finish(text, "long" if wide else "uint", "int", (*tables, *_range(out, activation)))


def of_steps(input_scale: In, scales: Array, bias: Array, activation: str, pixels: int, *, twice: bool) -> Finish:
    """Sums of steps as floats again. input_scale: of each `pixels` output pixels; twice: multiplied by one scale after
    the other, else by their product."""
    of_input, of_weights = f"LOAD(input_scale, pixel / {PIXELS_OF_SCALE})", "LOAD(weights_scale, c)"
    total = "(float)(int)(total)"
    real = f"{total} * {of_weights} * {of_input}" if twice else f"{total} * ({of_input} * {of_weights})"
    tables = Table("weights_scale", np.ascontiguousarray(scales)), Table("real_bias", bias.astype(np.float32))
    arguments = (input_scale, *tables, Int(PIXELS_OF_SCALE, pixels), *of_floats(activation).arguments)
    return Finish(f"clamped({real} + LOAD(real_bias, c), low, high)", "uint", "float", arguments)


def channel_scales(graph: Graph, data: int, weights: int, made: int, channels: int) -> Array:
    """data scale * weights scale / output scale of each channel, in double precision."""
    q = graph.tensors[weights].quantization
    of_weights = np.array(q.scales if q else (), np.float32).astype(np.float64)
    before, after = scale_of(graph.tensors[data]), scale_of(graph.tensors[made])
    return before * np.repeat(of_weights, channels if len(of_weights) == 1 else 1) / after


def tensor_scale(graph: Graph, data: int, weights: int, made: int) -> float:
    """The same where the reference multiplies in single precision (legacy uint8, BATCH_MATMUL)."""
    product = np.float32(scale_of(graph.tensors[data])) * np.float32(scale_of(graph.tensors[weights]))
    return float(product) / scale_of(graph.tensors[made])


def activation_of(op: Op) -> str:
    return str(op.options.get(FUSED, "NONE"))


def _range(out: Tensor, activation: str) -> tuple[Argument, ...]:
    low, high = integer_range(activation, out)
    return Int("zero_out", zero_point_of(out)), Int("low", low), Int("high", high)
