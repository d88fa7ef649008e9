"""ABS, NEG, SIGN, SQRT, RSQRT, EXP, LOG, SQUARE, SIN, COS, FLOOR, CEIL, ROUND, ZEROS_LIKE and LOGICAL_NOT."""

import numpy as np

from op_cases import Case, fed, out, x
from op_shapes import shapes

FLOATS = ["ABS", "NEG", "SIGN", "EXP", "SQUARE", "SIN", "COS", "FLOOR", "CEIL", "ROUND"]
NOT_IN_REF = ("CEIL", "ROUND")
POSITIVE = ["SQRT", "RSQRT", "LOG"]
SHAPES = [(), (7,), (2, 3), (1, 5, 3, 4), (2, 1, 3, 2, 2, 3)]
NAN, INF = float("nan"), float("inf")
SPECIAL = [0.0, -0.0, 0.5, -0.5, 1.5, 2.5, -2.5, 1e-40, 3e38, -3e38, INF, -INF, NAN, 8388607.5, 0.49999997]
BYTES = np.arange(-128, 128)
EVERY_INT16 = np.arange(-32768, 32768)
LOW = -(2**31)
FEW = {"low": -1, "high": 1}


def unary(kind: str, *parts: object, **more: object) -> Case:
    if kind in NOT_IN_REF:
        more |= {"resolver": "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "why": f"BUILTIN_REF has no {kind}"}
    return Case(kind, *parts, **more)


def floats() -> list[Case]:
    cases = [unary(kind, [x(*shape)], [out()], seed=i) for kind in FLOATS for i, shape in enumerate(SHAPES)]
    cases += [Case(kind, [x(*shape, low=1e-3, high=50)], [out()]) for kind in POSITIVE for shape in SHAPES]
    cases += [unary(kind, [fed(SPECIAL)], [out()], label="special") for kind in FLOATS + POSITIVE]
    cases += [Case("EXP", [x(200, 300)], [out()], label="threads")]
    cases += [Case("LOGICAL_NOT", [x(*shape, dtype="bool")], [out("bool")]) for shape in SHAPES]
    return cases


def plain_integers() -> list[Case]:
    cases = [Case("ABS", [x(5, 6, dtype="int32")], [out("int32")])]
    cases += [Case("ABS", [fed(EVERY_INT16, "int16")], [out("int16")])]
    cases += [Case("NEG", [x(5, 6, dtype=dtype)], [out(dtype)]) for dtype in ("int8", "int16", "int32", "int64")]
    cases += [Case(kind, [fed([LOW, -1, 0, 1, 2**31 - 1], "int32")], [out("int32")]) for kind in ("NEG", "SIGN")]
    for i, shape in enumerate(shapes(12, 221, ranks=(0, 6))):
        cases += [Case("SIGN", [x(*shape, dtype="int32", **FEW)], [out("int32")], seed=i)]
        cases += [Case("SIGN", [x(*shape, dtype=dtype)], [out(dtype)], seed=i) for dtype in ("float32", "float64")]
    cases += [Case("SIGN", [fed(SPECIAL, "float64")], [out("float64")], label="special")]
    for dtype in ("float32", "int32", "int64"):
        every = (*shapes(12, 231, ranks=(0, 6)), (0, 3), (5, 9000))
        cases += [Case("ZEROS_LIKE", [x(*shape, dtype=dtype)], [out(dtype)]) for shape in every]
    return cases


def quantized() -> list[Case]:
    cases = []
    for (source, zero), (target, target_zero) in [
        ((0.1, 0), (0.1, 0)),
        ((0.1, -128), (0.07, -128)),
        ((0.02, 100), (0.3, -10)),
        ((0.0235, -3), (0.0118, -128)),
        ((1.0, -5), (0.05, 7)),
        ((0.004, -128), (0.004, -128)),
    ]:
        given = fed(BYTES, "int8", scale=source, zero=zero)
        positive = fed(np.arange(zero, 128), "int8", scale=source, zero=zero)
        result = out("int8", scale=target, zero=target_zero)
        cases += [Case(kind, [given], [result], label=f"{source}-{target}") for kind in ("ABS", "LOG")]
        cases += [Case(kind, [positive], [result], label=f"{source}-{target}") for kind in ("SQRT", "RSQRT")]
        if source < 0.1:
            cases += [Case("EXP", [given], [result], label=f"{source}-{target}")]
    for source, target in ((0.001, 0.001), (0.0003, 0.0007), (2e-4, 3e-5)):
        given = fed(EVERY_INT16, "int16", scale=source)
        positive = fed(np.arange(32768), "int16", scale=source)
        result = out("int16", scale=target)
        cases += [Case(kind, [given], [result], label=f"{source}-{target}") for kind in ("ABS", "LOG", "EXP")]
        cases += [Case(kind, [positive], [result], label=f"{source}-{target}") for kind in ("SQRT", "RSQRT")]
    return cases


def refused() -> list[Case]:
    result = [out("int8", scale=0.1)]
    return [
        Case("SIN", [x(3, dtype="int32")], [out("int32")], error="SIN of int32"),
        Case("SIGN", [x(3, dtype="int64")], [out("int64")], error="SIGN of int64"),
        Case("ZEROS_LIKE", [x(3, dtype="int8")], [out("int8")], error="ZEROS_LIKE of int8"),
        Case("ZEROS_LIKE", [x(3)], [out("int32")], error="output is int32"),
        Case("LOGICAL_NOT", [x(3)], [out()], error="LOGICAL_NOT of float32"),
        Case("ABS", [x(3, dtype="int64")], [out("int64")], error="ABS of int64"),
        Case("EXP", [x(3)], [out("int8", scale=1)], error="output is int8"),
        Case("EXP", [x(3, dtype="int8")], result, error="quantiz|scale"),
        Case("EXP", [x(3, dtype="int16", scale=1, zero=1)], [out("int16", scale=1)], error="zero points of 0"),
        Case("SQRT", [fed([3, 5, 4], "int8", scale=1, zero=4)], result, error="SQRT of a negative number, element 0"),
        Case("RSQRT", [fed([4, 5, 3], "int8", scale=1, zero=4)], result, error="RSQRT of a negative number, element 2"),
        Case("RSQRT", [fed([0, -1], "int16", scale=1)], [out("int16", scale=1)], error="RSQRT of a negative number"),
        Case("RSQRT", [x(3, dtype="int8", scale=1e-30)], [out("int8", scale=1e-30)], error="multiplier"),
        Case("NEG", [x(3), x(3)], [out()], error="NEG"),
    ]


CASES = floats() + plain_integers() + quantized() + refused()
