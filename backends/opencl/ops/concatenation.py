"""CONCATENATION and PACK."""

from __future__ import annotations

import math

import numpy as np

from subgraft.backends.opencl.activations import FUSED, scale_of, zero_point_of
from subgraft.backends.opencl.launch import Argument, Int, Launch, Out, Table, Work
from subgraft.backends.opencl.lowering import Build, lowers
from subgraft.backends.opencl.strides import Strided
from subgraft.delegates import Array, Graph, Op, Tensor, rule

BYTE_VALUES = 256


@rule
def no_fused_activation(op: Op, graph: Graph) -> bool:
    """no fused activation function"""
    return bool(op.options.get(FUSED, "NONE") == "NONE")


@rule
def one_kind_of_element(op: Op, graph: Graph) -> bool:
    """its inputs and its output must have one element type"""
    return len({graph.tensors[t].dtype for t in (*op.inputs, *op.outputs)}) == 1


@rule
def same_scales(op: Op, graph: Graph) -> bool:
    """its inputs must be quantized as its output is; only uint8 is rescaled"""
    output = graph.tensors[op.outputs[0]]
    return output.dtype in ("uint8", "float32", "int32", "bool") or all(
        _scale(graph.tensors[t]) == _scale(output) for t in op.inputs
    )


@rule
def rescalable(op: Op, graph: Graph) -> bool:
    """its tensors must all have a scale above 0, or none of them"""
    tensors = [graph.tensors[t] for t in (*op.inputs, *op.outputs)]
    return len({_scale(t) for t in tensors}) == 1 or all(scale_of(t) > 0 for t in tensors)


RULES = (no_fused_activation, one_kind_of_element, same_scales, rescalable)


@lowers("CONCATENATION", "PACK", rules=RULES)
def concatenate(op: Op, build: Build) -> None:
    """Each part is written where it belongs."""
    result = build.value(op.outputs[0])
    axis = op.options.get("axis", 0) % max(len(result.shape), 1)
    row = math.prod(result.shape[axis:])
    inner = math.prod(result.shape[axis + 1 :])
    rows = math.prod(result.shape[:axis])
    output = build.tensor(op.outputs[0])
    first = 0
    for t in op.inputs:
        tensor = build.tensor(t)
        part = inner if op.kind == "PACK" else math.prod(tensor.shape) // rows
        place = Strided((rows, part), (row, 1), first).merged
        table = _table(tensor, output)
        change = "(v)" if table is None else "LOAD(table, v)"
        tables: tuple[Argument, ...] = () if table is None else (Table("table", table),)
        count = rows * part
        if count == 0:
            continue
        arguments = (build.operand("x", t), Int("count", count), *place.arguments, *tables, Out("y", result))
        work = Work(bytes=2 * count * (result.bytes // max(result.count, 1)))
        macros: dict[str, str | int] = {"RANK": len(place.sizes), "CHANGE(v)": change}
        build.add(Launch("scatter", arguments, (count,), (), macros, work=work))
        first += part


def _table(tensor: Tensor, output: Tensor) -> Array | None:
    """What every uint8 value of an input becomes in the output's scale, in the CPU's single precision; None: itself."""
    if output.dtype != "uint8" or _scale(tensor) == _scale(output):
        return None
    scale = np.float32(scale_of(tensor)) * (np.float32(1) / np.float32(scale_of(output)))
    bias = np.float32(-zero_point_of(tensor)) * scale
    values = (np.arange(BYTE_VALUES, dtype=np.float32) * scale + bias).astype(np.float64)
    rounded = np.copysign(np.floor(np.abs(values) + 0.5), values) + zero_point_of(output)
    return np.asarray(np.clip(rounded, 0, BYTE_VALUES - 1), np.uint8)


def _scale(tensor: Tensor) -> tuple[float, int]:
    return scale_of(tensor), zero_point_of(tensor)
