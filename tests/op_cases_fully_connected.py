"""FULLY_CONNECTED."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from op_cases import Array, Case, In, c, out, x
from op_cases_conv import ACTIVATIONS, bias, channel_scales
from op_cases_reduction import rescaled


def options(
    activation: str = "NONE", *, keep: bool = False, asymmetric: bool = False, bias_type: str = "FLOAT32"
) -> dict[str, Any]:
    return {
        "fused_activation_function": activation,
        "weights_format": "DEFAULT",
        "keep_num_dims": keep,
        "asymmetric_quantize_inputs": asymmetric,
        "quantized_bias_type": bias_type,
    }


def label_of(more: dict[str, Any]) -> str:
    return "_".join(f"{k}{v}" for k, v in more.items()).replace(" ", "")


def real(shape: tuple[int, ...], units: int, depth: int, *, biased: bool = True, seed: int = 0, **more: Any) -> Case:
    inputs: list[In | None] = [x(*shape), c(units, depth), c(units) if biased else None]
    label = f"{label_of(more)}_bias{biased}"
    return Case("FULLY_CONNECTED", inputs, [out()], options(**more), seed=seed, label=label)


def quantized(
    shape: tuple[int, ...],
    units: int,
    depth: int,
    *,
    dtype: str = "int8",
    weight_dtype: str = "int8",
    out_dtype: str = "",
    biased: bool = True,
    scale: float | list[float] = 0.01,
    zero: int = 3,
    weight_zero: int = 0,
    out_scale: float = 0.2,
    out_zero: int = -5,
    seed: int = 0,
    **more: Any,
) -> Case:
    first = scale if isinstance(scale, float) else scale[0]
    wide = dtype == "int16" and more.get("bias_type") != "INT32"
    if weight_dtype == "int16":
        wide = more.get("bias_type") == "INT64"
    inputs = [
        x(*shape, dtype=dtype, scale=0.05, zero=zero),
        c(units, depth, dtype=weight_dtype, scale=scale, zero=weight_zero),
        bias(units, 0.05 * first, "int64" if wide else "int32") if biased else None,
    ]
    kind = "one_scale" if isinstance(scale, float) else "channels"
    label = f"{kind}{first:g}_zero{zero}_{weight_zero}_to{out_dtype}{out_scale:g}z{out_zero}_{label_of(more)}_{seed}"
    result = out(out_dtype or dtype, scale=out_scale, zero=out_zero)
    return Case("FULLY_CONNECTED", inputs, [result], options(**more), seed=seed, label=label)


def hybrid(
    shape: tuple[int, ...],
    units: int,
    depth: int,
    *,
    weight_dtype: str = "int8",
    scale: float | list[float] = 0.02,
    biased: bool = True,
    low: int | None = None,
    high: int | None = None,
    **more: Any,
) -> Case:
    # Not -128, which TFLite's x86 code multiplies wrongly here.
    if weight_dtype == "int8":
        low, high = -127, 127
    weights = c(units, depth, dtype=weight_dtype, scale=scale, low=low, high=high)
    kind = "one_scale" if isinstance(scale, float) else "channels"
    label = f"{kind}_{label_of(more)}_bias{biased}" + (f"_from{low}" if weight_dtype == "uint8" else "")
    inputs = [x(*shape), weights, c(units) if biased else None]
    return Case("FULLY_CONNECTED", inputs, [out()], options(**more), label=label)


REAL = [
    real((1, 40), 33, 40),
    real((5, 17), 6, 17),
    real((5, 17), 6, 17, biased=False),
    real((2, 3, 4), 5, 12),
    real((2, 3, 4), 5, 4),
    real((2, 3, 4), 5, 4, keep=True),
    real((2, 3, 4, 8), 1, 8, keep=True),
    real((24,), 3, 6),
    real((24,), 3, 24, keep=True),
    real((700, 3), 2, 3),
    real((0, 3), 2, 3),
    *(real((4, 9), 7, 9, activation=a) for a in ACTIVATIONS),
    Case("FULLY_CONNECTED", [x(4, 3), x(5, 3), x(5)], [out()], options(), label="weights_that_are_fed"),
    Case("FULLY_CONNECTED", [x(4, 3), x(5, 3)], [out()], options(), label="two_inputs"),
]

INT8 = [
    quantized((1, 40), 33, 40),
    quantized((5, 17), 6, 17),
    quantized((5, 17), 6, 17, biased=False),
    quantized((5, 17), 6, 17, scale=channel_scales(6)),
    quantized((5, 17), 6, 17, scale=channel_scales(6), biased=False),
    quantized((2, 3, 4), 5, 12),
    quantized((2, 3, 4), 5, 4, keep=True, scale=channel_scales(5)),
    *(quantized((4, 9), 7, 9, activation=a, out_scale=0.05) for a in ACTIVATIONS),
    *(quantized((4, 9), 7, 9, zero=z, out_zero=o) for z in (-128, 0, 127) for o in (-128, 127)),
    *(quantized((4, 9), 7, 9, weight_zero=z) for z in (-128, 5, 127)),
    quantized((3, 64), 8, 64, out_scale=1e-4),
    quantized((3, 64), 8, 64, scale=1e-9),
    *(quantized((3, 300), 9, 300, out_scale=0.5, scale=channel_scales(9, 1e-3), seed=s) for s in range(6)),
    *(quantized((3, 300), 9, 300, out_scale=0.03, scale=0.003, seed=s) for s in range(6)),
    quantized((3, 6), 5, 6, weight_dtype="int4"),
    quantized((3, 7), 5, 7, weight_dtype="int4", scale=channel_scales(5, 0.01)),
    quantized((3, 7), 5, 7, weight_dtype="int2", scale=0.05),
]

UINT8 = [
    *(
        quantized((4, 9), 7, 9, dtype="uint8", weight_dtype="uint8", zero=z, weight_zero=w, out_zero=o, activation=a)
        for z, w, o, a in zip((0, 100, 128, 255), (255, 120, 128, 0), (128, 0, 255, 100), ACTIVATIONS, strict=True)
    ),
    *(
        quantized((3, 300), 9, 300, dtype="uint8", weight_dtype="uint8", weight_zero=128, out_zero=128, seed=s)
        for s in range(4)
    ),
    *(
        quantized((2, 30), 8, 30, dtype="uint8", weight_dtype="uint8", out_dtype="int16", weight_zero=128,
                  zero=128, out_zero=0, out_scale=3 / 4096, activation=a)
        for a in ACTIVATIONS
    ),
]  # fmt: skip

INT16_ZEROS: dict[str, Any] = dict(dtype="int16", zero=0, out_zero=0)
INT16 = [
    *(
        quantized((5, 17), 6, 17, scale=s, bias_type=b, **INT16_ZEROS)
        for s in (0.01, channel_scales(6))
        for b in ("FLOAT32", "INT64", "INT32")
    ),
    *(quantized((5, 17), 6, 17, activation=a, out_scale=1e-3, **INT16_ZEROS) for a in ACTIVATIONS),
    quantized((5, 17), 6, 17, biased=False, **INT16_ZEROS),
    quantized((5, 17), 6, 17, weight_zero=9, **INT16_ZEROS),
    quantized((5, 17), 6, 17, weight_dtype="int4", **INT16_ZEROS),
    *(
        quantized((5, 17), 6, 17, weight_dtype="int16", scale=s, bias_type=b, out_scale=o, **INT16_ZEROS)
        for s in (0.001, channel_scales(6, 1e-5))
        for b in ("FLOAT32", "INT64", "INT32")
        for o in (0.2, 30.0)
    ),
]

HYBRID = [
    *(
        hybrid((5, 17), 6, 17, scale=s, asymmetric=asymmetric, weight_dtype=dtype, biased=biased)
        for s in (0.02, channel_scales(6))
        for asymmetric in (False, True)
        for dtype in ("int8", "int4")
        for biased in (False, True)
    ),
    *(
        hybrid((5, 17), 6, 17, weight_dtype="uint8", asymmetric=asymmetric, **limits)
        for asymmetric in (False, True)
        for limits in ({"low": 0, "high": 127}, {"low": 129, "high": 255})
    ),
    *(hybrid((4, 9), 7, 9, activation=a) for a in ACTIVATIONS),
    hybrid((2, 3, 4), 5, 4, keep=True),
    hybrid((2, 3, 4), 5, 4, weight_dtype="int2", asymmetric=True),
    Case(
        "FULLY_CONNECTED",
        [x(2, 9, low=0, high=0), c(3, 9, dtype="int8", scale=0.1), c(3)],
        [out()],
        options(),
        label="zeros",
    ),
]


def refused(error: str, **more: Any) -> Case:
    given: dict[str, Any] = dict(shape=(4, 6), weights=(5, 6), bias_shape=(5,), label=error.replace(" ", "_")) | more
    inputs = [
        x(*given["shape"], dtype=given.get("dtype", "float32"), **given.get("input", {})),
        c(*given["weights"], dtype=given.get("weight_dtype", "float32"), **given.get("weight", {})),
        c(*given["bias_shape"], dtype=given.get("bias_dtype", "float32")),
    ]
    result = out(given.get("out_dtype", given.get("dtype", "float32")), **given.get("output", {}))
    chosen = options() | given.get("options", {})
    return Case("FULLY_CONNECTED", inputs, [result], chosen, error=error, label=given["label"])


INT8_TENSORS: dict[str, Any] = dict(
    dtype="int8", weight_dtype="int8", bias_dtype="int32", input={"scale": 0.1}, output={"scale": 0.1},
    weight={"scale": 0.1},
)  # fmt: skip

REFUSED = [
    refused("weights_format 7", options={"weights_format": 7}),
    refused("has 1 outputs; it gives 2", options={"weights_format": "SHUFFLED4x16INT8"}),
    refused("rank 2", weights=(5, 6, 1)),
    refused("does not divide into rows of 7", weights=(5, 7)),
    refused("last dimension is 6", weights=(5, 12), options={"keep_num_dims": True}),
    refused("6 values for 5 channels", bias_shape=(6,)),
    refused("bias is int8", bias_dtype="int8"),
    refused("activation TANH", options={"fused_activation_function": "TANH"}),
    refused("scalar", shape=(), weights=(5, 1), options={"keep_num_dims": True}),
    refused("int32 input", dtype="int32"),
    refused("int8 input with float32 weights", dtype="int8"),
    refused("to|output", **INT8_TENSORS | {"out_dtype": "int16"}, label="int8_to_int16"),
    refused("no quantization scale", **INT8_TENSORS | {"weight": {}}),
    refused("must be positive", **INT8_TENSORS | {"weight": {"scale": -1.0}}),
    refused("must be positive", **INT8_TENSORS | {"output": {"scale": float("inf")}}, label="output_scale_inf"),
    refused("zero point 4", **INT8_TENSORS | {"weight_dtype": "int4", "weight": {"scale": 0.1, "zero": 4}}),
    refused(
        "along dimension 1",
        **INT8_TENSORS | {"weights": (6, 6), "bias_shape": (6,), "weight": {"scale": [0.1] * 6, "axis": 1}},
    ),
    refused("no quantization scale", weight_dtype="int8", label="hybrid_without_scale"),
    refused("quantized_bias_type", **INT8_TENSORS | {"dtype": "int16", "options": {"quantized_bias_type": "INT8"}}),
]

EMPTY = [
    Case("FULLY_CONNECTED", [x(4, 0), c(3, 0), c(3)], [out()], options(), label="no_depth"),
    Case("FULLY_CONNECTED", [x(4, 2, 0), c(3, 0), c(3)], [out()], options(keep=True), label="no_depth_kept"),
    Case(
        "FULLY_CONNECTED",
        [x(0, 0), c(2**31 - 1, 0)],
        [out()],
        options(),
        label="no_memory_for_nothing",
    ),
]

SHUFFLED = {"weights_format": "SHUFFLED4x16INT8"}
BYTES: dict[str, Any] = dict(dtype="uint8", scale=0.05, zero=128)


def multiplied(out_scale: float, units: int) -> Callable[[list[Array]], list[Array]]:
    """Of a number of rows that TFLite's kernels leave out."""

    def expected(arrays: list[Array]) -> list[Array]:
        rows, blocks, biases = arrays[0].astype(np.int64) - 128, arrays[1].astype(np.int8), arrays[2]
        depth = rows.shape[1]
        weights = blocks.reshape(units // 4, depth // 16, 4, 16).transpose(0, 2, 1, 3).reshape(units, depth)
        factor = float(np.float32(np.float32(0.05) * np.float32(0.02))) / float(np.float32(out_scale))
        sums = np.vectorize(lambda v: rescaled(int(v), factor))(rows @ weights.T.astype(np.int64) + biases)
        return [np.clip(sums, -32768, 32767).astype("int16"), (arrays[0] ^ 128).astype("uint8")]

    return expected


def shuffled(rows: int, units: int, depth: int, out_scale: float = 1e-3, activation: str = "NONE", **more: Any) -> Case:
    given = [x(rows, depth, **BYTES), c(units, depth, dtype="uint8", scale=0.02, zero=128), bias(units, 0.001)]
    results = [out("int16", scale=out_scale), out("uint8", shape=(rows, depth))]
    if rows not in (1, 4) and "error" not in more:
        more |= dict(expected=multiplied(out_scale, units), why="TFLite's kernels know 1 and 4 rows only")
    label = f"shuffled_to{out_scale:g}_{activation}"
    return Case("FULLY_CONNECTED", given, results, options(activation) | SHUFFLED, version=2, label=label, **more)


LEGACY = [
    *(shuffled(rows, units, depth) for rows in (1, 4) for units, depth in ((4, 16), (12, 48), (64, 160))),
    *(shuffled(rows, 8, 32, activation=a, out_scale=1e-4) for rows in (1, 4) for a in ACTIVATIONS),
    shuffled(3, 8, 32),
    shuffled(7, 4, 16, 1e-5),
    shuffled(1, 6, 32, error="do not divide into blocks"),
    shuffled(1, 4, 24, error="do not divide into blocks"),
    Case("FULLY_CONNECTED", [x(1, 16, **BYTES), x(4, 16, **BYTES)], [out("int16", scale=1.0), out("uint8")],
         options() | SHUFFLED, error="that are not constant"),
    Case("FULLY_CONNECTED", [x(1, 16, **BYTES), c(4, 16, **BYTES)], [out("int8", scale=1.0), out("uint8")],
         options() | SHUFFLED, error="outputs of int16"),
]  # fmt: skip


def random_case(seed: int) -> Case:
    rng = np.random.default_rng(seed)

    def pick(choices: Any) -> Any:
        return choices[int(rng.integers(len(choices)))]

    rows, units, depth = (int(n) for n in (rng.integers(1, 8), rng.integers(1, 40), rng.integers(1, 200)))
    kind = pick(("real", "hybrid", "int8", "int8", "uint8", "int16", "int16"))
    common: dict[str, Any] = dict(activation=pick(ACTIVATIONS), biased=pick((True, True, False)))
    if kind == "real":
        return real((rows, depth), units, depth, seed=seed, **common)
    first = float(10 ** rng.uniform(-5, -1))
    scale: float | list[float] = pick((first, channel_scales(units, first / 10)))
    if kind == "hybrid":
        dtype = pick(("int8", "int4", "int2"))
        more = dict(asymmetric=pick((True, False)), **common)
        return hybrid((rows, depth), units, depth, weight_dtype=dtype, scale=scale, **more)
    out_scale = first * float(10 ** rng.uniform(0, 3))
    low, high = {"uint8": (0, 255), "int16": (0, 0)}.get(kind, (-128, 127))
    zeros = {name: int(rng.integers(low, high, endpoint=True)) for name in ("zero", "out_zero")}
    if kind == "uint8":
        common |= dict(weight_dtype="uint8", weight_zero=int(rng.integers(0, 255, endpoint=True)))
        scale = first
    else:
        common |= dict(weight_dtype=pick(("int8", "int8", "int4")))
    if kind == "int16":
        common |= dict(bias_type=pick(("FLOAT32", "INT64", "INT32")))
    return quantized(
        (rows, depth), units, depth, dtype=kind, scale=scale, out_scale=out_scale, seed=seed, **zeros, **common
    )


MORE = [random_case(seed) for seed in range(110)]
CASES = [*LEGACY, *REAL, *INT8, *UINT8, *INT16, *HYBRID, *REFUSED, *EMPTY]
