"""float16 and bfloat16 in every op that computes with them."""

import numpy as np

from op_cases import Case, fed, out, x
from op_shapes import broadcast_pairs, shapes

NAN, INF = float("nan"), float("inf")
HALF_STEP = 2.0**-10  # float16 has eleven bits

BOTH = ["float16", "bfloat16"]
BINARY = {
    "ADD": ["float16"],
    "MUL": ["float16"],
    "MAXIMUM": BOTH,
    "MINIMUM": BOTH,
}
COMPARISONS = {
    "EQUAL": ["float16"],
    "NOT_EQUAL": ["float16"],
    "LESS": BOTH,
    "LESS_EQUAL": ["float16"],
    "GREATER": BOTH,
    "GREATER_EQUAL": ["float16"],
}
UNARY = {
    "NEG": BOTH,
    "FLOOR": BOTH,
    "ROUND": BOTH,
    "SIN": ["float16"],
    "COS": ["float16"],
    "LOGISTIC": BOTH,
    "TANH": BOTH,
    "GELU": ["float16"],
}
NOT_IN_REF = ("ROUND",)
ROUGH = {"GELU": 4 * HALF_STEP}  # TFLite rounds after each step
ACTIVATIONS = ["RELU", "RELU6", "RELU_N1_TO_1"]
SPECIAL = np.meshgrid([0.0, -0.0, 1.0, INF, -INF, NAN, 1e-7, 65504.0], [0.0, -0.0, 1.0, INF, -INF, NAN, -6e-8, 65504.0])
SPECIAL_ALONE = [0.0, -0.0, 0.5, -0.5, 1.5, 2.5, -2.5, 6e-8, 65504.0, -65504.0, INF, -INF, 11.25, -9.5, 17.0]
CAST_DTYPES = ["float32", "float16", "float64", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "bool"]


def binary() -> list[Case]:
    cases = []
    for kind, dtypes in BINARY.items():
        for dtype in dtypes:
            for i, (a, b) in enumerate(broadcast_pairs(14, 141)):
                cases.append(Case(kind, [x(*a, dtype=dtype), x(*b, dtype=dtype)], [out(dtype)], seed=i))
            cases.append(Case(kind, [fed(v, dtype) for v in SPECIAL], [out(dtype)], label="special"))
    for kind in ("ADD", "MUL"):
        for activation in ACTIVATIONS:
            inputs = [x(4, 6, dtype="float16"), x(6, dtype="float16")]
            cases.append(Case(kind, inputs, [out("float16")], {"fused_activation_function": activation}))
    return cases


def comparisons() -> list[Case]:
    cases = []
    for kind, dtypes in COMPARISONS.items():
        for dtype in dtypes:
            for i, (a, b) in enumerate(broadcast_pairs(8, 151)):
                inputs = [fed(np.round(x(*shape).values(i + place)), dtype) for place, shape in enumerate((a, b))]
                cases.append(Case(kind, inputs, [out("bool")], seed=i))
            cases.append(Case(kind, [fed(v, dtype) for v in SPECIAL], [out("bool")], label="special"))
    return cases


def unary() -> list[Case]:
    cases = []
    for kind, dtypes in UNARY.items():
        more = {"tolerance": ROUGH.get(kind, 1e-5)}
        if kind in NOT_IN_REF:
            more |= {"resolver": "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "why": f"BUILTIN_REF has no {kind}"}
        for dtype in dtypes:
            for i, shape in enumerate(shapes(10, 161)):
                source = x(*shape, dtype=dtype, low=-3, high=4)
                cases.append(Case(kind, [source], [out(dtype)], seed=i, **more))
            if kind not in ("SIN", "COS"):
                cases.append(Case(kind, [fed(SPECIAL_ALONE, dtype)], [out(dtype)], label="special", **more))
    gelu = {"approximate": True}
    cases += [
        Case("GELU", [x(*shape, dtype="float16", low=-3, high=4)], [out("float16")], gelu, tolerance=ROUGH["GELU"])
        for shape in shapes(6, 171)
    ]
    return cases


def casts() -> list[Case]:
    cases = []
    for dtype in CAST_DTYPES:
        low, high = (0, 1) if dtype == "bool" else (0, 100) if dtype.startswith("u") else (-100, 100)
        bounds = {} if dtype == "bool" else {"low": low, "high": high}
        for shape in shapes(3, 181):
            cases.append(Case("CAST", [x(*shape, dtype=dtype, **bounds)], [out("bfloat16")]))
            cases.append(Case("CAST", [x(*shape, dtype="bfloat16", low=low, high=high)], [out(dtype)]))
    cases.append(Case("CAST", [fed([1, 1 + 2**-8, 1 + 3 * 2**-8, INF, -INF, 1e-40, 3.4e38])], [out("bfloat16")]))
    cases.append(Case("CAST", [fed([1.5, -2.5, INF, -INF, 300.0], "bfloat16")], [out("int8")], label="saturates"))
    cases.append(Case("CAST", [x(3, 4, dtype="complex64")], [out("bfloat16")]))
    return cases


def softmax() -> list[Case]:
    return [
        Case("SOFTMAX", [x(*shape, dtype="float16")], [out("float16")], {"beta": beta}, tolerance=2e-3)
        for shape in ((1, 10), (3, 100), (2, 3, 5, 7), (7,), (4, 1))
        for beta in (1.0, 0.25, 3.0)
    ]


def refused() -> list[Case]:
    kinds = [("SUB", 2), ("DIV", 2), ("SQUARE", 1), ("CEIL", 1), ("EXP", 1), ("ABS", 1), ("POW", 2), ("FLOOR_MOD", 2)]
    return [
        Case(kind, [x(3, dtype=dtype)] * count, [out(dtype)], error=f"{kind} of {dtype}")
        for kind, count in kinds
        for dtype in ("float16", "bfloat16")
    ]


CASES = [*binary(), *comparisons(), *unary(), *casts(), *softmax(), *refused()]
