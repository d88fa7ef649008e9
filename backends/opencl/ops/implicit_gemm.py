"""Convolutions as launches of the template "conv": implicit products of matrices with any inner loop."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from subgraft.backends.opencl.launch import In, Int, Launch, Table, Work
from subgraft.backends.opencl.ops import loops
from subgraft.backends.opencl.ops.loops import Loop
from subgraft.backends.opencl.ops.products import Operands, Product, border, operands
from subgraft.backends.opencl.ops.tiles import Tile
from subgraft.delegates import Array

if TYPE_CHECKING:
    from subgraft.backends.opencl.caps import Caps


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
    return Launch(
        f"{loop.texts} conv",
        (
            In("x", product.layer.data),
            border(product),
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
