"""Ops that move or compare elements come out the same with every instruction set."""

from __future__ import annotations

import pytest

from every_set import Recipe, check, sampled
from op_cases import Case, const, out, x
from op_draws import Draw


def arg(draw: Draw) -> Case:
    dtype = draw.pick(("int8", "uint8", "bool", "float32", "int32", "int16"))
    size = draw.pick((1, 2, 15, 16, 17, 21, 31, 32, 33, 100))
    shape = (*draw.shape(0, 2, empty=0.05), size) if draw.chance(0.8) else (size, draw.number(1, 40))
    low = draw.pick((0, 100)) if dtype in ("int8", "uint8") else None
    given = x(*shape, dtype=dtype) if low is None else x(*shape, dtype=dtype, low=low, high=127)
    index = draw.pick(("int32", "int64"))
    axis = const(-1 if shape[-1] == size else 0)
    return Case(draw.pick(("ARG_MAX", "ARG_MIN")), [given, axis], [out(index)], {"output_type": index.upper()})


def transpose(draw: Draw) -> Case:
    shape = [draw.pick((1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33)) for _ in range(draw.number(2, 4))]
    order = [int(axis) for axis in draw.rng.permutation(len(shape))]
    given = x(*shape, dtype=draw.pick(("int8", "int16", "float32", "int64", "bool")))
    return Case("TRANSPOSE", [given, const(order)], [out(given.dtype)])


def joined(draw: Draw) -> Case:
    """Rows of any length beside each other."""
    dtype, rows = draw.pick(("int8", "int16", "float32", "int64")), draw.pick((1, 2, 5, 40, 700))
    tensors = [
        x(rows, draw.pick((1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 17, 33, 65, 200)), dtype=dtype)
        for _ in range(draw.number(1, 4))
    ]
    return Case("CONCATENATION", tensors, [out(dtype)], {"axis": 1})


@pytest.mark.parametrize(("recipe", "first", "count"), sampled(arg=arg, transpose=transpose, joined=joined))
def test_every_set_equals_the_reference(recipe: Recipe, first: int, count: int) -> None:
    check(recipe, first, count)
