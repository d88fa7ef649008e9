"""Elementwise ops of floats, of plain integers and of bools."""

from __future__ import annotations

from collections.abc import Mapping

from subgraft.backends.opencl.activations import FUSED, REAL_RANGES, clamping_activation
from subgraft.backends.opencl.fusion import elementwise
from subgraft.backends.opencl.launch import Int, Real
from subgraft.backends.opencl.lowering import Build, lowers
from subgraft.backends.opencl.ops import pointwise_quantized, pointwise_rules
from subgraft.backends.opencl.ops.pointwise_formulas import COMPARISONS
from subgraft.backends.opencl.quantization import LIMITS
from subgraft.delegates import Op

FLOAT_MAX = 3.4028234663852886e38
NAMES = ("a", "b", "c")

FLOATS: Mapping[str, str] = {
    "ADD": "a + b",
    "SUB": "a - b",
    "MUL": "a * b",
    "DIV": "a / b",
    "MAXIMUM": "a > b ? a : b",
    "MINIMUM": "a < b ? a : b",
    "SQUARED_DIFFERENCE": "(a - b) * (a - b)",
    "POW": "pow(a, b)",
    "PRELU": "a >= 0.0f ? a : a * b",
    "ABS": "fabs(a)",
    "NEG": "-a",
    "SIGN": "a > 0.0f ? 1.0f : (a < 0.0f ? -1.0f : a)",
    "SQRT": "sqrt(a)",
    "RSQRT": "1.0f / sqrt(a)",
    "EXP": "exp(a)",
    "LOG": "log(a)",
    "SQUARE": "a * a",
    "SIN": "sin(a)",
    "COS": "cos(a)",
    "FLOOR": "floor(a)",
    "CEIL": "ceil(a)",
    "ROUND": "rint(a)",
    "RELU": "a < 0.0f ? 0.0f : a",
    "RELU6": "a > 6.0f ? 6.0f : (a < 0.0f ? 0.0f : a)",
    "RELU_N1_TO_1": "a > 1.0f ? 1.0f : (a < -1.0f ? -1.0f : a)",
    "RELU_0_TO_1": "a > 1.0f ? 1.0f : (a < 0.0f ? 0.0f : a)",
    "LEAKY_RELU": "a > 0.0f ? a : a * $alpha",
    "ELU": "a < 0.0f ? expm1(a) : a",
    "HARD_SWISH": "a * min(6.0f, max(0.0f, a + 3.0f)) / 6.0f",
    "LOGISTIC": "logistic(a)",
    "TANH": "tanh(a)",
    "GELU": "0.5f * a * erfc(a * -0.70710678118654752440f)",
}
GELU_BY_TANH = "0.5f * a * (1.0f + tanh(0.79788456080286535588f * (a + 0.044715f * a * a * a)))"
INTEGERS: Mapping[str, str] = {
    "ADD": "wrapping_add(a, b)",
    "SUB": "wrapping_subtract(a, b)",
    "MUL": "wrapping_multiply(a, b)",
    "DIV": "wrapping_divide(a, b)",
    "FLOOR_DIV": "floor_divide(a, b)",
    "FLOOR_MOD": "floor_remainder(a, b)",
    "MAXIMUM": "max(a, b)",
    "MINIMUM": "min(a, b)",
    "SQUARED_DIFFERENCE": "wrapping_multiply(wrapping_subtract(a, b), wrapping_subtract(a, b))",
    "ABS": "a < 0 ? wrapping_subtract(0, a) : a",
    "NEG": "wrapping_subtract(0, a)",
    "SIGN": "a > 0 ? 1 : (a < 0 ? -1 : 0)",
    "LOGICAL_AND": "(a != 0) & (b != 0)",
    "LOGICAL_OR": "(a | b) != 0",
    "LOGICAL_NOT": "a == 0",
}
C_TYPES = {"int8": "char", "uint8": "uchar", "int16": "short"}
WITH_ACTIVATION = ("ADD", "SUB", "MUL", "DIV")


@lowers(*dict.fromkeys((*FLOATS, *INTEGERS)), rules=(*pointwise_rules.ARITHMETIC, clamping_activation))
def arithmetic(op: Op, build: Build) -> None:
    dtype = build.tensor(op.inputs[0]).dtype
    if dtype == "float32":
        _floats(op, build)
    elif dtype in ("int32", "bool") or pointwise_rules.is_plain(op, build.graph):
        _integers(op, build)
    else:
        pointwise_quantized.lower(op, build)


@lowers(*COMPARISONS, rules=pointwise_rules.COMPARISONS)
def comparison(op: Op, build: Build) -> None:
    if pointwise_rules.compares_quantized(op, build.graph):
        pointwise_quantized.calculate(op, build)
        return
    truth = " != 0" if build.tensor(op.inputs[0]).dtype == "bool" else ""  # a file may hold any byte for true
    elementwise(build, op.outputs[0], _operands(op), f"$w = (a{truth}) {COMPARISONS[op.kind]} (b{truth});", "int")


@lowers("SELECT", "SELECT_V2", rules=pointwise_rules.SELECTION)
def select(op: Op, build: Build) -> None:
    condition, yes, no = op.inputs
    gives = "float" if build.tensor(op.outputs[0]).dtype == "float32" else "int"
    leading = pointwise_rules.selects_rows(op, build.graph)
    shape = build.tensor(condition).shape
    shapes = {"c": (*shape, *[1] * (len(build.tensor(yes).shape) - 1))} if leading else {}
    elementwise(build, op.outputs[0], {"c": condition, "a": yes, "b": no}, "$w = c != 0 ? a : b;", gives, shapes=shapes)


def _floats(op: Op, build: Build) -> None:
    formula = FLOATS[op.kind]
    arguments: list[Real] = []
    if op.kind == "LEAKY_RELU":
        arguments.append(Real("alpha", op.options.get("alpha", 0.0)))
    if op.kind == "GELU" and op.options.get("approximate", False):
        formula = GELU_BY_TANH
    if op.kind in WITH_ACTIVATION:
        # Without an activation too: an infinity becomes the largest number, as on the CPU.
        low, high = (max(-FLOAT_MAX, min(FLOAT_MAX, bound)) for bound in REAL_RANGES[op.options.get(FUSED, "NONE")])
        formula = f"within_real({formula}, $low, $high)"
        arguments += [Real("low", low), Real("high", high)]
    elementwise(build, op.outputs[0], _operands(op), f"$w = {formula};", "float", arguments)


def _integers(op: Op, build: Build) -> None:
    """int32, bool, and what takes 8 and 16 bits for plain numbers."""
    formula = INTEGERS[op.kind]
    dtype = build.tensor(op.outputs[0]).dtype
    arguments: list[Int] = []
    if dtype in pointwise_rules.NARROW:
        formula = f"({C_TYPES[dtype]})({formula})"
    if op.kind in WITH_ACTIVATION:
        bounds = zip(LIMITS[dtype], REAL_RANGES[op.options.get(FUSED, "NONE")], strict=True)
        low, high = (int(real) if abs(real) < FLOAT_MAX else limit for limit, real in bounds)
        formula = f"within({formula}, $low, $high)"
        arguments += [Int("low", low), Int("high", high)]
    elementwise(build, op.outputs[0], _operands(op), f"$w = {formula};", "int", arguments)


def _operands(op: Op) -> dict[str, int]:
    return dict(zip(NAMES, op.inputs, strict=False))
