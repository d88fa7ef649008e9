"""BATCH_MATMUL: products of matrices, with broadcast batches and either side transposed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from subgraft.backends.opencl.activations import zero_point_of
from subgraft.backends.opencl.launch import Argument, Int, Launch, Table, Work
from subgraft.backends.opencl.lowering import Build, lowers
from subgraft.backends.opencl.ops import finish, loops
from subgraft.backends.opencl.ops.finish import Finish
from subgraft.backends.opencl.ops.operands import addressable, has_scales, operand
from subgraft.backends.opencl.ops.tiles import tile
from subgraft.delegates import Array, Graph, Op, rule

# left and right, and what comes out.
TYPES = (
    ("float32", "float32", "float32"), ("int8", "int8", "int8"), ("int8", "int8", "int32"),
    ("int16", "int16", "int16"), ("int16", "int8", "int16"),
)  # fmt: skip
LARGEST_DIFFERENCE = 255  # of a byte and its zero point
SUMS = Finish("(total)", "float", "float", ())
WHOLE_SUMS = Finish("((int)(total))", "uint", "int", ())


@rule
def two_sides(op: Op, graph: Graph) -> bool:
    """it must have two inputs and one output"""
    return len(op.inputs) == 2 and min(op.inputs) >= 0 and len(op.outputs) == 1


@rule
def matching_types(op: Op, graph: Graph) -> bool:
    """its types must be float32 throughout, int8 with an int8 or int32 output, or int16 by int16 or int8"""
    if not two_sides(op, graph):
        return True
    return tuple(graph.tensors[t].dtype for t in (*op.inputs, *op.outputs)) in TYPES


@rule
def fitting_shapes(op: Op, graph: Graph) -> bool:
    """its shapes must be matrices that can be multiplied, and batches that broadcast to the output's"""
    if not two_sides(op, graph):
        return True
    left, right = (graph.tensors[t].shape for t in op.inputs)
    if min(len(left), len(right)) < 2:
        return False
    rows, depth, units, right_depth = _sizes(op, graph)
    try:
        batches = np.broadcast_shapes(left[:-2], right[:-2])
    except ValueError:
        return False
    return depth == right_depth and graph.tensors[op.outputs[0]].shape == (*batches, rows, units)


@rule
def usable_scales(op: Op, graph: Graph) -> bool:
    """quantized tensors need one finite scale above 0 each that does not make outputs far larger than sums, and int16 zero points of 0"""  # noqa: E501
    if not two_sides(op, graph) or not matching_types(op, graph):
        return True
    tensors = [graph.tensors[t] for t in (*op.inputs, *op.outputs)]
    if tensors[2].dtype in ("float32", "int32"):
        return True
    if not all(has_scales(t, 1) for t in tensors):
        return False
    if tensors[0].dtype == "int16" and any(zero_point_of(t) for t in tensors):
        return False
    try:
        _finish(op, graph)
    except ValueError:
        return False
    return True


@lowers("BATCH_MATMUL", rules=(two_sides, matching_types, fitting_shapes, addressable, usable_scales))
def batch_matmul(op: Op, build: Build) -> None:
    left, right = (operand(op, build.graph, i) for i in range(2))
    assert left is not None and right is not None  # the rules let none pass
    rows, depth, units, _ = _sizes(op, build.graph)
    made = build.value(op.outputs[0])
    batches = made.shape[:-2]
    ending = _finish(op, build.graph)
    loop = _loop(left.dtype, build.caps.loops)
    chosen = tile(rows, units, math.prod(batches), build.caps)
    adj_x, adj_y = bool(op.options.get("adj_x")), bool(op.options.get("adj_y"))
    sizes = {
        "rows": rows, "units": units, "depth": depth, "batches": math.prod(batches), "x_row": 1 if adj_x else depth,
        "x_step": rows if adj_x else 1, "right_unit": depth if adj_y else 1, "right_step": 1 if adj_y else units,
    }  # fmt: skip
    arguments: list[Argument] = [
        build.operand("x", op.inputs[0]),
        build.operand("right", op.inputs[1]),
        Table("left_at", _starts(left.shape[:-2], batches, rows * depth)),
        Table("right_at", _starts(right.shape[:-2], batches, units * depth)),
        *ending.arguments,
        *(Int(name, size) for name, size in sizes.items()),
    ]
    macros: dict[str, str | int] = {"TM": chosen.pixels, "TN": chosen.channels, **ending.macros()}
    macros |= {"ZERO_LEFT": 0, "ZERO_RIGHT": 0}
    if made.ctype == "char":
        macros |= {"ZERO_LEFT": "zero_left", "ZERO_RIGHT": "zero_right"}
        arguments += [Int("zero_left", zero_point_of(left)), Int("zero_right", zero_point_of(right))]
    room = loops.EXACT_FLOATS // LARGEST_DIFFERENCE**2
    if loop == "dot_f32" and depth > room:
        macros["FLUSH"] = ""
        arguments.append(Int("flush", room))
    if not adj_y and units % chosen.channels == 0:
        macros["ADJACENT"] = ""
    if build.caps.is_cpu:
        macros["ROLLED"] = ""
    items = (-(-units // chosen.channels), -(-rows // chosen.pixels), math.prod(batches))
    build.add(
        Launch(
            f"{loop} matmul", tuple(arguments), items, (), macros, result=made, given=ending.given,
            local=(*chosen.local, 1), work=Work(made.count * depth),
        )
    )  # fmt: skip


def _sizes(op: Op, graph: Graph) -> tuple[int, int, int, int]:
    """Rows and depth of the left side, units and depth of the right."""
    left, right = (graph.tensors[t].shape[-2:] for t in op.inputs)
    rows, depth = left[::-1] if op.options.get("adj_x") else left
    units, right_depth = right if op.options.get("adj_y") else right[::-1]
    return rows, depth, units, right_depth


def _finish(op: Op, graph: Graph) -> Finish:
    """Raises ValueError for scales that no kernel can use."""
    out = graph.tensors[op.outputs[0]]
    if out.dtype == "float32":
        return SUMS
    if out.dtype == "int32":
        return WHOLE_SUMS
    scale = finish.tensor_scale(graph, op.inputs[0], op.inputs[1], op.outputs[0])
    return finish.in_fixed_point([scale], out, "NONE", wide=out.dtype == "int16")


def _loop(dtype: str, allowed: Sequence[str]) -> str:
    """The text of the inner loop; packed ones need one side laid out for them."""
    if dtype == "float32":
        return "dot_float"
    if dtype == "int16":
        return "dot_long"
    return next(f"dot_{name}" for name in (*allowed, "int") if name in ("f32", "int"))


def _starts(shape: Sequence[int], batches: Sequence[int], matrix: int) -> Array:
    """The element at which each product's matrix begins."""
    numbers = np.arange(math.prod(shape), dtype=np.int32).reshape(shape) * np.int32(matrix)
    return np.ascontiguousarray(np.broadcast_to(numbers, batches).reshape(-1))
