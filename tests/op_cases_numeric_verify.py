"""NumericVerify: quantized tensors against the floats that they stand for."""

from __future__ import annotations

from typing import Any

import numpy as np
from flatbuffers import flexbuffers

from op_cases import Case, In, c, fed, out, x


def verify(given: In, reference: In, *, tolerance: float = 5.0, enforced: bool = False, **more: Any) -> Case:
    options = bytes(flexbuffers.Dumps({"tolerance": tolerance, "log_if_failed": enforced}))
    settings = {"custom_options": options, "label": f"{tolerance}-{enforced}"}
    return Case("NumericVerify", [given, reference], [out()], is_custom=True, **(settings | more))


def near(values: object, dtype: str, scale: float, zero: int, off: float) -> tuple[In, In]:
    """A tensor, and a reference that is `off` steps away from what it stands for."""
    given = fed(values, dtype, scale=scale, zero=zero)
    real = (np.asarray(values, np.float64) - zero + off) * scale
    return given, fed(real)


DTYPES = (("int8", -3), ("uint8", 130), ("int16", 0))
CHANNELS = {"scale": (0.1, 0.02, 3.0), "zero": (0, 5, -7), "axis": 1}

CASES = [
    *(verify(x(2, 3, dtype=d, scale=0.05, zero=z), x(2, 3)) for d, z in DTYPES),
    *(verify(x(*shape, dtype=d, scale=0.05, zero=z), x(*shape)) for d, z in DTYPES for shape in ((), (0, 3), (5,))),
    verify(x(2, 3, dtype="float16"), x(2, 3)),
    *(verify(x(2, 3, dtype=d, scale=s, zero=z), x(2, 3), runs=2) for d, z in DTYPES for s in (1e-6, 100.0)),
    *(verify(*near([-100, 0, 3, 90], d, 0.25, z, 0.5), enforced=True) for d, z in (DTYPES[0], DTYPES[2])),
    verify(*near([0, 100, 255], "uint8", 0.25, 3, 0.5), enforced=True),
    verify(*near([-100, 0, 3], "int8", 0.25, 1, 4.75), enforced=True),
    verify(*near([-100, 0, 3], "int8", 0.25, 1, 0.0), enforced=True, tolerance=0.1),
    verify(*near([-100, 0, 3], "int8", 0.25, 1, 9.0), enforced=True, tolerance=0.05),
    verify(c(2, 3, dtype="int8", scale=0.05), x(2, 3)),
    verify(c(2, 3, dtype="int8", scale=0.05), c(2, 3)),
    verify(x(2, 3, dtype="int8", **CHANNELS), x(2, 3)),
    verify(x(2, 3, 2, dtype="int8", scale=(0.1, 0.02, 3.0), axis=1), x(2, 3, 2)),
    verify(*near([-100, 0, 3], "int8", 0.25, 1, 5.5), enforced=True, error=r"element 0 stands for .* away from"),
    verify(*near([-100, 0, 3], "int8", 0.25, 1, 0.5), enforced=True, tolerance=0.25, error="allowed are 0.0625"),
    verify(x(3, dtype="float16"), x(3), enforced=True, error="allowed are 0 "),
    verify(x(3, dtype="int8", scale=(0.1, 0.2, 0.3)), x(3), enforced=True, error="allowed are 0 "),
    *(verify(x(7, 5, dtype=d, scale=0.3, zero=z, low=z, high=z + 100), x(7, 5, low=0, high=9)) for d, z in DTYPES),
    *(verify(x(1, 2, 3, 4, 5, dtype=d, scale=0.01, zero=z), x(1, 2, 3, 4, 5), runs=2) for d, z in DTYPES),
    verify(x(2, 3), x(2, 3), error="of float32"),
    verify(x(2, 3, dtype="int32", scale=0.1), x(2, 3), error="of int32"),
    verify(x(2, 3, dtype="int8", scale=0.1), x(2, 3, dtype="float16"), error="float16"),
    verify(x(2, 3, dtype="int8", scale=0.1), x(3, 2), error="shape"),
    verify(x(2, 3, dtype="int8"), x(2, 3), error="quantiz|scale"),
    verify(x(2, 3, dtype="int8", scale=0.1), x(2, 3), custom_options=b"\x01", error="NumericVerify"),
]
