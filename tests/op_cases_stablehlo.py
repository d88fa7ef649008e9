"""STABLEHLO_ADD, AND, MAXIMUM, MINIMUM, MULTIPLY and SHIFT_LEFT."""

import numpy as np

from op_cases import Case, fed, out, x

FLOATS = ("float32", "float64", "float16")
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
SHAPES = ((2, 3, 4), (), (1,), (0, 3), (5, 1, 2), (257,))
BUILTIN = "BUILTIN_WITHOUT_DEFAULT_DELEGATES"
NO_REFERENCE = "BUILTIN_REF does not have this op"
SPECIAL = [np.nan, 1, -0.0, 0.0, np.inf, -np.inf, np.nan, 65504]


def pair(kind, dtype, shape=(2, 3, 4), **more):
    bounds = {}
    if dtype in INTEGERS:
        limits = np.iinfo(dtype)
        bounds = {"low": int(limits.min), "high": int(limits.max)}
    return Case(kind, [x(*shape, dtype=dtype, **bounds), x(*shape, dtype=dtype, **bounds)], [out(dtype)], **more)


def special(kind, dtype):
    a, b = (np.array(values, dtype) for values in (SPECIAL, SPECIAL[::-1]))
    return Case(kind, [fed(a, dtype), fed(b, dtype)], [out(dtype)], label="special")


def shifted(dtype, shape, seed):
    bits = np.iinfo(dtype).bits
    limits = np.iinfo(dtype)
    given = [
        x(*shape, dtype=dtype, low=int(limits.min), high=int(limits.max)),
        x(*shape, dtype=dtype, low=0, high=bits - 1),
    ]
    more = {"resolver": BUILTIN, "why": NO_REFERENCE, "seed": seed}
    return Case("STABLEHLO_SHIFT_LEFT", given, [out(dtype)], **more)


ARITHMETIC = ("STABLEHLO_ADD", "STABLEHLO_MAXIMUM", "STABLEHLO_MINIMUM", "STABLEHLO_MULTIPLY")
AND = {"resolver": BUILTIN, "why": NO_REFERENCE}
TWO = np.array([[1, 2], [3, 4]], np.int32)

CASES = [
    *(pair(kind, dtype) for kind in ARITHMETIC for dtype in (*FLOATS, *INTEGERS, "bool")),
    *(pair("STABLEHLO_AND", dtype, **AND) for dtype in (*INTEGERS, "bool")),
    *(shifted(dtype, (3, 40), 0) for dtype in ("int8", "int16", "int32")),
    *(special(kind, dtype) for kind in ("STABLEHLO_MAXIMUM", "STABLEHLO_MINIMUM") for dtype in FLOATS),
    Case(
        "STABLEHLO_SHIFT_LEFT",
        [fed([1, 1, 1, -3], "int32"), fed([-1, 32, 100, 31], "int32")],
        [out("int32")],
        expected=lambda inputs: [np.array([0, 0, 0, -(2**31)], np.int32)],
        why="TFLite leaves shifts outside of the type's width to the processor; StableHLO says 0",
        label="outside",
    ),
    Case("STABLEHLO_ADD", [fed(TWO, "int32"), fed(TWO[0], "int32")], [out("int32")], error="inputs have shapes"),
    Case("STABLEHLO_ADD", [fed(TWO, "int32"), fed(TWO, "int64")], [out("int32")], error="cannot compute int32 from"),
    Case("STABLEHLO_ADD", [fed(TWO, "int32")] * 2, [out("float32")], error="cannot compute float32 from"),
    Case("STABLEHLO_AND", [fed(TWO, "float32")] * 2, [out("float32")], error="STABLEHLO_AND of float32|float32"),
    Case("STABLEHLO_SHIFT_LEFT", [fed(TWO, "int64")] * 2, [out("int64")], error="int64"),
    Case("STABLEHLO_MULTIPLY", [fed(TWO, "int32")], [out("int32")], error="input"),
]

MORE = [
    *(
        pair(kind, dtype, shape, seed=seed)
        for kind in ARITHMETIC
        for dtype in (*FLOATS, *INTEGERS, "bool")
        for seed, shape in enumerate(SHAPES, 1)
    ),
    *(
        pair("STABLEHLO_AND", dtype, shape, seed=seed, **AND)
        for dtype in (*INTEGERS, "bool")
        for seed, shape in enumerate(SHAPES, 1)
    ),
    *(shifted(dtype, shape, seed) for dtype in ("int8", "int16", "int32") for seed, shape in enumerate(SHAPES * 3, 1)),
]
