"""DEPTHWISE_CONV_2D."""

from __future__ import annotations

from typing import Any

import numpy as np

from op_cases import Case, c, out, x
from op_cases_conv import ACTIVATIONS, WINDOWS, ZEROS, bias, channel_scales
from op_cases_conv import options as conv_options


def options(multiplier: int, **more: Any) -> dict[str, Any]:
    chosen = conv_options(**more)
    del chosen["quantized_bias_type"]
    return chosen | {"depth_multiplier": multiplier}


def label_of(more: dict[str, Any]) -> str:
    return "_".join(f"{k}{v}" for k, v in more.items()).replace(" ", "")


def real(image: tuple[int, ...], window: tuple[int, int], multiplier: int = 1, *, seed: int = 0, **more: Any) -> Case:
    channels = image[3] * multiplier
    inputs = [x(*image), c(1, *window, channels), c(channels)]
    return Case("DEPTHWISE_CONV_2D", inputs, [out()], options(multiplier, **more), seed=seed, label=label_of(more))


def quantized(
    image: tuple[int, ...],
    window: tuple[int, int],
    multiplier: int = 1,
    *,
    dtype: str = "int8",
    weight_dtype: str = "int8",
    scale: float | tuple[float, ...] = 0.02,
    zero: int = 3,
    weight_zero: int = 0,
    out_scale: float = 0.15,
    out_zero: int = -5,
    seed: int = 0,
    **more: Any,
) -> Case:
    channels = image[3] * multiplier
    first = scale if isinstance(scale, float) else scale[0]
    inputs = [
        x(*image, dtype=dtype, scale=0.05, zero=zero),
        c(1, *window, channels, dtype=weight_dtype, scale=scale, zero=weight_zero, axis=3),
        bias(channels, 0.05 * first, "int64" if dtype == "int16" else "int32", limit=1000),
    ]
    kind = "one_scale" if isinstance(scale, float) else "channels"
    label = f"{kind}{first:g}_zero{zero}_{weight_zero}_to{out_scale:g}z{out_zero}_{label_of(more)}_{seed}"
    result = out(dtype, scale=out_scale, zero=out_zero)
    return Case("DEPTHWISE_CONV_2D", inputs, [result], options(multiplier, **more), seed=seed, label=label)


def per_channel(image: tuple[int, ...], window: tuple[int, int], multiplier: int = 1, **more: Any) -> Case:
    return quantized(image, window, multiplier, scale=tuple(channel_scales(image[3] * multiplier)), **more)


def hybrid(image: tuple[int, ...], window: tuple[int, int], multiplier: int = 1, **more: Any) -> Case:
    channels = image[3] * multiplier
    inputs = [
        x(*image),
        c(1, *window, channels, dtype="int8", scale=channel_scales(channels), axis=3),
        c(channels),
    ]
    return Case("DEPTHWISE_CONV_2D", inputs, [out()], options(multiplier, **more), label=label_of(more))


REAL = [
    *(real((2, 9, 8, 3), (3, 2), m, **window) for window in WINDOWS for m in (1, 4)),
    *(real((1, 4, 4, 6), (3, 3), activation=activation) for activation in ACTIVATIONS),
    real((1, 5, 6, 130), (3, 3)),
    real((1, 5, 6, 3), (3, 3), 70),
    real((1, 5, 6, 50), (3, 3), 3, stride=(2, 2)),
    real((1, 3, 2, 2), (5, 7)),
    real((1, 3, 3, 2), (3, 3), dilation=(4, 5)),
    real((0, 3, 3, 2), (3, 3)),
    real((1, 1, 1, 1), (1, 1)),
]

INT8 = [
    *(quantized((2, 9, 8, 3), (3, 2), m, **window) for window in WINDOWS for m in (1, 4)),
    *(per_channel((2, 9, 8, 3), (3, 2), m, **window) for window in WINDOWS for m in (1, 4)),
    *(quantized((1, 4, 4, 6), (3, 3), activation=a, out_scale=0.05) for a in ACTIVATIONS),
    *(per_channel((1, 6, 5, 16), (3, 3), zero=z, out_zero=o, seed=z) for z in (-128, 0, 127) for o in (-128, 127)),
    per_channel((1, 5, 6, 130), (3, 3)),
    per_channel((1, 5, 6, 3), (3, 3), 70),
    quantized((1, 5, 5, 8), (3, 3), out_scale=1e-5),
    quantized((1, 5, 5, 8), (3, 3), scale=1e-10),
    quantized((1, 5, 5, 8), (3, 3), weight_zero=4),  # a zero point of signed weights is not looked at
    *(per_channel((1, 8, 8, 17), (3, 3), seed=s) for s in range(10, 14)),
    per_channel((1, 5, 5, 3), (3, 3), weight_dtype="int4"),
    per_channel((1, 5, 5, 3), (3, 3), 3, weight_dtype="int4"),
]

