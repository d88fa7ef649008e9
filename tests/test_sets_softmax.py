"""SOFTMAX and LOG_SOFTMAX come out the same with every instruction set."""

from __future__ import annotations

import numpy as np
import pytest

from every_set import Recipe, check, sampled
from op_cases import Case, In, fed, out
from op_draws import LIMITS, Draw

SCALES = {"int8": 1 / 256, "uint8": 1 / 256, "int16": 1 / 32768}
ZEROS = {"int8": -128, "uint8": 0, "int16": 0}


def rows(draw: Draw) -> tuple[int, ...]:
    depth = draw.pick((1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 257, 1001))
    return (*draw.shape(0, 2), draw.number(0, 5), depth) if draw.chance(0.7) else (draw.number(1, 400), depth)


def integers(draw: Draw, dtype: str) -> In:
    """From flat rows to rows with one value far above the others."""
    shape = rows(draw)
    low, high = LIMITS[dtype]
    span = draw.pick((1, 3, 20, high - low))
    base = draw.number(low, high - span)
    values = draw.rng.integers(base, base + span, shape, endpoint=True)
    if values.size and draw.chance(0.5):
        values[..., draw.number(0, shape[-1] - 1)] = high
    scale = draw.scale(1e-4, 4.0) / (200 if dtype == "int16" else 1)
    return fed(values, dtype, scale=scale, zero=0 if dtype == "int16" else draw.zero(dtype))


def softmax_of_integers(draw: Draw) -> Case:
    given = integers(draw, draw.pick(("int8", "uint8", "int16")))
    dtype = "int16" if draw.chance(0.3) else given.dtype
    output = out(dtype, scale=SCALES[dtype], zero=ZEROS[dtype])
    return Case("SOFTMAX", [given], [output], {"beta": draw.pick((1.0, 0.25, 3.0))})


def softmax_of_reals(draw: Draw) -> Case:
    values = draw.rng.standard_normal(rows(draw)) * draw.pick((1e-3, 1, 10, 200))
    if values.size and draw.chance(0.2):
        values.flat[draw.number(0, values.size - 1)] = draw.pick((np.inf, -np.inf, np.nan, 1e30, -1e30))
    beta = draw.pick((1.0, 1.0, 0.3, 7.0, 0.0, -1.0))
    return Case("SOFTMAX", [fed(values)], [out()], {"beta": beta})


def log_softmax(draw: Draw) -> Case:
    return Case("LOG_SOFTMAX", [fed(draw.rng.standard_normal(rows(draw)) * draw.pick((1e-3, 1, 10)))], [out()])


@pytest.mark.parametrize(
    ("recipe", "first", "count"), sampled(integers=softmax_of_integers, reals=softmax_of_reals, log=log_softmax)
)
def test_every_set_equals_the_reference(recipe: Recipe, first: int, count: int) -> None:
    check(recipe, first, count)
