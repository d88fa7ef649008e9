"""Outputs from tiles to tensors and back, against the formula of executable.fbs evaluated point by point."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgetpu_packages import GRID, GRID_BYTES, Package, compiled_files, package_in, small_package, tiled_layer
from shared_models import needs_shared
from subgraft.backends.edgetpu.errors import PackageError
from subgraft.backends.edgetpu.layer import Layer, OutputLayout
from subgraft.backends.edgetpu.relayout import flip_mask, relayout, runs, tile, used_bytes
from subgraft.delegates import Array


def element(layer: Layer, y: int, x: int) -> int:
    """Where the formula has element (y, x, 0)."""
    layout = layer.layout
    assert layout
    start = int(layout.tile_offset[layout.y_to_tile[y] + layout.x_to_tile[x]])
    return start + int(layout.y_to_row[y]) * int(layout.x_to_row_size[x]) + int(layout.x_to_offset[x])


def by_the_formula(layer: Layer, sent: bytes) -> bytes:
    """The tensor's bytes, with the sign as the device sends it."""
    size = layer.element_bytes
    if layer.y == layer.x == 1:
        return sent[: layer.z * size]
    starts = [element(layer, y, x) * size for y in range(layer.y) for x in range(layer.x)]
    return b"".join(sent[start : start + layer.z * size] for start in starts)


def by_the_runs(layer: Layer, sent: bytes) -> bytes:
    tensor = bytearray(layer.tensor_bytes)
    for source, place, pixels, pixel_bytes, stride in runs(layer).tolist():
        for i in range(pixels):
            start = source + i * stride
            tensor[place + i * pixel_bytes : place + (i + 1) * pixel_bytes] = sent[start : start + pixel_bytes]
    return bytes(tensor)


def flipped(layer: Layer, tensor: bytes) -> bytes:
    size = layer.element_bytes
    signed = layer.dtype in ("int8", "int16")
    return bytes(b ^ 0x80 if signed and i % size == size - 1 else b for i, b in enumerate(tensor))


def random_tensor(layer: Layer, rng: np.random.Generator) -> Array:
    raw = rng.integers(0, 256, layer.tensor_bytes, np.uint8)
    return raw.view(layer.dtype).reshape(layer.y, layer.x, layer.z)


def check(layer: Layer, rng: np.random.Generator) -> None:
    sent = rng.bytes(layer.size_bytes)
    assert by_the_runs(layer, sent) == by_the_formula(layer, sent)
    assert relayout(layer, sent).tobytes() == flipped(layer, by_the_formula(layer, sent))
    tensor = random_tensor(layer, rng)
    assert np.array_equal(relayout(layer, tile(layer, tensor, rng)), tensor)
    assert used_bytes(layer) <= layer.size_bytes


@needs_shared
@pytest.mark.parametrize("path", compiled_files(), ids=lambda path: path.name.removesuffix("_edgetpu.tflite"))
def test_the_outputs_of_compiled_files_come_out_of_their_tiles(path: Path) -> None:
    rng = np.random.default_rng(5)
    for layer in package_in(path).inference.outputs:
        check(layer, rng)


@needs_shared
def test_what_is_contiguous_is_one_run() -> None:
    layers = {layer.name: layer for path in compiled_files() for layer in package_in(path).inference.outputs}
    assert runs(layers["Squeeze1"]).tolist() == [[0, 0, 1, 1917 * 4, 0]]  # no padding, tiles side by side
    assert runs(layers["convert_scores"]).tolist() == [[0, 0, 1917, 91, 92]]
    assert len(runs(layers["Sigmoid"])) < 48 * 4 + 1  # a row of a tile, or more


sizes = st.lists(st.integers(1, 5), min_size=1, max_size=4)
dtypes = st.sampled_from(["uint8", "int8", "int16"])


@settings(max_examples=150, deadline=None)
@given(
    sizes, sizes, st.integers(1, 9), st.integers(0, 4), st.integers(0, 5), st.sampled_from(["uint8", "int8", "int16"])
)
def test_any_grid_of_tiles_comes_out_as_the_formula_says(
    rows: list[int], columns: list[int], z: int, padding: int, gap: int, dtype: str
) -> None:
    layer = tiled_layer(rows, columns, z, z + padding, gap, dtype)
    check(layer, np.random.default_rng(6))


def test_columns_at_any_distance_come_out_as_the_formula_says() -> None:
    regular = tiled_layer([2, 1], [3, 2], 2, 3, 40)
    assert regular.layout
    for offsets in ([0, 7, 3, 0, 3], [9, 6, 3, 0, 0], [0, 2, 4, 30, 32]):
        layout = OutputLayout(
            regular.layout.y_to_tile,
            regular.layout.x_to_tile,
            regular.layout.tile_offset,
            np.array(offsets),
            regular.layout.y_to_row,
            regular.layout.x_to_row_size,
        )
        layer = replace(regular, layout=layout)
        sent = np.random.default_rng(7).bytes(layer.size_bytes)
        assert by_the_runs(layer, sent) == by_the_formula(layer, sent)


