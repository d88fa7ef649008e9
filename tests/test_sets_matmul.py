"""BATCH_MATMUL of integers comes out the same with every instruction set."""

from __future__ import annotations

import pytest

from every_set import Recipe, check, sampled
from op_cases import Case, out, x
from op_draws import Draw


def extreme(draw: Draw, dtype: str) -> dict[str, int]:
    """Sometimes nothing but one end of the type's range."""
    if draw.chance(0.8):
        return {}
    most = 127 if dtype == "int8" else 32767
    value = draw.pick((most, -most - 1))
    return {"low": value, "high": value}


def matmul(draw: Draw) -> Case:
    """int8, int16 and int16 by int8, broadcast, either side transposed."""
    rows, depth, units = (draw.pick((1, 2, 3, 15, 16, 17, 33, 64, 65, 70)) for _ in range(3))
    if draw.chance(0.1):
        depth = draw.pick((254, 255, 256, 257, 509, 510, 511, 512, 800))
    adj_x, adj_y = draw.chance(0.1), draw.chance(0.5)
    batches = draw.pick(((), (1,), (3,), (2, 3)))
    left = (*batches, depth, rows) if adj_x else (*batches, rows, depth)
    kept = batches if draw.chance(0.6) else tuple(1 for _ in batches)
    right = (*kept, units, depth) if adj_y else (*kept, depth, units)
    dtype, right_dtype = draw.pick((("int8", "int8"), ("int16", "int16"), ("int16", "int8")))
    of_right = draw.quantized(right_dtype, 1e-3, 1e-1)
    if dtype == "int16":
        of_right["zero"] = 0
    tensors = [
        x(*left, **draw.quantized(dtype, 1e-3, 1e-1), **extreme(draw, dtype)),
        draw.operand(right, **of_right, **extreme(draw, right_dtype)),
    ]
    output = out(**draw.quantized(dtype, 1e-2, 1e2))
    return Case("BATCH_MATMUL", tensors, [output], {"adj_x": adj_x, "adj_y": adj_y})


@pytest.mark.parametrize(("recipe", "first", "count"), sampled(matmul=matmul))
def test_every_set_equals_the_reference(recipe: Recipe, first: int, count: int) -> None:
    check(recipe, first, count)
