"""FILL, RANGE and ONE_HOT."""

import numpy as np

from op_cases import Array, Case, const, fed, out, x
from op_shapes import shapes

NAN, INF = float("nan"), float("inf")


def fills() -> list[Case]:
    cases = []
    for dtype in ("float32", "int8", "int16", "int32", "int64", "bool", "float16"):
        for i, shape in enumerate(shapes(8, 91)):
            dims = (fed if i % 3 == 0 else const)(np.array(shape, np.int64), "int64" if i % 2 else "int32")
            cases.append(Case("FILL", [dims, x(dtype=dtype)], [out(dtype)], seed=i, label=f"{list(shape)}"))
    quantized = {"scale": 0.1, "zero": -3}
    return [*cases, Case("FILL", [const([2, 3]), x(dtype="int8", **quantized)], [out("int8", **quantized)])]


RANGES = {
    "int32": [(0, 5, 1), (5, 0, -1), (0, 5, 2), (-3, 4, 3), (7, 7, 1), (7, 7, -4), (4, -9, -5), (0, 1, 1000)],
    "int64": [(0, 5, 1), (2**40, 2**40 + 9, 4), (5, -5, -3), (0, 0, 1), (-(2**40), -(2**40) + 3, 1)],
    "float32": [(0, 5, 1), (0, 1, 0.1), (1, 0, -0.25), (-1.5, 2.5, 0.7), (3, 3, 1), (0, 1e-3, 1e-4), (0, 3, 1e9)],
}


def ranges() -> list[Case]:
    cases = []
    for dtype, limits in RANGES.items():
        for start, limit, delta in limits:
            for make in (const, fed):
                inputs = [make(number, dtype) for number in (start, limit, delta)]
                cases.append(Case("RANGE", inputs, [out(dtype)], label=f"{start}_{limit}_{delta}"))
        mixed = [const(2, dtype), fed(11, dtype), const(3, dtype)]
        cases.append(Case("RANGE", mixed, [out(dtype)], label="mixed"))
    rng = np.random.default_rng(3)
    for i in range(24):
        start, limit = rng.uniform(-50, 50, 2)
        delta = rng.uniform(0.01, 9) * np.sign(limit - start)
        inputs = [fed(number, "float32") for number in (start, limit, delta)]
        cases.append(Case("RANGE", inputs, [out()], label=f"random{i}"))

    extremes = [fed(-(2**31), "int32"), fed(2**31 - 1, "int32"), fed(2**30, "int32")]
    values = np.array([-(2**31), -(2**30), 0, 2**30], np.int32)
    why = "TFLite computes the distance in 32 bits, which overflow"
    return [*cases, Case("RANGE", extremes, [out("int32")], expected=lambda _: [values], why=why)]


def one_hots() -> list[Case]:
    cases = []
    for dtype in ("float32", "int8", "uint8", "int32", "int64", "bool"):
        for i, shape in enumerate(shapes(12, 101, ranks=(0, 4))):
            depth = i % 6
            axis = -1 if i % 3 == 0 else i % (len(shape) + 1)
            indices = x(*shape, dtype="int64" if i % 2 else "int32", low=-2, high=depth + 1)
            values = [const(True, dtype), const(False, dtype)] if dtype == "bool" else [x(dtype=dtype), x(dtype=dtype)]
            is_fed = i % 4 == 1 and depth > 0 and 0 not in shape
            inputs = [indices, fed(depth, "int32") if is_fed else const(depth), *values]
            label = f"depth{depth}_axis{axis}"
            cases.append(Case("ONE_HOT", inputs, [out(dtype)], {"axis": axis}, seed=i, label=label))
    words = [x(dtype="int16"), x(dtype="int16")]

    def eye(arrays: list[Array]) -> list[Array]:
        return [np.where(np.eye(4, dtype=bool)[[2, 0]], arrays[2], arrays[3])]

    why = "TFLite admits int16 while it prepares, but does not compute it"
    two = [fed([2, 0], "int32"), const(4)]
    cases.append(Case("ONE_HOT", [*two, *words], [out("int16")], {"axis": -1}, expected=eye, why=why))
    far = [fed([2**32 + 2, 1, -(2**40)], "int64"), const(3), const(1.0, "float32"), const(0.0, "float32")]
    why = "TFLite cuts indices to 32 bits"
    known = {"expected": lambda _: [np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]], np.float32)], "why": why}
    return [*cases, Case("ONE_HOT", far, [out()], {"axis": -1}, label="far", **known)]


def refused() -> list[Case]:
    one = const(1.0, "float32")
    hot = [x(3, dtype="int32", low=0, high=2), const(3), one, one]
    end = {"axis": -1}

    def span(start: float, limit: float, delta: float, error: str, dtype: str = "int32") -> Case:
        return Case("RANGE", [fed(n, dtype) for n in (start, limit, delta)], [out(dtype)], error=error)

    return [
        Case("FILL", [const([2, -3]), x()], [out()], error="dims has -3"),
        Case("FILL", [const([[2, 3]]), x()], [out()], error="dims must be a vector"),
        Case("FILL", [const([2, 3]), x(2)], [out()], error="value must be one element"),
        Case("FILL", [const([2, 3]), x(dtype="int32")], [out()], error="value is int32"),
        Case("FILL", [const([2.0], "float32"), x()], [out()], error="it must be int32"),
        Case("FILL", [const([2**30] * 3), x()], [out()], error="too many elements"),
        Case("FILL", [fed([2**30, 2**9], "int32"), x()], [out()], error="memory limit"),
        span(0, 5, 0, "no range from 0 to 5 in steps of 0"),
        span(0, 5, -1, "no range from 0 to 5 in steps of -1"),
        span(5, 0, 1, "no range"),
        span(0, 2**60, 1, "has 1152921504606846976 numbers", "int64"),
        span(-(2**63), 2**63 - 1, 1, "has 18446744073709551615 numbers", "int64"),
        span(0, NAN, 1, "no range from 0 to nan", "float32"),
        span(0, INF, 1, "has inf numbers", "float32"),
        span(0, 1, 1e-30, "numbers", "float32"),
        span(0, 5, 1, "RANGE of int8", "int8"),
        Case("RANGE", [const(0), const([5, 6]), const(1)], [out("int32")], error="input 1 is int32.2."),
        Case("RANGE", [const(0), const(5), one], [out("int32")], error="input 2 is float32"),
        Case("RANGE", [const(0), const(5)], [out("int32")], error="has 2 inputs"),
        Case("ONE_HOT", hot, [out()], {"axis": 2}, error="axis 2 is outside rank 2"),
        Case("ONE_HOT", hot, [out()], {"axis": -2}, error="axis -2 is outside rank 2"),
        Case("ONE_HOT", hot, [out("int32")], end, error="input 2 is float32"),
        Case("ONE_HOT", [hot[0], const(-1), one, one], [out()], end, error="depth -1"),
        Case("ONE_HOT", [hot[0], const([1, 2]), one, one], [out()], end, error="depth must be one number"),
        Case("ONE_HOT", [hot[0], const(3), x(2), one], [out()], end, error="input 2 is float32.2."),
        Case("ONE_HOT", [x(3), const(3), one, one], [out()], end, error="ONE_HOT of float32"),
        Case("ONE_HOT", [x(300, dtype="int32"), const(2**31 - 1), one, one], [out()], end, error="memory limit"),
        Case("ONE_HOT", hot[:3], [out()], end, error="has 3 inputs"),
    ]


CASES = [*fills(), *ranges(), *one_hots(), *refused()]
