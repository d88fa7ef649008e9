"""Drawn cases of the ops that reduce, normalize or multiply rows."""

from __future__ import annotations

from typing import Any

from op_cases import Case, In, const, fed, out, x
from op_cases_conv import bias
from op_draws import ACTIVATIONS, Draw, Recipe, drawn

SOFTMAX_OUTPUTS = {
    "float32": {},
    "int8": {"scale": 1 / 256, "zero": -128},
    "uint8": {"scale": 1 / 256, "zero": 0},
    "int16": {"scale": 1 / 32768, "zero": 0},
}


def reduction(kind: str, *types: str) -> Recipe:
    def recipe(draw: Draw) -> Case:
        shape, dtype = draw.shape(1, 4), draw.pick(types)
        given = draw.quantized(dtype)
        if kind == "REDUCE_PROD" and dtype in ("int32", "int64"):
            given |= {"low": -3, "high": 3}
        # MEAN and SUM rescale; the others take one quantization for both.
        result = draw.quantized(dtype) if kind in ("MEAN", "SUM", "REDUCE_PROD") else given
        axes = draw.axes(len(shape))
        place = (fed if draw.chance(0.15) else const)(axes, "int32")
        options = {"keep_dims": draw.chance(0.5)}
        result = {name: value for name, value in result.items() if name not in ("low", "high")}
        more: dict[str, Any] = {}
        if kind == "SUM" and dtype in ("int8", "int16"):
            why = "BUILTIN_REF leaves most quantized sums as the memory happened to be"
            more = {"resolver": "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "why": why}
        return Case(kind, [x(*shape, **given), place], [out(**result)], options, label=str(axes), **more)

    return recipe


def best(kind: str) -> Recipe:
    def recipe(draw: Draw) -> Case:
        shape, dtype = draw.shape(1, 5), draw.pick(("float32", "int8", "uint8", "int32", "bool"))
        axis, target = draw.axis(len(shape)), draw.pick(("int32", "int64"))
        inputs = [x(*shape, **draw.quantized(dtype)), const(axis, draw.pick(("int32", "int64")))]
        return Case(kind, inputs, [out(target)], {"output_type": target.upper()}, label=f"axis{axis}")

    return recipe


def softmax(draw: Draw) -> Case:
    dtype = draw.pick(("float32", "int8", "uint8", "int16"))
    target = "int16" if dtype in ("int8", "uint8") and draw.chance(0.3) else dtype
    given = draw.quantized(dtype, 0.02, 2.0)
    shape, beta = draw.shape(1, 4), draw.pick((1.0, 1.0, 0.5, 2.0))
    return Case("SOFTMAX", [x(*shape, **given)], [out(target, **SOFTMAX_OUTPUTS[target])], {"beta": beta})


def log_softmax(draw: Draw) -> Case:
    dtype = draw.pick(("float32", "int8", "uint8"))
    top = {"int8": 127, "uint8": 255}.get(dtype)
    result = {} if top is None else {"scale": 16 / 256, "zero": top}
    return Case("LOG_SOFTMAX", [x(*draw.shape(1, 4), **draw.quantized(dtype, 0.02, 0.5))], [out(dtype, **result)])


def channel_scales(draw: Draw, channels: int) -> list[float]:
    return [draw.scale(0.002, 0.1) for _ in range(channels)]


def fully_connected(draw: Draw) -> Case:
    depth, units = draw.number(1, 40), draw.number(1, 20)
    rows = draw.shape(0 if draw.chance(0.1) else 1, 2, limit=30)
    style = draw.pick(("float", "int8", "int8", "uint8", "int16", "hybrid"))
    options: dict[str, Any] = {
        "fused_activation_function": draw.pick(ACTIVATIONS),
        "weights_format": "DEFAULT",
        "keep_num_dims": len(rows) > 1 and draw.chance(0.5),
        "asymmetric_quantize_inputs": style == "hybrid" and draw.chance(0.5),
    }
    biased = draw.chance(0.7)
    if style in ("float", "hybrid"):
        weights: dict[str, Any] = {}
        if style == "hybrid":  # not -128, which TFLite's x86 code multiplies wrongly here
            scale = channel_scales(draw, units) if draw.chance(0.4) else draw.scale(0.002, 0.1)
            weights = {"dtype": "int8", "low": -127, "high": 127, "scale": scale}
        inputs: list[In | None] = [
            x(*rows, depth),
            In(shape=(units, depth), constant=True, **weights),
            In(shape=(units,), constant=True) if biased else None,
        ]
        return Case("FULLY_CONNECTED", inputs, [out()], options, label=style)
    given = draw.quantized(style, 0.01, 0.2)
    weight_type = "uint8" if style == "uint8" else "int8"
    scales: Any = channel_scales(draw, units) if style != "uint8" and draw.chance(0.5) else draw.scale(0.002, 0.1)
    zero = draw.zero("uint8") if style == "uint8" else 0
    first = scales[0] if isinstance(scales, list) else scales
    inputs = [
        x(*rows, depth, **given),
        In(shape=(units, depth), dtype=weight_type, scale=scales, zero=zero, constant=True),
        bias(units, given["scale"] * first, "int64" if style == "int16" else "int32") if biased else None,
    ]
    return Case("FULLY_CONNECTED", inputs, [out(**draw.quantized(style, 0.02, 2.0))], options)


def batch_matmul(draw: Draw) -> Case:
    dtype = draw.pick(("float32", "int8", "int16"))
    m, k, n = (draw.number(1, 9) for _ in range(3))
    a, b = draw.shapes(2, 2)
    adj_x, adj_y = draw.chance(0.4), draw.chance(0.4)
    given = [draw.quantized(dtype, 0.01, 0.2) for _ in range(3)]
    left, right = ((k, m) if adj_x else (m, k)), ((n, k) if adj_y else (k, n))
    inputs = [x(*a, *left, **given[0]), draw.operand((*b, *right), **given[1])]
    return Case("BATCH_MATMUL", inputs, [out(**given[2])], {"adj_x": adj_x, "adj_y": adj_y})


ALL = ("float32", "int8", "uint8", "int16", "int32", "int64")
REDUCTIONS = {
    "MEAN": ALL,
    "SUM": ALL,
    "REDUCE_MAX": ALL,
    "REDUCE_MIN": ALL,
    "REDUCE_PROD": ("float32", "int8", "int16", "int32", "int64"),
    "REDUCE_ANY": ("bool",),
    "REDUCE_ALL": ("bool",),
}

RECIPES: dict[str, Recipe] = {
    **{kind: reduction(kind, *types) for kind, types in REDUCTIONS.items()},
    **{kind: best(kind) for kind in ("ARG_MAX", "ARG_MIN")},
    "SOFTMAX": softmax,
    "LOG_SOFTMAX": log_softmax,
    "FULLY_CONNECTED": fully_connected,
    "BATCH_MATMUL": batch_matmul,
}

CASES = [case for kind, recipe in RECIPES.items() for case in drawn(kind, recipe)]
