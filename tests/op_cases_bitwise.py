"""LOGICAL_AND, LOGICAL_OR, BITWISE_XOR and RIGHT_SHIFT."""

import numpy as np

from op_cases import Case, In, fed, out, x
from op_shapes import broadcast_pairs

LOGICAL = ["LOGICAL_AND", "LOGICAL_OR"]
INTEGER = ["BITWISE_XOR", "RIGHT_SHIFT"]
DTYPES = ["int8", "uint8", "int16", "uint16", "int32", "uint32"]
BOTH = [False, True]


def truth_tables() -> list[Case]:
    pair = [fed([False, False, True, True], "bool"), fed([False, True, False, True], "bool")]
    cases = [Case(kind, pair, [out("bool")], label="table") for kind in LOGICAL]
    odd = In(dtype="bool", shape=(4,), value=np.array([0, 1, 2, 128], np.uint8).view(bool), constant=True)
    why = "only 0 and 1 are bools in TFLite, but a file may hold any byte"
    for kind, other in (("LOGICAL_AND", True), ("LOGICAL_OR", False)):
        known = {"expected": lambda _: [np.array([False, True, True, True])], "why": why}
        cases.append(Case(kind, [odd, fed([other] * 4, "bool")], [out("bool")], label="odd_bytes", **known))
    return cases


def logical() -> list[Case]:
    return [
        Case(kind, [x(*a, dtype="bool"), x(*b, dtype="bool")], [out("bool")], seed=i)
        for kind in LOGICAL
        for i, (a, b) in enumerate(broadcast_pairs(50, 11))
    ]


def integer() -> list[Case]:
    cases = []
    for kind in INTEGER:
        for dtype in DTYPES:
            limits = np.iinfo(dtype)
            whole = {"dtype": dtype, "low": limits.min, "high": limits.max}
            distances = whole if kind == "BITWISE_XOR" else {"dtype": dtype, "low": 0, "high": limits.bits - 1}
            for i, (a, b) in enumerate(broadcast_pairs(16, 21)):
                cases.append(Case(kind, [x(*a, **whole), x(*b, **distances)], [out(dtype)], seed=i))
    return cases


def odd_distances() -> list[Case]:
    """Beyond the type's bits, and negative."""
    cases = []
    for dtype in DTYPES:
        limits = np.iinfo(dtype)
        values = [limits.max, limits.min, 1, limits.max // 3]
        distances = [limits.bits, limits.bits - 1, limits.max, limits.min]
        grid = np.meshgrid(values, distances)
        cases.append(Case("RIGHT_SHIFT", [fed(g, dtype) for g in grid], [out(dtype)], label="odd_distances"))
    return cases


def quantized() -> list[Case]:
    """The numbers themselves are combined; scales do not matter."""
    sides = [x(5, 7, dtype="int8", scale=0.1, zero=3), x(5, 7, dtype="int8", scale=0.2, zero=-9)]
    return [Case(kind, sides, [out("int8", scale=0.5)], label="quantized") for kind in INTEGER]


def refused() -> list[Case]:
    truth, number = x(3, dtype="bool"), x(3, dtype="int32")
    cases = [Case(kind, [number, number], [out("int32")], error=f"{kind} of int32") for kind in LOGICAL]
    cases += [Case(kind, [truth, truth], [out("bool")], error=f"{kind} of bool") for kind in INTEGER]
    cases += [Case(kind, [x(3), x(3)], [out()], error=f"{kind} of float32") for kind in INTEGER]
    for kind in LOGICAL + INTEGER:
        one = truth if kind in LOGICAL else number
        cases += [
            Case(kind, [one, x(4, dtype=one.dtype)], [out(one.dtype)], error="broadcast"),
            Case(kind, [one, x(3)], [out(one.dtype)], error="inputs are"),
            Case(kind, [one, one], [out()], error="output is float32"),
            Case(kind, [one], [out(one.dtype)], error="has 1 inputs"),
            Case(kind, [one, None], [out(one.dtype)], error="missing"),
        ]
    return cases


CASES = [*truth_tables(), *logical(), *odd_distances(), *quantized(), *integer(), *refused()]
