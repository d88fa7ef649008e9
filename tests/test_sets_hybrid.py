"""Products of floats with 8-bit and 4-bit weights come out the same, to the last bit, with every instruction set."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from every_set import Recipe, check, sampled
from op_cases import Case, In, c, fed, out
from op_draws import ACTIVATIONS, Draw


def activations(draw: Draw, *shape: int) -> In:
    values = draw.rng.standard_normal(shape) * draw.pick((1e-3, 1, 1e3)) + draw.pick((0, 0, 1, -3))
    if draw.chance(0.2):
        values = np.round(values * 8) / 8  # ties
    if draw.chance(0.1):
        values[..., :] = 0
    if draw.chance(0.1) and values.size:
        values.flat[draw.number(0, values.size - 1)] = draw.pick((np.inf, -np.inf, np.nan))
    return fed(values)


def weights(draw: Draw, *shape: int) -> In:
    dtype = "int4" if draw.chance(0.3) else "int8"
    low, high = (-8, 7) if dtype == "int4" else (-127, 127)
    scales = [draw.scale(1e-3, 1.0) for _ in range(shape[0] if draw.chance(0.6) else 1)]
    return c(*shape, dtype=dtype, scale=scales, axis=0, low=low, high=high)


def fully_connected(draw: Draw) -> Case:
    depth = draw.pick((1, 2, 3, 8, 31, 64, 65, 200, 256, 1024))
    units, rows = draw.pick((1, 3, 15, 16, 17, 31, 64, 65, 130)), draw.pick((1, 1, 2, 3, 15, 16, 17, 33, 64, 65, 70))
    bias = None if draw.chance(0.3) else c(units)
    options = {
        "fused_activation_function": draw.pick(ACTIVATIONS),
        "asymmetric_quantize_inputs": draw.chance(0.5),
    }
    tensors = [activations(draw, rows, depth), weights(draw, units, depth), bias]
    return replace(Case("FULLY_CONNECTED", tensors, [out()], options), tolerance=0.0)


def pixels(draw: Draw) -> Case:
    """Convolutions of 1x1, each image quantized with one range; some with strides, which have another way."""
    depth, channels = draw.pick((1, 3, 8, 31, 64, 96)), draw.pick((1, 3, 16, 17, 65))
    image = (draw.number(1, 3), draw.number(1, 9), draw.number(1, 9), depth)
    stride = 2 if draw.chance(0.1) else 1
    options = {
        "padding": draw.pick(("SAME", "VALID")),
        "stride_h": stride,
        "stride_w": stride,
        "dilation_h_factor": 1,
        "dilation_w_factor": 1,
        "fused_activation_function": draw.pick(ACTIVATIONS),
    }
    tensors = [
        activations(draw, *image),
        weights(draw, channels, 1, 1, depth),
        None if draw.chance(0.3) else c(channels),
    ]
    return replace(Case("CONV_2D", tensors, [out()], options), tolerance=0.0)


def windows(draw: Draw) -> Case:
    """Convolutions of windows, with strides, dilation, padding and groups."""
    groups = draw.pick((1, 1, 1, 2, 3))
    depth, channels = draw.pick((1, 3, 8, 31)), groups * draw.pick((1, 3, 16, 17, 65))
    image = (draw.number(1, 2), draw.number(1, 20), draw.number(1, 20), depth * groups)
    filter_y, filter_x = (draw.pick((1, 2, 3, 5)) for _ in range(2))
    fits = filter_y <= image[1] and filter_x <= image[2]
    dilated = draw.chance(0.2)
    options = {
        "padding": draw.pick(("SAME", "VALID")) if fits and not dilated else "SAME",
        "stride_h": 1 if dilated else draw.number(1, 3),
        "stride_w": 1 if dilated else draw.number(1, 3),
        "dilation_h_factor": draw.number(1, 3) if dilated else 1,
        "dilation_w_factor": draw.number(1, 3) if dilated else 1,
        "fused_activation_function": draw.pick(ACTIVATIONS),
    }
    tensors = [
        activations(draw, *image),
        weights(draw, channels, filter_y, filter_x, depth),
        None if draw.chance(0.3) else c(channels),
    ]
    return replace(Case("CONV_2D", tensors, [out()], options), tolerance=0.0)


def blockwise(draw: Draw) -> Case:
    """Weights with one scale for each block."""
    block = draw.pick((4, 8, 16, 32, 32, 40))
    depth, units = block * draw.number(1, 6), draw.pick((1, 3, 15, 16, 17, 32, 33, 48, 70))
    tensors = [
        activations(draw, draw.pick((1, 1, 2, 3, 4, 5, 7, 8, 9)), depth),
        c(units, depth, dtype=draw.pick(("int4", "int4", "int8")), block=block),
        None if draw.chance(0.3) else c(units),
    ]
    options = {"fused_activation_function": draw.pick(ACTIVATIONS)}
    return replace(Case("FULLY_CONNECTED", tensors, [out()], options), tolerance=0.0)


@pytest.mark.parametrize(
    ("recipe", "first", "count"),
    sampled(fully_connected=fully_connected, pixels=pixels, windows=windows, blockwise=blockwise),
)
def test_every_set_equals_the_reference(recipe: Recipe, first: int, count: int) -> None:
    check(recipe, first, count)
