"""What elementwise ops ask for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from subgraft.backends.opencl.ops.pointwise_formulas import COMPARISONS as COMPARED
from subgraft.backends.opencl.ops.pointwise_formulas import FORMULAS, formula
from subgraft.backends.opencl.quantization import LIMITS, affine, has_one_scale, is_quantized
from subgraft.delegates import Graph, Op, SubgraftError, Tensor, rule
from subgraft.delegates.constants import constant, is_constant

NARROW = ("int8", "uint8", "int16")  # quantized, nearly always
BYTES = ("int8", "uint8")
DIVISIONS = ("DIV", "FLOOR_DIV", "FLOOR_MOD")
NEARLY = 2e-3  # how far an exponent may be from a whole number to count as one
MOST_ELEMENTS = 2**31 - 1  # indices are 32 bits

F, N, W, B = ("float32",), NARROW, ("int32",), ("bool",)
# The element types of the first input that the CPU's kernels have, as far as ours have them.
TYPES: Mapping[str, tuple[str, ...]] = {
    "ADD": F + N + W, "SUB": F + N + W, "MUL": F + N + W, "DIV": F + N + W, "MAXIMUM": F + N + W,
    "MINIMUM": F + N + W, "SQUARED_DIFFERENCE": (*F, "int8", "int16", *W), "POW": F, "PRELU": F + N,
    "ABS": (*F, "int8", "int16", *W), "NEG": (*F, "int8", "int16", *W), "SIGN": F + W,
    "SQRT": (*F, "int8"), "RSQRT": (*F, "int8"),
    "EXP": (*F, "int8", "int16"), "LOG": (*F, "int8", "int16"), "SQUARE": F, "SIN": F, "COS": F, "FLOOR": F,
    "CEIL": F, "ROUND": F, "RELU": F + N, "RELU6": F + N, "RELU_N1_TO_1": F + N, "RELU_0_TO_1": F + N,
    "LEAKY_RELU": F + N, "ELU": (*F, "int8"), "HARD_SWISH": F + BYTES, "LOGISTIC": F + N, "TANH": F + N,
    "FLOOR_DIV": ("int8", "int16", *W), "FLOOR_MOD": ("int8", "int16", *W), "GELU": F + N,
    "LOGICAL_AND": B, "LOGICAL_OR": B, "LOGICAL_NOT": B,
    "LESS": F + N + W, "LESS_EQUAL": F + N + W, "GREATER": F + N + W, "GREATER_EQUAL": F + N + W,
    "EQUAL": F + N + W + B, "NOT_EQUAL": F + N + W + B,
}  # fmt: skip


@rule
def known_types(op: Op, graph: Graph) -> bool:
    """the OpenCL kernels do not have this op for these element types"""
    first = graph.tensors[op.inputs[0]].dtype
    if first not in TYPES[op.kind]:
        return False
    second = "int8" if op.kind == "PRELU" and first == "int16" else first
    return all(graph.tensors[t].dtype == second for t in op.inputs[1:])


@rule
def one_varies(op: Op, graph: Graph) -> bool:
    """all of its inputs are constants: the CPU computes it once, when the model is loaded"""
    return any(not is_constant(t, graph) for t in op.inputs)


@rule
def countable(op: Op, graph: Graph) -> bool:
    """its tensors must have less than 2^31 elements"""
    return all(math.prod(graph.tensors[t].shape) <= MOST_ELEMENTS for t in (*op.inputs, *op.outputs))


@rule
def broadcasts(op: Op, graph: Graph) -> bool:
    """its inputs must broadcast to the shape of its output, and to no smaller one"""
    return _broadcast([graph.tensors[t].shape for t in op.inputs], graph.tensors[op.outputs[0]].shape)


@rule
def one_scale_each(op: Op, graph: Graph) -> bool:
    """its quantized tensors must have one scale each, above 1e-37 and below infinity, and a zero point in their type"""
    return all(has_one_scale(t) for t in _quantized(op, graph))


@rule
def scales_have_multipliers(op: Op, graph: Graph) -> bool:
    """its scales must be close enough for their ratios to be below 2^30"""
    if op.kind not in FORMULAS or not _quantized(op, graph) or not one_scale_each(op, graph):
        return True
    try:
        formula(op, graph)
    except ValueError:
        return False
    return True


@rule
def not_negative(op: Op, graph: Graph) -> bool:
    """no quantized number that it is given may be negative: a zero point of -128 sees to that"""
    given = graph.tensors[op.inputs[0]]
    return (
        op.kind not in ("SQRT", "RSQRT")
        or given.dtype != "int8"
        or (has_one_scale(given) and affine(given).zero == LIMITS["int8"][0])
    )


@rule
def symmetric_int16(op: Op, graph: Graph) -> bool:
    """its int16 tensors must have the zero point 0"""
    return all(affine(t).zero == 0 for t in _quantized(op, graph) if t.dtype == "int16" and is_quantized(t))


@rule
def no_powers_of_two(op: Op, graph: Graph) -> bool:
    """the OpenCL kernels do not add int16 by shifts, as pot_scale_int16 wants where all scales are powers of two"""
    if graph.tensors[op.inputs[0]].dtype != "int16" or not op.options.get("pot_scale_int16", False):
        return True
    ends = [graph.tensors[t] for t in (*op.inputs, *op.outputs)]
    return not all(has_one_scale(t) and _is_power_of_two(float(affine(t).scale)) for t in ends)


@rule
def divisor_known(op: Op, graph: Graph) -> bool:
    """an integer divisor must be a constant without zeros, of one element where it is quantized"""
    if op.kind not in DIVISIONS or graph.tensors[op.inputs[0]].dtype == "float32":
        return True
    divisor = graph.tensors[op.inputs[1]]
    if not is_constant(op.inputs[1], graph):
        return False
    try:
        data = constant(op.inputs[1], graph)
    except SubgraftError:  # the CPU cannot compute it
        return False
    if divisor.dtype == "int32" or op.kind != "DIV":
        return bool((data != 0).all())
    return data.size == 1 and has_one_scale(divisor) and int(data.reshape(-1)[0]) != affine(divisor).zero


@rule
def selects_alike(op: Op, graph: Graph) -> bool:
    """it must select by a bool from two tensors of its output's type"""
    condition, *values = (graph.tensors[t] for t in (*op.inputs, *op.outputs))
    return condition.dtype == "bool" and len({t.dtype for t in values}) == 1


