"""MAX_POOL_2D, AVERAGE_POOL_2D and L2_POOL_2D."""

from __future__ import annotations

from typing import Any

import numpy as np

from op_cases import Case, fed, out, x
from op_cases_conv import ACTIVATIONS

DTYPES = ("float32", "int8", "uint8", "int16")
KINDS = ("MAX_POOL_2D", "AVERAGE_POOL_2D")


def options(
    padding: str = "SAME", stride: tuple[int, int] = (1, 1), window: tuple[int, int] = (2, 2), activation: str = "NONE"
) -> dict[str, Any]:
    return {
        "padding": padding,
        "stride_h": stride[0],
        "stride_w": stride[1],
        "filter_height": window[0],
        "filter_width": window[1],
        "fused_activation_function": activation,
    }


def pool(
    kind: str, *shape: int, dtype: str = "float32", scale: float = 0.05, zero: int = 3, seed: int = 0, **more: Any
) -> Case:
    quantized: dict[str, Any] = {} if dtype == "float32" else {"scale": scale, "zero": 0 if dtype == "int16" else zero}
    label = "_".join(f"{k}{v}" for k, v in more.items()).replace(" ", "") + f"_zero{zero}_{seed}"
    result = out(dtype, **quantized)
    return Case(kind, [x(*shape, dtype=dtype, **quantized)], [result], options(**more), seed=seed, label=label)


WINDOWS = [
    dict(padding=padding, stride=stride, window=window)
    for padding in ("SAME", "VALID")
    for stride, window in [((1, 1), (2, 2)), ((2, 3), (3, 2)), ((3, 1), (1, 4)), ((2, 2), (7, 8))]
]

REFUSALS: list[tuple[Any, ...]] = [
    ("stride is 0", {"stride_h": 0}),
    ("stride is -7", {"stride_w": -7}),
    ("has size 0", {"filter_height": 0}),
    ("has size -2", {"filter_width": -2}),
    ("filter spans 9", {"filter_width": 9, "padding": "VALID"}),
    ("padding 9", {"padding": 9}),
    ("SIGN_BIT", {"fused_activation_function": "SIGN_BIT"}),
    ("the input has size 0", {}, (1, 0, 4, 2)),
    ("rank 4", {}, (4, 4, 2)),
    ("of int32", {}, (1, 4, 4, 2), "int32"),
    ("output is int8", {}, (1, 4, 4, 2), "float32", "int8"),
    ("no quantization scale", {"fused_activation_function": "RELU"}, (1, 4, 4, 2), "int8"),
]


def refused(
    kind: str,
    error: str,
    changed: dict[str, Any],
    shape: tuple[int, ...] = (1, 4, 4, 2),
    dtype: str = "float32",
    out_dtype: str = "",
) -> Case:
    tensors = [x(*shape, dtype=dtype)], [out(out_dtype or dtype)]
    return Case(kind, *tensors, options() | changed, error=error, label=error.replace(" ", "_"))


def random_case(seed: int) -> Case:
    rng = np.random.default_rng(seed)
    window, stride = (tuple(int(n) for n in rng.integers(1, high, 2)) for high in (6, 5))
    shape = [int(n) for n in (rng.integers(1, 3), *rng.integers(5, 12, 2), rng.integers(1, 80))]
    kind, dtype = ("MAX_POOL_2D", "AVERAGE_POOL_2D", "L2_POOL_2D")[seed % 3], DTYPES[seed // 3 % 4]
    return pool(
        kind, *shape, dtype="float32" if kind == "L2_POOL_2D" else dtype, padding=str(rng.choice(["SAME", "VALID"])),
        stride=stride, window=window, activation=str(rng.choice(ACTIVATIONS)), zero=int(rng.integers(0, 128)),
        scale=float(10 ** rng.uniform(-4, 0)), seed=seed,
    )  # fmt: skip


L2 = [
    *(pool("L2_POOL_2D", 2, 7, 8, 3, **w) for w in WINDOWS),
    *(pool("L2_POOL_2D", 1, 5, 6, 3, activation=a) for a in ACTIVATIONS),
    pool("L2_POOL_2D", 1, 6, 6, 130, window=(3, 3)),
    pool("L2_POOL_2D", 1, 3, 2, 2, window=(9, 11)),
    pool("L2_POOL_2D", 0, 3, 3, 2),
    pool("L2_POOL_2D", 2, 3, 3, 0),
    Case("L2_POOL_2D", [fed(np.array([np.inf, 3, 1e30, -2]).reshape(1, 2, 2, 1))], [out()], options(), label="huge"),
    *(refused("L2_POOL_2D", *how) for how in REFUSALS[:9]),
    refused("L2_POOL_2D", "of int8", {}, (1, 4, 4, 2), "int8"),
]

CASES = [
    *L2,
    *(pool(k, 2, 7, 8, 3, dtype=d, **w) for k in KINDS for d in DTYPES for w in WINDOWS),
    *(pool(k, 1, 5, 6, 3, dtype=d, activation=a, scale=0.001 if d == "int16" else 0.05)
      for k in KINDS for d in DTYPES for a in ACTIVATIONS),
    *(pool(k, 1, 5, 6, 3, dtype="int8", zero=z, activation="RELU6") for k in KINDS for z in (-128, 127)),
    *(pool(k, 1, 6, 6, 130, dtype=d, window=(3, 3), seed=4) for k in KINDS for d in DTYPES),
    *(pool(k, 1, 3, 2, 2, dtype=d, window=(9, 11)) for k in KINDS for d in ("float32", "int8")),
    *(pool(k, 0, 3, 3, 2) for k in KINDS),
    *(pool(k, 2, 3, 3, 0) for k in KINDS),
    *(Case(k, [fed(np.array([np.inf, 3, 1, -2]).reshape(1, 2, 2, 1))], [out()], options(), label="infinite")
      for k in KINDS),
    *(refused(k, *how) for k in KINDS for how in REFUSALS),
    Case("AVERAGE_POOL_2D", [x(1, 300, 300, 1, dtype="int16", scale=0.1)], [out("int16", scale=0.1)],
         options(window=(300, 300)), error="windows of 90000"),
]  # fmt: skip
MORE = [random_case(seed) for seed in range(390)]
