"""Between an output as the device sends it (in tiles, padded, unsigned) and the tensor."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from subgraft.backends.edgetpu.errors import PackageError
from subgraft.backends.edgetpu.flatbuffer import Integers
from subgraft.backends.edgetpu.layer import FLIPPED, Layer, OutputLayout
from subgraft.delegates import NUMPY_DTYPES, Array

Runs = Integers  # [n, 5]: source byte, destination byte, pixels, bytes per pixel, source stride in bytes
MAX_RUNS = 1 << 16  # ours, against damaged files: 2.6 MB; layers of known models need 1 to 200
SIGN = 0x80
REMEMBERED_LAYERS = 64


@lru_cache(REMEMBERED_LAYERS)
def runs(layer: Layer) -> Runs:
    """The copies that turn an output as received into the tensor, as int64 [n, 5]; computed once per layer.

    Row: source byte, destination byte, pixels, bytes per pixel, source stride in bytes (0 where there is one pixel).
    The destinations follow each other without a gap. No run reads outside layer.size_bytes or writes outside
    layer.tensor_bytes: PackageError otherwise. The sign is left as it is, see flip_mask().
    """
    pixel_bytes = layer.z * layer.element_bytes
    if layer.tensor_bytes > layer.size_bytes:
        raise _wrong(layer, f"{layer.tensor_bytes} bytes without padding and {layer.size_bytes} with it")
    if layer.y == layer.x == 1:
        padding = (layer.size_bytes - layer.tensor_bytes) // layer.executions
        return _finished([(0, layer.executions)], pixel_bytes, pixel_bytes + padding if layer.executions > 1 else 0)
    if layer.executions != 1 or layer.layout is None:
        raise _wrong(layer, "rows and columns, but no place for each of them")
    sources, pixels, stride = _tile_rows(layer, layer.layout)
    _check_bounds(layer, sources, pixels, stride)
    sources, pixels = _joined(sources, pixels, stride)
    scale = layer.element_bytes
    return _finished(np.stack([sources * scale, pixels], axis=1), pixel_bytes, stride * scale)


def flip_mask(layer: Layer) -> int:
    """Bytes of an element whose top bit the device has the other way round; 0: it takes the type as it is."""
    return layer.element_bytes if layer.dtype in FLIPPED else 0


def used_bytes(layer: Layer) -> int:
    """How many of the first bytes of an output, as received, the tensor needs."""
    sources, _, pixels, pixel_bytes, strides = runs(layer).T
    return int((sources + (pixels - 1) * strides + pixel_bytes).max())


def relayout(layer: Layer, device_bytes: bytes | bytearray | memoryview) -> Array:
    """The tensor of an output as received: [y, x, z], or [executions, 1, z], of the layer's type.

    The plain form of what native code does on the fast path. bfloat16 comes as uint16.
    """
    if len(device_bytes) != layer.size_bytes:
        raise ValueError(f"output {layer.name!r} has {layer.size_bytes} bytes as sent, not {len(device_bytes)}")
    source = np.frombuffer(device_bytes, np.uint8)
    tensor = np.empty(layer.tensor_bytes, np.uint8)
    for pixel_bytes, here, there in _pixels(runs(layer)):
        _windows(tensor, pixel_bytes)[there] = _windows(source, pixel_bytes)[here]
    return _flipped(layer, tensor).view(_dtype(layer)).reshape(_shape(layer))


def tile(layer: Layer, array: Array, fill: np.random.Generator) -> bytes:
    """The inverse of relayout(): an output as the device sends it, with random bytes where there is padding."""
    if array.nbytes != layer.tensor_bytes:
        raise ValueError(f"output {layer.name!r} has {layer.tensor_bytes} bytes, not {array.nbytes}")
    tensor = _flipped(layer, np.frombuffer(np.ascontiguousarray(array), np.uint8))
    sent = fill.integers(0, 256, layer.size_bytes, np.uint8)
    for pixel_bytes, here, there in _pixels(runs(layer)):
        _windows(sent, pixel_bytes)[here] = _windows(tensor, pixel_bytes)[there]
    return sent.tobytes()


def _tile_rows(layer: Layer, layout: OutputLayout) -> tuple[Integers, Integers, int]:
    """For each row of each tile, in the tensor's order: its first element and its pixels; and the stride of all.

    In elements. Columns whose stride is another become runs of one pixel.
    """
    _check_layout(layer, layout)
    same_tile = (np.diff(layout.x_to_tile) == 0) & (np.diff(layout.x_to_row_size) == 0)
    steps = np.diff(layout.x_to_offset)
    values, counts = np.unique(steps[same_tile & (steps >= layer.z)], return_counts=True)
    stride = int(values[counts.argmax()]) if len(values) else layer.z
    first = np.flatnonzero(np.concatenate([[True], ~(same_tile & (steps == stride))]))
    if layer.y * len(first) > MAX_RUNS:
        raise _wrong(layer, f"{layer.y * len(first)} rows of tiles, and {MAX_RUNS} is the most")
    tiles = layout.y_to_tile[:, None] + layout.x_to_tile[first]
    if tiles.max() >= len(layout.tile_offset):
        raise _wrong(layer, f"a tile {tiles.max()} of {len(layout.tile_offset)}")
    rows = layout.y_to_row[:, None] * layout.x_to_row_size[first]
    sources = layout.tile_offset[tiles] + rows + layout.x_to_offset[first]
    return sources.reshape(-1), np.tile(np.diff(first, append=layer.x), layer.y), stride


def _check_layout(layer: Layer, layout: OutputLayout) -> None:
    """Raises PackageError where a map has not an entry for each row or column, or entries that cannot be."""
    for maps, length in (
        ((layout.y_to_tile, layout.y_to_row), layer.y),
        ((layout.x_to_tile, layout.x_to_offset, layout.x_to_row_size), layer.x),
    ):
        if any(len(entries) != length for entries in maps):
            raise _wrong(layer, f"{length} rows or columns and maps of {[len(entries) for entries in maps]} entries")
    for entries in (*maps, layout.y_to_tile, layout.y_to_row, layout.tile_offset):
        if len(entries) == 0 or entries.min() < 0 or entries.max() > layer.size_bytes:
            raise _wrong(layer, "a map of tiles that leads outside it")


def _check_bounds(layer: Layer, sources: Integers, pixels: Integers, stride: int) -> None:
    ends = (sources + (pixels - 1) * stride + layer.z) * layer.element_bytes
    if ends.max() > layer.size_bytes:
        raise _wrong(layer, f"tiles that end at byte {ends.max()} of {layer.size_bytes}")


def _joined(sources: Integers, pixels: Integers, stride: int) -> tuple[Integers, Integers]:
    """The same with runs made one where they continue each other."""
    first = np.flatnonzero(np.concatenate([[True], sources[1:] != sources[:-1] + pixels[:-1] * stride]))
    return sources[first], np.add.reduceat(pixels, first)


def _finished(rows: npt.ArrayLike, pixel_bytes: int, stride: int) -> Runs:
    """From source bytes and pixels to runs; what is contiguous becomes one pixel."""
    sources, pixels = np.asarray(rows, np.int64).T
    table = np.empty((len(sources), 5), np.int64)
    contiguous = (pixels == 1) | (stride == pixel_bytes)
    table[:, 0] = sources
    table[:, 2] = np.where(contiguous, 1, pixels)
    table[:, 3] = np.where(contiguous, pixels * pixel_bytes, pixel_bytes)
    table[:, 4] = np.where(contiguous, 0, stride)
    sizes = pixels * pixel_bytes
    table[:, 1] = np.cumsum(sizes) - sizes
    table.flags.writeable = False
    return table


def _pixels(table: Runs) -> Iterator[tuple[int, Integers, Integers]]:
    """Runs of one form at a time: the bytes of a pixel, and where each pixel lies in the source and in the tensor."""
    for form in np.unique(table[:, 2:], axis=0):
        chosen = table[(table[:, 2:] == form).all(axis=1)]
        pixels, pixel_bytes, stride = form.tolist()
        along = np.arange(pixels)
        yield pixel_bytes, chosen[:, :1] + along * stride, chosen[:, 1:2] + along * pixel_bytes


def _windows(flat: npt.NDArray[np.uint8], size_bytes: int) -> npt.NDArray[np.uint8]:
    """[i]: the bytes from i on."""
    return np.lib.stride_tricks.sliding_window_view(flat, size_bytes, writeable=flat.flags.writeable)


def _flipped(layer: Layer, flat: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    every = flip_mask(layer)
    if not every:
        return flat
    flat = flat.copy()
    flat[every - 1 :: every] ^= SIGN
    return flat


def _dtype(layer: Layer) -> np.dtype[np.generic]:
    return NUMPY_DTYPES.get(layer.dtype, np.dtype(np.uint16))


def _shape(layer: Layer) -> tuple[int, ...]:
    return (layer.executions, 1, layer.z) if layer.executions > 1 else (layer.y, layer.x, layer.z)


def _wrong(layer: Layer, what: str) -> PackageError:
    return PackageError(f"the output {layer.name!r} of the compiled model is damaged: it has {what}")
