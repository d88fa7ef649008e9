"""CONV_2D."""

from __future__ import annotations

from typing import Any

import numpy as np

from op_cases import Case, In, c, out, x

ACTIVATIONS = ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")
LIMITS = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767)}


def options(
    padding: str = "SAME",
    stride: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
    activation: str = "NONE",
    bias_type: str = "FLOAT32",
) -> dict[str, Any]:
    return {
        "padding": padding,
        "stride_h": stride[0],
        "stride_w": stride[1],
        "dilation_h_factor": dilation[0],
        "dilation_w_factor": dilation[1],
        "fused_activation_function": activation,
        "quantized_bias_type": bias_type,
    }


def real(image: tuple[int, ...], weights: tuple[int, ...], *, bias: bool = True, seed: int = 0, **more: Any) -> Case:
    label = "_".join(f"{k}{v}" for k, v in more.items()).replace(" ", "")
    inputs = [x(*image), c(*weights), c(weights[0])]
    return Case("CONV_2D", inputs, [out()], options(**more), seed=seed, label=f"{label}_{seed}")


def channel_scales(channels: int, smallest: float = 0.002) -> list[float]:
    """All different, over two orders of magnitude."""
    return [smallest * 100 ** (i / max(1, channels - 1)) for i in range(channels)]


def bias(channels: int, scale: float, dtype: str = "int32", limit: int = 3000) -> In:
    return c(channels, dtype=dtype, scale=scale, low=-limit, high=limit)


def quantized(
    image: tuple[int, ...],
    weights: tuple[int, ...],
    *,
    dtype: str = "int8",
    weight_dtype: str = "int8",
    scale: float | list[float] = 0.01,
    zero: int = 3,
    weight_zero: int = 0,
    out_scale: float = 0.2,
    out_zero: int = -5,
    seed: int = 0,
    name: str = "",
    **more: Any,
) -> Case:
    per_channel = isinstance(scale, list)
    first = scale[0] if isinstance(scale, list) else scale
    bias_dtype = "int64" if dtype == "int16" and more.get("bias_type") != "INT32" else "int32"
    inputs = [
        x(*image, dtype=dtype, scale=0.05, zero=zero),
        c(*weights, dtype=weight_dtype, scale=scale, zero=weight_zero),
        bias(weights[0], 0.05 * first, bias_dtype),
    ]
    label = "_".join(f"{k}{v}" for k, v in more.items()).replace(" ", "")
    label = f"{'channels_' if per_channel else ''}zero{zero}_to{out_scale:g}z{out_zero}_{label}{name}_{seed}"
    result = out(dtype, scale=out_scale, zero=out_zero)
    return Case("CONV_2D", inputs, [result], options(**more), seed=seed, label=label)


def hybrid(
    image: tuple[int, ...],
    weights: tuple[int, ...],
    *,
    weight_dtype: str = "int8",
    scale: float | list[float] = 0.02,
    seed: int = 0,
    **more: Any,
) -> Case:
    inputs = [x(*image), c(*weights, dtype=weight_dtype, scale=scale), c(weights[0])]
    label = "_".join(f"{k}{v}" for k, v in more.items()).replace(" ", "")
    label = f"{'channels_' if isinstance(scale, list) else ''}{label}_{seed}"
    return Case("CONV_2D", inputs, [out()], options(**more), seed=seed, label=label)


WINDOWS = [
    dict(padding=padding, stride=stride, dilation=dilation)
    for padding in ("SAME", "VALID")
    for stride, dilation in [((1, 1), (1, 1)), ((2, 3), (1, 1)), ((1, 1), (2, 3)), ((2, 1), (1, 2))]
]

