"""POW, FLOOR_MOD, ATAN2 and ADD_N."""

import numpy as np

from op_cases import Array, Case, const, fed, out, x
from op_shapes import broadcast_pairs, shapes

NAN, INF = float("nan"), float("inf")
LOW, HIGH = -(2**31), 2**31 - 1
SPECIAL = np.meshgrid([0.0, -0.0, 1.0, -1.0, 2.5, -2.5, INF, -INF, NAN], [0.0, -0.0, 1.0, -3.0, 0.5, INF, -INF, NAN])


def powers() -> list[Case]:
    cases = []
    for i, (a, b) in enumerate(broadcast_pairs(60, 31)):
        cases.append(Case("POW", [x(*a, low=0.1, high=5), x(*b, low=-4, high=4)], [out()], seed=i))
    for i, (a, b) in enumerate(broadcast_pairs(60, 32)):
        inputs = [x(*a, dtype="int32", low=-6, high=6), x(*b, dtype="int32", low=0, high=11)]
        cases.append(Case("POW", inputs, [out("int32")], seed=i))
    cases += [Case("POW", [fed(v) for v in SPECIAL], [out()], label="special")]
    cases += [Case("POW", [x(4, 4), const(e, "float32")], [out()], label=f"scalar{e}") for e in (2.0, 3.0, 0.0, -1.0)]
    cases += [Case("POW", [x(9, low=0, high=9), const(0.5, "float32")], [out()], label="root")]
    cases += [Case("POW", [x(4, 4, dtype="int32", low=-9, high=9), const(e)], [out("int32")]) for e in (0, 1, 2, 5)]
    wraps = [fed([3, 2, -2, LOW, 7], "int32"), fed([21, 33, 31, 2, HIGH], "int32")]

    def wrapped(_: list[Array]) -> list[Array]:
        bits = [pow(int(base), int(exponent), 2**32) for base, exponent in zip(*(w.value for w in wraps), strict=True)]
        return [np.array(bits, np.uint32).view(np.int32)]

    why = "TFLite's overflows by way of doubles mean nothing; ours wrap around like products"
    return [*cases, Case("POW", wraps, [out("int32")], expected=wrapped, why=why)]


def remainders() -> list[Case]:
    cases = []
    for dtype in ("float32", "int8", "int16", "int32", "int64"):
        for i, (a, b) in enumerate(broadcast_pairs(24, 41)):
            for low, high in ((1, 9), (-9, -1)):
                inputs = [x(*a, dtype=dtype, low=-50, high=50), x(*b, dtype=dtype, low=low, high=high)]
                cases.append(Case("FLOOR_MOD", inputs, [out(dtype)], seed=i, label=f"by{low}"))
        if dtype != "float32":
            limits = np.iinfo(dtype)
            pair = [fed([limits.min, limits.max, 0, -1, 7, -7, limits.max], dtype)]
            pair += [fed([limits.max, limits.min, limits.min, limits.max, -3, 3, 1], dtype)]
            cases.append(Case("FLOOR_MOD", pair, [out(dtype)], label="extremes"))
    cases += [Case("FLOOR_MOD", [fed(v) for v in SPECIAL], [out()], label="special")]
    for dtype in ("int32", "int64"):
        pair = [fed([np.iinfo(dtype).min, 5], dtype), fed([-1, -1], dtype)]
        zero = {"expected": lambda _, d=dtype: [np.zeros(2, d)], "why": "TFLite divides the minimum by -1, which traps"}
        cases.append(Case("FLOOR_MOD", pair, [out(dtype)], **zero))
    quantized = [x(6, dtype="int8", scale=0.1, zero=3), fed([1, -2, 3, -4, 5, 6], "int8", scale=0.2)]
    return [*cases, Case("FLOOR_MOD", quantized, [out("int8", scale=0.1)], label="quantized")]


def angles() -> list[Case]:
    cases = [
        Case("ATAN2", [x(*shape, dtype=dtype), x(*shape, dtype=dtype)], [out(dtype)], seed=i)
        for dtype in ("float32", "float64", "float16", "bfloat16")
        for i, shape in enumerate(shapes(16, 51))
    ]
    cases += [Case("ATAN2", [fed(v) for v in SPECIAL], [out()], label="special")]
    why = "TFLite's ATAN2 does not broadcast, TensorFlow's does"
    both = {"expected": lambda arrays: [np.arctan2(*arrays)], "why": why}
    return [*cases, Case("ATAN2", [x(3, 1), x(4)], [out()], **both)]


def sums() -> list[Case]:
    cases = []
    for dtype in ("float32", "int32"):
        for i, shape in enumerate(shapes(20, 61)):
            count = 2 + i % 5
            cases.append(Case("ADD_N", [x(*shape, dtype=dtype) for _ in range(count)], [out(dtype)], seed=i))
        cases.append(Case("ADD_N", [x(700, dtype=dtype) for _ in range(33)], [out(dtype)], label="many"))
        cases.append(Case("ADD_N", [x(30, 1000, dtype=dtype), x(30, 1000, dtype=dtype)], [out(dtype)], label="threads"))
    wraps = [fed([HIGH, LOW, 1], "int32"), fed([HIGH, LOW, -1], "int32"), fed([5, -5, 0], "int32")]
    cases.append(Case("ADD_N", wraps, [out("int32")], label="wraps"))
    cases.append(Case("ADD_N", [fed([NAN, INF, -0.0]), fed([1, -INF, -0.0])], [out()], label="special"))
    alone = {"expected": lambda arrays: arrays, "why": "TFLite wants two inputs or more"}
    return [*cases, Case("ADD_N", [x(2, 3)], [out()], **alone)]


def refused() -> list[Case]:
    one = x(3, dtype="int32")
    cases = [
        Case("POW", [one, fed([0, -1, 2], "int32")], [out("int32")], error="element 1 of the exponents is -1"),
        Case("POW", [x(3, dtype="int64"), x(3, dtype="int64")], [out("int64")], error="POW of int64"),
        Case("FLOOR_MOD", [one, fed([1, 2, 0], "int32")], [out("int32")], error="division by zero: element 2"),
        Case("FLOOR_MOD", [x(3, dtype="uint8"), x(3, dtype="uint8")], [out("uint8")], error="FLOOR_MOD of uint8"),
        Case("ATAN2", [one, one], [out("int32")], error="ATAN2 of int32"),
        Case("ADD_N", [x(3), x(3, dtype="int32")], [out()], error="input 1 is int32"),
        Case("ADD_N", [x(3), x(1)], [out()], error="input 1 is float32.1., but input 0 is float32.3."),
        Case("ADD_N", [x(3), None], [out()], error="input 1 is missing"),
        Case("ADD_N", [], [out()], error="has 0 inputs"),
        Case("ADD_N", [x(3), x(3)], [out("int32")], error="output is int32"),
        Case("ADD_N", [x(3, dtype="int8"), x(3, dtype="int8")], [out("int8")], error="ADD_N of int8"),
    ]
    for kind in ("POW", "FLOOR_MOD", "ATAN2"):
        cases += [
            Case(kind, [x(3), x(4)], [out()], error="broadcast"),
            Case(kind, [x(3), one], [out()], error="inputs are float32 and int32"),
            Case(kind, [x(3), x(3)], [out("int32")], error="output is int32"),
            Case(kind, [x(3)], [out()], error="has 1 inputs"),
        ]
    return cases


CASES = [*powers(), *remainders(), *angles(), *sums(), *refused()]