UINT8 = [
    *(
        quantized((2, 9, 8, 3), (3, 2), m, dtype="uint8", weight_dtype="uint8", weight_zero=w, out_zero=o, **window)
        for window, (w, o) in zip(WINDOWS, ZEROS, strict=True)
        for m in (1, 2)
    ),
    *(
        quantized(
            (1, 4, 4, 6), (3, 3), dtype="uint8", weight_dtype="uint8", zero=z, weight_zero=131, out_zero=100,
            activation=a,
        )
        for a in ACTIVATIONS
        for z in (0, 255)
    ),
]  # fmt: skip

INT16 = [
    *(quantized((2, 9, 8, 3), (3, 2), m, dtype="int16", zero=0, out_zero=0, **w) for w in WINDOWS[::3] for m in (1, 4)),
    *(per_channel((2, 9, 8, 3), (3, 2), dtype="int16", zero=0, out_zero=0, **window) for window in WINDOWS[::3]),
    *(
        quantized((1, 4, 4, 6), (3, 3), dtype="int16", zero=0, out_zero=0, activation=a, out_scale=1e-3)
        for a in ACTIVATIONS
    ),
]

HYBRID = [
    *(hybrid((2, 9, 8, 3), (3, 2), m, **window) for window in WINDOWS for m in (1, 4)),
    *(hybrid((1, 4, 4, 6), (3, 3), activation=activation) for activation in ACTIVATIONS),
    hybrid((2, 5, 6, 130), (3, 3)),
]


def refused(error: str, **more: Any) -> Case:
    given: dict[str, Any] = dict(image=(1, 4, 4, 2), weights=(1, 3, 3, 4), bias_shape=(4,), label=error[:20]) | more
    dtype = given.get("dtype", "float32")
    bias_dtype = "float32" if dtype == "float32" else "int32"
    inputs = [
        x(*given["image"], dtype=dtype),
        c(*given["weights"], dtype=dtype),
        c(*given["bias_shape"], dtype=bias_dtype),
    ]
    chosen = options(2) | given.get("options", {})
    return Case("DEPTHWISE_CONV_2D", inputs, [out(dtype)], chosen, error=error, label=given["label"])


REFUSED = [
    refused("stride is 0", options={"stride_w": 0}),
    refused("dilation is -3", options={"dilation_h_factor": -3}),
    refused("first dimension must be 1", weights=(2, 3, 3, 4)),
    refused("no multiple", weights=(1, 3, 3, 5), bias_shape=(5,)),
    refused("no channels", image=(1, 4, 4, 0)),
    refused("has size 0", weights=(1, 0, 3, 4)),
    refused("2 values for 4 channels", bias_shape=(2,)),
    refused("int32 input", dtype="int32"),
    refused("no quantization scale", dtype="uint8"),
    refused("rank 4", image=(1, 4, 4, 2, 1)),
]


def random_case(seed: int) -> Case:
    rng = np.random.default_rng(seed)

    def pick(choices: Any) -> Any:
        return choices[int(rng.integers(len(choices)))]

    depth, multiplier = int(rng.integers(1, 40)), pick((1, 1, 1, 2, 5))
    window, stride, dilation = ((int(a), int(b)) for a, b in (rng.integers(1, n, 2) for n in (5, 4, 3)))
    sizes = [(n - 1) * d + int(rng.integers(1, 7)) for n, d in zip(window, dilation, strict=True)]
    image = (int(rng.integers(1, 3)), *sizes, depth)
    how: dict[str, Any] = dict(
        padding=pick(("SAME", "VALID")), stride=stride, dilation=dilation, activation=pick(ACTIVATIONS)
    )
    kind = pick(("real", "hybrid", "int8", "int8", "uint8", "int16"))
    if kind == "real":
        return real(image, window, multiplier, seed=seed, **how)
    if kind == "hybrid":
        return hybrid(image, window, multiplier, **how)
    first = float(10 ** rng.uniform(-5, -1))
    scales = tuple(channel_scales(depth * multiplier, first / 10))
    how |= dict(scale=first if kind == "uint8" else pick((first, scales)), out_scale=first * 10 ** rng.uniform(0, 3))
    low, high = {"uint8": (0, 255), "int16": (0, 0)}.get(kind, (-128, 127))
    how |= {name: int(rng.integers(low, high, endpoint=True)) for name in ("zero", "out_zero")}
    if kind == "uint8":
        how |= dict(weight_dtype="uint8", weight_zero=int(rng.integers(0, 255, endpoint=True)))
    if kind == "int8":
        how |= dict(weight_dtype=pick(("int8", "int4")))
    return quantized(image, window, multiplier, dtype=kind, seed=seed, **how)


MORE = [random_case(seed) for seed in range(110)]
CASES = [*REAL, *INT8, *UINT8, *INT16, *HYBRID, *REFUSED]
