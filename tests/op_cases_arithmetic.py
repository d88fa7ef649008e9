"""ADD, SUB, MUL, DIV, FLOOR_DIV, MAXIMUM, MINIMUM and SQUARED_DIFFERENCE."""

from collections.abc import Callable
from typing import Any

import numpy as np

from op_cases import Array, Case, In, Out, c, const, fed, out, x
from op_cases_reduction import rescaled

ACTIVATIONS = ["NONE", "RELU", "RELU6", "RELU_N1_TO_1"]
FUSED = ["ADD", "SUB", "MUL", "DIV"]
PLAIN = ["MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE", "FLOOR_DIV"]

SHAPES = [
    ((), ()),
    ((3,), ()),
    ((2, 3), (2, 3)),
    ((2, 3), (3,)),
    ((1,), (4, 2)),
    ((2, 3, 1), (1, 5)),
    ((1, 4, 5, 3), (1, 1, 1, 3)),
    ((2, 1, 5, 1), (1, 4, 1, 3)),
    ((2, 1, 1, 3, 4), (3, 1)),
    ((2, 2, 1, 3, 1, 2), (1, 2, 3, 1, 2, 2)),
]
FEW = [SHAPES[2], SHAPES[3], SHAPES[7]]

ALL_PAIRS = np.meshgrid(np.arange(-128, 128), np.arange(-128, 128), indexing="ij")


def numbers(shape: tuple[int, ...], dtype: str, kind: str) -> In:
    """Divisors are not zero."""
    if kind in ("DIV", "FLOOR_DIV"):
        return x(*shape, dtype=dtype, low=1, high=9)
    return x(*shape, dtype=dtype)


def plain() -> list[Case]:
    cases = []
    for kind in FUSED + PLAIN:
        dtypes = ["float32", "int32"] + (["int64"] if kind in ("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM") else [])
        for dtype in dtypes:
            for i, (a, b) in enumerate(SHAPES):
                cases.append(Case(kind, [x(*a, dtype=dtype), numbers(b, dtype, kind)], [out(dtype)], seed=i))
            cases.append(Case(kind, [c(2, 3, dtype=dtype), numbers((3,), dtype, kind)], [out(dtype)]))
            if kind in FUSED:
                for activation in ACTIVATIONS[1:]:
                    inputs = [x(4, 6, dtype=dtype), numbers((6,), dtype, kind)]
                    cases.append(Case(kind, inputs, [out(dtype)], {"fused_activation_function": activation}))
    for kind in ("ADD", "MUL"):
        cases += [Case(kind, [x(*a, dtype="int16"), x(*b, dtype="int16")], [out("int16")]) for a, b in FEW]
        extreme = x(50, dtype="int16", low=-32768, high=32767)
        cases.append(Case(kind, [extreme, extreme], [out("int16")], label="wraps"))
    for kind in ("ADD", "MAXIMUM"):
        cases += [Case(kind, [x(*a), x(*b)], [out()]) for a, b in (((0, 3), (3,)), ((1, 0), ()), ((2, 0), (2, 1)))]
    many = [x(2, 1, 2, 1, 2, 1, 3), x(3, 1, 3, 1, 2, 1, 2, 1)]
    cases.append(Case("ADD", many, [out()], label="eight_dimensions"))
    unsigned = [x(3, 2, dtype="uint32", low=0, high=9), x(2, dtype="uint32", low=0, high=9)]
    cases += [Case("MUL", unsigned, [out("uint32")], {"fused_activation_function": a}) for a in ("NONE", "RELU6")]
    cases += [Case("ADD", [x(2, 30000), c(30000)], [out()], label="threads")]
    cases += [Case("MUL", [x(70, 600), x(70, 1)], [out()], label="threads")]
    return cases


