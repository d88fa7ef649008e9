"""TRANSPOSE_CONV."""

from __future__ import annotations

from typing import Any

import numpy as np

from op_cases import Case, In, c, const, fed, out, x
from op_cases_conv import ACTIVATIONS, bias, channel_scales

Pair = tuple[int, int]


def options(
    padding: str = "SAME", stride: Pair = (1, 1), activation: str = "NONE", bias_type: str = "FLOAT32"
) -> dict[str, Any]:
    return {
        "padding": padding,
        "stride_h": stride[0],
        "stride_w": stride[1],
        "fused_activation_function": activation,
        "quantized_bias_type": bias_type,
    }


def result_shape(
    image: tuple[int, ...],
    weights: tuple[int, ...],
    padding: str = "SAME",
    stride: Pair = (1, 1),
    more: Pair = (0, 0),
    **_: Any,
) -> tuple[int, ...]:
    """The smallest shape that a convolution turns into the image's, and `more` rows and columns."""
    sizes = []
    for n, window, step, extra in zip(image[1:3], weights[1:3], stride, more, strict=True):
        sizes.append((n - 1) * step + (window if padding == "VALID" else 1) + extra)
    return (image[0], *sizes, weights[0])


def label_of(**more: Any) -> str:
    return "_".join(f"{k}{v}" for k, v in more.items()).replace(" ", "")


def shape_input(shape: tuple[int, ...], feed: bool) -> In:
    return fed(shape, "int32") if feed else const(shape)


def real(
    image: tuple[int, ...],
    weights: tuple[int, ...],
    *,
    biased: bool = True,
    feed: bool = False,
    seed: int = 0,
    weight_dtype: str = "float32",
    scale: float | list[float] = (),  # type: ignore[assignment]
    **more: Any,
) -> Case:
    inputs = [shape_input(result_shape(image, weights, **more), feed), c(*weights, dtype=weight_dtype, scale=scale)]
    inputs += [x(*image), *([c(weights[0])] if biased else [])]
    label = label_of(**more) + f"{'_fed' if feed else ''}{'_channels' if isinstance(scale, list) else ''}_{seed}"
    more.pop("more", None)
    # Hybrid sums are floats in the reference too; its input is quantized as ours.
    return Case("TRANSPOSE_CONV", inputs, [out()], options(**more), seed=seed, label=label)


def quantized(
    image: tuple[int, ...],
    weights: tuple[int, ...],
    *,
    dtype: str = "int8",
    biased: bool = True,
    feed: bool = False,
    scale: float | list[float] = 0.01,
    zero: int = 3,
    weight_zero: int = 0,
    out_scale: float = 0.2,
    out_zero: int = -5,
    seed: int = 0,
    **more: Any,
) -> Case:
    first = scale[0] if isinstance(scale, list) else scale
    inputs = [
        shape_input(result_shape(image, weights, **more), feed),
        c(*weights, dtype="uint8" if dtype == "uint8" else "int8", scale=scale, zero=weight_zero),
        x(*image, dtype=dtype, scale=0.05, zero=zero),
    ]
    if biased:
        wide = dtype == "int16" and more.get("bias_type") != "INT32"
        inputs.append(bias(weights[0], 0.05 * first, "int64" if wide else "int32"))
    label = f"{'channels' if isinstance(scale, list) else 'one_scale'}{first:g}_zero{zero}_{weight_zero}"
    label += f"_to{out_scale:g}z{out_zero}_{label_of(**more)}{'_fed' if feed else ''}_{seed}"
    more.pop("more", None)
    result = out(dtype, scale=out_scale, zero=out_zero)
    return Case("TRANSPOSE_CONV", inputs, [result], options(**more), seed=seed, label=label)


UINT8: dict[str, Any] = dict(dtype="uint8", weight_zero=120, out_zero=128, zero=100)
INT16: dict[str, Any] = dict(dtype="int16", zero=0, out_zero=0)
KINDS: list[dict[str, Any]] = [{}, UINT8, INT16, INT16 | {"bias_type": "INT32"}]

WINDOWS: list[dict[str, Any]] = [
    dict(padding=padding, stride=stride, more=more)
    for padding in ("SAME", "VALID")
    for stride, more in [((1, 1), (0, 0)), ((2, 2), (0, 0)), ((2, 3), (1, 2)), ((3, 1), (2, 0)), ((4, 5), (0, 3))]
]
FILTERS = [(1, 1), (2, 2), (3, 3), (3, 2), (4, 5), (1, 6)]

