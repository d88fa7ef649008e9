"""Products of 16-bit activations come out the same with every instruction set."""

from __future__ import annotations

from dataclasses import replace

import pytest

from every_set import Recipe, check, sampled
from op_cases import Case, In, c, const, out, x
from op_draws import ACTIVATIONS, Draw

EXTREME = 0.2  # how often activations or weights are all near the ends of their types


def activations(draw: Draw, *shape: int) -> In:
    low, high = (32760, 32767) if draw.chance(EXTREME) else (-32768, draw.pick((-32700, 32767)))
    return x(*shape, dtype="int16", scale=draw.scale(1e-5, 1e-2), low=low, high=high)


def weights(draw: Draw, axis: int, *shape: int) -> In:
    """int8 or int4, with one scale or one for each channel."""
    dtype = "int4" if draw.chance(0.2) else "int8"
    low, high = (-8, 7) if dtype == "int4" else (-128, 127)
    if draw.chance(EXTREME):
        low = high - 1
    scales = [draw.scale(1e-3, 1.0) for _ in range(shape[axis] if draw.chance(0.6) else 1)]
    return c(*shape, dtype=dtype, scale=scales, axis=axis, low=low, high=high)


def bias(draw: Draw, channels: int) -> In | None:
    if draw.chance(0.2):
        return None
    wide = draw.pick((1 << 8, 1 << 20, 1 << 30, 1 << 40))
    if draw.chance(0.3):
        return c(channels, dtype="int32", low=-min(wide, (1 << 31) - 1), high=min(wide, (1 << 31) - 1))
    return c(channels, dtype="int64", low=-wide, high=wide)


def output(draw: Draw) -> dict[str, float]:
    return {"scale": draw.scale(1e-4, 10.0)}


def convolution(draw: Draw) -> Case:
    groups = draw.pick((1, 1, 1, 1, 2, 3))
    depth = draw.pick((1, 2, 3, 4, 5, 8, 16, 24, 96))
    channels = groups * draw.pick((1, 2, 7, 8, 15, 16, 17, 33, 64, 80))
    height, width = draw.number(1, 9), draw.number(1, 12)
    filter_h, filter_w = draw.number(1, min(4, height)), draw.number(1, min(5, width))
    given = activations(draw, draw.number(1, 2), height, width, groups * depth)
    options = {
        "padding": draw.pick(("SAME", "VALID")),
        "stride_h": draw.number(1, 3),
        "stride_w": draw.number(1, 3),
        "dilation_h_factor": 1,
        "dilation_w_factor": 1,
        "fused_activation_function": draw.pick(ACTIVATIONS),
    }
    if draw.chance(0.3):
        options |= {"dilation_h_factor": draw.number(1, 3), "dilation_w_factor": draw.number(1, 3), "padding": "SAME"}
    tensors = [given, weights(draw, 0, channels, filter_h, filter_w, depth), bias(draw, channels)]
    return Case("CONV_2D", tensors, [out("int16", **output(draw))], options)


def fully_connected(draw: Draw) -> Case:
    depth = draw.pick((1, 2, 3, 8, 31, 64, 200, 509, 510, 511, 512, 1024, 1025))
    units, rows = draw.pick((1, 3, 16, 17, 31, 32, 48, 65, 130)), draw.pick((1, 1, 2, 3, 5, 8, 23, 24, 25, 60, 64, 130))
    tensors = [activations(draw, rows, depth), weights(draw, 0, units, depth), bias(draw, units)]
    options = {"fused_activation_function": draw.pick(ACTIVATIONS)}
    return Case("FULLY_CONNECTED", tensors, [out("int16", **output(draw))], options)


def transposed_convolution(draw: Draw) -> Case:
    depth, channels = draw.pick((1, 2, 4, 6, 16, 64)), draw.pick((1, 3, 8, 16, 17, 33))
    padding, strides = draw.pick(("SAME", "VALID")), (draw.number(1, 4), draw.number(1, 4))
    filters, sizes, outputs = (draw.number(1, 5), draw.number(1, 5)), (draw.number(1, 6), draw.number(1, 30)), []
    for size, taps, stride in zip(sizes, filters, strides, strict=True):
        least = (size - 1) * stride + (taps if padding == "VALID" else 1)
        outputs.append(least + draw.number(0, stride - 1))
    batches = draw.number(1, 2)
    tensors = [
        const([batches, *outputs, channels]),
        replace(weights(draw, 0, channels, *filters, depth), dtype="int8"),
        activations(draw, batches, *sizes, depth),
        bias(draw, channels),
    ]
    options = {"padding": padding, "stride_h": strides[0], "stride_w": strides[1]}
    return Case("TRANSPOSE_CONV", tensors, [out("int16", **output(draw))], options)


@pytest.mark.parametrize(
    ("recipe", "first", "count"),
    sampled(convolution=convolution, fully_connected=fully_connected, transposed=transposed_convolution),
)
def test_every_set_equals_the_reference(recipe: Recipe, first: int, count: int) -> None:
    check(recipe, first, count)
