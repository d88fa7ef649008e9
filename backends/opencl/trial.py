"""Products of bytes with known answers: what an inner loop must get right before it is used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from subgraft.backends.opencl.fixed_point import quantize_multiplier
from subgraft.delegates import Array, Graph, Op, Options, Quantization, Segment, Tensor

SIZE, DEPTH, CHANNELS, TAPS = 6, 132, 5, 3  # of the convolution: fours and nothing else, longer than floats add
LONG, ROWS, COLUMNS = 2303, 5, 3  # of the fully connected rows
SCALE = 0.5  # of activations and weights
FINE = 0.99  # what a sum is multiplied by where an error of 1 in it must show
COARSE = 2.0**-13  # the same where sums of random bytes must fit a byte
ZERO_IN, ZERO_OUT = {"int8": -3, "uint8": 131}, {"int8": 5, "uint8": 119}
WEIGHTS_ZERO = {"int8": 0, "uint8": 120}
LARGE = {"int8": -127, "uint8": 255}  # an odd number whose products add up to more than floats hold exactly


@dataclass(frozen=True, slots=True)
class Trial:
    """A segment, what to run it on, and what comes out."""

    segment: Segment
    inputs: tuple[Array, ...]
    expected: tuple[Array, ...]


def trial() -> Trial:
    """A convolution of int8 with a scale for each channel, and long rows of uint8.

    Where all bytes are large the bias takes nearly all of the sum away again, so that one wrong product shows.
    """
    made = _Made(np.random.default_rng(3))
    made.convolution()
    made.rows()
    graph = Graph(tuple(made.tensors), tuple(made.ops), tuple(made.given), tuple(made.wanted), name="self-test")
    segment = graph.segment(range(len(made.ops)))
    values = {**made.given, **made.wanted}
    return Trial(segment, *(tuple(values[t] for t in ends) for ends in (segment.inputs, segment.outputs)))


class _Made:
    """The graph while it is put together."""

    def __init__(self, random: np.random.Generator) -> None:
        self.tensors: list[Tensor] = []
        self.ops: list[Op] = []
        self.given: dict[int, Array] = {}
        self.wanted: dict[int, Array] = {}
        self._random = random

    def convolution(self) -> None:
        """The second image is large everywhere, the first channel's weights too."""
        x = self._bytes("int8", (2, SIZE, SIZE, DEPTH))
        weights = self._bytes("int8", (CHANNELS, TAPS, TAPS, DEPTH))
        x[1] = weights[0] = LARGE["int8"]
        padded = np.pad(x.astype(np.int64) - ZERO_IN["int8"], [(0, 0), (1, 1), (1, 1), (0, 0)])
        windows = np.lib.stride_tricks.sliding_window_view(padded, (TAPS, TAPS), axis=(1, 2))
        sums = np.einsum("nyxdij,cijd->nyxc", windows, weights.astype(np.int64))
        bias = self._random.integers(-9999, 9999, CHANNELS)
        bias[0] = 77 - sums[1, 2, 2, 0]
        factors = [FINE, *(COARSE * (1 + 0.1 * c) for c in range(1, CHANNELS))]
        steps = {"stride_w": 1, "stride_h": 1, "dilation_w_factor": 1, "dilation_h_factor": 1}
        options = Options({"padding": "SAME", **steps, "fused_activation_function": "NONE"}, table="Conv2DOptions")
        self._op("CONV_2D", x, weights, bias, sums, factors, options)

    def rows(self) -> None:
        """Large bytes, but for one in each row that is one less."""
        x = np.full((ROWS, LONG), LARGE["uint8"], np.uint8)
        weights = np.full((COLUMNS, LONG), LARGE["uint8"], np.uint8)
        weights[1:] = self._bytes("uint8", (COLUMNS - 1, LONG))
        x[np.arange(ROWS), np.arange(ROWS) * (LONG // ROWS)] -= 1
        centered = weights.astype(np.int64) - WEIGHTS_ZERO["uint8"]
        sums = (x.astype(np.int64) - ZERO_IN["uint8"]) @ centered.T
        bias = np.arange(COLUMNS) - sums[0]
        plain = {"fused_activation_function": "NONE", "weights_format": "DEFAULT", "keep_num_dims": False}
        options = Options(plain, table="FullyConnectedOptions")
        self._op("FULLY_CONNECTED", x, weights, bias, sums, [0.9], options)

    def _op(
        self, kind: str, x: Array, weights: Array, bias: Array, sums: Array, factors: Sequence[float], options: Options
    ) -> None:
        """factors: what becomes of a sum, one or one for each channel. sums: of the products, without the bias."""
        dtype = x.dtype.name
        scales = [float(np.float32(factor / SCALE)) for factor in factors]  # of the weights; outputs have the scale 1
        first = len(self.tensors)
        self.tensors += [
            Tensor("x", x.shape, dtype, quantization=_affine([SCALE], ZERO_IN[dtype])),
            Tensor.constant("weights", weights, _affine(scales, WEIGHTS_ZERO[dtype])),
            Tensor.constant("bias", bias.astype(np.int32), _affine([SCALE * scale for scale in scales], 0)),
            Tensor("y", sums.shape, dtype, quantization=_affine([1.0], ZERO_OUT[dtype])),
        ]
        self.ops.append(Op(kind, (first, first + 1, first + 2), (first + 3,), options))
        pairs = [quantize_multiplier(SCALE * scale) for scale in scales]
        multiplier, shift = (np.array([pair[i] for pair in pairs], np.int32) for i in range(2))
        limits = np.iinfo(dtype)
        scaled = rescaled((sums + bias).astype(np.int32), multiplier, shift) + ZERO_OUT[dtype]
        self.given[first] = x
        self.wanted[first + 3] = np.ascontiguousarray(scaled.clip(limits.min, limits.max).astype(dtype))

    def _bytes(self, dtype: str, shape: tuple[int, ...]) -> Array:
        limits = np.iinfo(dtype)
        return self._random.integers(limits.min, limits.max + 1, shape).astype(dtype)


def _affine(scales: Sequence[float], zero: int) -> Quantization:
    return Quantization(tuple(scales), (zero,) * len(scales), axis=0)


def rescaled(x: Array, multiplier: Array, shift: Array) -> Array:
    """TFLite's MultiplyByQuantizedMultiplier in 64 bits: a left shift that wraps, gemmlowp's two roundings."""
    left = np.maximum(shift, 0).astype(np.int64)
    wide = x.astype(np.int64) << left
    wrapped = ((wide + (1 << 31)) % (1 << 32)) - (1 << 31)
    product = (wrapped * multiplier.astype(np.int64) + (1 << 30)) >> 31
    return rounding_shift(product, np.maximum(-shift, 0)).astype(np.int32)


def rounding_shift(x: Array, exponent: Array) -> Array:
    """gemmlowp's RoundingDivideByPOT: halves away from zero."""
    exponent = exponent.astype(np.int64)
    mask = (np.int64(1) << exponent) - 1
    threshold = (mask >> 1) + (x < 0)
    rounded: Array = (x >> exponent) + ((x & mask) > threshold)
    return rounded


def difference(got: Array, expected: Array) -> str:
    """In words; "" where there is none."""
    wrong = np.flatnonzero(got.reshape(-1) != expected.reshape(-1))
    if not wrong.size:
        return ""
    first = int(wrong[0])
    pair = got.reshape(-1)[first], expected.reshape(-1)[first]
    return f"{wrong.size} of {expected.size} results differ, the first is {pair[0]} for {pair[1]}"