def extremes() -> list[Case]:
    low, high = -(2**31), 2**31 - 1
    ints = fed([low, low, high, high, -1, 7, -7, low], "int32")
    others = fed([low, 1, high, -1, low, -2, 2, 3], "int32")
    cases = [Case(kind, [ints, others], [out("int32")], label="extremes") for kind in ("ADD", "SUB", "MUL", "MAXIMUM")]
    signs = [fed([7, -7, 7, -7, 6, -6, 0, 1], "int32"), fed([2, 2, -2, -2, 3, 3, 5, -9], "int32")]
    cases += [Case(kind, signs, [out("int32")], label="signs") for kind in ("DIV", "FLOOR_DIV")]
    floats = [fed([7, -7, 7.5, -7.5, 1e30, 3e38]), fed([2, 2, -2, 0.3, 1e-3, 1e-5])]
    cases += [Case(kind, floats, [out()], label="extremes") for kind in ("DIV", "FLOOR_DIV", "ADD", "MUL")]
    zeros = [fed([1.0, -1.0, 0.0]), fed([0.0, 0.0, 0.0])]
    cases += [Case("DIV", zeros, [out()], label="zeros")]
    for dtype in ("int8", "int16"):
        pair = [x(60, dtype=dtype), fed(np.resize([3, -3, 7, -1, 127, -128], 60), dtype)]
        cases.append(Case("FLOOR_DIV", pair, [out(dtype)], label="signs"))
    least = [fed([low, low], "int32"), fed([-1, 1], "int32")]

    def by_minus_one(_: object) -> list[np.ndarray]:
        return [np.array([low, low], np.int32)]

    why = "TFLite divides the smallest int32 by -1, which traps"
    cases.append(Case("DIV", least, [out("int32")], expected=by_minus_one, why=why))
    return cases


# Scales and zero points of both inputs and the output, for int8.
QUANTIZATIONS = [
    ((0.1, 0), (0.1, 0), (0.1, 0)),
    ((0.1, -128), (0.05, 127), (0.2, 3)),
    ((0.0117, 5), (0.43, -77), (0.21, -128)),
    ((1.5, 100), (0.001, -1), (0.7, 127)),
    ((0.02, 1), (0.02, 2), (0.004, 0)),
]


def shifted(parameters: tuple[float, int], dtype: str) -> dict[str, float]:
    return {"scale": parameters[0], "zero": parameters[1] + (128 if dtype == "uint8" else 0)}


def quantized() -> list[Case]:
    cases = []
    for dtype in ("int8", "uint8"):
        for kind in ("ADD", "SUB", "MUL"):
            for q, (a, b, o) in enumerate(QUANTIZATIONS):
                result = out(dtype, **shifted(o, dtype))
                for activation in ACTIVATIONS:
                    inputs = [x(30, 40, dtype=dtype, **shifted(a, dtype)), x(30, 40, dtype=dtype, **shifted(b, dtype))]
                    options = {"fused_activation_function": activation}
                    cases.append(Case(kind, inputs, [result], options, seed=q, label=f"{q}-{activation}"))
                for i, (left, right) in enumerate(SHAPES if q == 2 else FEW):
                    inputs = [x(*left, dtype=dtype, **shifted(a, dtype)), c(*right, dtype=dtype, **shifted(b, dtype))]
                    cases.append(Case(kind, inputs, [result], seed=i, label=f"{q}"))
    full = [fed(v, "int8", scale=s, zero=z) for v, s, z in zip(ALL_PAIRS, (0.037, 0.021), (-5, 17), strict=True)]
    for kind in ("ADD", "SUB", "MUL", "SQUARED_DIFFERENCE"):
        cases.append(Case(kind, full, [out("int8", scale=0.05, zero=-20)], label="all"))
    return cases


def quantized_differences() -> list[Case]:
    cases = []
    for q, (a, b, o) in enumerate([*QUANTIZATIONS[:3], ((0.2, -3), (0.1, 100), (0.9, -128))]):
        for left, right in SHAPES[2:8]:
            inputs = [x(*left, dtype="int8", scale=a[0], zero=a[1]), x(*right, dtype="int8", scale=b[0], zero=b[1])]
            cases.append(Case("SQUARED_DIFFERENCE", inputs, [out("int8", scale=o[0], zero=o[1])], label=f"{q}"))
    return cases


