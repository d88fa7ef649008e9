"""What elementwise ops ask for."""

from __future__ import annotations

import math
from collections.abc import Mapping

from subgraft.backends.opencl.quantization import LIMITS, affine, has_one_scale, is_quantized
from subgraft.delegates import Graph, Op, Tensor, rule

NARROW = ("int8", "uint8", "int16")  # quantized, nearly always
BYTES = ("int8", "uint8")
BIGGEST_RATIO = 2.0**28  # of scales: their multipliers are below 2^30, where the CPU's end
MOST_ELEMENTS = 2**31 - 1  # indices are 32 bits

F, N, W, B = ("float32",), NARROW, ("int32",), ("bool",)
# The element types of the first input that the CPU's kernels have, as far as ours have them.
TYPES: Mapping[str, tuple[str, ...]] = {
    "ADD": F + N + W, "SUB": F + N + W, "MUL": F + N + W, "DIV": F + N + W, "MAXIMUM": F + N + W,
    "MINIMUM": F + N + W, "SQUARED_DIFFERENCE": (*F, "int8", "int16", *W), "POW": F, "PRELU": F + N,
    "ABS": (*F, "int8", "int16", *W), "NEG": (*F, "int8", "int16", *W), "SIGN": F + W, "SQRT": F, "RSQRT": F,
    "EXP": (*F, "int8", "int16"), "LOG": (*F, "int8", "int16"), "SQUARE": F, "SIN": F, "COS": F, "FLOOR": F,
    "CEIL": F, "ROUND": F, "RELU": F + N, "RELU6": F + N, "RELU_N1_TO_1": F + N, "RELU_0_TO_1": F + N,
    "LEAKY_RELU": F + N, "ELU": (*F, "int8"), "HARD_SWISH": F + BYTES, "LOGISTIC": F + N, "TANH": F + N,
    "GELU": F + N, "LOGICAL_AND": B, "LOGICAL_OR": B, "LOGICAL_NOT": B,
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
    return any(not graph.tensors[t].is_constant for t in op.inputs)


@rule
def countable(op: Op, graph: Graph) -> bool:
    """its tensors must have less than 2^31 elements"""
    return all(math.prod(graph.tensors[t].shape) <= MOST_ELEMENTS for t in (*op.inputs, *op.outputs))


@rule
def broadcasts(op: Op, graph: Graph) -> bool:
    """its inputs must broadcast to the shape of its output"""
    return all(_fits(graph.tensors[t].shape, graph.tensors[op.outputs[0]].shape) for t in op.inputs)


@rule
def one_scale_each(op: Op, graph: Graph) -> bool:
    """its quantized tensors must have one scale each, above 1e-37 and below infinity, and a zero point in their type"""
    return all(has_one_scale(t) for t in _quantized(op, graph))


@rule
def comparable_scales(op: Op, graph: Graph) -> bool:
    """the scales of its tensors must be within a factor of 2^28 of each other and of 1"""
    scales = [float(affine(t).scale) for t in _quantized(op, graph) if is_quantized(t)]
    return not scales or max(*scales, 1.0) / min(*scales, 1.0) < BIGGEST_RATIO


@rule
def symmetric_int16(op: Op, graph: Graph) -> bool:
    """its int16 tensors must have the zero point 0"""
    return all(affine(t).zero == 0 for t in _quantized(op, graph) if t.dtype == "int16" and is_quantized(t))


@rule
def no_powers_of_two(op: Op, graph: Graph) -> bool:
    """the OpenCL kernels do not add int16 by the shifts that pot_scale_int16 asks for"""
    return graph.tensors[op.inputs[0]].dtype != "int16" or not op.options.get("pot_scale_int16", False)


@rule
def divisor_known(op: Op, graph: Graph) -> bool:
    """an integer divisor must be a constant without zeros, of one element where it is quantized"""
    if op.kind != "DIV" or graph.tensors[op.inputs[0]].dtype == "float32":
        return True
    divisor = graph.tensors[op.inputs[1]]
    data = divisor.data if divisor.is_constant else None
    if data is None:
        return False
    if divisor.dtype == "int32":
        return bool((data != 0).all())
    return data.size == 1 and has_one_scale(divisor) and int(data.reshape(-1)[0]) != affine(divisor).zero


@rule
def selects_alike(op: Op, graph: Graph) -> bool:
    """it must select by a bool from two tensors of its output's type"""
    condition, *values = (graph.tensors[t] for t in (*op.inputs, *op.outputs))
    return condition.dtype == "bool" and len({t.dtype for t in values}) == 1


@rule
def selection_broadcasts(op: Op, graph: Graph) -> bool:
    """its inputs must broadcast to the shape of its output"""
    return selects_rows(op, graph) or broadcasts(op, graph)


ARITHMETIC = (
    known_types, one_varies, countable, broadcasts, divisor_known, one_scale_each, comparable_scales, symmetric_int16,
    no_powers_of_two,
)  # fmt: skip
COMPARISONS = (known_types, one_varies, countable, broadcasts, one_scale_each, comparable_scales)
SELECTION = (selects_alike, one_varies, countable, selection_broadcasts)


def is_plain_int16(op: Op, graph: Graph) -> bool:
    """ADD and MUL know int16 that is no quantized number."""
    output = graph.tensors[op.outputs[0]]
    return op.kind in ("ADD", "MUL") and output.dtype == "int16" and not is_quantized(output)


def compares_quantized(op: Op, graph: Graph) -> bool:
    """TFLite's orderings take int16 as it is, its (in)equalities by its scale."""
    first = graph.tensors[op.inputs[0]]
    return is_quantized(first) and (
        first.dtype in BYTES
        or (first.dtype == "int16" and "EQUAL" in op.kind[-5:] and op.kind in ("EQUAL", "NOT_EQUAL"))
    )


def selects_rows(op: Op, graph: Graph) -> bool:
    """SELECT's condition may have one element for each index of the values' first dimension."""
    condition, values = graph.tensors[op.inputs[0]].shape, graph.tensors[op.inputs[1]].shape
    return op.kind == "SELECT" and len(condition) == 1 < len(values) and condition[0] == values[0]


def _quantized(op: Op, graph: Graph) -> list[Tensor]:
    """The tensors whose scales matter: all of 8 and 16 bits, but those that are only compared or moved."""
    if op.kind in ("MAXIMUM", "MINIMUM", "NEG") or is_plain_int16(op, graph):
        return []
    if op.kind in ("EQUAL", "NOT_EQUAL", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL"):
        return [graph.tensors[t] for t in op.inputs] if compares_quantized(op, graph) else []
    return [
        graph.tensors[t]
        for t in (*op.inputs, *op.outputs)
        if graph.tensors[t].dtype in LIMITS and graph.tensors[t].dtype in NARROW
    ]


def _fits(shape: tuple[int, ...], whole: tuple[int, ...]) -> bool:
    if math.prod(shape) == 1:
        return True
    padded = [1] * (len(whole) - len(shape)) + list(shape)
    return len(padded) == len(whole) and all(own in (1, size) for own, size in zip(padded, whole, strict=True))
