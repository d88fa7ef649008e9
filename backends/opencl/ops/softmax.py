"""SOFTMAX over the last dimension. A work-group takes a row."""

from __future__ import annotations

import math

import numpy as np

from subgraft import _native
from subgraft.backends.opencl.activations import scale_of, zero_point_of
from subgraft.backends.opencl.fixed_point import quantize_multiplier
from subgraft.backends.opencl.launch import Argument, In, Int, Launch, Real, Table, Work
from subgraft.backends.opencl.lowering import Build, lowers
from subgraft.backends.opencl.ops.movement import kind_of
from subgraft.delegates import Graph, Op, rule

GROUP = 64  # work items a row at most
SHORT_SUM = 4096  # 8-bit rows up to this length have sums of 32 bits: each share is at most 2^19
LONGEST_16 = 65_536  # int16 rows up to this length have sums of 32 bits: each share is at most 2^15
UNIT_16 = 10.0 / 65535.0  # the step of int16's distances
OPERATIONS = 4  # for each element, roughly: compared, exponentiated, summed, divided


@rule
def softmax_types(op: Op, graph: Graph) -> bool:
    """its tensors must be float32, int8, uint8 or int16, of one type"""
    types = {graph.tensors[t].dtype for t in (op.inputs[0], op.outputs[0])}
    return len(types) == 1 and types <= {"float32", "int8", "uint8", "int16"}


@rule
def scaled_input(op: Op, graph: Graph) -> bool:
    """its input, where it is quantized, must have a scale above 0"""
    tensor = graph.tensors[op.inputs[0]]
    return tensor.dtype == "float32" or (math.isfinite(scale_of(tensor)) and scale_of(tensor) > 0)


@rule
def standard_output(op: Op, graph: Graph) -> bool:
    """its output, where it is int8 or int16, must have the scale 1/256 or 1/32768 and the least zero point or 0"""
    tensor = graph.tensors[op.outputs[0]]
    wanted = {"int8": (1 / 256, -128), "int16": (1 / 32768, 0)}.get(tensor.dtype)
    return wanted is None or (scale_of(tensor), zero_point_of(tensor)) == wanted


@rule
def positive_beta(op: Op, graph: Graph) -> bool:
    """beta must be finite, and not below 0"""
    return math.isfinite(_beta(op)) and _beta(op) >= 0


@rule
def short_rows(op: Op, graph: Graph) -> bool:
    """rows of int16 may have at most 65,536 elements"""
    tensor = graph.tensors[op.inputs[0]]
    return tensor.dtype != "int16" or tensor.shape[-1] <= LONGEST_16


@rule
def has_rows(op: Op, graph: Graph) -> bool:
    """its input must have at least one dimension"""
    return len(graph.tensors[op.inputs[0]].shape) > 0


@lowers("SOFTMAX", rules=(has_rows, softmax_types, scaled_input, standard_output, positive_beta, short_rows))
def softmax(op: Op, build: Build) -> None:
    given, result = build.value(op.inputs[0]), build.value(op.outputs[0])
    tensor = build.tensor(op.inputs[0])
    depth = given.shape[-1]
    rows = given.count // depth
    beta = _beta(op)
    macros: dict[str, str | int] = {"SUM": "uint", "FLOAT": 0, "EIGHT": 0}
    arguments: tuple[Argument, ...]
    if tensor.dtype == "float32":
        arguments = (Real("beta", beta),)
        macros |= {"FLOAT": 1, "SUM": "float"}
    elif tensor.dtype == "int16":
        exponentials, reciprocals = _native.softmax_interpolations()
        real = float(np.float32(scale_of(tensor)) * np.float32(beta))
        multiplier, shift = quantize_multiplier(real / UNIT_16)
        tables = (Table("exponentials", exponentials), Table("reciprocals", reciprocals))
        arguments = (Int("multiplier", multiplier), Int("shift", shift), *tables)
    else:
        table = _native.softmax_exponentials(beta * scale_of(tensor))
        kind = np.iinfo(tensor.dtype)
        arguments = (Table("exponentials", table), Int("low", int(kind.min)), Int("high", int(kind.max)))
        macros |= {"EIGHT": 1, "SUM": "uint" if depth <= SHORT_SUM else "ulong"}
    group = GROUP
    while group > 1 and (group > build.caps.max_work_group or group >= 2 * depth):
        group //= 2
    build.add(
        Launch(
            "softmax",
            (In("x", given), Int("depth", depth), *arguments),
            (group, rows),
            (),
            {"GROUP": group, **macros},
            result,
            kind_of(result),
            local=(group, 1),
            work=Work(OPERATIONS * given.count, given.bytes + result.bytes),
        )
    )


def _beta(op: Op) -> float:
    return float(np.float32(op.options.get("beta", 0.0)))
