"""Elementwise ops of quantized numbers: tables for what has one operand, the CPU's fixed-point arithmetic for two."""

from __future__ import annotations

import math

from subgraft.backends.opencl.fusion import elementwise
from subgraft.backends.opencl.launch import Table
from subgraft.backends.opencl.lookup import lookup_table
from subgraft.backends.opencl.lowering import Build
from subgraft.backends.opencl.ops.pointwise_formulas import formula
from subgraft.delegates import Graph, Op
from subgraft.delegates.constants import is_constant

MASKS = {"int8": 0xFF, "uint8": 0xFF, "int16": 0xFFFF}


def lower(op: Op, build: Build) -> None:
    """Any elementwise op whose first input is quantized."""
    if op.kind in ("MAXIMUM", "MINIMUM"):
        code = "$w = max(a, b);" if op.kind == "MAXIMUM" else "$w = min(a, b);"
        elementwise(build, op.outputs[0], _pair(op), code, "int")
    elif has_table(op, build.graph):
        look_up(op, build)
    else:
        calculate(op, build)


def has_table(op: Op, graph: Graph) -> bool:
    """Whether its output follows from one number of 8 or 16 bits, or two of which one is the same for all."""
    if len(op.inputs) == 1:
        return True
    others = [graph.tensors[t] for t in op.inputs if is_constant(t, graph)]
    return len(others) == len(op.inputs) - 1 and all(math.prod(other.shape) == 1 for other in others)


def look_up(op: Op, build: Build) -> None:
    """A table that the CPU computes, indexed by the number's bits."""
    given = next(t for t in op.inputs if not build.is_constant(t))
    dtype, made = build.tensor(given).dtype, build.tensor(op.outputs[0]).dtype
    table = lookup_table(build.graph, build.op, dtype)
    gives = "float" if made == "float32" else "int"
    code = f"$w = LOAD($table, a & {MASKS[dtype]});"
    elementwise(build, op.outputs[0], {"a": given}, code, gives, (Table("table", table),))


def calculate(op: Op, build: Build) -> None:
    """Two operands in fixed point."""
    code, arguments = formula(op, build.graph)
    elementwise(build, op.outputs[0], _pair(op), code, "int", arguments)


def _pair(op: Op) -> dict[str, int]:
    return dict(zip("ab", op.inputs, strict=True))
