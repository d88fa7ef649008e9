"""L2_NORMALIZATION and LOCAL_RESPONSE_NORMALIZATION."""

from __future__ import annotations

from typing import Any

import numpy as np

from op_cases import Array, Case, In, Out, fed, out, x

SHAPES = ((1, 10), (3, 1001), (2, 3, 5, 7), (7,), (4, 1), (0, 3), (3, 0), (2, 1, 2, 1, 2, 9))
ZEROS = {"int8": 0, "uint8": 128}  # of the output
PLAIN = {"fused_activation_function": "NONE"}


def l2(given: In, result: Out, **more: Any) -> Case:
    return Case("L2_NORMALIZATION", [given], [result], more.pop("options", PLAIN), **more)


def result(dtype: str) -> Out:
    return out(dtype, scale=1 / 128, zero=ZEROS[dtype])


def quantized(shape: tuple[int, ...], dtype: str, zero: int, seed: int = 0, **bounds: int) -> Case:
    given = x(*shape, dtype=dtype, scale=0.1, zero=zero, **bounds)
    return l2(given, result(dtype), seed=seed, label=f"zero{zero}_{bounds or ''}_{seed}")


def long_row(arrays: list[Array]) -> list[Array]:
    unit = arrays[0].astype(np.float64) + 128
    return [np.round(unit / np.sqrt(np.sum(unit**2, -1, keepdims=True)) * 128).astype("int8")]


L2 = [
    *(l2(x(*shape), out()) for shape in SHAPES),
    l2(fed([[0.0, 0.0], [1e-8, 1e-8], [1e-3, 0]]), out(), label="tiny"),
    l2(fed([[np.inf, 1], [np.nan, 1], [3e19, 3e19]]), out(), label="not_finite"),
    *(quantized(shape, dtype, zero) for shape in SHAPES for dtype, zero in (("int8", -5), ("uint8", 119))),
    *(quantized((5, 40), d, zero) for d, zeros in (("int8", (-128, 127)), ("uint8", (0, 255))) for zero in zeros),
    *(l2(fed([row], "int8", scale=0.1, zero=3), result("int8"), label=str(row)) for row in
      ([3, 3, 3], [4, 3, 3], [2, 3, 3], [4, 4, 3], [127] * 5, [-128] * 5, [127, -128])),
    *(l2(fed([row], "uint8", scale=0.1, zero=9), result("uint8"), label=str(row)) for row in
      ([9, 9, 9], [10, 9, 9], [8, 9, 9], [255] * 5, [0] * 5, [255, 0])),
    l2(fed(np.full((1, 200_000), 100), "int8", scale=0.1, zero=-128), result("int8"), label="long", expected=long_row,
       why="the reference's sum of squares overflows"),
]  # fmt: skip
REFUSED_L2 = [
    l2(x(), out(), error="scalar"),
    l2(x(3), out("int8", scale=1 / 128), error="but output is int8"),
    l2(x(3, dtype="int16", scale=0.1), out("int16", scale=1 / 32768), error="L2_NORMALIZATION of int16"),
    l2(x(3, dtype="int8", scale=0.1), out("int8", scale=1 / 64), error="scale 0.015625"),
    l2(x(3, dtype="int8", scale=0.1), out("int8", scale=1 / 128, zero=128), error="zero point 128"),
    l2(x(3, dtype="uint8", scale=0.1), out("uint8", scale=1 / 128), error="zero point 0"),
    l2(x(3), out(), options={"fused_activation_function": "RELU"}, error="fused activations"),
]


def lrn(*shape: int, radius: int = 2, bias: float = 1.0, alpha: float = 0.1, beta: float = 0.75, **more: Any) -> Case:
    options = {"radius": radius, "bias": bias, "alpha": alpha, "beta": beta}
    given = more.pop("given", x(*shape))
    produced = more.pop("produced", out())
    label = f"{radius}_{bias:g}_{alpha:g}_{beta:g}"
    if "error" not in more and "expected" not in more:
        more |= dict(resolver="BUILTIN_WITHOUT_DEFAULT_DELEGATES", why="BUILTIN_REF's window lacks its last element")
    return Case("LOCAL_RESPONSE_NORMALIZATION", [given], [produced], options, label=label, **more)


LRN = [
    *(lrn(*shape) for shape in ((1, 1, 1, 10), (2, 5, 4, 7), (1, 3, 3, 1), (0, 2, 2, 3), (2, 2, 2, 0), (1, 40, 40, 9))),
    *(lrn(1, 2, 3, 9, radius=r) for r in (0, 1, 3, 5, 100)),
    *(lrn(1, 2, 3, 9, bias=b, alpha=a, beta=p) for b in (1.0, 3.5) for a in (0.0, 2.0) for p in (0.5, -1.0, 2.0)),
    lrn(1, 1, 1, 9, bias=0.0, given=fed(np.zeros((1, 1, 1, 9)))),
    lrn(1, 1, 1, 9, bias=-5.0),  # powers of negative numbers are not numbers
    lrn(1, 1, 1, 9, radius=2**31 - 1, expected=lambda a: [(a[0] / (1 + 0.1 * np.sum(a[0] ** 2)) ** 0.75).astype("f")],
        why="the reference's window overflows"),
]  # fmt: skip
REFUSED_LRN = [
    lrn(1, 2, 3, 4, radius=-1, error="radius is -1"),
    lrn(2, 3, 4, error="must have rank 4"),
    lrn(1, 2, 3, 4, produced=out("int8", scale=0.1), error="float32 with output int8"),
    lrn(1, given=x(1, 2, 3, 4, dtype="int8", scale=0.1), produced=out("int8", scale=0.1), error="input int8"),
]


def random_l2(seed: int) -> Case:
    rng = np.random.default_rng(seed)
    dtype = ("int8", "uint8")[seed % 2]
    low, high = (0, 255) if dtype == "uint8" else (-128, 127)
    zero, bounds = int(rng.integers(low, high, endpoint=True)), sorted(int(n) for n in rng.integers(low, high, 2))
    return quantized((3, int(rng.integers(1, 400))), dtype, zero, seed, low=bounds[0], high=bounds[1])


CASES = [*L2[::2], *REFUSED_L2, *LRN, *REFUSED_LRN]
MORE = [
    *L2[1::2],
    *(random_l2(seed) for seed in range(60)),
    *(lrn(1, 3, 3, 17, radius=s % 7, bias=1 + s / 10, alpha=s / 20, beta=s / 15, seed=s) for s in range(30)),
]
