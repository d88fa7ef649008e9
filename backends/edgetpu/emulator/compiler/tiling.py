"""How tensors lie in what is transferred: inputs as they are, outputs in tiles as Google's compiler makes them."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from subgraft.backends.edgetpu.emulator.compiler.errors import CompilationFailed
from subgraft.backends.edgetpu.flatbuffer import Integers
from subgraft.backends.edgetpu.layer import MAX_LAYER_BYTES, Layer, OutputLayout
from subgraft.backends.edgetpu.parameters import SIGN_BIT
from subgraft.delegates import Tensor

GRID = 4  # the chip has 4 x 4 tiles
Z_STEP = 4
VECTOR_TILE = 64  # elements of a vector on one tile
SIZE_STEP = 8  # transfers are multiples
MAPPED_DIMENSIONS = 3


def input_layer(tensor: Tensor) -> Layer:
    y, x, z = _dimensions(tensor)
    check_size(y * x * z)
    return _layer(tensor, (y, x, z), y * x * z, None)


def output_layer(tensor: Tensor) -> Layer:
    y, x, z = _dimensions(tensor)
    check_size(y * x * _padded(z))
    layout, elements = _vector(z) if y == x == 1 else _grid(y, x, z)
    return _layer(tensor, (y, x, z), elements, layout)


def check_size(size_bytes: int) -> None:
    """Raises CompilationFailed for a tensor that no device could hold."""
    if size_bytes > MAX_LAYER_BYTES - SIZE_STEP:
        raise CompilationFailed("Compilation failed due to large activation tensors in model.")


def _layer(tensor: Tensor, shape: tuple[int, int, int], elements: int, layout: OutputLayout | None) -> Layer:
    quantization = tensor.quantization
    assert quantization and tensor.dtype in ("int8", "uint8")
    zero_point = (quantization.zero_points or (0,))[0] + (SIGN_BIT if tensor.dtype == "int8" else 0)
    y, x, z = shape
    return Layer(
        name=tensor.name,
        size_bytes=-(-elements // SIZE_STEP) * SIZE_STEP,
        y=y,
        x=x,
        z=z,
        dtype=tensor.dtype,
        zero_point=zero_point,
        scale=quantization.scales[0],
        layout=layout,
        executions=1,
        shape=tensor.shape if layout else (),
        element_bytes=1,
    )


def _padded(z: int) -> int:
    return -(-z // Z_STEP) * Z_STEP


def _dimensions(tensor: Tensor) -> tuple[int, int, int]:
    y, x, z = (1, 1, 1, *tensor.shape)[-MAPPED_DIMENSIONS:]
    assert y * x * z == prod(tensor.shape), "the rules let no batches pass"
    return y, x, z


def _vector(z: int) -> tuple[OutputLayout, int]:
    zero = np.zeros(1, np.int64)
    step = min(VECTOR_TILE, _padded(z))
    offsets = np.minimum(np.arange(GRID * GRID) * step, _padded(z))
    return OutputLayout(zero, zero, offsets, zero, zero, zero), z


def _grid(y: int, x: int, z: int) -> tuple[OutputLayout, int]:
    """Rows and columns spread over the tiles, each tile's rows behind each other, z padded. Elements: of all tiles."""
    padded = _padded(z)
    heights, widths = _spread(y), _spread(x)
    areas = np.outer(heights, widths).reshape(-1) * padded
    layout = OutputLayout(
        y_to_tile=np.repeat(np.arange(GRID) * GRID, heights),
        x_to_tile=np.repeat(np.arange(GRID), widths),
        tile_offset=np.cumsum(areas) - areas,
        x_to_offset=_count_each(widths) * padded,
        y_to_row=_count_each(heights),
        x_to_row_size=np.repeat(np.array(widths) * padded, widths),
    )
    return layout, int(areas.sum())


def _spread(count: int) -> Sequence[int]:
    """As evenly as it goes, the first tiles one more: 33 -> 9, 8, 8, 8."""
    return [count // GRID + (i < count % GRID) for i in range(GRID)]


def _count_each(sizes: Sequence[int]) -> Integers:
    """0, 1, ... for each tile anew."""
    return np.concatenate([np.arange(size) for size in sizes])
