"""GATHER and GATHER_ND."""

from __future__ import annotations

import numpy as np

from op_cases import Case, Shape, const, fed, out, x


def picks(shape: Shape, indices: object, axis: int = 0, batch_dims: int = 0, **more: object) -> Case:
    dtype, index = more.pop("dtype", "float32"), more.pop("index", "int32")
    make = fed if more.pop("fed", False) else const
    options = {"axis": axis, "batch_dims": batch_dims}
    label = f"{index}_axis{axis}_batch{batch_dims}"
    return Case("GATHER", [x(*shape, dtype=dtype), make(indices, index)], [out(dtype)], options, label=label, **more)


def nd(shape: Shape, indices: object, **more: object) -> Case:
    dtype, index = more.pop("dtype", "float32"), more.pop("index", "int32")
    make = fed if more.pop("fed", False) else const
    return Case("GATHER_ND", [x(*shape, dtype=dtype), make(indices, index)], [out(dtype)], label=index, **more)


DTYPES = ("int8", "uint8", "int16", "int32", "int64", "bool")

CASES = [
    picks((5,), [0, 4, 2]),
    picks((5,), 3),
    picks((5, 3), [1, 1, 4, 0]),
    picks((5, 3), [[1, 2], [4, 0]]),
    picks((5, 3), [2, 0], 1),
    picks((5, 3), [2, 0], -1),
    picks((5, 3), 2, 1),
    picks((2, 5, 3), [4, 0, 1, 1], 1),
    picks((2, 5, 3), [[4, 0], [1, 1]], 1),
    picks((2, 5, 3), [[2, 0], [1, 1]], 2),
    picks((2, 5, 3), [[4, 0], [1, 1]], 1, 1),
    picks((2, 5, 3), [[2, 0], [1, 1]], 2, 1),
    picks((2, 5, 3), [[2, 0], [1, 1]], -1, -1),
    picks((2, 3, 4, 5), np.arange(2 * 3 * 2).reshape(2, 3, 2) % 4, 2, 2),
    picks((2, 3, 4, 5), np.arange(2 * 3 * 2).reshape(2, 3, 2) % 5, 3, 2),
    picks((2, 3, 4, 5), np.arange(2 * 3).reshape(2, 3) % 4, 2, 2),
    picks((2, 3), np.zeros((0,)), 1),
    picks((100, 64), np.arange(300) % 100, dtype="int8", fed=True),
    picks((5, 3), [1, 4, 0], fed=True),
    *(picks((5, 3), [1, 4, 0], dtype=dtype) for dtype in DTYPES),
    *(picks((5, 3), [[1, 4], [0, 2]], index=index, fed=f) for index in ("int16", "int64") for f in (True, False)),
    *(picks((9, size), [8, 0, 3, 3, 1], dtype="int8", fed=True) for size in (1, 2, 4, 8, 16, 24, 32, 64, 128, 200)),
    *(picks((3, 9, size), [8, 0, 3], 1) for size in (1, 2, 4, 8, 16, 32, 64)),
    picks((40000, 2), [39999, 0], dtype="int8", index="int64", fed=True),
    picks((40000, 2), [32767, 0], dtype="int8", index="int16", fed=True),
    picks((40000, 2), [32767, -1], dtype="int8", index="int16", fed=True, error="index -1 is outside"),
    picks((5, 3), [1, 5], error="index 5 is outside a dimension of 5"),
    picks((5, 3), [1, -1], error="index -1 is outside"),
    picks((5, 3), [1, 5], fed=True, error="index 5 is outside a dimension of 5"),
    picks((5, 3), [1, -1], fed=True, error="index -1 is outside"),
    picks((5, 3), [1, 2**62], index="int64", fed=True, error="is outside"),
    picks((0, 3), [0], error="outside a dimension of 0"),
    picks((5, 3), [1], 2, error="axis 2 is outside rank 2"),
    picks((5, 3), [1], -3, error="axis -3 is outside rank 2"),
    picks((5, 3), [[1, 2]], 1, 1, error="differ"),
    picks((5, 3), [[1, 2]] * 5, 0, 1, error="batch_dims 1 with axis 0"),
    picks((5, 3), [1], 1, 2, error="batch_dims 2"),
    picks((5, 3), [1], 1, -2, error="batch_dims -2"),
    picks((), [0], error="axis 0 is outside rank 0"),
    picks((5, 3), [1.0], index="float32", error="indices of float32"),
    picks((2,) * 6, np.zeros((1,) * 6), error="rank 11"),
    nd((4, 3), [[0, 1], [3, 2]]),
    nd((4, 3), [[0], [3]]),
    nd((4, 3), [1]),
    nd((4, 3), [1, 2]),
    nd((4,), [[[0], [3]], [[1], [1]]]),
    nd((4, 3, 5), [[[0, 1], [3, 2]]]),
    nd((4, 3, 5), [[0, 1, 4], [3, 2, 0]]),
    nd((4, 3), np.zeros((2, 0))),
    nd((4, 3), np.zeros((0, 2))),
    nd((2, 2, 2, 2, 2), [[0, 1, 1, 0], [1, 1, 1, 1]]),
    nd((4, 3), [[0, 1], [3, 2]], fed=True),
    *(nd((4, 3, 2), [[0, 1], [3, 2]], dtype=dtype) for dtype in DTYPES),
    *(nd((4, 3, 2), [[0, 1], [3, 2]], index=index) for index in ("int16", "int64")),
    nd((4, 3), [[0, 3]], error="index 3 is outside"),
    nd((4, 3), [[4, 0]], fed=True, error="index 4 is outside"),
    nd((4, 3), [[0, -1]], fed=True, error="index -1 is outside"),
    nd((4, 3), [[0, 1, 0]], error="indices of shape"),
    nd((), [[0]], error="input of shape"),
    nd((3,), 0, error="indices of shape"),
    nd((3,), [0.0], index="float32", error="indices of float32"),
]
