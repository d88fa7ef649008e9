"""WHERE, UNIQUE, TOPK_V2 and BUCKETIZE."""

import numpy as np

from op_cases import Array, Case, In, const, fed, out, x
from op_shapes import shapes

NAN, INF = float("nan"), float("inf")


def whole(*shape: int, dtype: str, seed: int, constant: bool = False) -> In:
    """Few different numbers, also of floats."""
    rng = np.random.default_rng(seed)
    low = 0 if dtype.startswith("u") or dtype == "bool" else -2
    return In(shape=shape, dtype=dtype, value=rng.integers(low, 2, shape, endpoint=dtype != "bool"), constant=constant)


def wheres() -> list[Case]:
    cases = []
    for dtype in ("bool", "float32", "int8", "uint8", "int32", "uint32", "int64"):
        for i, shape in enumerate(shapes(14, 111, ranks=(1, 5))):
            source = whole(*shape, dtype=dtype, seed=i, constant=i % 5 == 0)
            cases.append(Case("WHERE", [source], [out("int64")], seed=i))
    scalar = {"expected": lambda _: [np.zeros((1, 0), np.int64)], "why": "TFLite refuses a scalar, TensorFlow does not"}
    cases.append(Case("WHERE", [fed(True, "bool")], [out("int64")], **scalar))
    cases.append(Case("WHERE", [fed([0.0, -0.0, NAN, INF, 1e-45])], [out("int64")], label="special"))
    cases.append(Case("WHERE", [x(40, 50, dtype="bool")], [out("int64")], runs=3))
    odd = In(dtype="bool", shape=(4,), value=np.array([0, 1, 2, 255], np.uint8).view(bool), constant=True)
    why = "only 0 and 1 are bools in TFLite, but a file may hold any byte"
    known = {"expected": lambda _: [np.array([[1], [2], [3]])], "why": why}
    return [*cases, Case("WHERE", [odd], [out("int64")], label="odd_bytes", **known)]


def uniques() -> list[Case]:
    cases = [
        Case(
            "UNIQUE",
            [whole(size, dtype=dtype, seed=size, constant=size % 5 == 1)],
            [out(dtype), out(index)],
            {"idx_out_type": index.upper()},
        )
        for dtype in ("float32", "int8", "uint8", "int16", "int32", "int64")
        for index in ("int32", "int64")
        for size in (1, 2, 5, 40, 300)
    ]
    options = {"idx_out_type": "INT32"}
    results = [out(), out("int32")]
    cases.append(Case("UNIQUE", [x(400)], results, options, label="all_differ", runs=3))
    cases.append(Case("UNIQUE", [fed([0.0, -0.0, INF, -INF, INF, 0.0])], results, options, label="special"))
    cases.append(Case("UNIQUE", [x(0)], results, options))

    def apart(arrays: list[Array]) -> list[Array]:
        return [np.array([NAN, 1, NAN], np.float32), np.array([0, 1, 2, 1], np.int32)]

    why = "TFLite's map mixes NaN up with other numbers; NaNs differ from everything, as in TensorFlow"
    return [*cases, Case("UNIQUE", [fed([NAN, 1, NAN, 1])], results, options, expected=apart, why=why)]


def tops() -> list[Case]:
    cases = []
    for dtype in ("float32", "int8", "uint8", "int16", "int32", "int64"):
        for i, shape in enumerate(shapes(14, 121, ranks=(1, 4), largest=9)):
            k = i % (shape[-1] + 1)
            source = x(*shape, dtype=dtype) if i % 2 else whole(*shape, dtype=dtype, seed=i)
            index, result = ("int16", "int32")[i % 2], ("int32", "int16")[i // 2 % 2]
            count = (fed if i % 4 == 3 and k > 0 and 0 not in shape else const)(k, index)
            cases.append(Case("TOPK_V2", [source, count], [out(dtype), out(result)], seed=i, label=f"k{k}"))
    both = [out(), out("int32")]
    cases += [Case("TOPK_V2", [x(30, 1000), const(k)], both, label=f"threads{k}") for k in (1, 5, 400, 1000)]
    cases.append(Case("TOPK_V2", [fed([1, INF, -INF, 0.0, -0.0, INF]), const(6)], both, label="special"))
    cases.append(Case("TOPK_V2", [x(3, 5), const(-2)], both, label="negative_k"))
    return [*cases, Case("TOPK_V2", [fed([NAN, 2, NAN, 5]), const(3)], both, label="not_numbers")]


def buckets() -> list[Case]:
    limits = [[], [0.0], [-1.5, 0.0, 0.0, 7.25, 30.0], list(np.linspace(-90, 90, 41))]
    cases = [
        Case("BUCKETIZE", [x(*shape, dtype=dtype)], [out("int32")], {"boundaries": bounds}, seed=i)
        for dtype in ("float32", "float64", "int32", "int64")
        for bounds in limits
        for i, shape in enumerate(shapes(4, 131))
    ]
    special = fed([NAN, INF, -INF, 0.0, -0.0, 7.25])
    cases.append(Case("BUCKETIZE", [special], [out("int32")], {"boundaries": limits[2]}, label="special"))
    return cases


def refused() -> list[Case]:
    pair = [out(), out("int32")]
    indices = {"idx_out_type": "INT32"}
    return [
        Case("WHERE", [x(3, dtype="int16")], [out("int64")], error="WHERE of int16"),
        Case("WHERE", [x(3)], [out("int32")], error="output is int32, not int64"),
        Case("WHERE", [x(3), x(3)], [out("int64")], error="has 2 inputs"),
        Case("UNIQUE", [x(3, 2)], pair, indices, error="must be a vector"),
        Case("UNIQUE", [x(3, dtype="bool")], [out("bool"), out("int32")], indices, error="UNIQUE of bool"),
        Case("UNIQUE", [x(3)], [out(), out("int16")], indices, error="UNIQUE of int16"),
        Case("UNIQUE", [x(3)], [out("int32"), out("int32")], indices, error="output is int32"),
        Case("UNIQUE", [x(3)], [out()], indices, error="has 1 outputs"),
        Case("TOPK_V2", [x(3), const(4)], pair, error="k is 4, but rows have 3 elements"),
        Case("TOPK_V2", [x(3), fed(2**31 - 1, "int32")], pair, error="k is 2147483647"),
        Case("TOPK_V2", [x(), const(1)], pair, error="input is a scalar"),
        Case("TOPK_V2", [x(3), const([1, 2])], pair, error="k must be one number"),
        Case("TOPK_V2", [x(3), const(1.0, "float32")], pair, error="it must be int32"),
        Case("TOPK_V2", [x(3), const(1)], [out(), out("int8")], error="TOPK_V2 of int8"),
        Case("TOPK_V2", [x(3), const(1)], [out("int32"), out("int32")], error="output is int32"),
        Case("TOPK_V2", [x(3, dtype="bool"), const(1)], [out("bool"), out("int32")], error="TOPK_V2 of bool"),
        Case("TOPK_V2", [x(40000), const(1)], [out(), out("int16")], error="no indices of int16"),
        Case("BUCKETIZE", [x(3)], [out("int32")], {"boundaries": [2.0, 1.0]}, error="not in ascending order"),
        Case("BUCKETIZE", [x(3, dtype="int8")], [out("int32")], {"boundaries": [2.0]}, error="BUCKETIZE of int8"),
        Case("BUCKETIZE", [x(3)], [out()], {"boundaries": [2.0]}, error="output is float32, not int32"),
    ]


CASES = [*wheres(), *uniques(), *tops(), *buckets(), *refused()]
