"""LOG_SOFTMAX."""

from __future__ import annotations

from typing import Any

import numpy as np

from op_cases import Array, Case, In, Out, fed, out, x

SHAPES = ((1, 10), (3, 1001), (2, 3, 5, 7), (7,), (4, 1), (0, 3), (3, 0))
SCALES = (0.0039, 0.05, 0.1, 0.37, 1.0, 3.0, 16.0)
ZEROS = {"int8": 127, "uint8": 255}  # of the output


def result(dtype: str) -> Out:
    return out(dtype, scale=1 / 16, zero=ZEROS[dtype])


def quantized(shape: tuple[int, ...], dtype: str, scale: float, zero: int = 3, **more: Any) -> Case:
    given = x(*shape, dtype=dtype, scale=scale, zero=zero)
    return Case("LOG_SOFTMAX", [given], [result(dtype)], label=f"{scale:g}", **more)


def exact(arrays: list[Array]) -> list[Array]:
    return [(arrays[0] - np.log(np.sum(np.exp(arrays[0]), axis=-1, keepdims=True))).astype(np.float32)]


def equal(count: int, dtype: str) -> Case:
    """A row of equal numbers, longer than the reference can add up."""
    given = fed(np.full((1, count), 7), dtype, scale=0.1)
    why = "the reference's sum overflows behind 4096 numbers"
    return Case("LOG_SOFTMAX", [given], [result(dtype)], resolver="BUILTIN_WITHOUT_DEFAULT_DELEGATES", why=why)


def refused(error: str, given: In, produced: Out) -> Case:
    return Case("LOG_SOFTMAX", [given], [produced], error=error, label=error)


BYTES: dict[str, Any] = dict(dtype="int8", scale=0.1)
REFUSED = [
    refused("scalar", x(), out()),
    refused("float32 with output int8", x(2, 3), result("int8")),
    refused("int8 with output uint8", x(2, 3, **BYTES), result("uint8")),
    refused("int16", x(2, 3, dtype="int16", scale=0.1), out("int16", scale=0.1)),
    refused("int32", x(2, 3, dtype="int32"), out("int32")),
    refused("scale 0.0078125", x(2, 3, **BYTES), out("int8", scale=1 / 128, zero=127)),
    refused("zero point 0", x(2, 3, **BYTES), out("int8", scale=1 / 16, zero=0)),
    refused("no quantization scale", x(2, 3, dtype="int8"), result("int8")),
    refused("must be positive", x(2, 3, dtype="int8", scale=float("nan")), result("int8")),
    Case("LOG_SOFTMAX", [x(2, 3), x(2, 3)], [out()], error="has 2 inputs"),
]

FLOATS = [
    *(Case("LOG_SOFTMAX", [x(*shape)], [out()]) for shape in SHAPES),
    Case("LOG_SOFTMAX", [fed([[1000.0, -1000.0, 999.0], [0.0, 0.0, 0.0]])], [out()], label="far"),
    Case("LOG_SOFTMAX", [fed([[-np.inf, 1.0], [np.nan, 1.0], [np.inf, 1.0]])], [out()], label="not_finite"),
    Case(
        "LOG_SOFTMAX",
        [x(2, 5)],
        [out()],
        expected=exact,
        why="the definition in double precision, beside the reference",
    ),
]
QUANTIZED = [
    quantized(shape, dtype, scale, seed=seed)
    for dtype in ("int8", "uint8")
    for seed, scale in enumerate(SCALES)
    for shape in SHAPES
]
EXTREMES = [
    *(Case("LOG_SOFTMAX", [fed([row], dtype, scale=scale)], [result(dtype)], label=f"{label}_{scale:g}")
      for dtype, low, high in (("int8", -128, 127), ("uint8", 0, 255))
      for label, row in (("equal", [9] * 300), ("one", [low] * 9 + [high]), ("last", [high] * 9 + [low]))
      for scale in (0.01, 0.1, 4.0, 30.0)),
    *(quantized((2, 3), "int8", scale) for scale in (1e-6, 1e3, 1e8)),
    *(equal(count, dtype) for count in (5000, 70000) for dtype in ("int8", "uint8")),
]  # fmt: skip

CASES = [*FLOATS, *QUANTIZED[::4], *EXTREMES[::3], *REFUSED]
MORE = [
    *(case for i, case in enumerate(QUANTIZED) if i % 4),
    *(case for i, case in enumerate(EXTREMES) if i % 3),
    *(quantized((4, 33), d, 10 ** (s / 10 - 3), seed=s) for s in range(40) for d in ZEROS),
]
