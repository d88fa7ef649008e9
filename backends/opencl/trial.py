"""Products of bytes with known answers: what an inner loop must get right before it is used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from subgraft.backends.opencl.fixed_point import quantize_multiplier
from subgraft.delegates import Array, Graph, Op, Options, Quantization, Segment, Tensor

SIZE, DEPTH, CHANNELS, TAPS = 7, 20, 9, 3  # of the convolution: nothing that divides evenly
LONG = 2304  # of a fully connected row: more than two of the parts in which floats are exact
ROWS, COLUMNS = 6, 8
INPUT_SCALE, WEIGHT_SCALE = 0.5, 0.25
ZEROS = {"int8": (-3, 5), "uint8": (131, 119)}  # zero points of inputs and outputs
WEIGHTS_ZERO = {"int8": 0, "uint8": 120}


@dataclass(frozen=True, slots=True)
class Trial:
    """A segment, what to run it on, and what comes out."""

    segment: Segment
    inputs: tuple[Array, ...]
    expected: tuple[Array, ...]


def trial() -> Trial:
    """A convolution with a scale for each channel, and long rows of int8 and of uint8 with the largest products."""
    made = _Made(np.random.default_rng(3))
    made.convolution()
    made.rows("int8")
    made.rows("uint8")
    graph = Graph(tuple(made.tensors), tuple(made.ops), tuple(made.inputs), tuple(made.outputs), name="self-test")
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

    @property
    def inputs(self) -> list[int]:
        return list(self.given)

    @property
    def outputs(self) -> list[int]:
        return list(self.wanted)

    def convolution(self) -> None:
        x = self._bytes("int8", (1, SIZE, SIZE, DEPTH))
        weights = self._bytes("int8", (CHANNELS, TAPS, TAPS, DEPTH))
        scales = tuple(float(np.float32(WEIGHT_SCALE * (1 + 0.1 * c))) for c in range(CHANNELS))
        zero = ZEROS["int8"][0]
        padded = np.pad(x.astype(np.int64) - zero, [(0, 0), (1, 1), (1, 1), (0, 0)])
        windows = np.lib.stride_tricks.sliding_window_view(padded, (TAPS, TAPS), axis=(1, 2))
        sums = np.einsum("nyxdij,cijd->nyxc", windows, weights.astype(np.int64))
        steps = {"stride_w": 1, "stride_h": 1, "dilation_w_factor": 1, "dilation_h_factor": 1}
        options = Options({"padding": "SAME", **steps, "fused_activation_function": "NONE"}, table="Conv2DOptions")
        self._op("CONV_2D", x, weights, sums, scales, options)

    def rows(self, dtype: str) -> None:
        x = self._bytes(dtype, (ROWS, LONG))
        weights = self._bytes(dtype, (COLUMNS, LONG))
        limits = np.iinfo(dtype)
        x[0], x[1] = limits.min, limits.max
        weights[0], weights[1] = limits.min, limits.max
        zero = ZEROS[dtype][0]
        sums = (x.astype(np.int64) - zero) @ (weights.astype(np.int64) - WEIGHTS_ZERO[dtype]).T
        plain = {"fused_activation_function": "NONE", "weights_format": "DEFAULT", "keep_num_dims": False}
        options = Options(plain, table="FullyConnectedOptions")
        self._op("FULLY_CONNECTED", x, weights, sums, (WEIGHT_SCALE,), options)

    def _op(
        self, kind: str, x: Array, weights: Array, sums: Array, scales: Sequence[float], options: Options
    ) -> None:
        """sums: of the products, without the bias."""
        dtype = x.dtype.name
        zero_in, zero_out = ZEROS[dtype]
        bias = self._random.integers(-9999, 9999, weights.shape[0]).astype(np.int32)
        sums = sums + bias
        out_scale = float(np.float32(np.abs(sums).mean() * INPUT_SCALE * WEIGHT_SCALE / 60))
        first = len(self.tensors)
        self.tensors += [
            Tensor("x", x.shape, dtype, quantization=_affine((INPUT_SCALE,), zero_in)),
            Tensor.constant("weights", weights, _affine(scales, WEIGHTS_ZERO[dtype])),
            Tensor.constant("bias", bias, _affine(tuple(INPUT_SCALE * scale for scale in scales), 0)),
            Tensor("y", sums.shape, dtype, quantization=_affine((out_scale,), zero_out)),
        ]
        self.ops.append(Op(kind, (first, first + 1, first + 2), (first + 3,), options))
        pairs = [quantize_multiplier(INPUT_SCALE * scale / out_scale) for scale in scales]
        multiplier, shift = (np.array([pair[i] for pair in pairs], np.int32) for i in range(2))
        limits = np.iinfo(dtype)
        scaled = rescaled(sums.astype(np.int32), multiplier, shift) + zero_out
        self.given[first] = x
        self.wanted[first + 3] = scaled.clip(limits.min, limits.max).astype(dtype)

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
