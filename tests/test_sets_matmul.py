"""BATCH_MATMUL of integers, or of floats by integers, comes out the same with every instruction set."""

from __future__ import annotations

from dataclasses import replace

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


def hybrid(draw: Draw) -> Case:
    """float32 by int8, each row quantized by itself."""
    rows, depth, units = (draw.pick((1, 2, 3, 15, 16, 17, 33, 64, 65, 130)) for _ in range(3))
    adj_x, adj_y = draw.chance(0.2), draw.chance(0.5)
    batches = draw.pick(((), (1,), (3,), (2, 3)))
    left = (*batches, depth, rows) if adj_x else (*batches, rows, depth)
    kept = batches if draw.chance(0.6) else tuple(1 for _ in batches)
    right = (*kept, units, depth) if adj_y else (*kept, depth, units)
    tensors = [x(*left), draw.operand(right, dtype="int8", scale=draw.scale(1e-3, 1e-1), zero=0)]
    if draw.chance(0.1):
        tensors[0] = x(*left, low=0.0, high=0.0)
    options = {"adj_x": adj_x, "adj_y": adj_y, "asymmetric_quantize_inputs": draw.chance(0.5)}
    return replace(Case("BATCH_MATMUL", tensors, [out()], options), tolerance=0.0)


@pytest.mark.parametrize(("recipe", "first", "count"), sampled(matmul=matmul, hybrid=hybrid))
def test_every_set_equals_the_reference(recipe: Recipe, first: int, count: int) -> None:
    check(recipe, first, count)
