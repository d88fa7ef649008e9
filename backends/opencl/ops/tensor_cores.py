"""Convolutions of bytes by tensor cores, as launches of the template "conv_mma"."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from subgraft.backends.opencl.launch import In, Int, Launch, Table, Work
from subgraft.backends.opencl.ops import loops
from subgraft.backends.opencl.ops.loops import Loop
from subgraft.backends.opencl.ops.products import Product, border, operands
from subgraft.backends.opencl.ops.tiles import Tile
from subgraft.delegates import Array

if TYPE_CHECKING:
    from subgraft.backends.opencl.caps import Caps

# PTX ISA, "mma.m16n8k32": rows, columns and bytes of depth that a warp multiplies at once.
ROWS, COLUMNS, STEP = 16, 8, 32
WARP = 32
# Of a warp, in rows and columns of its tiles; the largest needs 64 registers for its sums.
WARP_TILES = ((4, 4), (2, 4), (2, 2), (1, 2), (1, 1))
WARPS_A_UNIT = 4  # one for each of a multiprocessor's tensor cores


def fits(product: Product) -> bool:
    """Whether its operands are such as tensor cores multiply: signed bytes, four and four, without a zero point."""
    layer = product.layer
    if layer.dtype not in loops.BYTES or product.is_transposed or product.groups > 1 or product.depth % 4:
        return False
    return layer.weights_zero == (loops.UINT8_MIDDLE if layer.dtype == "uint8" else 0)


def candidates(product: Product, caps: Caps) -> Iterator[Tile]:
    """The likeliest first."""
    tiles = [Tile(ROWS * m, COLUMNS * n, (WARP, 1)) for m, n in WARP_TILES]
    busy = [tile for tile in tiles if _warps(product, tile) >= WARPS_A_UNIT * caps.compute_units]
    yield from dict.fromkeys((*busy, *reversed(tiles)))


def launch(product: Product, loop: Loop, tile: Tile) -> Launch:
    """The launch with this tile, which must be one of the candidates."""
    made = operands(product, loop, lambda weights: Table("weights", _padded(weights, tile.channels)))
    finish = product.layer.finish
    macros = {"WM": tile.pixels // ROWS, "WN": tile.channels // COLUMNS, **finish.macros(), **made.macros}
    if product.is_pointwise:
        macros["POINTWISE"] = ""
    elif product.is_inside:
        macros["INSIDE"] = ""
    sizes = {
        "pixels": product.pixels, "in_y": product.y.size, "in_x": product.x.size, "out_y": product.y.out,
        "out_x": product.x.out, "channels_in": product.channels_in, "channels_out": product.channels_out,
        "depth": product.depth, "words": -(-product.depth // STEP) * STEP // loops.BYTES_A_WORD,
        "kernel_y": product.y.filter, "kernel_x": product.x.filter, "stride_y": product.y.stride,
        "stride_x": product.x.stride, "dilation_y": product.y.dilation, "dilation_x": product.x.dilation,
        "before_y": product.y.before, "before_x": product.x.before,
    }  # fmt: skip
    given = (In("x", product.layer.data), border(product))
    return Launch(
        f"{loop.texts} conv_mma",
        (*given, *made.arguments, *finish.arguments, *(Int(name, size) for name, size in sizes.items())),
        (-(-product.channels_out // tile.channels) * WARP, -(-product.pixels // tile.pixels)),
        (),
        macros,
        result=product.made,
        given=finish.given,
        local=tile.local,
        work=Work(product.macs),
    )


def _warps(product: Product, tile: Tile) -> int:
    return -(-product.pixels // tile.pixels) * -(-product.channels_out // tile.channels)


def _padded(weights: Array, columns: int) -> Array:
    """[channels, y, x, depth] with channels and depth filled up, four bytes an element."""
    spare = [(0, -weights.shape[0] % columns), (0, 0), (0, 0), (0, -weights.shape[3] % STEP)]
    return np.ascontiguousarray(np.pad(weights.astype(np.int8), spare)).view(np.dtype("<u4"))