@rule
def selection_broadcasts(op: Op, graph: Graph) -> bool:
    """its inputs must broadcast to the shape of its output, and to no smaller one"""
    if not selects_rows(op, graph):
        return broadcasts(op, graph)
    return len({graph.tensors[t].shape for t in (*op.inputs[1:], *op.outputs)}) == 1


ARITHMETIC = (
    known_types, one_varies, countable, broadcasts, divisor_known, one_scale_each, scales_have_multipliers,
    symmetric_int16, not_negative, no_powers_of_two,
)  # fmt: skip
COMPARISONS = (known_types, one_varies, countable, broadcasts, one_scale_each, scales_have_multipliers)
SELECTION = (selects_alike, one_varies, countable, selection_broadcasts)


def is_plain(op: Op, graph: Graph) -> bool:
    """Whether 8 and 16 bits are plain numbers to this op: in floor divisions, and unquantized int16 in ADD and MUL."""
    output = graph.tensors[op.outputs[0]]
    if op.kind in ("FLOOR_DIV", "FLOOR_MOD"):
        return True
    return op.kind in ("ADD", "MUL") and output.dtype == "int16" and not is_quantized(output)


def compares_quantized(op: Op, graph: Graph) -> bool:
    """TFLite's orderings take int16 as it is, its (in)equalities by its scale."""
    first = graph.tensors[op.inputs[0]]
    by_scale = NARROW if op.kind in ("EQUAL", "NOT_EQUAL") else BYTES
    return is_quantized(first) and first.dtype in by_scale


def selects_rows(op: Op, graph: Graph) -> bool:
    """SELECT's condition may have one element for each index of the values' first dimension."""
    condition, values = graph.tensors[op.inputs[0]].shape, graph.tensors[op.inputs[1]].shape
    return op.kind == "SELECT" and len(condition) == 1 < len(values) and condition[0] == values[0]


def _quantized(op: Op, graph: Graph) -> list[Tensor]:
    """The tensors whose scales matter: all of 8 and 16 bits, but those that are only compared or moved."""
    if op.kind in ("MAXIMUM", "MINIMUM", "NEG") or is_plain(op, graph):
        return []
    if op.kind in COMPARED:
        return [graph.tensors[t] for t in op.inputs] if compares_quantized(op, graph) else []
    return [graph.tensors[t] for t in (*op.inputs, *op.outputs) if graph.tensors[t].dtype in NARROW]


def _is_power_of_two(x: float) -> bool:
    """Nearly, a little more generous than native/src/kernels/quantization.h, so that none of its kind gets past."""
    exponent = math.log2(x)
    return abs(exponent - round(exponent)) < NEARLY


def _broadcast(shapes: Sequence[tuple[int, ...]], whole: tuple[int, ...]) -> bool:
    if all(math.prod(shape) == 1 for shape in (*shapes, whole)):
        return True  # one element is one element, whatever the rank
    try:
        return np.broadcast_shapes(*shapes) == whole
    except ValueError:
        return False