def squared_difference16(a: float, b: float, o: float) -> Callable[[list[Array]], list[Array]]:
    """Inputs are brought to half of their full range, subtracted, squared and brought to the output's scale."""

    def expected(arrays: list[Array]) -> list[Array]:
        one, two, three = (float(np.float32(scale)) for scale in (a, b, o))
        common = 2 * max(one, two)
        left, right = (
            np.vectorize(lambda v, s=scale: rescaled(int(v), s / common), otypes=[np.int64])(values)
            for values, scale in zip(arrays, (one, two), strict=True)
        )
        result = np.vectorize(lambda v: rescaled(int(v), common * common / three), otypes=[np.int64])(
            (left - right) ** 2
        )
        return [np.clip(result, -32768, 32767).astype(np.int16)]

    return expected


def differences16() -> list[Case]:
    why = "TFLite has none of int16: as in TFLite for microcontrollers"
    cases = []
    for a, b, o in [(2e-5, 1e-6, 2e-5), (1e-4, 1e-4, 3e-5), (1e-3, 3.1e-3, 2e-4), (1.0, 0.5, 9e5), (1e-7, 1e-7, 10.0)]:
        for left, right in SHAPES:
            given = [x(*left, dtype="int16", scale=a), x(*right, dtype="int16", scale=b)]
            how: dict[str, Any] = dict(expected=squared_difference16(a, b, o), why=why, label=f"{a:g}_{b:g}_{o:g}")
            cases.append(Case("SQUARED_DIFFERENCE", given, [out("int16", scale=o)], **how))
    extremes = [fed([-32768, 32767, -32768], "int16", scale=0.1), fed([32767, -32768, -32768], "int16", scale=0.1)]
    how = dict(expected=squared_difference16(0.1, 0.1, 0.3), why=why, label="extremes")
    return [*cases, Case("SQUARED_DIFFERENCE", extremes, [out("int16", scale=0.3)], **how)]


def one_side(dtype: str, sign: int, smallest: int, zero: int, scale: float) -> dict[str, object]:
    """Numbers of one sign, from `smallest` to the largest of the dtype, around its middle."""
    middle, largest = (128 if dtype == "uint8" else 0), (32767 if dtype == "int16" else 127)
    low, high = sorted((middle + sign * smallest, middle + sign * largest))
    return {"dtype": dtype, "scale": scale, "zero": middle + zero, "low": low, "high": high}


def quantized_quotients() -> list[Case]:
    """Dividends are large: TFLite shifts by more than 31 bits, which is undefined, where the quotient is nearly 0."""
    cases = []
    for dtype, middle in (("int8", 0), ("uint8", 128), ("int16", 0)):
        for q, (a, b, o) in enumerate([(0.1, 0.1, 0.1), (0.03, 0.2, 0.01), (0.5, 0.011, 0.9)]):
            for zero in (0,) if dtype == "int16" else (0, 9, -20):
                for signs in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
                    left = one_side(dtype, signs[0], 16000 if dtype == "int16" else 63, zero, a)
                    right = one_side(dtype, signs[1], 1, 0, b)
                    result = out(dtype, scale=o, zero=middle - zero)
                    label = f"{q}-{zero}-{signs}"
                    for shape in ((20, 30), (1, 30)):
                        cases.append(Case("DIV", [x(20, 30, **left), x(*shape, **right)], [result], label=label))
                    options = {"fused_activation_function": "RELU6"}
                    cases.append(Case("DIV", [x(90, **left), x(90, **right)], [result], options, label=label))

    def nearly_zero(_: object) -> list[np.ndarray]:
        return [np.array([9, 9, 9, 9], np.int8)]

    left, right = fed([0, 1, -2, 1], "int8", scale=0.01), fed([100, 102, 69, -32], "int8", scale=1.0)
    why = "TFLite's answer is undefined"
    cases.append(Case("DIV", [left, right], [out("int8", scale=0.1, zero=9)], expected=nearly_zero, why=why))
    return cases