REAL = [
    *(real((2, 5, 4, 3), (5, 3, 2, 3), **window) for window in WINDOWS),
    *(real((1, 3, 4, 6), (7, 3, 3, 6), activation=a, stride=(2, 2)) for a in ACTIVATIONS),
    real((1, 3, 4, 6), (7, 3, 3, 6), biased=False),
    real((1, 3, 4, 6), (7, 3, 3, 6), biased=False, stride=(2, 2), feed=True),
    real((2, 3, 4, 2), (4, 2, 2, 2), stride=(2, 2), padding="VALID", feed=True),
    real((1, 1, 1, 1), (1, 1, 1, 1)),
    real((0, 3, 3, 2), (4, 3, 3, 2)),
    real((1, 2, 2, 3), (4, 7, 9, 3), padding="SAME"),  # the window is larger than the output
    real((1, 9, 9, 40), (5, 4, 4, 40), stride=(2, 2)),
    Case("TRANSPOSE_CONV", [const((1, 6, 6, 4)), x(4, 3, 3, 2), x(1, 3, 3, 2), x(4)], [out()], options(stride=(2, 2)),
         label="weights_that_are_fed"),
]  # fmt: skip
HYBRID: dict[str, Any] = dict(weight_dtype="int8", scale=0.02)
MIXED = [
    *(real((2, 5, 4, 3), (5, 3, 2, 3), **HYBRID, **window) for window in WINDOWS[::3]),
    real((2, 5, 4, 3), (5, 3, 2, 3), weight_dtype="int8", scale=channel_scales(5), stride=(2, 2)),
    real((1, 3, 4, 6), (7, 3, 3, 6), activation="RELU6", feed=True, **HYBRID),
    real((1, 3, 4, 6), (7, 3, 3, 6), biased=False, **HYBRID),
]

QUANTIZED = [
    *(quantized((2, 5, 4, 3), (5, 3, 2, 3), **kind, **window) for kind in KINDS for window in WINDOWS[1::4]),
    *(quantized((2, 5, 4, 3), (5, 3, 2, 3), scale=channel_scales(5), **k) for k in ({}, INT16)),
    *(quantized((1, 3, 4, 6), (7, 3, 3, 6), biased=False, feed=True, **kind) for kind in KINDS),
    *(quantized((1, 3, 4, 6), (7, 3, 3, 6), activation="RELU6", out_scale=0.05, **kind) for kind in KINDS[:2]),
    quantized((1, 3, 4, 6), (7, 3, 3, 6), activation="RELU6", out_scale=1e-3, **INT16),
    quantized((1, 3, 4, 6), (7, 3, 3, 6), weight_zero=7),  # a zero point of signed weights is not looked at
    quantized((1, 5, 5, 8), (6, 3, 3, 8), out_scale=1e-4),  # everything saturates
    quantized((1, 5, 5, 8), (6, 3, 3, 8), scale=1e-9, out_scale=10.0),  # a multiplier of zero
    quantized((0, 3, 3, 2), (4, 3, 3, 2)),
]


def refused(error: str, **more: Any) -> Case:
    given: dict[str, Any] = dict(
        shape=(1, 4, 4, 3), image=(1, 4, 4, 2), weights=(3, 3, 3, 2), bias_shape=(3,), label=error[:24]
    )
    given |= more
    inputs = [
        const(given["shape"], given.get("shape_dtype", "int32")),
        c(*given["weights"], dtype=given.get("weight_dtype", "float32"), **given.get("weight", {})),
        x(*given["image"], dtype=given.get("dtype", "float32"), **given.get("input", {})),
        c(*given["bias_shape"], dtype=given.get("bias_dtype", "float32")),
    ]
    result = out(given.get("out_dtype", given.get("dtype", "float32")), **given.get("output", {}))
    chosen = options() | given.get("options", {})
    return Case("TRANSPOSE_CONV", inputs, [result], chosen, error=error, label=given["label"].replace(" ", "_"))


INT8_TENSORS: dict[str, Any] = dict(
    dtype="int8", weight_dtype="int8", bias_dtype="int32", input={"scale": 0.1}, output={"scale": 0.1},
    weight={"scale": 0.1},
)  # fmt: skip

