"""TRANSPOSE."""

from __future__ import annotations

import itertools

from op_cases import Case, Shape, const, fed, out, x


def case(shape: Shape, order: Shape, dtype: str = "float32", **more: object) -> Case:
    label = "perm" + "".join(map(str, order))
    return Case("TRANSPOSE", [x(*shape, dtype=dtype), const(order)], [out(dtype)], label=label, **more)


CASES = [
    *(case((2, 3, 5), order) for order in itertools.permutations(range(3))),
    *(case((2, 3, 4, 5), order, "int8") for order in itertools.permutations(range(4))),
    case((7,), (0,)),
    case((40, 30), (1, 0), "int8"),
    case((3, 4), (-1, -2)),
    case((2, 3, 4), (-1, 0, -2), "int8"),
    case((1, 3, 1, 5), (3, 2, 1, 0)),
    case((2, 3, 2, 3, 2), (4, 0, 3, 1, 2)),
    case((2, 3, 2, 3, 2, 2), (5, 4, 0, 1, 3, 2), "int16"),
    case((2, 1, 2, 3, 2, 2, 1), (6, 5, 4, 0, 1, 3, 2), "uint8"),
    case((2, 3, 2, 1, 2, 2, 2, 2), (1, 0, 3, 2, 5, 4, 7, 6)),
    case((0, 3), (1, 0)),
    case((1, 64, 64, 8), (0, 3, 1, 2), "int8"),
    *(case((3, 2, 4), (2, 0, 1), dtype) for dtype in ("uint8", "int16", "int32", "int64", "bool", "uint32", "float16")),
    Case("TRANSPOSE", [x(2, 3, 4), fed((1, 2, 0), "int32")], [out()], label="order_is_fed"),
    Case("TRANSPOSE", [x(2, 3), const((0, 0))], [out()], error="twice"),
    Case("TRANSPOSE", [x(2, 3), const((0, 2))], [out()], error="axis 2 is outside rank 2"),
    Case("TRANSPOSE", [x(2, 3), const((0, -3))], [out()], error="axis -3 is outside rank 2"),
    Case("TRANSPOSE", [x(2, 3), const((0, 1, 2))], [out()], error="permutation"),
    Case("TRANSPOSE", [x(2, 3), const((0,))], [out()], error="permutation"),
    Case("TRANSPOSE", [x(2, 3), const(((0, 1),))], [out()], error="permutation"),
    Case("TRANSPOSE", [x(2, 3), const((0, 1), "float32")], [out()], error="float32"),
    Case("TRANSPOSE", [x(2, 3), const((1, 0))], [out("int32")], error="output is int32"),
    Case("TRANSPOSE", [x(2, 3)], [out()], error="has 1 inputs"),
    Case("TRANSPOSE", [x(2, 3), None], [out()], error="input 1 is missing"),
]
