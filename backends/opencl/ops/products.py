"""Products of activations with constant weights: convolutions of any kind, as launches of the template "conv"."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from subgraft.backends.opencl.launch import Argument, In, Int, Launch, Table, Value, Work
from subgraft.backends.opencl.ops import loops
from subgraft.backends.opencl.ops.layer import Layer
from subgraft.backends.opencl.ops.loops import Loop
from subgraft.backends.opencl.ops.tiles import Tile, tile
from subgraft.backends.opencl.windows import Window
from subgraft.delegates import Array

if TYPE_CHECKING:
    from subgraft.backends.opencl.caps import Caps
    from subgraft.backends.opencl.lowering import Build

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


def add(build: Build, product: Product) -> None:
    """Appends the launch of a product, tiled as it suits the device."""
    loop = loops.loop_for(product.layer.dtype, build.caps.loops)
    chosen = tile(product.pixels, product.channels_out // product.groups, product.groups * product.phases, build.caps)
    build.add(launch(product, loop, chosen, build.caps))


def launch(product: Product, loop: Loop, tile: Tile, caps: Caps) -> Launch:
    """The launch with this inner loop and tile. Its result is the same whatever they are."""
    made = operands(product, loop, lambda weights: _packed(weights, product, loop, tile.channels))
    flushes = _flushes(product, loop)
    blocks = product.groups * -(-(product.channels_out // product.groups) // tile.channels)
    items: tuple[int, ...] = (blocks, -(-product.pixels // tile.pixels))
    local: tuple[int, ...] = tile.local
    if product.is_transposed:
        items, local = (*items, product.phases), (*local, 1)
    macros = {"TM": tile.pixels, "TN": tile.channels, **product.layer.finish.macros(), **made.macros, **flushes.macros}
    macros |= dict.fromkeys(_structure(product, caps), "")
    border = np.full(product.depth, product.layer.data_zero, NUMPY[product.layer.data.ctype])
    return Launch(
        f"{loop.texts} conv",
        (
            In("x", product.layer.data),
            Table("border", border),
            *made.arguments,
            *product.layer.finish.arguments,
            *_sizes(product, loop, tile),
            *flushes.arguments,
        ),
        items,
        (),
        macros,
        result=product.made,
        given=product.layer.finish.given,
        local=local,
        work=Work(product.macs),
    )


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


def _packed(weights: Array, product: Product, loop: Loop, width: int) -> Table:
    """As the template "conv" reads them."""
    if loop.packed:
        return Table("weights", loops.words(weights, product.groups, width))
    narrow = weights if loop is loops.FLOATS else loops.narrowest(weights)
    return Table("weights", loops.lanes(narrow, product.groups, width))


def _flushes(product: Product, loop: Loop) -> Operands:
    """What keeps sums exact that are too long for their type."""
    if product.layer.dtype == "float32":
        return Operands({}, ())
    largest = int(np.abs(product.layer.weights.astype(np.int64) - product.layer.weights_zero).max(initial=0))
    room = loops.flush_after(loop, product.layer.dtype, largest, wide=product.layer.finish.total == "long")
    if room is None or room >= math.prod(product.layer.weights.shape[1:]):
        return Operands({}, ())
    return Operands({"FLUSH": ""}, (Int("flush", room), Int("chunk", min(product.depth, room & ~3))))


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


def _structure(product: Product, caps: Caps) -> Iterator[str]:
    """The macros that say what the template may leave out."""
    if product.is_pointwise:
        yield "POINTWISE"
    elif product.is_inside:
        yield "INSIDE"
    if product.is_transposed:
        yield "TRANSPOSED"
    if product.groups > 1:
        yield "GROUPS"
    if product.depth % 4 == 0 and product.channels_in % 4 == 0:
        yield "DEPTH4"
    if caps.is_cpu:
        yield "ROLLED"


def _sizes(product: Product, loop: Loop, tile: Tile) -> tuple[Int, ...]:
    of_group = product.channels_out // product.groups
    blocks = -(-of_group // tile.channels)
    steps = -(-product.depth // loops.BYTES_A_WORD) if loop.packed else product.depth
    # A transposed convolution's image is the other one's output.
    y_in, y_out = (product.y.out, product.y.size) if product.is_transposed else (product.y.size, product.y.out)
    x_in, x_out = (product.x.out, product.x.size) if product.is_transposed else (product.x.size, product.x.out)
    sizes = {
        "blocks": product.groups * blocks, "blocks_of_group": blocks, "pixels": product.pixels,
        "batches": product.batches, "in_y": y_in, "in_x": x_in, "out_y": y_out, "out_x": x_out,
        "channels_in": product.channels_in, "channels_out": product.channels_out, "channels_of_group": of_group,
        "depth": product.depth, "steps": steps, "padded": blocks * tile.channels, "kernel_y": product.y.filter,
        "kernel_x": product.x.filter, "stride_y": product.y.stride, "stride_x": product.x.stride,
        "dilation_y": product.y.dilation, "dilation_x": product.x.dilation, "before_y": product.y.before,
        "before_x": product.x.before,
    }  # fmt: skip
    return tuple(Int(name, size) for name, size in sizes.items())
