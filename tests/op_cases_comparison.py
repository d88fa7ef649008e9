"""EQUAL, NOT_EQUAL, the orderings, SELECT and SELECT_V2."""

import numpy as np

from op_cases import Case, In, c, fed, out, x

EQUALITIES = ["EQUAL", "NOT_EQUAL"]
ORDERINGS = ["LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL"]
SHAPES = [((), ()), ((3,), ()), ((2, 30), (2, 30)), ((2, 3), (3,)), ((2, 1, 5, 1), (1, 4, 1, 3)), ((1,), (4, 2))]
NAN, INF = float("nan"), float("inf")


def plain() -> list[Case]:
    cases = []
    for kind in EQUALITIES + ORDERINGS:
        dtypes = ["float32", "int32", "int64", *(["bool"] if kind in EQUALITIES else ["int16"])]
        for dtype in dtypes:
            for i, (a, b) in enumerate(SHAPES):
                low, high = (None, None) if dtype in ("float32", "bool") else (-2, 2)
                inputs = [x(*a, dtype=dtype, low=low, high=high), x(*b, dtype=dtype, low=low, high=high)]
                cases.append(Case(kind, inputs, [out("bool")], seed=i))
        special = [fed([NAN, 1, INF, -INF, 0.0, NAN]), fed([1, NAN, INF, INF, -0.0, NAN])]
        cases.append(Case(kind, special, [out("bool")], label="special"))
    cases.append(
        Case("EQUAL", [x(20, dtype="int16", low=0, high=2), x(20, dtype="int16", low=0, high=2)], [out("bool")])
    )
    cases.append(
        Case(
            "NOT_EQUAL",
            [x(20, dtype="int16", low=0, high=2), x(20, dtype="int16", low=0, high=2)],
            [out("bool")],
            expected=lambda inputs: [inputs[0] != inputs[1]],
            why="TFLite leaves the output as it is when int16 has no quantization",
        )
    )
    return cases


def quantized() -> list[Case]:
    cases = []
    for kind in EQUALITIES + ORDERINGS:
        for dtype in ("int8", "uint8", "int16"):
            middle = 128 if dtype == "uint8" else 0
            zeros = (0, 0) if dtype == "int16" else (middle - 100, middle + 7)
            for scales in ((0.1, 0.1), (0.05, 0.2), (0.001, 0.0007), (0.9, 0.3)):
                for a, b in [((300,), (300,)), ((40, 3), (1, 3)), ((5,), ())]:
                    inputs = [
                        x(*shape, dtype=dtype, scale=scale, zero=zero)
                        for shape, scale, zero in zip((a, b), scales, zeros, strict=True)
                    ]
                    cases.append(Case(kind, inputs, [out("bool")], label=f"{scales}"))
    return cases


def select() -> list[Case]:
    cases = []
    for dtype in ("float32", "int8", "uint8", "int16", "int32", "int64", "bool", "float16"):
        values = [x(3, 4, dtype=dtype), x(3, 4, dtype=dtype)]
        for kind in ("SELECT", "SELECT_V2"):
            for condition in ((3, 4), ()):
                cases.append(Case(kind, [x(*condition, dtype="bool"), *values], [out(dtype)], seed=3))
        cases.append(Case("SELECT", [x(3, dtype="bool"), *values], [out(dtype)], seed=1))
    shapes = [((2, 1, 3), (4, 1), ()), ((4,), (2, 4), (2, 1)), ((), (5,), (3, 1)), ((2, 3), (2, 3), (3,))]
    shapes += [((1, 2, 1, 3, 1), (2, 1, 4, 1, 2), (1, 1, 1, 3, 2)), ((1,), (1, 1), ()), ((2, 1), (1, 1), ())]
    for i, (condition, a, b) in enumerate(shapes):
        cases.append(Case("SELECT_V2", [x(*condition, dtype="bool"), x(*a), c(*b)], [out()], seed=i))
    cases.append(Case("SELECT", [x(3, dtype="bool"), x(3, 2, 2, 5), x(3, 2, 2, 5)], [out()]))
    cases.append(Case("SELECT", [x(1, dtype="bool"), x(1, 1), x(1, 1)], [out(shape=(1, 1))]))
    cases.append(Case("SELECT_V2", [x(dtype="bool"), x(1), x(1)], [out(shape=(1, 1, 1))]))
    odd = {"dtype": "bool", "shape": (4,), "value": np.array([0, 1, 2, 255], np.uint8).view(bool), "constant": True}
    pair = [x(4), x(4)]
    why = "only 0 and 1 are bools in TFLite, but a file may hold any byte"
    picked = {"expected": lambda inputs: [np.where([False, True, True, True], *inputs[-2:])], "why": why}
    cases.append(Case("SELECT", [In(**odd), *pair], [out()], label="odd bytes", **picked))
    equal = {"expected": lambda _: [np.array([False, True, True, True])], "why": why}
    cases.append(Case("EQUAL", [In(**odd), fed([True] * 4, "bool")], [out("bool")], label="odd bytes", **equal))
    cases.append(Case("SELECT_V2", [x(200, 1, dtype="bool"), x(200, 300), x(1, 300)], [out()], label="threads"))
    return cases


def refused() -> list[Case]:
    truth = x(3, dtype="bool")
    bools = [out("bool")]
    return [
        Case("LESS", [x(2), x(3)], bools, error="broadcast"),
        Case("LESS", [x(3), x(3, dtype="int32")], bools, error="inputs are float32 and int32"),
        Case("LESS", [x(3), x(3)], [out()], error="output must be bool"),
        Case("LESS", [truth, truth], bools, error="LESS of bool"),
        Case("LESS", [x(3, dtype="int8", scale=1), x(3, dtype="int8")], bools, error="quantiz|scale"),
        Case("EQUAL", [x(3, dtype="uint32"), x(3, dtype="uint32")], bools, error="EQUAL of uint32"),
        Case("SELECT", [x(3), x(3), x(3)], [out()], error="condition must be bool"),
        Case("SELECT", [truth, x(3), x(3, dtype="int32")], [out()], error="float32 and int32"),
        Case("SELECT", [truth, x(3), x(3)], [out("int32")], error="into int32"),
        Case("SELECT", [truth, x(4), x(4)], [out()], error="condition of shape"),
        Case("SELECT", [x(2, dtype="bool"), x(3, 2), x(3, 2)], [out()], error="condition of shape"),
        Case("SELECT", [truth, x(3, 2), x(3, 1)], [out()], error="cannot select from shapes"),
        Case("SELECT_V2", [truth, x(4), x(4)], [out()], error="broadcast"),
        Case("SELECT_V2", [truth, x(3)], [out()], error="SELECT_V2"),
        Case(
            "SELECT",
            [truth, x(3, dtype="complex128"), x(3, dtype="complex128")],
            [out("complex128")],
            error="of complex128",
        ),
    ]


CASES = plain() + quantized() + select() + refused()