def int16() -> list[Case]:
    def case(kind: str, scales: tuple[float, float, float], shapes: tuple, **options: object) -> Case:
        inputs = [x(*shape, dtype="int16", scale=scale) for shape, scale in zip(shapes, scales[:2], strict=True)]
        return Case(kind, inputs, [out("int16", scale=scales[2])], options, label=f"{scales}-{list(options.values())}")

    same = ((40, 50), (40, 50))
    cases = []
    for kind in ("ADD", "SUB"):
        for shapes in (same, *FEW):
            cases += [
                case(kind, s, shapes, pot_scale_int16=False) for s in ((0.001, 0.002, 0.003), (2**-9, 2**-9, 2**-9))
            ]
            cases += [case(kind, (0.001, 0.0003, 0.0007), shapes, pot_scale_int16=True)]
        for scales in ((2**-11, 2**-11, 2**-11), (2**-15, 2**-11, 2**-11), (2**-11, 2**-14, 2**-11)):
            for activation in ACTIVATIONS:
                cases.append(case(kind, scales, same, fused_activation_function=activation, pot_scale_int16=True))
    for shapes in (same, *FEW):
        for activation in ACTIVATIONS:
            cases.append(case("MUL", (0.001, 0.002, 0.003), shapes, fused_activation_function=activation))
    return cases


def larger_or_smaller() -> list[Case]:
    cases = []
    for kind in ("MAXIMUM", "MINIMUM"):
        for dtype in ("int8", "uint8", "int16"):
            for a, b in SHAPES:
                inputs = [x(*a, dtype=dtype, scale=0.1), x(*b, dtype=dtype, scale=0.1)]
                cases.append(Case(kind, inputs, [out(dtype, scale=0.1)]))
    return cases


def refused() -> list[Case]:
    byte = x(3, dtype="int8", scale=0.1)
    result = [out("int8", scale=0.1)]
    zero_is_5 = const([1, 5, 3], "int8", scale=0.1, zero=5)
    nothing: list[Out] = [out()]
    return [
        Case("ADD", [x(2, 3), x(4)], nothing, error="broadcast"),
        Case("ADD", [x(2, 3), x(3, 3)], nothing, error="broadcast"),
        Case("ADD", [x(3), x(3, dtype="int32")], nothing, error="inputs are float32 and int32"),
        Case("ADD", [x(3), x(3)], [out("int32")], error="output is int32"),
        Case("ADD", [x(3)], nothing, error="ADD"),
        Case("ADD", [x(3), None], nothing, error="ADD"),
        Case("ADD", [x(3), x(3)], nothing, {"fused_activation_function": "TANH"}, error="TANH"),
        Case("ADD", [x(3), x(3)], nothing, {"fused_activation_function": 77}, error="77"),
        Case("ADD", [byte, x(3, dtype="int8")], result, error="quantiz|scale"),
        Case("ADD", [x(3, dtype="bool"), x(3, dtype="bool")], [out("bool")], error="ADD of bool"),
        Case("SUB", [byte, x(3, dtype="int8", scale=0.0)], result, error="scale"),
        Case("MUL", [byte, byte], [out("int8", scale=1e-30)], error="multiplier|scale"),
        Case("MUL", [x(3, dtype="int16", scale=1, zero=2)] * 2, [out("int16", scale=1)], error="zero points of 0"),
        Case("DIV", [byte, zero_is_5], result, error="division by zero: element 1"),
        Case(
            "DIV", [x(3, dtype="int32"), fed([1, 2, 0], "int32")], [out("int32")], error="division by zero: element 2"
        ),
        Case("DIV", [x(3, dtype="int64"), x(3, dtype="int64")], [out("int64")], error="DIV of int64"),
        Case("FLOOR_DIV", [x(3), fed([0, 1, 2])], nothing, error="division by zero: element 0"),
        Case("SQUARED_DIFFERENCE", [x(3, dtype="uint8")] * 2, [out("uint8")], error="of uint8"),
        Case(
            "SQUARED_DIFFERENCE",
            [x(3, dtype="int16", scale=1, zero=2)] * 2,
            [out("int16", scale=1)],
            error="zero points of 0",
        ),
    ]


CASES = (
    plain()
    + extremes()
    + quantized()
    + quantized_differences()
    + differences16()[::3]
    + quantized_quotients()
    + int16()
    + larger_or_smaller()
    + refused()
)
MORE = differences16()
