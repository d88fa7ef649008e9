"""DEPTHWISE_CONV_2D comes out the same with every instruction set."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from every_set import Recipe, check, sampled
from op_cases import Case, In, c, out, x
from op_cases_conv import options as window_options
from op_draws import ACTIVATIONS, LIMITS, Draw

CHANNELS = (1, 2, 3, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 40, 48, 64, 65, 72, 96, 127, 128, 129, 144, 200, 257)
FILTERS = (
    (3, 3),
    (3, 3),
    (3, 3),
    (5, 5),
    (1, 1),
    (1, 3),
    (3, 1),
    (2, 2),
    (4, 4),
    (4, 2),
    (7, 7),
    (8, 3),
    (10, 8),
    (1, 9),
)
EXTREME = 2**31 - 1


class Layer:
    """Sizes and options of a layer."""

    def __init__(self, draw: Draw) -> None:
        self.filter = draw.pick(FILTERS)
        self.multiplier = draw.pick((1, 1, 1, 1, 2, 3, 8))
        channels = draw.pick(CHANNELS) if self.multiplier == 1 else draw.pick((1, 1, 2, 5, 16, 33))
        self.stride = (1, 1) if draw.chance(0.5) else draw.pick(((2, 2), (2, 2), (1, 2), (3, 1), (11, 1), (3, 4)))
        self.dilation = (1, 1) if draw.chance(0.7) else draw.pick(((2, 2), (1, 3), (4, 1), (20, 20)))
        padding = draw.pick(("SAME", "VALID"))
        extent = [(f - 1) * d + 1 for f, d in zip(self.filter, self.dilation, strict=True)]
        least = extent if padding == "VALID" else (1, 1)
        height, width = (draw.number(low, low + draw.pick((1, 4, 13))) for low in least)
        if channels <= 16 and draw.chance(0.2):
            width += draw.number(20, 90)
        if self.filter[1] == 1 and draw.chance(0.7):
            height, width = height + draw.pick((0, 3, 20)), 1
        self.image = (draw.pick((1, 1, 1, 2)), height, width, channels)
        self.channels = channels * self.multiplier
        self.options = window_options(padding, self.stride, self.dilation, draw.pick(ACTIVATIONS))
        del self.options["quantized_bias_type"]
        self.options["depth_multiplier"] = self.multiplier

    def case(self, draw: Draw, data: In, weights: In, bias: In, **output: object) -> Case:
        inputs = [data, weights] if draw.chance(0.15) else [data, weights, bias]
        return Case("DEPTHWISE_CONV_2D", inputs, [out(**output)], self.options, seed=draw.number(0, 10**6))


def reals(draw: Draw) -> Case:
    """A clamp leaves little of the sums' range, to which the tolerance relates."""
    layer = Layer(draw)
    make = c if draw.chance(0.8) else x
    weights, bias = make(1, *layer.filter, layer.channels), make(layer.channels)
    tolerance = 1e-5 if layer.options["fused_activation_function"] in ("NONE", "RELU") else 1e-4
    return replace(layer.case(draw, x(*layer.image), weights, bias), tolerance=tolerance)


def integers(draw: Draw, dtype: str, weights: In, channels: int, layer: Layer) -> Case:
    data = draw.quantized(dtype, 0.003, 0.3)
    limit = draw.pick((0, 1000, 100_000, 2**24, EXTREME))
    bias = (c if draw.chance(0.9) else x)(channels, dtype="int32", scale=1.0, low=-limit, high=limit)
    low, high = LIMITS[dtype]
    values = (
        {"low": low, "high": low + 1} if draw.chance(0.05) else {"low": high, "high": high} if draw.chance(0.05) else {}
    )
    return layer.case(draw, x(*layer.image, **data, **values), weights, bias, **draw.quantized(dtype, 0.003, 3.0))


def signed(draw: Draw) -> Case:
    layer = Layer(draw)
    scales = [draw.scale(1e-7, 0.1) if draw.chance(0.1) else draw.scale(0.003, 0.05) for _ in range(layer.channels)]
    if draw.chance(0.15):
        scales[draw.number(0, layer.channels - 1)] = draw.pick((50.0, 3.0, 1e-9))
    shape = (1, *layer.filter, layer.channels)
    dtype = draw.pick(("int8", "int8", "int8", "int4"))
    weights = c(*shape, dtype=dtype, scale=scales if draw.chance(0.8) else scales[0], axis=3)
    return integers(draw, "int8", weights, layer.channels, layer)


def unsigned(draw: Draw) -> Case:
    layer = Layer(draw)
    zero = draw.pick((0, 255, 128, 127, draw.number(0, 255)))
    reach = {"low": max(0, zero - 100), "high": min(255, zero + 100)} if draw.chance(0.4) else {}
    shape = (1, *layer.filter, layer.channels)
    weights = c(*shape, dtype="uint8", scale=draw.scale(0.001, draw.pick((0.05, 30.0))), zero=zero, **reach)
    return integers(draw, "uint8", weights, layer.channels, layer)


def sixteen_bits(draw: Draw) -> Case:
    layer = Layer(draw)
    scales = [draw.scale(0.003, 0.05) for _ in range(layer.channels)]
    weights = c(1, *layer.filter, layer.channels, dtype="int8", scale=scales, axis=3)
    limit = draw.pick((0, 10**6, 2**40, 2**62))
    bias = c(layer.channels, dtype="int64", scale=1.0, low=-limit, high=limit)
    values = {"low": 32767, "high": 32767} if draw.chance(0.1) else {"low": -32768, "high": 32767}
    output = draw.quantized("int16", 0.003, 3.0)
    return layer.case(draw, x(*layer.image, **draw.quantized("int16", 0.003, 3.0), **values), weights, bias, **output)


def hybrid(draw: Draw) -> Case:
    """Exact, as its sums are those of integers."""
    layer = Layer(draw)
    scales = [draw.scale(0.003, 0.05) for _ in range(layer.channels)]
    weights = c(1, *layer.filter, layer.channels, dtype=draw.pick(("int8", "int8", "int4")), scale=scales, axis=3)
    data = x(*layer.image, low=draw.pick((-3, 0, 0)), high=draw.pick((0, 5)))
    return replace(layer.case(draw, data, weights, c(layer.channels)), tolerance=0)


@pytest.mark.parametrize(
    ("recipe", "first", "count"),
    sampled(reals=reals, signed=signed, unsigned=unsigned, sixteen_bits=sixteen_bits, hybrid=hybrid),
)
def test_every_set_equals_the_reference(recipe: Recipe, first: int, count: int) -> None:
    check(recipe, first, count)


def test_a_tie_of_both_roundings_falls_as_in_the_reference() -> None:
    """Sums of a 1x1 filter around every half of the smallest steps, for multipliers of few bits."""
    values = np.arange(-128, 128)
    scales = [2.0**-shift * part for shift in range(1, 16) for part in (1.0, 0.75, 0.5 + 2.0**-20)]
    weights = c(1, 1, 1, len(scales), dtype="int8", scale=scales, axis=3)
    data = x(1, 16, 16, 1, dtype="int8", scale=1.0, value=values)
    more = window_options("SAME") | {"depth_multiplier": len(scales)}
    del more["quantized_bias_type"]
    for seed in range(20):
        bias = c(len(scales), dtype="int32", scale=1.0, low=-300, high=300)
        case = Case("DEPTHWISE_CONV_2D", [data, weights, bias], [out("int8", scale=1.0, zero=seed)], more, seed=seed)
        check(lambda draw, case=case: case, 0, 1)