REAL = [
    *(real((2, 9, 8, 3), (5, 3, 2, 3), **window) for window in WINDOWS),
    *(real((1, 4, 4, 6), (7, 1, 1, 6), activation=activation) for activation in ACTIVATIONS),
    real((1, 1, 1, 40), (33, 1, 1, 40)),
    real((3, 5, 7, 8), (12, 3, 3, 2), stride=(2, 2)),  # 4 groups of 3
    real((1, 5, 5, 6), (6, 3, 3, 1)),  # groups of one channel
    real((1, 3, 2, 2), (4, 5, 7, 2)),  # the window is larger than the image
    real((1, 3, 3, 2), (4, 3, 3, 2), padding="SAME", dilation=(4, 5)),  # only the middle tap meets the image
    real((1, 6, 6, 2), (4, 6, 6, 2), padding="VALID"),
    real((0, 6, 6, 2), (4, 3, 3, 2)),
    real((1, 33, 31, 4), (9, 5, 3, 4), stride=(4, 7), seed=5),
]

INT8 = [
    *(quantized((2, 9, 8, 3), (5, 3, 2, 3), **window) for window in WINDOWS),
    *(quantized((2, 9, 8, 3), (5, 3, 2, 3), scale=channel_scales(5), **window) for window in WINDOWS),
    *(quantized((1, 4, 4, 6), (7, 1, 1, 6), activation=a, out_scale=0.05, seed=1) for a in ACTIVATIONS),
    *(quantized((1, 6, 5, 16), (9, 3, 3, 16), zero=z, out_zero=o, seed=z) for z in (-128, 0, 127) for o in (-128, 127)),
    quantized((1, 1, 1, 100), (33, 1, 1, 100), scale=channel_scales(33)),
    quantized((3, 5, 7, 8), (12, 3, 3, 2), stride=(2, 2), scale=channel_scales(12)),
    quantized((1, 5, 5, 6), (6, 3, 3, 1)),
    quantized((1, 3, 2, 2), (4, 5, 7, 2), scale=channel_scales(4)),
    quantized((1, 3, 3, 2), (4, 3, 3, 2), dilation=(4, 5)),
    quantized((1, 5, 5, 8), (6, 3, 3, 8), out_scale=1e-4),  # multipliers over 1: everything saturates
    quantized((1, 5, 5, 8), (6, 3, 3, 8), out_scale=0.0004, scale=channel_scales(6, 1e-5), seed=3),
    quantized((1, 5, 5, 8), (6, 3, 3, 8), scale=1e-9, out_scale=10.0),  # a multiplier of zero
    quantized((1, 5, 5, 1), (1, 3, 3, 1), scale=[0.01]),
    *(quantized((1, 8, 8, 17), (10, 3, 3, 17), scale=channel_scales(10), seed=s) for s in range(10, 14)),
    quantized((1, 5, 5, 3), (5, 3, 3, 3), weight_dtype="int4", scale=channel_scales(5)),
    quantized((1, 5, 5, 3), (3, 1, 1, 3), weight_dtype="int4", scale=0.2),
]

ZEROS = [(0, 0), (1, 9), (100, 100), (128, 128), (150, 128), (200, 150), (254, 254), (255, 255)]  # weights, output

UINT8 = [
    *(
        quantized((2, 9, 8, 3), (5, 3, 2, 3), dtype="uint8", weight_dtype="uint8", weight_zero=w, out_zero=o, **window)
        for window, (w, o) in zip(WINDOWS, ZEROS, strict=True)
    ),
    *(
        quantized(
            (1, 4, 4, 6), (7, 1, 1, 6), dtype="uint8", weight_dtype="uint8", zero=z, weight_zero=131, out_zero=100,
            activation=a, seed=z,
        )
        for a in ACTIVATIONS
        for z in (0, 255)
    ),
    quantized((1, 5, 5, 8), (12, 3, 3, 2), dtype="uint8", weight_dtype="uint8", weight_zero=120, out_zero=128),
    quantized(
        (1, 5, 5, 8), (6, 3, 3, 8), dtype="uint8", weight_dtype="uint8", weight_zero=120, out_zero=128, scale=0.003,
        out_scale=0.00015, activation="RELU6",
    ),
]  # fmt: skip

