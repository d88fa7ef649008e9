"""MATRIX_DIAG and MATRIX_SET_DIAG."""

import numpy as np

from op_cases import Array, Case, Shape, out, x
from op_shapes import shapes

DTYPES = ["float32", "int8", "uint8", "int16", "int32", "int64"]
MISREAD = ["float16", "bool", "float64"]  # TFLite takes these for float32


def diagonal(shape: Shape) -> tuple[int, ...]:
    return (*shape[:-2], min(shape[-2:]))


def filled(arrays: list[Array]) -> list[Array]:
    return [np.where(np.eye(arrays[0].shape[-1], dtype=bool), arrays[0][..., None, :], arrays[0].dtype.type(0))]


def replaced(arrays: list[Array]) -> list[Array]:
    result, (rows, columns) = arrays[0].copy(), arrays[0].shape[-2:]
    where = np.arange(min(rows, columns))
    result[..., where, where] = arrays[1]
    return [result]


def cases() -> list[Case]:
    made = []
    why = "TFLite takes every type that it does not list for float32"
    for dtype in DTYPES + MISREAD:
        known = dtype in DTYPES
        for i, shape in enumerate(shapes(8, 261, ranks=(1, 4))):
            more = {} if known else {"expected": filled, "why": why}
            made.append(Case("MATRIX_DIAG", [x(*shape, dtype=dtype)], [out(dtype)], seed=i, **more))
        for i, shape in enumerate(shapes(8, 271, ranks=(2, 5))):
            more = {} if known else {"expected": replaced, "why": why}
            inputs = [x(*shape, dtype=dtype), x(*diagonal(shape), dtype=dtype)]
            made.append(Case("MATRIX_SET_DIAG", inputs, [out(dtype)], seed=i, **more))
    return made


def refused() -> list[Case]:
    return [
        Case("MATRIX_DIAG", [x()], [out()], error="input is a scalar"),
        Case("MATRIX_DIAG", [x(*[1] * 10)], [out()], error="rank|dimensions"),
        Case("MATRIX_DIAG", [x(1, 2, 1, 1, 1, 1, 1, 3)], [out()], label="nine_dimensions"),
        Case("MATRIX_DIAG", [x(3)], [out("int32")], error="output is int32"),
        Case("MATRIX_DIAG", [x(3), x(3)], [out()], error="has 2 inputs"),
        Case("MATRIX_DIAG", [x(2**20)], [out()], error="memory limit"),
        Case("MATRIX_SET_DIAG", [x(3), x(3)], [out()], error="is no matrix"),
        Case("MATRIX_SET_DIAG", [x(3, 2), x(3)], [out()], error="a diagonal of shape .3. for input of shape .3, 2."),
        Case("MATRIX_SET_DIAG", [x(2, 3, 2), x(2)], [out()], error="a diagonal of shape .2."),
        Case("MATRIX_SET_DIAG", [x(3, 2), x(2, dtype="int32")], [out()], error="the diagonal is int32"),
        Case("MATRIX_SET_DIAG", [x(3, 2), x(2)], [out("int32")], error="output is int32"),
    ]


CASES = [*cases(), *refused()]