@pytest.mark.parametrize(("dtype", "mask"), [("uint8", 0), ("int8", 1), ("int16", 2), ("int32", 0), ("float32", 0)])
def test_the_top_bit_is_the_other_way_round_for_signed_types_of_one_and_two_bytes(dtype: str, mask: int) -> None:
    layer = replace(tiled_layer([1], [1], 8, 8, 0), dtype=dtype, element_bytes=np.dtype(dtype).itemsize, size_bytes=32)
    assert flip_mask(layer) == mask
    assert relayout(layer, bytes(32)).reshape(-1)[0] == (np.iinfo(dtype).min if mask else 0)


def test_padding_is_random_and_the_tensor_is_not() -> None:
    layer = tiled_layer([2, 2], [3, 2], 3, 4, 6)
    tensor = random_tensor(layer, np.random.default_rng(8))
    first, second = (tile(layer, tensor, np.random.default_rng(seed)) for seed in (1, 2))
    assert first != second
    assert np.array_equal(relayout(layer, first), relayout(layer, second))


def test_a_layer_that_runs_several_times_loses_the_padding_of_each() -> None:
    layer = Layer("steps", 24, 1, 1, 5, "uint8", 0, 1.0, None, 3, (), 1)
    assert runs(layer).tolist() == [[0, 0, 3, 5, 8]]
    assert relayout(layer, bytes(range(24))).tolist() == [[[8 * i + j for j in range(5)]] for i in range(3)]


def test_the_runs_of_a_layer_are_computed_once_and_cannot_be_changed() -> None:
    layer = tiled_layer([2], [2, 1], 3, 4, 0)
    assert runs(layer) is runs(layer)
    with pytest.raises(ValueError, match="read-only"):
        runs(layer)[0, 0] = 1


def test_buffers_of_another_size_are_refused() -> None:
    layer = tiled_layer([2], [2], 3, 4, 0)
    with pytest.raises(ValueError, match="has 16 bytes as sent, not 15"):
        relayout(layer, bytes(15))
    with pytest.raises(ValueError, match="has 12 bytes, not 13"):
        tile(layer, np.zeros(13, np.uint8), np.random.default_rng(0))


def grid_with(**changes: object) -> Layer:
    (out,) = Package.parse(small_package()).inference.outputs
    names = ("y_to_tile", "x_to_tile", "tile_offset", "x_to_offset", "y_to_row", "x_to_row_size")
    maps = {**dict(zip(names, GRID, strict=True)), **changes}
    return replace(out, layout=OutputLayout(**maps))  # type: ignore[arg-type]


def test_the_grid_of_the_format_s_documentation_comes_out() -> None:
    sent = np.arange(GRID_BYTES, dtype=np.uint8)
    expected = [[[element(grid_with(), y, x) + z for z in range(3)] for x in range(5)] for y in range(4)]
    assert (relayout(grid_with(), sent.tobytes()).view(np.uint8) ^ 0x80).tolist() == expected


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"y_to_tile": np.array([0, 0, 2])}, "maps of"),
        ({"x_to_offset": np.array([], np.int64)}, "maps of"),
        ({"tile_offset": np.array([0, 24, 40])}, "a tile 3 of 3"),
        ({"tile_offset": np.array([0, 24, 40, 66])}, "end at byte 81 of 80"),
        ({"tile_offset": np.array([0, 24, -1, 64])}, "leads outside"),
        ({"tile_offset": np.array([], np.int64)}, "leads outside"),
        ({"y_to_row": np.array([0, 1, 0, 2])}, "of 80"),
        ({"x_to_row_size": np.array([12, 12, 12, 8, 2**31 - 1])}, "leads outside"),
    ],
)
def test_a_layout_that_leads_outside_the_output_is_refused(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(PackageError, match=reason):
        runs(grid_with(**changes))


def test_an_output_larger_than_what_is_sent_is_refused() -> None:
    with pytest.raises(PackageError, match="240 bytes without padding and 80 with it"):
        runs(replace(grid_with(), element_bytes=4))


def test_rows_without_places_are_refused() -> None:
    with pytest.raises(PackageError, match="no place for each"):
        runs(replace(grid_with(), layout=None))


def test_a_layout_of_single_pixels_is_refused_before_it_fills_the_memory() -> None:
    side = 4000
    scattered = np.arange(side) * 4 % 7
    zeros = np.zeros(side, np.int64)
    layout = OutputLayout(zeros, zeros, np.zeros(1, np.int64), scattered, zeros, zeros)
    with pytest.raises(PackageError, match="65536 is the most"):
        runs(Layer("wide", side * side, side, side, 1, "uint8", 0, 1.0, layout, 1, (), 1))
