"""Products of activations with constant weights: convolutions of any kind, whatever kernel computes them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from subgraft.backends.opencl.launch import Argument, Int, Table, Value
from subgraft.backends.opencl.ops import loops
from subgraft.backends.opencl.ops.layer import Layer
from subgraft.backends.opencl.ops.loops import Loop
from subgraft.backends.opencl.windows import Window
from subgraft.delegates import Array

NUMPY = {"float": np.float32, "half": np.float16, "char": np.int8, "uchar": np.uint8, "short": np.int16}


@dataclass(frozen=True, slots=True)
class Product:
    """One convolution of NHWC activations; the layer's weights are [channels out, y, x, depth].

    y, x: the windows; of a transposed one those of the convolution that goes the other way.
    """

    layer: Layer
    made: Value
    y: Window
    x: Window
    is_transposed: bool = False

    @property
    def batches(self) -> int:
        return self.layer.data.shape[0]

    @property
    def channels_in(self) -> int:
        return self.layer.data.shape[3]

    @property
    def channels_out(self) -> int:
        return int(self.layer.weights.shape[0])

    @property
    def depth(self) -> int:
        """Input channels that an output channel reads."""
        return int(self.layer.weights.shape[3])

    @property
    def groups(self) -> int:
        return self.channels_in // self.depth

    @property
    def phases(self) -> int:
        """Convolutions that a transposed one consists of: outputs that meet the same taps."""
        return self.y.stride * self.x.stride if self.is_transposed else 1

    @property
    def pixels(self) -> int:
        """Of one phase, at most."""
        if not self.is_transposed:
            return self.batches * self.y.out * self.x.out
        return self.batches * -(-self.y.size // self.y.stride) * -(-self.x.size // self.x.stride)

    @property
    def is_pointwise(self) -> bool:
        """Every output pixel reads the input pixel at its own place, and no other."""
        return not self.is_transposed and all(
            w.filter == 1 and w.stride == 1 and w.before == 0 and w.size == w.out for w in (self.y, self.x)
        )

    @property
    def is_inside(self) -> bool:
        """No tap ever leaves the image."""
        return not self.is_transposed and all(
            w.before == 0 and (w.out - 1) * w.stride + (w.filter - 1) * w.dilation < w.size for w in (self.y, self.x)
        )

    @property
    def macs(self) -> int:
        positions = self.y.size * self.x.size if self.is_transposed else self.y.out * self.x.out
        reached = math.prod(self.layer.weights.shape) / self.phases
        return int(self.batches * positions * reached)


@dataclass(frozen=True, slots=True)
class Operands:
    """Weights and bias as a kernel reads them, and the macros that say what they are."""

    macros: dict[str, str | int]
    arguments: tuple[Argument, ...]


def operands(product: Product, loop: Loop, packing: Callable[[Array], Table]) -> Operands:
    """packing: lays out the weights that the loop multiplies with.

    What zero points add to a sum is in the bias, but for the weights' own in loops that cannot take it off them: there
    it is multiplied by the sum of each window (WINDOW_SUMS).
    """
    if product.layer.dtype == "float32":
        table = packing(product.layer.weights.astype(np.float32))
        return Operands({}, (table, *product.layer.finish.biases(np.tile(product.layer.bias, product.phases))))
    centered = product.layer.weights.astype(np.int64) - product.layer.weights_zero
    if not loop.packed:
        bias = product.layer.finish.biases(_without_zero_points(product, centered, product.layer.data_zero))
        return Operands({}, (packing(centered), *bias))
    middle = loops.UINT8_MIDDLE if product.layer.dtype == "uint8" else 0
    bias = product.layer.finish.biases(_without_zero_points(product, centered, product.layer.data_zero - middle))
    macros: dict[str, str | int] = {"PACKED": "", "SIGNS": f"{loops.SIGN_BITS:#x}u" if middle else "0u"}
    arguments: tuple[Argument, ...] = (packing(product.layer.weights.astype(np.int64) - middle), *bias)
    if product.layer.weights_zero != middle:
        macros["WINDOW_SUMS"] = ""
        arguments = (*arguments, Int("weights_zero", product.layer.weights_zero - middle))
    return Operands(macros, arguments)


def border(product: Product) -> Table:
    """What the taps read that leave the image."""
    return Table("border", np.full(product.depth, product.layer.data_zero, NUMPY[product.layer.data.ctype]))


def _without_zero_points(product: Product, centered: Array, zero: int) -> Array:
    """The bias less the zero point of the activations times the weights that they meet; per phase and channel."""
    bias = product.layer.bias.astype(np.int64)
    taps = _phases(product) if product.is_transposed else [(slice(None), slice(None))]
    return np.concatenate([bias - zero * centered[:, y, x].sum(axis=(1, 2, 3)) for y, x in taps])


def _phases(product: Product) -> Iterator[tuple[slice, slice]]:
    """The taps of each phase of a transposed convolution, in the order of the template."""
    for y in range(product.y.stride):
        for x in range(product.x.stride):
            yield (
                slice((y + product.y.before) % product.y.stride, None, product.y.stride),
                slice((x + product.x.before) % product.x.stride, None, product.x.stride),
            )
