"""RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR come out the same with every instruction set."""

from __future__ import annotations

import pytest

from every_set import Recipe, check, sampled
from op_cases import Case, const, out, x
from op_draws import LIMITS, Draw

SIZES = (1, 2, 3, 4, 5, 7, 8, 13, 16, 33)
DEPTHS = (1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 21, 24, 32, 40, 65)


def resized(draw: Draw, kind: str, modes: tuple[tuple[bool, bool], ...]) -> Case:
    dtype = draw.pick(("float32", "int8", "uint8", "int16"))
    height, width = draw.pick(SIZES), draw.pick(SIZES)
    size = [draw.pick((n * 2, n * 2, n, max(1, n // 2), draw.number(1, 40), n * 16 + 1)) for n in (height, width)]
    size = [min(n, 100) for n in size]
    corners, half = draw.pick(modes)
    ends = {} if dtype == "float32" else dict(zip(("low", "high"), LIMITS[dtype], strict=True))
    if ends and draw.chance(0.2):
        ends["low"] = ends["high"] - draw.number(0, 1)
    image = x(draw.pick((1, 1, 2)), height, width, draw.pick(DEPTHS), dtype=dtype, **ends)
    options = {"align_corners": corners, "half_pixel_centers": half}
    return Case(kind, [image, const(size)], [out(dtype)], options, seed=draw.number(0, 10**6))


def bilinear(draw: Draw) -> Case:
    return resized(draw, "RESIZE_BILINEAR", ((False, False), (True, False), (False, True)))


def nearest(draw: Draw) -> Case:
    return resized(draw, "RESIZE_NEAREST_NEIGHBOR", ((False, False), (True, False), (False, True), (True, True)))


@pytest.mark.parametrize(("recipe", "first", "count"), sampled(bilinear=bilinear, nearest=nearest))
def test_every_set_equals_the_reference(recipe: Recipe, first: int, count: int) -> None:
    check(recipe, first, count)
