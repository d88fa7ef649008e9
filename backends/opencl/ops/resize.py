"""RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR. Where each row and column comes from is worked out here, in tables."""

from __future__ import annotations

import numpy as np

from subgraft.backends.opencl.launch import Argument, In, Int, Launch, Table, Work
from subgraft.backends.opencl.lowering import Build, lowers
from subgraft.backends.opencl.ops.movement import kind_of
from subgraft.delegates import Array, Graph, Op, rule

ONE = 1 << 10  # fractions of int8 and int16 are in units of 1/1024
BLEND_OPERATIONS = 8


@rule
def constant_size(op: Op, graph: Graph) -> bool:
    """its new size must be a constant"""
    return graph.tensors[op.inputs[1]].data is not None


@rule
def resized_types(op: Op, graph: Graph) -> bool:
    """its tensors must be float32, int8, uint8 or int16, of one type"""
    types = {graph.tensors[t].dtype for t in (op.inputs[0], op.outputs[0])}
    return len(types) == 1 and types <= {"float32", "int8", "uint8", "int16"}


@rule
def one_kind_of_grid(op: Op, graph: Graph) -> bool:
    """align_corners and half_pixel_centers exclude each other"""
    return op.kind != "RESIZE_BILINEAR" or not (_corners(op) and _half_pixels(op))


RULES = (constant_size, resized_types, one_kind_of_grid)


@lowers("RESIZE_BILINEAR", rules=RULES)
def bilinear(op: Op, build: Build) -> None:
    given, result = build.value(op.inputs[0]), build.value(op.outputs[0])
    dtype = build.tensor(op.inputs[0]).dtype
    fixed = dtype in ("int8", "int16")
    neighbours = _fixed_neighbours if fixed else _float_neighbours
    top, bottom, down = neighbours(op, given.shape[1], result.shape[1])
    left, right, across = neighbours(op, given.shape[2], result.shape[2])
    # Fractions above 1.5 come from rounding the scale, far outside; a byte and four such weights pass 32 bits.
    narrow = dtype == "int8" and max(int(down.max()), int(across.max())) <= ONE * 3 // 2
    macros: dict[str, str | int] = {
        "FIXED": int(fixed),
        "ROUNDED": int(dtype == "uint8"),
        "FRACTION": "float" if not fixed else "int" if narrow else "long",
    }
    tables = {"top": top, "bottom": bottom, "left": left, "right": right, "down": down, "across": across}
    build.add(_launch("resize", op, build, macros, tables))


@lowers("RESIZE_NEAREST_NEIGHBOR", rules=RULES)
def nearest(op: Op, build: Build) -> None:
    given, result = build.value(op.inputs[0]), build.value(op.outputs[0])
    tables = {
        "rows": _nearest(op, given.shape[1], result.shape[1]),
        "columns": _nearest(op, given.shape[2], result.shape[2]),
    }
    build.add(_launch("resize_nearest", op, build, {}, tables))


def _launch(template: str, op: Op, build: Build, macros: dict[str, str | int], tables: dict[str, Array]) -> Launch:
    given, result = build.value(op.inputs[0]), build.value(op.outputs[0])
    sizes = {
        "count": result.count, "height": given.shape[1], "width": given.shape[2], "channels": given.shape[3],
        "out_height": result.shape[1], "out_width": result.shape[2],
    }  # fmt: skip
    arguments: list[Argument] = [In("x", given), *(Int(name, size) for name, size in sizes.items())]
    arguments += [Table(name, table) for name, table in tables.items()]
    work = Work(BLEND_OPERATIONS * result.count, given.bytes + result.bytes)
    return Launch(template, tuple(arguments), (result.count,), (), macros, result, kind_of(result), work=work)


def _float_neighbours(op: Op, size: int, out: int) -> tuple[Array, Array, Array]:
    """In single precision, as TFLite's reference: for float32 and uint8."""
    scale = _scale(op, size, out)
    i = np.arange(out, dtype=np.float32)
    half = np.float32(0.5)
    position = (i + half) * scale - half if _half_pixels(op) else i * scale
    low = np.clip(np.floor(position), 0, size - 1).astype(np.int32)
    high = np.minimum(np.ceil(position), size - 1).astype(np.int32)
    return low, high, position - low.astype(np.float32)


def _fixed_neighbours(op: Op, size: int, out: int) -> tuple[Array, Array, Array]:
    corners = _corners(op) and out > 1
    source, target = (size - 1, out - 1) if corners else (size, out)
    scale = (ONE * source + target // 2) // target
    i = np.arange(out, dtype=np.int64)
    position = i * scale + scale // 2 - ONE // 2 if _half_pixels(op) else i * scale
    low = np.clip(_towards_zero(position), 0, size - 1)
    high = np.minimum(_towards_zero(position + ONE - 1), size - 1)
    return low.astype(np.int32), high.astype(np.int32), (position - ONE * low).astype(np.int32)


def _towards_zero(position: Array) -> Array:
    """Divided by ONE, as C++ divides."""
    return np.asarray(np.sign(position) * (np.abs(position) // ONE))


def _nearest(op: Op, size: int, out: int) -> Array:
    offset = np.float32(0.5 if _half_pixels(op) else 0)
    position = (np.arange(out, dtype=np.float32) + offset) * _scale(op, size, out)
    exact = position.astype(np.float64)
    taken = np.floor(exact + 0.5) if _corners(op) else np.floor(exact)
    return np.asarray(np.minimum(taken, size - 1), np.int32)


def _scale(op: Op, size: int, out: int) -> np.float32:
    if _corners(op) and out > 1:
        return np.float32(size - 1) / np.float32(out - 1)
    return np.float32(size) / np.float32(out)


def _corners(op: Op) -> bool:
    return bool(op.options.get("align_corners", False))


def _half_pixels(op: Op) -> bool:
    return bool(op.options.get("half_pixel_centers", False))
