"""Products drawn where integers break: sums at the ends of their type, all shifts, zero points at the ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from op_cases import Case, In, const, out, x
from op_draws import ACTIVATIONS, Draw

SMALLEST_SHIFT, LARGEST_SHIFT, LARGEST_WIDE_SHIFT = -31, 30, 14
INT32 = (-(2**31), 2**31 - 1)
CHANNELS = (3, 20)  # of the output: few sizes, so that cases share kernels, which PoCL is slow to compile
STYLES = ("float32", "int8", "int8", "int8", "uint8", "uint8", "int16")


def draw_cases(kind: str, count: int, first: int = 0) -> list[Case]:
    """The same ones every time."""
    made = (replace(RECIPES[kind](Draw(kind, n)), seed=n, label=f"drawn{n}") for n in range(first, first + count))
    return list(made)


def convolution(draw: Draw) -> Case:
    taps_y, taps_x = draw.number(1, 4), draw.number(1, 4)
    groups = draw.pick((1, 1, 1, 2, 3))
    depth, channels = groups * draw.pick((1, 3, 4, 8, 17, 32)), groups * draw.pick(CHANNELS)
    image = (draw.number(1, 2), draw.number(3, 12), draw.number(3, 12), depth)
    weights = (channels, taps_y, taps_x, depth // groups)
    return layer(draw, "CONV_2D", image, weights, 0, windows(draw, image, taps_y, taps_x))


def depthwise(draw: Draw) -> Case:
    taps_y, taps_x = draw.number(1, 5), draw.number(1, 5)
    depth, multiplier = draw.pick((1, 3, 4, 8, 17, 32)), draw.pick((1, 1, 1, 2, 3))
    image = (draw.number(1, 2), draw.number(1, 12), draw.number(1, 12), depth)
    options = windows(draw, image, taps_y, taps_x) | {"depth_multiplier": multiplier}
    return layer(draw, "DEPTHWISE_CONV_2D", image, (1, taps_y, taps_x, depth * multiplier), 3, options)


def transposed(draw: Draw) -> Case:
    taps_y, taps_x, depth = draw.number(1, 5), draw.number(1, 5), draw.pick((1, 3, 4, 8, 17))
    made = (draw.number(1, 2), draw.number(taps_y, 12), draw.number(taps_x, 12), draw.pick(CHANNELS))
    options = {"padding": draw.pick(("SAME", "VALID")), "stride_h": draw.number(1, 4), "stride_w": draw.number(1, 4)}
    extents = (taps_y, taps_x) if options["padding"] == "VALID" else (1, 1)
    strides = (options["stride_h"], options["stride_w"])
    sizes = [(size - e + s) // s for size, e, s in zip(made[1:3], extents, strides, strict=True)]
    options |= {"fused_activation_function": draw.pick(ACTIVATIONS), "quantized_bias_type": "FLOAT32"}
    case = layer(draw, "TRANSPOSE_CONV", (made[0], *sizes, depth), (made[3], taps_y, taps_x, depth), 0, options)
    data, weights, *bias = case.inputs
    return replace(case, inputs=[const(made), weights, data, *bias])


def fully_connected(draw: Draw) -> Case:
    rows, units, depth = draw.number(1, 9), draw.pick((*CHANNELS, 33)), draw.pick((1, 3, 16, 17, 130, 256, 1027))
    options = {
        "fused_activation_function": draw.pick(ACTIVATIONS), "weights_format": "DEFAULT", "keep_num_dims": False,
        "asymmetric_quantize_inputs": False, "quantized_bias_type": "FLOAT32",
    }  # fmt: skip
    return layer(draw, "FULLY_CONNECTED", (rows, depth), (units, depth), 0, options)


def batch_matmul(draw: Draw) -> Case:
    rows, depth, units = draw.number(1, 9), draw.pick((1, 3, 16, 17, 300)), draw.pick((1, 3, 8, 16, 21, 32))
    adj_x, adj_y = draw.chance(0.5), draw.chance(0.5)
    left, right = ((depth, rows) if adj_x else (rows, depth)), ((units, depth) if adj_y else (depth, units))
    batches = draw.shapes(2, 3)
    style = draw.pick(STYLES[:4] + ("int16",))
    given = [given_type(draw, style) for _ in range(2)]
    result = out(**result_type(draw, style, given[0], given[1].get("scale", 1.0), LARGEST_WIDE_SHIFT))
    operands = [draw.operand((*b, *m), **more) for b, m, more in zip(batches, (left, right), given, strict=True)]
    options = {"adj_x": adj_x, "adj_y": adj_y, "asymmetric_quantize_inputs": False}
    return Case("BATCH_MATMUL", operands, [result], options)


def windows(draw: Draw, image: tuple[int, ...], taps_y: int, taps_x: int) -> dict[str, Any]:
    """Options of a convolution; VALID where its taps fit."""
    dilations = draw.pick((1, 1, 2)), draw.pick((1, 1, 3))
    extents = [(taps - 1) * d + 1 for taps, d in zip((taps_y, taps_x), dilations, strict=True)]
    fits = extents[0] <= image[1] and extents[1] <= image[2]
    stride = draw.number(1, 3)
    return {
        "padding": draw.pick(("SAME", "VALID")) if fits else "SAME", "stride_h": stride, "stride_w": stride,
        "dilation_h_factor": dilations[0], "dilation_w_factor": dilations[1],
        "fused_activation_function": draw.pick(ACTIVATIONS),
    }  # fmt: skip


def layer(
    draw: Draw, kind: str, data: tuple[int, ...], weights: tuple[int, ...], axis: int, options: dict[str, Any]
) -> Case:
    """Activations, weights and bias of one style, and an output whose multipliers have any shift."""
    style, channels = draw.pick(STYLES), weights[axis]
    given = given_type(draw, style)
    if style == "float32":
        return Case(kind, [x(*data), constant(weights), constant((channels,))], [out()], options)
    per_channel = style != "uint8" and draw.chance(0.5)
    first = draw.scale(0.002, 0.1)
    scales: Any = [first * 2.0 ** draw.number(-3, 0) for _ in range(channels)] if per_channel else first
    zero = draw.zero("uint8") if style == "uint8" else 0
    dtype = "uint8" if style == "uint8" else "int8"
    wide = style == "int16"
    filters = constant(weights, dtype=dtype, scale=scales, zero=zero, axis=axis, value=extreme(draw, weights, dtype))
    bias = constant((channels,), dtype="int64" if wide else "int32", scale=given["scale"] * first,
                    value=biases(draw, channels))  # fmt: skip
    result = result_type(draw, style, given, first, LARGEST_WIDE_SHIFT if wide else LARGEST_SHIFT)
    fed = x(*data, **given, value=extreme(draw, data, style))
    return Case(kind, [fed, filters, bias if draw.chance(0.8) else None], [out(**result)], options)


def given_type(draw: Draw, style: str) -> dict[str, Any]:
    return {"dtype": style} if style == "float32" else draw.quantized(style, 0.01, 0.2)


def result_type(draw: Draw, style: str, given: dict[str, Any], scale: float, most: int) -> dict[str, Any]:
    """An output scale with which the multiplier gets any shift up to `most`, most often one for sums of this size."""
    if style == "float32":
        return {"dtype": style}
    shift = draw.number(-14, -4) if draw.chance(0.6) else draw.number(SMALLEST_SHIFT, most)
    real = 2.0**shift * draw.rng.uniform(0.51, 0.99)
    made = draw.quantized(style)
    return made | {"scale": float(np.float32(np.float32(given["scale"]) * np.float32(scale) / real))}


def extreme(draw: Draw, shape: tuple[int, ...], dtype: str) -> Any:
    """Values at the ends of their type, for sums as large as they get; None, for random ones, most often."""
    if draw.chance(0.7):
        return None
    limits = np.iinfo(dtype)
    return draw.rng.choice([limits.min, limits.max], shape, p=draw.pick(((0.5, 0.5), (1.0, 0.0), (0.03, 0.97))))


def biases(draw: Draw, channels: int) -> Any:
    """Small, anywhere, or where sums wrap around."""
    ends = draw.rng.choice(INT32, channels) + draw.rng.integers(0, 2, channels) * draw.rng.choice([-1, 1], channels)
    return draw.pick((
        draw.rng.integers(-3000, 3001, channels),
        draw.rng.integers(*INT32, channels, endpoint=True),
        np.clip(ends, *INT32),
    ))  # fmt: skip


def constant(shape: tuple[int, ...], **more: Any) -> In:
    return In(shape=shape, constant=True, **more)


RECIPES: dict[str, Callable[[Draw], Case]] = {
    "CONV_2D": convolution,
    "DEPTHWISE_CONV_2D": depthwise,
    "TRANSPOSE_CONV": transposed,
    "FULLY_CONNECTED": fully_connected,
    "BATCH_MATMUL": batch_matmul,
}


def long_sums(depth: int = 4608) -> list[Case]:
    """Products of the largest magnitude, one after the other, more of them than floats add exactly."""
    shape, units = (2, depth), 5
    options = {
        "fused_activation_function": "NONE", "weights_format": "DEFAULT", "keep_num_dims": False,
        "asymmetric_quantize_inputs": False, "quantized_bias_type": "FLOAT32",
    }  # fmt: skip
    made = []
    for dtype, least, most, zero in (("int8", -128, 127, 127), ("int8", -128, 127, -128), ("uint8", 0, 255, 0)):
        weights = np.full((units, depth), least if zero == 127 else most)
        weights[1:, ::7] = most if zero == 127 else least
        data = np.full(shape, least if zero == 127 else most)
        data[1, ::2] -= np.sign(data[1, ::2])
        total = (data[0].astype(np.int64) - zero) @ (weights[0].astype(np.int64) - (0 if dtype == "int8" else 255))
        made.append(
            Case(
                "FULLY_CONNECTED",
                [
                    x(*shape, dtype=dtype, scale=0.5, zero=zero, value=data),
                    constant((units, depth), dtype=dtype, scale=0.5, zero=0 if dtype == "int8" else 255, value=weights),
                    constant((units,), dtype="int32", scale=0.25, value=np.full(units, 40 - total)),
                ],
                [out(dtype, scale=0.26, zero=(least + most) // 2)],
                options,
                label=f"{dtype}_long_{zero}",
            )
        )
    return made
