"""Elementwise ops of quantized numbers: tables for what has one operand, the CPU's fixed-point arithmetic for two."""

from __future__ import annotations

import math

import numpy as np

from subgraft.backends.opencl.activations import FUSED, integer_range
from subgraft.backends.opencl.fusion import elementwise
from subgraft.backends.opencl.launch import Argument, Int, Table
from subgraft.backends.opencl.lookup import lookup_table
from subgraft.backends.opencl.lowering import Build
from subgraft.backends.opencl.quantization import LIMITS, affine, multiplier
from subgraft.delegates import Op, Tensor

# Bits that the CPU adds to a number before it is brought to a common scale (native/src/kernels/arithmetic.cpp).
SUM_BITS = {"int8": 20, "uint8": 20, "int16": 15}
DIFFERENCE_BITS = {"int8": 7, "int16": 0}
COMPARISON_BITS = 8
MASKS = {"int8": 0xFF, "uint8": 0xFF, "int16": 0xFFFF}


def lower(op: Op, build: Build) -> None:
    """Any elementwise op whose first input is quantized."""
    if op.kind in ("MAXIMUM", "MINIMUM"):
        formula = "max(a, b)" if op.kind == "MAXIMUM" else "min(a, b)"
        elementwise(build, op.outputs[0], _pair(op), f"$w = {formula};", "int")
    elif has_table(op, build):
        look_up(op, build)
    else:
        {"ADD": _sum, "SUB": _sum, "MUL": _product, "SQUARED_DIFFERENCE": _squared_difference, "PRELU": _prelu}[
            op.kind
        ](op, build)


def has_table(op: Op, build: Build) -> bool:
    """Whether its output follows from one number of 8 or 16 bits, or two of which one is the same for all."""
    if len(op.inputs) == 1:
        return True
    others = [build.tensor(t) for t in op.inputs if build.tensor(t).is_constant]
    return len(others) == len(op.inputs) - 1 and all(math.prod(other.shape) == 1 for other in others)


def look_up(op: Op, build: Build) -> None:
    """A table that the CPU computes, indexed by the number's bits."""
    given = next(t for t in op.inputs if not build.tensor(t).is_constant)
    dtype, made = build.tensor(given).dtype, build.tensor(op.outputs[0]).dtype
    table = lookup_table(build.graph, build.op, dtype)
    gives = "float" if made == "float32" else "int"
    code = f"$w = LOAD($table, a & {MASKS[dtype]});"
    elementwise(build, op.outputs[0], {"a": given}, code, gives, (Table("table", table),))


def compare(op: Op, build: Build, sign: str) -> None:
    """As real numbers times 256, rounded."""
    a, b = (build.tensor(t) for t in op.inputs)
    arguments = [*_on_common_scale("a", a, float(affine(a).scale)), *_on_common_scale("b", b, float(affine(b).scale))]
    code = f"$w = {_scaled('a', COMPARISON_BITS)} {sign} {_scaled('b', COMPARISON_BITS)};"
    elementwise(build, op.outputs[0], _pair(op), code, "int", arguments)


def _sum(op: Op, build: Build) -> None:
    a, b, out = _tensors(op, build)
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
    elementwise(build, op.outputs[0], _pair(op), code, "int", arguments)


def _product(op: Op, build: Build) -> None:
    a, b, out = _tensors(op, build)
    real = affine(a).scale * affine(b).scale / affine(out).scale
    arguments = [*_zeros(a, b), *_output(out, float(real), op.options.get(FUSED, "NONE"))]
    code = f"$w = requantized((a - $a_zero) * (b - $b_zero), {OUTPUT});"
    elementwise(build, op.outputs[0], _pair(op), code, "int", arguments)


def _squared_difference(op: Op, build: Build) -> None:
    a, b, out = _tensors(op, build)
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
    elementwise(build, op.outputs[0], _pair(op), code, "int", arguments)


def _prelu(op: Op, build: Build) -> None:
    a, b, out = _tensors(op, build)
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
    elementwise(build, op.outputs[0], _pair(op), code, "int", arguments)


OUTPUT = "$out_value, $out_shift, $zero, $low, $high"


def _output(out: Tensor, real: float, activation: str) -> list[Argument]:
    low, high = integer_range(activation, out)
    return [*multiplier("out", real), Int("zero", affine(out).zero), Int("low", low), Int("high", high)]


def _scaled(name: str, bits: int) -> str:
    return f"on_common_scale({name}, ${name}_zero, {bits}, ${name}_value, ${name}_shift)"


def _on_common_scale(name: str, tensor: Tensor, real: float) -> list[Argument]:
    return [Int(f"{name}_zero", affine(tensor).zero), *multiplier(name, real)]


def _zeros(a: Tensor, b: Tensor) -> list[Argument]:
    return [Int("a_zero", affine(a).zero), Int("b_zero", affine(b).zero)]


def _pair(op: Op) -> dict[str, int]:
    return dict(zip("ab", op.inputs, strict=True))


def _tensors(op: Op, build: Build) -> tuple[Tensor, Tensor, Tensor]:
    a, b = (build.tensor(t) for t in op.inputs)
    return a, b, build.tensor(op.outputs[0])
