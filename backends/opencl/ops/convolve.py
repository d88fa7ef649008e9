"""Chooses the kernel, the inner loop and the tile of a convolution, and what else a tuner may try."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from subgraft.backends.opencl.launch import Launch
from subgraft.backends.opencl.ops import implicit_gemm, tensor_cores, tiles
from subgraft.backends.opencl.ops.loops import LOOPS, Loop, loops_for
from subgraft.backends.opencl.ops.products import Product
from subgraft.backends.opencl.ops.tiles import Tile

if TYPE_CHECKING:
    from subgraft.backends.opencl.caps import Caps
    from subgraft.backends.opencl.lowering import Build


def add(build: Build, product: Product) -> None:
    """Appends the launch of a product, with what its tuner may put in its place."""
    caps = build.caps
    build.add(replace(next(variants(product, caps)), variants=lambda: variants(product, caps)))


def variants(product: Product, caps: Caps) -> Iterator[Launch]:
    """Launches that make the same, the likeliest first: every tile with the first loop, then one of each other loop."""
    first, *others = _loops(product, caps)
    for tile in _tiles(product, first, caps):
        yield _launch(product, first, tile, caps)
    for loop in others:
        yield _launch(product, loop, next(_tiles(product, loop, caps)), caps)


def _loops(product: Product, caps: Caps) -> list[Loop]:
    fitting = [LOOPS[name] for name in caps.loops if name in LOOPS and LOOPS[name].is_tensor]
    return [*(fitting if tensor_cores.fits(product) else ()), *loops_for(product.layer.dtype, caps.loops)]


def _tiles(product: Product, loop: Loop, caps: Caps) -> Iterator[Tile]:
    if loop.is_tensor:
        return tensor_cores.candidates(product, caps)
    copies = product.groups * product.phases
    return tiles.candidates(product.pixels, product.channels_out // product.groups, copies, caps)


def _launch(product: Product, loop: Loop, tile: Tile, caps: Caps) -> Launch:
    if loop.is_tensor:
        return tensor_cores.launch(product, loop, tile)
    return implicit_gemm.launch(product, loop, tile, caps)
