"""Post-training quantization to int8 by TFLite's rules: asymmetric activations, symmetric filters, int32 biases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from network import Floats, Parameters

from subgraft.delegates import Quantization, Tensor

LOWEST, HIGHEST = -128, 127  # of an activation
LARGEST_WEIGHT = 127  # filters leave -128 out, so that they are symmetric

# Fixed by the kernels (softmax) or by what goes in: a byte of a picture less 128.
FIXED = {
    "image": Quantization(scales=(float(np.float32(1 / 255)),), zero_points=(LOWEST,)),
    "probabilities": Quantization(scales=(1 / 256,), zero_points=(LOWEST,)),
}
# Ops that only move values: their outputs share their inputs' quantization.
SAME_AS = {"pool": "pointwise", "flat": "sum"}


@dataclass(frozen=True, slots=True)
class Range:
    """The smallest and the largest value that a tensor had while calibrating."""

    low: float
    high: float


def calibrate(activations: Parameters) -> dict[str, Range]:
    """The ranges of activations over all pictures that they were computed for."""
    return {name: Range(float(values.min()), float(values.max())) for name, values in activations.items()}


class Float32:
    """Tensors as they are."""

    versions: Mapping[str, int] = {}

    def activation(self, name: str, shape: tuple[int, ...]) -> Tensor:
        return Tensor(name, shape, "float32")

    def filter(self, name: str, values: Floats, axis: int | None) -> Tensor:
        return Tensor.constant(name, values)

    def bias(self, name: str, values: Floats, source: Tensor, weights: Tensor) -> Tensor:
        return Tensor.constant(name, values)


class Int8:
    """Tensors quantized by the ranges of a calibration."""

    # The lowest version of each op that knows int8.
    versions: Mapping[str, int] = {
        "ADD": 2, "CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 4, "MAX_POOL_2D": 2, "SOFTMAX": 2,
    }  # fmt: skip

    def __init__(self, ranges: Mapping[str, Range]) -> None:
        self._ranges = ranges

    def activation(self, name: str, shape: tuple[int, ...]) -> Tensor:
        quantization = FIXED.get(name) or _of_range(self._ranges[SAME_AS.get(name, name)])
        return Tensor(name, shape, "int8", quantization=quantization)

    def filter(self, name: str, values: Floats, axis: int | None) -> Tensor:
        """axis: the dimension of which every index has a scale of its own; None: one scale."""
        others = tuple(d for d in range(values.ndim) if d != axis)
        largest = np.abs(values).max(axis=None if axis is None else others, keepdims=True)
        scales = (np.maximum(largest, 1e-12) / LARGEST_WEIGHT).astype(np.float32)
        steps = np.clip(np.rint(values / scales), -LARGEST_WEIGHT, LARGEST_WEIGHT).astype(np.int8)
        return Tensor.constant(name, steps, _symmetric(scales.reshape(-1), axis or 0))

    def bias(self, name: str, values: Floats, source: Tensor, weights: Tensor) -> Tensor:
        """In steps of the source's scale times the filter's, which is what the products add up in."""
        assert source.quantization and weights.quantization
        scales = np.float32(source.quantization.scales[0]) * np.array(weights.quantization.scales, np.float32)
        steps = np.rint(values / scales.astype(np.float64))
        return Tensor.constant(name, steps.astype(np.int32), _symmetric(scales, 0))


def _of_range(range_: Range) -> Quantization:
    """Spreads the range, widened to hold zero, over the 256 steps; zero falls on a step exactly."""
    low, high = min(range_.low, 0.0), max(range_.high, 0.0)
    scale = float(np.float32((high - low) / (HIGHEST - LOWEST)))
    zero_point = int(np.clip(np.rint(LOWEST - low / scale), LOWEST, HIGHEST))
    return Quantization(scales=(scale,), zero_points=(zero_point,), min=(low,), max=(high,))


def _symmetric(scales: Floats, axis: int) -> Quantization:
    return Quantization(scales=tuple(scales.tolist()), zero_points=(0,) * len(scales), axis=axis)
