"""StableHLO's ops that are TFLite's under another name, and STABLEHLO_OR. LiteRT's resolver lacks them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from op_cases import Array, Case, In, out, x
from op_draws import Draw, drawn

WHY = "LiteRT has no kernel; what StableHLO says"
BITS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
FLOAT = ("float32",)
POSITIVE = (0.05, 9.0)


def single(kind: str, function: Callable[[Array], Array], dtypes: tuple[str, ...], low: Any, high: Any) -> list[Case]:
    """An op of one input."""

    def expected(arrays: list[Array]) -> list[Array]:
        with np.errstate(over="ignore"):
            return [function(arrays[0]).astype(arrays[0].dtype)]

    def any_of(draw: Draw) -> Case:
        dtype = draw.pick(dtypes)
        given = draw.operand(draw.shape(empty=0.12), dtype=dtype, low=low, high=high)
        return Case(kind, [given], [out(dtype)], expected=expected, why=WHY)

    return drawn(kind, any_of)


def pair(kind: str, function: Callable[..., Array], dtypes: tuple[str, ...], low: Any, high: Any) -> list[Case]:
    """An op of two inputs of one shape."""

    def expected(arrays: list[Array]) -> list[Array]:
        return [function(*arrays).astype(arrays[0].dtype)]

    def any_of(draw: Draw) -> Case:
        dtype, shape = draw.pick(dtypes), draw.shape(empty=0.12)
        bounds = {} if dtype == "bool" else limits(dtype, low, high)
        inputs = [draw.operand(shape, dtype=dtype, **bounds) for _ in range(2)]
        return Case(kind, inputs, [out(dtype)], expected=expected, why=WHY)

    return drawn(kind, any_of)


def limits(dtype: str, low: Any, high: Any) -> Mapping[str, Any]:
    if low is not None or dtype.startswith("float"):
        return {"low": low, "high": high}
    whole = np.iinfo(dtype)
    return {"low": int(whole.min), "high": int(whole.max)}


def convert(draw: Draw) -> Case:
    source, target = draw.pick(("float32", "int8", "int32", "int64", "bool")), draw.pick(("float32", "int32", "bool"))
    given = x(*draw.shape(empty=0.12), dtype=source)
    return Case("STABLEHLO_CONVERT", [given], [out(target)], expected=lambda a: [a[0].astype(target)], why=WHY)


def select(draw: Draw) -> Case:
    shape, dtype = draw.shape(empty=0.12), draw.pick(("float32", "int8", "int32", "bool"))
    chosen = In(shape=() if draw.chance(0.3) else shape, dtype="bool")
    inputs = [chosen, *(draw.operand(shape, dtype=dtype) for _ in range(2))]
    return Case("STABLEHLO_SELECT", inputs, [out(dtype, shape=shape)], expected=lambda a: [np.where(*a)], why=WHY)


def empty(kind: str, *inputs: In) -> Case:
    """Without an element."""
    return Case(kind, inputs, [out()], expected=lambda _: [np.zeros((2, 0), np.float32)], why=WHY, label="empty")


def refused() -> list[Case]:
    return [
        Case("STABLEHLO_SUBTRACT", [x(2), x(2, dtype="int32")], [out()], error="STABLEHLO_SUBTRACT"),
        Case("STABLEHLO_TANH", [x(2, dtype="int32")], [out("int32")], error="STABLEHLO_TANH"),
        Case("STABLEHLO_OR", [x(2), x(2)], [out()], error="STABLEHLO_OR of float32"),
        Case("STABLEHLO_OR", [x(2, dtype="int8"), x(3, dtype="int8")], [out("int8")], error="inputs have shapes"),
    ]


CASES = [
    *single("STABLEHLO_ABS", np.abs, ("float32", "int32"), -50, 50),
    *single("STABLEHLO_COSINE", np.cos, FLOAT, -50, 50),
    *single("STABLEHLO_EXPONENTIAL", np.exp, FLOAT, -20, 20),
    *single("STABLEHLO_FLOOR", np.floor, FLOAT, -50, 50),
    *single("STABLEHLO_LOG", np.log, FLOAT, *POSITIVE),
    *single("STABLEHLO_LOGISTIC", lambda a: 1 / (1 + np.exp(-a.astype(np.float64))), FLOAT, -8, 20),
    *single("STABLEHLO_NEGATE", np.negative, ("float32", "int32", "int64"), -50, 50),
    *single("STABLEHLO_RSQRT", lambda a: 1 / np.sqrt(a), FLOAT, *POSITIVE),
    *single("STABLEHLO_TANH", np.tanh, FLOAT, -5, 5),
    *pair("STABLEHLO_DIVIDE", np.divide, FLOAT, *POSITIVE),
    *pair("STABLEHLO_POWER", np.power, FLOAT, *POSITIVE),
    *pair("STABLEHLO_SUBTRACT", np.subtract, ("float32", "int32", "int64"), -50, 50),
    *pair("STABLEHLO_OR", np.bitwise_or, (*BITS, "bool"), None, None),
    *drawn("STABLEHLO_CONVERT", convert),
    *drawn("STABLEHLO_SELECT", select),
    empty("STABLEHLO_RSQRT", x(2, 0)),
    empty("STABLEHLO_SELECT", x(2, 0, dtype="bool"), x(2, 0), x(2, 0)),
    *refused(),
]
