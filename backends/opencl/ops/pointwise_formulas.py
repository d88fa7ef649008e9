"""Quantized ops of two operands in the CPU's fixed-point arithmetic, as text and numbers for a kernel."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from subgraft.backends.opencl.activations import FUSED, integer_range
from subgraft.backends.opencl.launch import Argument, Int
from subgraft.backends.opencl.quantization import LIMITS, affine, multiplier
from subgraft.delegates import Graph, Op, Tensor

Formula = tuple[str, list[Argument]]  # statements that set $w from the operands a and b, and what they mention

# Bits that the CPU adds to a number before it is brought to a common scale (native/src/kernels/arithmetic.cpp).
SUM_BITS = {"int8": 20, "uint8": 20, "int16": 15}
DIFFERENCE_BITS = {"int8": 7, "int16": 0}
COMPARISON_BITS = 8
COMPARISONS: Mapping[str, str] = {
    "EQUAL": "==", "NOT_EQUAL": "!=", "LESS": "<", "LESS_EQUAL": "<=", "GREATER": ">", "GREATER_EQUAL": ">=",
}  # fmt: skip
OUTPUT = "$out_value, $out_shift, $zero, $low, $high"


def formula(op: Op, graph: Graph) -> Formula:
    """Raises ValueError where scales give a multiplier that the CPU refuses too."""
    with np.errstate(all="ignore"):
        try:
            return FORMULAS[op.kind](op, graph)
        except OverflowError as error:
            raise ValueError(str(error)) from error


def _comparison(op: Op, graph: Graph) -> Formula:
    """As real numbers times 256, rounded."""
    a, b = (graph.tensors[t] for t in op.inputs)
    arguments = [*_on_common_scale("a", a, float(affine(a).scale)), *_on_common_scale("b", b, float(affine(b).scale))]
    code = f"$w = {_scaled('a', COMPARISON_BITS)} {COMPARISONS[op.kind]} {_scaled('b', COMPARISON_BITS)};"
    return code, arguments


def _sum(op: Op, graph: Graph) -> Formula:
    a, b, out = _tensors(op, graph)
    bits = SUM_BITS[out.dtype]
    twice = 2 * max(float(affine(a).scale), float(affine(b).scale))
    unit = np.float32(1 << bits) * affine(out).scale
    arguments = [
        *_on_common_scale("a", a, float(affine(a).scale) / twice),
        *_on_common_scale("b", b, float(affine(b).scale) / twice),
        *_output(out, twice / float(unit), op.options.get(FUSED, "NONE")),
    ]
    sign = "+" if op.kind == "ADD" else "-"
    code = f"$w = requantized({_scaled('a', bits)} {sign} {_scaled('b', bits)}, {OUTPUT});"
    return code, arguments


def _product(op: Op, graph: Graph) -> Formula:
    a, b, out = _tensors(op, graph)
    real = affine(a).scale * affine(b).scale / affine(out).scale
    arguments = [*_zeros(a, b), *_output(out, float(real), op.options.get(FUSED, "NONE"))]
    code = f"$w = requantized((a - $a_zero) * (b - $b_zero), {OUTPUT});"
    return code, arguments


def _squared_difference(op: Op, graph: Graph) -> Formula:
    a, b, out = _tensors(op, graph)
    bits = DIFFERENCE_BITS[out.dtype]
    twice = 2 * max(float(affine(a).scale), float(affine(b).scale))
    unit = np.float32(1 << 2 * bits) * affine(out).scale
    arguments = [
        *_on_common_scale("a", a, float(affine(a).scale) / twice),
        *_on_common_scale("b", b, float(affine(b).scale) / twice),
        *_output(out, twice * twice / float(unit), "NONE"),
    ]
    code = (
        f"const int difference = {_scaled('a', bits)} - {_scaled('b', bits)}; "
        f"$w = requantized(difference * difference, {OUTPUT});"
    )
    return code, arguments


def _prelu(op: Op, graph: Graph) -> Formula:
    a, b, out = _tensors(op, graph)
    low, high = LIMITS[out.dtype]
    arguments = [
        *_zeros(a, b),
        *multiplier("positive", affine(a).scale / affine(out).scale),
        *multiplier("negative", affine(a).scale * affine(b).scale / affine(out).scale),
        Int("zero", affine(out).zero),
        Int("low", low),
        Int("high", high),
    ]
    code = (
        "const int x = a - $a_zero; $w = x >= 0 "
        "? requantized_saturated(x, $positive_value, $positive_shift, $zero, $low, $high) "
        ": requantized_saturated(x * (b - $b_zero), $negative_value, $negative_shift, $zero, $low, $high);"
    )
    return code, arguments


def _output(out: Tensor, real: float, activation: str) -> list[Argument]:
    low, high = integer_range(activation, out)
    return [*multiplier("out", real), Int("zero", affine(out).zero), Int("low", low), Int("high", high)]


def _scaled(name: str, bits: int) -> str:
    return f"on_common_scale({name}, ${name}_zero, {bits}, ${name}_value, ${name}_shift)"


def _on_common_scale(name: str, tensor: Tensor, real: float) -> list[Argument]:
    return [Int(f"{name}_zero", affine(tensor).zero), *multiplier(name, real)]


def _zeros(a: Tensor, b: Tensor) -> list[Argument]:
    return [Int("a_zero", affine(a).zero), Int("b_zero", affine(b).zero)]


def _tensors(op: Op, graph: Graph) -> tuple[Tensor, Tensor, Tensor]:
    a, b = (graph.tensors[t] for t in op.inputs)
    return a, b, graph.tensors[op.outputs[0]]


FORMULAS: Mapping[str, Callable[[Op, Graph], Formula]] = {
    "ADD": _sum,
    "SUB": _sum,
    "MUL": _product,
    "SQUARED_DIFFERENCE": _squared_difference,
    "PRELU": _prelu,
    **dict.fromkeys(COMPARISONS, _comparison),
}
