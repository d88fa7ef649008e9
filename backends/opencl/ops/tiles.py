"""How much of a product one work item makes: what fits a device, and what else is worth trying on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from subgraft.backends.opencl.caps import Caps

CPU_CHANNELS, CPU_PIXELS = 16, 8  # sums of 8 x 16 floats fill the vector registers of AVX-512
DEPTHWISE_PIXELS = 4
GPU_CHANNELS = 4  # loads of 16 bytes, neighbours by neighbouring items
GPU_PIXELS = (8, 4, 2, 1)
GPU_GROUP = 64  # items: two warps, or a wavefront
GROUPS_A_UNIT = 2  # that keep a compute unit busy while some of them wait for memory
WIDTHS = (4, 8, 16)


@dataclass(frozen=True, slots=True)
class Tile:
    """pixels x channels of an item, items of a group along channels and pixels."""

    pixels: int
    channels: int
    local: tuple[int, int] = (1, 1)


def tile(pixels: int, channels: int, copies: int, caps: Caps) -> Tile:
    """The choice without measuring. copies: how many such products there are, from groups or phases."""
    return next(candidates(pixels, channels, copies, caps))


def candidates(pixels: int, channels: int, copies: int, caps: Caps) -> Iterator[Tile]:
    """What a tuner should try, the likeliest first."""
    seen = set()
    for made in _ordered(pixels, channels, copies, caps):
        if made not in seen:
            seen.add(made)
            yield made


def strip(width: int, rows: int, channels: int, caps: Caps) -> Tile:
    """Of a depthwise convolution whose outputs are rows x width pixels: pixels of one row."""
    if caps.is_cpu:
        return Tile(min(DEPTHWISE_PIXELS, _power_of_two(width)), _width(channels))
    blocks = -(-channels // GPU_CHANNELS) * rows
    wanted = GROUPS_A_UNIT * caps.compute_units * GPU_GROUP
    fitting = [n for n in (4, 2, 1) if n <= width and blocks * -(-width // n) >= wanted] or [1]
    return _of_gpu(fitting[0], GPU_CHANNELS, channels)


def _ordered(pixels: int, channels: int, copies: int, caps: Caps) -> Iterator[Tile]:
    if caps.is_cpu:
        for high, wide in ((CPU_PIXELS, CPU_CHANNELS), (4, 16), (8, 8), (4, 8), (2, 16), (4, 4)):
            yield Tile(min(high, _power_of_two(pixels)), min(wide, _width(channels)))
        return
    wanted = GROUPS_A_UNIT * caps.compute_units
    sizes = [size for size in GPU_PIXELS if size <= _power_of_two(pixels)]
    busy = [s for s in sizes if copies * _items(pixels, channels, s) >= wanted * GPU_GROUP] or sizes[-1:]
    for high in (*busy, *sizes):
        yield _of_gpu(high, GPU_CHANNELS, channels)
    for high in sizes:
        yield _of_gpu(high, min(8, _width(channels)), channels)


def _items(pixels: int, channels: int, high: int) -> int:
    return -(-pixels // high) * -(-channels // GPU_CHANNELS)


def _of_gpu(high: int, wide: int, channels: int) -> Tile:
    across = min(GPU_GROUP // 4, _power_of_two(-(-channels // wide)))
    return Tile(high, wide, (across, GPU_GROUP // across))


def _width(channels: int) -> int:
    """The narrowest vector that holds so many channels."""
    return next((width for width in WIDTHS if width >= channels), WIDTHS[-1])


def _power_of_two(n: int) -> int:
    """The largest one up to n."""
    return 1 << (max(n, 1).bit_length() - 1)
