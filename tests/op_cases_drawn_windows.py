"""Drawn cases of convolutions, pools and resizing."""

from __future__ import annotations

from typing import Any

from op_cases import Case, In, const, out, x
from op_cases_conv import bias
from op_draws import ACTIVATIONS, Draw, Recipe, copied, drawn


def spaces(draw: Draw) -> dict[str, Any]:
    return {"padding": draw.pick(("SAME", "VALID")), "stride_h": draw.number(1, 3), "stride_w": draw.number(1, 3)}


def window(draw: Draw, height: int, width: int, padding: str) -> tuple[int, int, int, int]:
    """Its size and dilations; VALID ones fit into the image."""
    sizes = []
    for size in (height, width):
        least = 1 if draw.chance(0.7) else 2
        dilation = draw.pick((1, 1, 2)) if size > 3 else 1
        most = max(1, (size - 1) // dilation + 1) if padding == "VALID" else 5
        sizes.append((min(draw.number(least, 5), most), dilation))
    (window_h, dilation_h), (window_w, dilation_w) = sizes
    return window_h, window_w, dilation_h, dilation_w


def convolution(depthwise: bool) -> Recipe:
    kind = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"

    def recipe(draw: Draw) -> Case:
        batch, height, width = draw.number(1, 2), draw.number(1, 9), draw.number(1, 9)
        options = spaces(draw) | {"fused_activation_function": draw.pick(ACTIVATIONS)}
        window_h, window_w, dilation_h, dilation_w = window(draw, height, width, options["padding"])
        options |= {"dilation_h_factor": dilation_h, "dilation_w_factor": dilation_w}
        if depthwise:
            options["stride_w"] = options["stride_h"]
            depth, multiplier = draw.number(1, 9), draw.pick((1, 1, 2, 3))
            options["depth_multiplier"] = multiplier
            channels = depth * multiplier
            weights: tuple[int, ...] = (1, window_h, window_w, channels)
        else:
            groups = draw.pick((1, 1, 1, 2, 3))
            depth, channels = groups * draw.number(1, 9), groups * draw.number(1, 6)
            weights = (channels, window_h, window_w, depth // groups)
        image = (batch, height, width, depth)
        return Case(kind, *tensors(draw, image, weights, channels, axis=3 if depthwise else 0), options)

    return recipe


def tensors(
    draw: Draw, image: tuple[int, ...], weights: tuple[int, ...], channels: int, axis: int
) -> tuple[list[In | None], list[Any]]:
    """Image, weights and bias, and the output."""
    style = draw.pick(("float32", "int8", "int8", "int8", "uint8", "int16", "hybrid"))
    if style in ("float32", "hybrid"):
        more: dict[str, Any] = {}
        if style == "hybrid":
            # Not -128, which TFLite's x86 code multiplies wrongly here.
            more = {"dtype": "int8", "scale": [draw.scale(0.002, 0.1) for _ in range(channels)], "axis": axis}
            more |= {"low": -127, "high": 127}
        filters = In(shape=weights, constant=True, **more)
        return [x(*image), filters, In(shape=(channels,), constant=True)], [out()]
    given = draw.quantized(style, 0.01, 0.2)
    per_channel = style == "int8" and draw.chance(0.7) or style == "int16" and draw.chance(0.5)
    scales: Any = [draw.scale(0.002, 0.1) for _ in range(channels)] if per_channel else draw.scale(0.002, 0.1)
    first = scales[0] if isinstance(scales, list) else scales
    zero = draw.zero("uint8") if style == "uint8" else 0
    filters = In(
        shape=weights, dtype="uint8" if style == "uint8" else "int8", scale=scales, zero=zero, axis=axis, constant=True
    )
    biases = bias(channels, given["scale"] * first, "int64" if style == "int16" else "int32")
    return [x(*image, **given), filters, biases], [out(**draw.quantized(style, 0.02, 2.0))]


def pool(kind: str) -> Recipe:
    def recipe(draw: Draw) -> Case:
        height, width = draw.number(1, 9), draw.number(1, 9)
        options = spaces(draw) | {"fused_activation_function": draw.pick(ACTIVATIONS)}
        window_h, window_w, _, _ = window(draw, height, width, options["padding"])
        if options["padding"] == "VALID":
            window_h, window_w = min(window_h, height), min(window_w, width)
        options |= {"filter_height": window_h, "filter_width": window_w}
        given = x(draw.number(1, 2), height, width, draw.number(1, 20), **draw.quantized(draw.pick(TYPES), 0.02, 0.3))
        return Case(kind, [given], [copied(given)], options)

    return recipe


TYPES = ("float32", "int8", "uint8", "int16")


def resize(kind: str, *types: str) -> Recipe:
    def recipe(draw: Draw) -> Case:
        shape = (draw.number(1, 2), draw.number(1, 9), draw.number(1, 9), draw.number(1, 6))
        size = [draw.number(1, 14), draw.number(1, 14)]
        corners, half = draw.pick(((False, False), (True, False), (False, True)))
        given = x(*shape, **draw.quantized(draw.pick(types)))
        options = {"align_corners": corners, "half_pixel_centers": half}
        return Case(kind, [given, const(size)], [copied(given)], options, label=str(size))

    return recipe


RECIPES: dict[str, Recipe] = {
    "CONV_2D": convolution(depthwise=False),
    "DEPTHWISE_CONV_2D": convolution(depthwise=True),
    **{kind: pool(kind) for kind in ("MAX_POOL_2D", "AVERAGE_POOL_2D")},
    **{kind: resize(kind, *TYPES) for kind in ("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR")},
}

CASES = [case for kind, recipe in RECIPES.items() for case in drawn(kind, recipe)]