REFUSED = [
    refused("stride is 0", options={"stride_h": 0}),
    refused("stride is -3", options={"stride_w": -3}),
    refused("padding 7", options={"padding": 7}),
    refused("must have rank 4", image=(4, 4, 2)),
    refused("must have rank 4", weights=(3, 3, 2), label="weights_rank_3"),
    refused("input has 3 channels", image=(1, 4, 4, 3)),
    refused("no channels", image=(1, 4, 4, 0), weights=(3, 3, 3, 0)),
    refused("no channels", weights=(0, 3, 3, 2), shape=(1, 4, 4, 0), bias_shape=(0,), label="no_output_channels"),
    refused("must be .4.", shape=(1, 4, 4)),
    refused("must be int32", shape_dtype="int64"),
    refused("negative", shape=(1, -4, 4, 3)),
    refused("too many|memory limit", shape=(1, 2**31 - 1, 2**31 - 1, 3), label="enormous"),
    refused("the input has size 0", shape=(1, 0, 4, 3)),
    refused("2 batches", shape=(2, 4, 4, 3)),
    refused("output has 4 channels", shape=(1, 4, 4, 4)),
    refused("belongs to an input of 5 x 4", shape=(1, 5, 4, 3)),
    refused("filter has size 0", weights=(3, 0, 3, 2)),
    refused("4 values for 3 channels", bias_shape=(4,)),
    refused("bias is int32", bias_dtype="int32"),
    refused("activation TANH", options={"fused_activation_function": "TANH"}),
    refused("output is int8", out_dtype="int8", output={"scale": 0.1}),
    refused("float64", dtype="float64", weight_dtype="float64", bias_dtype="float64"),
    refused("int4", weight_dtype="int4", weight={"scale": 0.1}),
    refused("no quantization scale", **INT8_TENSORS | {"input": {}}),
    refused("must be positive", **INT8_TENSORS | {"output": {"scale": 0.0}}, label="output_scale_0"),
    refused("2 scales", **INT8_TENSORS | {"weight": {"scale": [0.1, 0.2]}}),
    refused("along dimension 1", **INT8_TENSORS | {"weight": {"scale": [0.1, 0.2, 0.1], "axis": 1}}),
    refused("too large", **INT8_TENSORS | {"output": {"scale": 1e-30}}),
    refused("bias is float32", **INT8_TENSORS | {"bias_dtype": "float32"}),
    refused("zero point 0", **INT8_TENSORS | {"dtype": "int16", "input": {"scale": 0.1, "zero": 3}},
            label="int16_with_a_zero_point"),
    refused("bias is int32", **INT8_TENSORS | {"dtype": "int16", "options": {"quantized_bias_type": "INT64"}}),
    refused("type is int8", **INT8_TENSORS | {"dtype": "int16", "options": {"quantized_bias_type": "INT8"}}),
    Case("TRANSPOSE_CONV", [fed((1, 5, 4, 3), "int32"), c(3, 3, 3, 2), x(1, 4, 4, 2)], [out()], options(),
         error="belongs to an input of 5 x 4", label="fed"),
]  # fmt: skip


def random_case(seed: int) -> Case:
    rng = np.random.default_rng(seed)

    def pick(choices: Any) -> Any:
        return choices[int(rng.integers(len(choices)))]

    kind = pick([*KINDS, "real", "hybrid"])
    stride = int(rng.integers(1, 5)), int(rng.integers(1, 5))
    weights = (int(rng.integers(1, 10)), *pick(FILTERS), int(rng.integers(1, 20)))
    image = (int(rng.integers(1, 3)), int(rng.integers(1, 8)), int(rng.integers(1, 8)), weights[3])
    most = [s if pick((True, False)) else 1 for s in stride]
    more = int(rng.integers(most[0])), int(rng.integers(most[1]))
    common: dict[str, Any] = dict(
        padding=pick(("SAME", "VALID")), stride=stride, more=more, activation=pick(ACTIVATIONS), seed=seed,
        biased=pick((True, True, False)), feed=pick((False, False, True)),
    )  # fmt: skip
    if kind == "real":
        return real(image, weights, **common)
    per_channel = pick((True, False)) and kind is not UINT8
    scale = channel_scales(weights[0], 10 ** rng.uniform(-5, -2)) if per_channel else float(10 ** rng.uniform(-5, -1))
    if kind == "hybrid":
        return real(image, weights, weight_dtype="int8", scale=scale, **common)
    low, high = {"uint8": (0, 255), "int16": (0, 0)}.get(kind.get("dtype"), (-128, 127))
    zeros = {k: int(rng.integers(low, high, endpoint=True)) for k in ("zero", "out_zero")}
    if kind is UINT8:
        zeros["weight_zero"] = int(rng.integers(0, 255, endpoint=True))
    first = scale[0] if isinstance(scale, list) else scale
    out_scale = float(first * 10 ** rng.uniform(-1, 3))
    return quantized(image, weights, scale=scale, out_scale=out_scale, **kind | zeros, **common)


CASES = [*REAL, *MIXED[::2], *QUANTIZED[::2], *REFUSED]
MORE = [*MIXED[1::2], *QUANTIZED[1::2], *(random_case(seed) for seed in range(150))]