INT16 = [
    *(
        quantized((2, 9, 8, 3), (5, 3, 2, 3), dtype="int16", scale=s, zero=0, out_zero=0, bias_type=b, **window)
        for window in WINDOWS[::3]
        for s in (0.01, channel_scales(5))
        for b in ("FLOAT32", "INT64", "INT32")
    ),
    *(
        quantized((1, 4, 4, 6), (7, 1, 1, 6), dtype="int16", zero=0, out_zero=0, activation=a, out_scale=1e-3)
        for a in ACTIVATIONS
    ),
    quantized((1, 5, 5, 8), (12, 3, 3, 2), dtype="int16", zero=0, out_zero=0, scale=channel_scales(12)),
    quantized((1, 5, 5, 8), (12, 3, 3, 8), dtype="int16", weight_dtype="int4", zero=0, out_zero=0),
]

HYBRID = [
    *(hybrid((2, 9, 8, 3), (5, 3, 2, 3), **window) for window in WINDOWS),
    *(hybrid((2, 9, 8, 3), (5, 3, 2, 3), scale=channel_scales(5), **window) for window in WINDOWS),
    *(hybrid((1, 4, 4, 6), (7, 1, 1, 6), activation=a, scale=channel_scales(7)) for a in ACTIVATIONS),
    *(hybrid((1, 4, 4, 6), (7, 1, 1, 6), activation=a) for a in ACTIVATIONS),
    hybrid((3, 5, 7, 8), (12, 3, 3, 2), stride=(2, 2), scale=channel_scales(12)),
    hybrid((3, 6, 6, 8), (4, 3, 3, 8), scale=[0.1] * 4),  # all channels alike count as one scale
    hybrid((2, 6, 6, 8), (4, 3, 3, 8), weight_dtype="int4", scale=channel_scales(4)),
    hybrid((2, 6, 6, 8), (4, 3, 3, 8), weight_dtype="int4"),
]


def refused(error: str, **more: Any) -> Case:
    given: dict[str, Any] = dict(image=(1, 4, 4, 2), weights=(3, 3, 3, 2), bias_shape=(3,), label=error[:20]) | more
    inputs = [
        x(*given["image"], dtype=given.get("dtype", "float32"), **given.get("input", {})),
        c(*given["weights"], dtype=given.get("weight_dtype", "float32"), **given.get("weight", {})),
        c(*given["bias_shape"], dtype=given.get("bias_dtype", "float32")),
    ]
    result = out(given.get("out_dtype", given.get("dtype", "float32")), **given.get("output", {}))
    chosen = options() | given.get("options", {})
    return Case("CONV_2D", inputs, [result], chosen, error=error, label=given["label"])


INT8_TENSORS = dict(
    dtype="int8", weight_dtype="int8", bias_dtype="int32", input={"scale": 0.1}, output={"scale": 0.1},
    weight={"scale": 0.1},
)  # fmt: skip

