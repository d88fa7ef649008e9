"""Drawn cases of the ops that work element by element."""

from __future__ import annotations

from typing import Any

from op_cases import Case, In, c, out, x
from op_draws import ACTIVATIONS, LIMITS, Draw, Recipe, drawn

NO_REF = ("CEIL", "ROUND", "ELU")
REAL = ("SIN", "COS", "FLOOR", "CEIL", "ROUND", "SQUARE")
POSITIVE = ("SQRT", "RSQRT", "LOG")
# The 8- and 16-bit types that an op knows; floats it knows always.
TYPES: dict[str, tuple[str, ...]] = {
    "ABS": ("int8", "int16", "int32"),
    "NEG": ("int32", "int64"),
    "EXP": ("int8", "int16"),
    "LOG": ("int8",),
    "SQRT": ("int8", "int16"),
    "RSQRT": ("int8", "int16"),
    "ELU": ("int8",),
    "GELU": ("int8", "uint8"),
    "HARD_SWISH": ("int8", "uint8"),
    "LEAKY_RELU": ("int8", "uint8", "int16"),
    "LOGISTIC": ("int8", "uint8", "int16"),
    "TANH": ("int8", "uint8"),
    "RELU": ("int8", "uint8", "int16"),
    "RELU6": ("int8", "uint8"),
    "RELU_N1_TO_1": ("int8", "uint8"),
    "RELU_0_TO_1": ("int8", "uint8"),
}
UNARY = (*TYPES, *REAL)
FIXED_OUTPUTS = {  # LOGISTIC's
    "int8": {"scale": 1 / 256, "zero": -128},
    "uint8": {"scale": 1 / 256, "zero": 0},
    "int16": {"scale": 2**-15, "zero": 0},
}


def unary(kind: str) -> Recipe:
    def recipe(draw: Draw) -> Case:
        shape, dtype = draw.shape(empty=0.05), draw.pick(("float32", *TYPES.get(kind, ())))
        given = draw.quantized(dtype, 0.005, 0.3)
        if kind in POSITIVE:
            given |= not_negative(given)
        result: dict[str, Any] = draw.quantized(dtype, 0.005, 0.3)
        if kind == "LOGISTIC" and dtype in LIMITS:
            result |= FIXED_OUTPUTS[dtype]
        options: dict[str, Any] = {}
        if kind == "LEAKY_RELU":
            options["alpha"] = draw.scale(0.001, 1.5)
        if kind == "GELU":
            options["approximate"] = draw.chance(0.5)
        more: dict[str, Any] = {}
        if kind in NO_REF:
            more = {"resolver": "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "why": f"BUILTIN_REF has no {kind}"}
        return Case(kind, [x(*shape, **given)], [out(**result)], options, **more)

    return recipe


def not_negative(given: dict[str, Any]) -> dict[str, Any]:
    if given["dtype"] not in LIMITS:
        return {"low": 1e-3, "high": 50}
    return {"low": given["zero"] + (given["zero"] < LIMITS[given["dtype"]][1]), "high": LIMITS[given["dtype"]][1]}


def arithmetic(kind: str, *types: str) -> Recipe:
    def recipe(draw: Draw) -> Case:
        dtype, (a, b) = draw.pick(types), draw.shapes(empty=0.04)
        options: dict[str, Any] = {}
        if kind in ("ADD", "SUB", "MUL", "DIV"):
            options["fused_activation_function"] = draw.pick(ACTIVATIONS) if dtype != "int64" else "NONE"
        if kind in ("ADD", "SUB"):
            options["pot_scale_int16"] = False
        second = draw.quantized(dtype, 0.02, 0.5)
        if kind in ("DIV", "FLOOR_DIV"):
            second |= {"low": 1, "high": 9}
        inputs = [x(*a, **draw.quantized(dtype, 0.02, 0.5)), draw.operand(b, **second)]
        return Case(kind, inputs, [out(**draw.quantized(dtype, 0.02, 0.5))], options)

    return recipe


def alike(kind: str, *types: str, result: str = "") -> Recipe:
    """Both inputs with one quantization, which the output has too unless it is a `result`."""

    def recipe(draw: Draw) -> Case:
        dtype, (a, b) = draw.pick(types), draw.shapes(empty=0.04)
        given = draw.quantized(dtype)
        narrow: dict[str, Any] = {"low": 0, "high": 3} if dtype in ("int32", "int64") else {}
        inputs = [x(*a, **given, **narrow), draw.operand(b, **given, **narrow)]
        return Case(kind, inputs, [out(result) if result else out(**given)])

    return recipe


def prelu(draw: Draw) -> Case:
    dtype, shape = draw.pick(("float32", "int8", "uint8")), draw.shape(1, 4)
    alpha = tuple(1 if draw.chance(0.4) else d for d in shape[draw.number(0, len(shape) - 1) :])
    inputs: list[In | None] = [
        x(*shape, **draw.quantized(dtype, 0.02, 0.3)),
        c(*alpha, **draw.quantized(dtype, 0.005, 0.05)),
    ]
    return Case("PRELU", inputs, [out(**draw.quantized(dtype, 0.01, 0.5))])


def select(kind: str) -> Recipe:
    def recipe(draw: Draw) -> Case:
        dtype = draw.pick(("float32", "int8", "uint8", "int16", "int32", "int64", "bool"))
        if kind == "SELECT":
            shape = draw.shape(1, 4, empty=0.05)
            condition = shape if draw.chance(0.6) else shape[:1]
            shapes = [condition, shape, shape]
        else:
            shapes = draw.shapes(3)
        given = draw.quantized(dtype)
        inputs = [x(*shapes[0], dtype="bool"), *(x(*s, **given) for s in shapes[1:])]
        return Case(kind, inputs, [out(**given)])

    return recipe


def logical_not(draw: Draw) -> Case:
    return Case("LOGICAL_NOT", [x(*draw.shape(empty=0.05), dtype="bool")], [out("bool")])


NUMBERS = ("float32", "int32", "int64", "int8", "uint8", "int16")
ARITHMETIC = {
    "ADD": ("float32", "int32", "int64", "int8", "uint8", "int16"),
    "SUB": ("float32", "int32", "int64", "int8", "uint8", "int16"),
    "MUL": ("float32", "int32", "int64", "int8", "uint8", "int16"),
    "DIV": ("float32", "int32"),
    "FLOOR_DIV": ("float32", "int32"),
    "SQUARED_DIFFERENCE": ("float32", "int32", "int8"),
}
COMPARISONS = ("EQUAL", "NOT_EQUAL", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL")

RECIPES: dict[str, Recipe] = {
    **{kind: unary(kind) for kind in UNARY},
    **{kind: arithmetic(kind, *types) for kind, types in ARITHMETIC.items()},
    **{kind: alike(kind, *NUMBERS) for kind in ("MAXIMUM", "MINIMUM")},
    **{kind: alike(kind, *NUMBERS[:5], result="bool") for kind in COMPARISONS},
    **{kind: select(kind) for kind in ("SELECT", "SELECT_V2")},
    "PRELU": prelu,
    "LOGICAL_NOT": logical_not,
}

CASES = [case for kind, recipe in RECIPES.items() for case in drawn(kind, recipe)]
