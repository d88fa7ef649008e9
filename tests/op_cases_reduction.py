"""MEAN, SUM, REDUCE_*, ARG_MAX and ARG_MIN."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from op_cases import Array, Case, In, Shape, const, fed, out, x

NAN, INF = float("nan"), float("inf")


def reduce(kind: str, shape: Shape, axes: object, dtype: str = "float32", **more: Any) -> Case:
    options = {"keep_dims": more.pop("keep", False)}
    scale, zero = more.pop("scale", ()), more.pop("zero", 0)
    result = out(dtype, scale=more.pop("out_scale", scale), zero=more.pop("out_zero", zero))
    source = In(shape=shape, dtype=dtype, scale=scale, zero=zero, value=more.pop("value", None))
    make = fed if more.pop("fed", False) else const
    axis = make(axes, more.pop("index", "int32"))
    quantized = f"_{source.scale}_{source.zero}_to_{result.scale}_{result.zero}" if source.scale else ""
    label = f"axes{axes}{'_keep' if options['keep_dims'] else ''}{quantized}".replace(" ", "")
    return Case(kind, [source, axis], [result], options, label=label + more.pop("label", ""), **more)


def rescaled(value: int, factor: float) -> int:
    """value * factor in fixed point, rounded at bit 31 and again at the shift, ties away from zero."""
    fraction, shift = math.frexp(factor)
    high = (value * 2 ** max(shift, 0) * round(fraction * 2**31) + 2**30) >> 31
    right = max(-shift, 0)
    return int(math.copysign((abs(high) + (1 << right >> 1)) >> right, high))


def requantized_sum(case: Case) -> Callable[[list[Array]], list[Array]]:
    def expected(arrays: list[Array]) -> list[Array]:
        source, result = case.inputs[0], case.outputs[0]
        assert source is not None
        sums = (arrays[0].astype(np.int64) - source.zero).sum(axis=tuple(np.atleast_1d(arrays[1])))
        factor = float(np.float32(source.scale)) / float(np.float32(result.scale))
        values = [rescaled(int(value), factor) + int(result.zero) for value in sums]
        limits = np.iinfo(result.dtype)
        return [np.clip(values, limits.min, limits.max).astype(result.dtype)]

    return expected


def quantized_sum(shape: Shape, axes: object, dtype: str, **more: Any) -> Case:
    case = reduce("SUM", shape, axes, dtype, **more)
    why = "BUILTIN_REF reads every quantized type as uint8 in SUM"
    known: dict[str, Any] = {"resolver": "BUILTIN_WITHOUT_DEFAULT_DELEGATES"}
    if dtype == "int16":
        why += ", and TFLite's other kernel rescales in floats: of large sums some are a step away"
        known = {"expected": requantized_sum(case)}
    return Case(case.kind, case.inputs, case.outputs, case.options, why=why, label=case.label, **known)


def arg(kind: str, shape: Shape, axis: int, dtype: str = "float32", result: str = "int32", **more: Any) -> Case:
    source = In(
        shape=shape, dtype=dtype, value=more.pop("value", None), low=more.pop("low", None), high=more.pop("high", None)
    )
    make = fed if more.pop("fed", False) else const
    position = make(axis, more.pop("index", "int32"))
    options = {"output_type": more.pop("output_type", result.upper())}
    label = f"axis{axis}_{result}" + more.pop("label", "")
    return Case(kind, [source, position], [out(result)], options, label=label, **more)


AXES: list[tuple[Shape, Sequence[int]]] = [
    ((5,), (0,)),
    ((3, 4), (0,)),
    ((3, 4), (1,)),
    ((3, 4), (0, 1)),
    ((3, 4), (-1,)),
    ((3, 4), (1, 1, -1)),
    ((2, 3, 4), (1,)),
    ((2, 3, 4), (0, 2)),
    ((2, 3, 4), (2, 0, 1)),
    ((2, 5, 6, 3), (1, 2)),
    ((2, 5, 6, 3), (2, 1)),
    ((2, 5, 6, 3), (1,)),
    ((2, 5, 6, 3), (0, 3)),
    ((2, 5, 6, 3), (1, 3)),
    ((2, 1, 6, 1), (1, 2)),
    ((2, 3, 2, 3, 2), (1, 3)),
    ((2, 3, 2, 3, 2, 2), (0, 2, 4)),
    ((1, 9, 9, 300), (1, 2)),
    ((40, 300), (0,)),
]
KINDS = ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD")

FLOATS = [
    *(reduce(kind, shape, axes, keep=keep) for kind in KINDS for shape, axes in AXES for keep in (False, True)),
    *(reduce(kind, (3, 4), 1) for kind in KINDS),
    *(reduce(kind, (), 0) for kind in KINDS),
    *(reduce(kind, (3, 4), (0,), fed=True) for kind in KINDS),
    *(reduce(kind, (3, 0), (1,)) for kind in KINDS),
    *(reduce(kind, (0, 3), (1,)) for kind in KINDS),
    reduce("REDUCE_MAX", (2, 3), (1,), value=[[-INF, -INF, -INF], [NAN, 1, NAN]], label="_extremes"),
    reduce("REDUCE_MIN", (2, 3), (1,), value=[[INF, INF, INF], [NAN, 1, NAN]], label="_extremes"),
    reduce("REDUCE_MAX", (3,), (0,), value=[-INF, -INF, -INF], label="_infinite"),
    reduce("REDUCE_MIN", (3,), (0,), value=[NAN, -INF, 2], label="_not_a_number"),
]

INTEGERS = [
    *(reduce(kind, (2, 5, 6, 3), (1, 2), dtype) for kind in KINDS for dtype in ("int32", "int64")),
    *(reduce(kind, (2, 70), (1,), dtype) for kind in KINDS for dtype in ("int32", "int64")),
    reduce("SUM", (3,), (0,), "int32", value=[2**31 - 1, 2**31 - 1, 7], label="_wraps"),
    reduce("REDUCE_PROD", (2, 3), (1,), "int32", value=[[2**30, 7, 3], [-(2**20), 2**20, 3]], label="_wraps"),
    reduce("MEAN", (3,), (0,), "int32", value=[2**31 - 1, 2**31 - 1, 2**31 - 2], label="_wide"),
    reduce("MEAN", (2, 3), (1,), "int32", value=[[-1, -1, -3], [1, 1, 3]], label="_towards_zero"),
    *(reduce(kind, (2, 7), (1,), dtype) for kind in KINDS[2:] for dtype in ("int8", "uint8", "int16")),
    *(reduce(kind, (2, 3, 4), (1,), "bool") for kind in ("REDUCE_ANY", "REDUCE_ALL", *KINDS[1:])),
    *(
        reduce(kind, (3, 40), axes, "bool", keep=True)
        for kind in ("REDUCE_ANY", "REDUCE_ALL")
        for axes in ((1,), (0, 1))
    ),
    *(reduce(kind, (3, 0), (1,), "bool") for kind in ("REDUCE_ANY", "REDUCE_ALL")),
    *(reduce(kind, (3, 0), (1,), "int32") for kind in ("SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD")),
]

SCALES = [
    {"scale": 0.1, "zero": 3},
    {"scale": 0.1, "zero": 0, "out_scale": 0.1, "out_zero": 9},
    {"scale": 0.1, "zero": 17, "out_scale": 0.05, "out_zero": 4},
    {"scale": 0.0123, "zero": 100, "out_scale": 0.0456, "out_zero": 127},
    {"scale": 0.5, "zero": 1, "out_scale": 0.001, "out_zero": 50},
    {"scale": 0.001, "zero": 127, "out_scale": 0.7, "out_zero": 60},
    {"scale": 1e-6, "zero": 0, "out_scale": 1e4, "out_zero": 0},
]
MEANS: list[tuple[Shape, Sequence[int]]] = [
    ((2, 7, 7, 5), (1, 2)),
    ((1, 16, 16, 3), (1, 2)),
    ((3, 50), (1,)),
    ((3, 50), (0,)),
    ((2, 3, 4), (0, 1, 2)),
    ((2, 3, 4), (1,)),
    ((1, 1, 1, 8), (1, 2)),
]

QUANTIZED = [
    *(
        reduce("MEAN", shape, axes, dtype, keep=keep, seed=seed, **scales)
        for shape, axes in MEANS
        for seed, scales in enumerate(SCALES)
        for dtype in ("int8", "uint8")
        for keep in (False, True)
    ),
    *(reduce("MEAN", shape, axes, "int16", scale=0.1, out_scale=s) for shape, axes in MEANS for s in (0.1, 0.033, 2.0)),
    reduce("MEAN", (1, 7, 7, 5), (1, 2), "int8", scale=0.1, zero=-128, out_scale=0.09, out_zero=-128),
    reduce("MEAN", (3, 0), (1,), "int8", scale=0.1, zero=5),
    reduce("MEAN", (3, 4), (1,), "int8", scale=0.1, zero=5, fed=True),
    *(reduce("SUM", shape, axes, "uint8", seed=seed, **s) for shape, axes in MEANS for seed, s in enumerate(SCALES)),
    quantized_sum((5, 4), (0,), "int8", scale=0.1, zero=-20, out_scale=0.5, out_zero=7),
    quantized_sum((3, 50), (1,), "int8", scale=0.11, zero=90, out_scale=1.7, out_zero=-100),
    quantized_sum((3, 50), (0,), "int8", scale=0.1, zero=-128, out_scale=0.1, out_zero=-128),
    quantized_sum((3, 50), (0,), "int16", scale=0.1, out_scale=0.21),
    *(
        reduce(k, (2, 3, 4), (1,), d, scale=0.1, zero=7)
        for k in ("REDUCE_MAX", "REDUCE_MIN")
        for d in ("int8", "uint8")
    ),
    reduce("REDUCE_MAX", (2, 3, 4), (1,), "int16", scale=0.1),
    *(
        reduce(
            "REDUCE_PROD", (4, 3, 5), axes, "int8", seed=seed, keep=True, scale=0.02, zero=z, out_scale=s, out_zero=4
        )
        for axes in ((1,), (0, 2), (0, 1, 2), ())
        for seed, (z, s) in enumerate([(3, 0.1), (-128, 0.7), (0, 0.001)])
    ),
    reduce("REDUCE_PROD", (4, 3), (1,), "int16", scale=0.001, out_scale=0.01),
]

ARGS = [
    *(
        arg(kind, shape, axis, dtype, result)
        for kind in ("ARG_MAX", "ARG_MIN")
        for shape, axis in [((9,), 0), ((3, 4), 0), ((3, 4), 1), ((2, 300, 3), 1), ((2, 3, 200), -1), ((3, 1, 400), 0)]
        for dtype in ("float32", "int8", "uint8", "int32")
        for result in ("int32", "int64")
    ),
    *(arg(kind, (3, 40), 1, "int32", low=0, high=3, label="_ties") for kind in ("ARG_MAX", "ARG_MIN")),
    *(arg(kind, (40, 3), 0, "int8", low=0, high=3, label="_ties") for kind in ("ARG_MAX", "ARG_MIN")),
    *(arg(kind, (3, 40), axis, "bool") for kind in ("ARG_MAX", "ARG_MIN") for axis in (0, 1)),
    *(arg(kind, (2, 3), 0, index="int64") for kind in ("ARG_MAX", "ARG_MIN")),
    *(arg(kind, (2, 3), 1, fed=True) for kind in ("ARG_MAX", "ARG_MIN")),
    *(
        arg(kind, (3, 2), 0, value=[[NAN, 1], [2, NAN], [1, NAN]], label="_not_a_number")
        for kind in ("ARG_MAX", "ARG_MIN")
    ),
    arg("ARG_MAX", (2, 0, 3), 0),
]

HOSTILE = [
    reduce("MEAN", (3, 4), (2,), error="axis 2 is outside rank 2"),
    reduce("SUM", (3, 4), (-3,), error="axis -3 is outside rank 2"),
    reduce("SUM", (3, 4), (1.0,), index="float32", error="float32"),
    reduce("MEAN", (3, 4), (1,), "bool", error="MEAN of bool"),
    reduce("MEAN", (3, 4), (1,), "int8", error="no quantization scale"),
    reduce("MEAN", (3, 4), (1,), "int8", scale=0.1, out_scale=NAN, error="scale nan"),
    reduce("MEAN", (3, 4), (1,), "int8", scale=INF, out_scale=0.1, error="scale inf"),
    reduce("MEAN", (3, 4), (1,), "int8", scale=1e30, out_scale=1e-30, error="too large"),
    reduce("MEAN", (3, 4), (1,), "int8", scale=-1.0, out_scale=1.0, error="scale -1"),
    reduce("MEAN", (3, 4), (1,), "int8", scale=1.0, zero=200, error="zero point 200"),
    reduce("MEAN", (3, 4), (1,), "int16", scale=1.0, zero=2, error="int16 with a zero point"),
    reduce("REDUCE_MAX", (3, 4), (1,), "int8", scale=1.0, out_scale=2.0, error="differ in scale"),
    reduce("REDUCE_PROD", (3, 4), (1,), "uint8", scale=1.0, error="quantized uint8"),
    reduce("REDUCE_PROD", (3, 4), (1,), "int8", scale=1e30, out_scale=1e-30, error="too large"),
    reduce("REDUCE_ANY", (3, 4), (1,), "int32", error="REDUCE_ANY of int32"),
    Case("SUM", [x(3, 4), const(1)], [out("int32")], error="output is int32"),
    Case("SUM", [x(3, 4), const(1), const(1)], [out()], error="has 3 inputs"),
    arg("ARG_MAX", (3, 4), 2, error="axis 2 is outside rank 2"),
    arg("ARG_MAX", (), 0, error="axis 0 is outside rank 0"),
    arg("ARG_MAX", (3, 0), 1, error="is empty"),
    arg("ARG_MAX", (3, 4), 1, output_type="INT64", error="output_type"),
    arg("ARG_MAX", (3, 4), 1, result="float32", error="positions as float32"),
    Case("ARG_MAX", [x(3, 4), const((0, 1))], [out("int32")], {"output_type": "INT32"}, error="one number"),
]

CASES = [*FLOATS, *INTEGERS, *QUANTIZED, *ARGS, *HOSTILE]