REFUSED = [
    refused("stride is 0", options={"stride_h": 0}),
    refused("stride is -1", options={"stride_w": -1}),
    refused("dilation is 0", options={"dilation_w_factor": 0}),
    refused("dilation is -2147483648", options={"dilation_h_factor": -(2**31)}),
    refused("padding 7", options={"padding": 7}),
    refused("must have rank 4", image=(4, 4, 2)),
    refused("must have rank 4", weights=(3, 3, 2), label="weights_rank_3"),
    refused("no multiple", image=(1, 4, 4, 3)),
    refused("groups", image=(1, 4, 4, 4), label="3_channels_in_2_groups"),
    refused("has size 0", image=(1, 0, 4, 2)),
    refused("no channels", weights=(3, 3, 3, 0)),
    refused("filter spans 9", weights=(3, 9, 3, 2), options={"padding": "VALID"}),
    refused("spans 4294967295", options={"padding": "VALID", "dilation_h_factor": 2**31 - 1}),
    refused("4 values for 3 channels", bias_shape=(4,)),
    refused("bias is int32", bias_dtype="int32"),
    refused("activation TANH", options={"fused_activation_function": "TANH"}),
    refused("activation 99", options={"fused_activation_function": 99}),
    refused("output is int8", out_dtype="int8", output={"scale": 0.1}),
    refused("float64", dtype="float64", weight_dtype="float64", bias_dtype="float64"),
    refused("no quantization scale", **INT8_TENSORS | {"input": {}}),
    refused("must be positive", **INT8_TENSORS | {"input": {"scale": float("nan")}}),
    refused("must be positive", **INT8_TENSORS | {"output": {"scale": 0.0}}, label="output_scale_0"),
    refused("zero point 4", **INT8_TENSORS | {"weight": {"scale": 0.1, "zero": 4}}),
    refused("zero point 400", **INT8_TENSORS | {"input": {"scale": 0.1, "zero": 400}}),
    refused("2 scales", **INT8_TENSORS | {"weight": {"scale": [0.1, 0.2]}}),
    refused("along dimension 1", **INT8_TENSORS | {"weight": {"scale": [0.1, 0.2, 0.1], "axis": 1}}),
    refused("the scale -0.1", **INT8_TENSORS | {"weight": {"scale": [0.1, -0.1, 0.1]}}),
    refused("too large", **INT8_TENSORS | {"output": {"scale": 1e-30}}),
    refused("bias is float32", **INT8_TENSORS | {"bias_dtype": "float32"}),
]


def random_case(seed: int) -> Case:
    rng = np.random.default_rng(seed)

    def pick(choices: Any) -> Any:
        return choices[int(rng.integers(len(choices)))]

    groups = pick((1, 1, 1, 2, 3))
    depth, channels = int(rng.integers(1, 12)), groups * int(rng.integers(1, 8))
    window, stride, dilation = ((int(a), int(b)) for a, b in (rng.integers(1, n, 2) for n in (5, 4, 3)))
    sizes = [(n - 1) * d + int(rng.integers(1, 7)) for n, d in zip(window, dilation, strict=True)]
    image, weights = (int(rng.integers(1, 3)), *sizes, groups * depth), (channels, *window, depth)
    common: dict[str, Any] = dict(
        padding=pick(("SAME", "VALID")), stride=stride, dilation=dilation, activation=pick(ACTIVATIONS), seed=seed
    )
    kind = pick(("real", "hybrid", "int8", "int8", "uint8", "int16", "int16"))
    if kind == "real":
        return real(image, weights, **common)
    first = float(10 ** rng.uniform(-5, -1))
    scale: float | list[float] = pick((first, channel_scales(channels, first / 10)))
    if kind == "hybrid":
        if groups > 1:  # BUILTIN_REF wants a scale for each channel
            scale = channel_scales(channels, first / 10)
        # Not -128 of int8, which TFLite's x86 code multiplies wrongly here.
        return hybrid(image, weights, weight_dtype="int4", scale=scale, **common)
    out_scale = first * float(10 ** rng.uniform(0, 3))
    low, high = {"uint8": (0, 255), "int16": (0, 0)}.get(kind, (-128, 127))
    common |= {name: int(rng.integers(low, high, endpoint=True)) for name in ("zero", "out_zero")}
    if kind == "uint8":
        common |= dict(weight_dtype="uint8", weight_zero=int(rng.integers(0, 255, endpoint=True)))
        scale = first
    else:
        common |= dict(weight_dtype=pick(("int8", "int8", "int4")))
    if kind == "int16":
        common |= dict(bias_type=pick(("FLOAT32", "INT64", "INT32")))
    return quantized(image, weights, dtype=kind, scale=scale, out_scale=out_scale, **common)


MORE = [random_case(seed) for seed in range(110)]
CASES = [*REAL, *INT8, *UINT8, *INT16, *HYBRID, *REFUSED]
