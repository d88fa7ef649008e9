"""MAX_POOL_2D and AVERAGE_POOL_2D come out the same with every instruction set."""

from __future__ import annotations

import numpy as np
import pytest

from every_set import Recipe, check, sampled
from op_cases import Case, fed, out
from op_draws import ACTIVATIONS, LIMITS, Draw

CHANNELS = (1, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 129)


def pooled(draw: Draw, kind: str) -> Case:
    dtype = draw.pick(("float32", "int8", "uint8", "int16"))
    height, width = draw.number(1, 12), draw.number(1, 12)
    options = {
        "padding": draw.pick(("SAME", "VALID")),
        "filter_height": draw.number(1, min(height, draw.pick((2, 3, 12)))),
        "filter_width": draw.number(1, min(width, draw.pick((2, 3, 12)))),
        "stride_h": draw.number(1, 3),
        "stride_w": draw.number(1, 3),
        "fused_activation_function": draw.pick(ACTIVATIONS),
    }
    shape = (draw.pick((1, 1, 2)), height, width, draw.pick(CHANNELS))
    quantized = draw.quantized(dtype)
    if dtype == "float32":
        values = draw.rng.standard_normal(shape) * 3
        if draw.chance(0.1) and kind == "MAX_POOL_2D":
            values.flat[draw.number(0, values.size - 1)] = draw.pick((np.inf, -np.inf))
    else:
        low, high = LIMITS[dtype]
        values = draw.rng.integers(draw.pick((low, low, high - 1)), high, shape, endpoint=True)
    return Case(kind, [fed(values, **quantized)], [out(**quantized)], options)


def largest(draw: Draw) -> Case:
    return pooled(draw, "MAX_POOL_2D")


def average(draw: Draw) -> Case:
    return pooled(draw, "AVERAGE_POOL_2D")


@pytest.mark.parametrize(("recipe", "first", "count"), sampled(largest=largest, average=average))
def test_every_set_equals_the_reference(recipe: Recipe, first: int, count: int) -> None:
    check(recipe, first, count)
