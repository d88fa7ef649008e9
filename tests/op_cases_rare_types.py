"""Types that few models have: 8-bit products of 16-bit fractions, small paddings, packed weights that are fed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from op_cases import Array, Case, const, fed, out, x
from op_cases_arithmetic import ACTIVATIONS

FRACTION = {"dtype": "int16", "scale": 2.0**-15}
EIGHT_BITS = ("int8", "uint8")


def fractions() -> list[Case]:
    ends = fed([-32768, -32768, 32767, 32767, -1, 128, -128, 181, 0], **FRACTION)
    others = fed([-32768, 32767, 32767, -32768, -1, 128, 128, 181, 5], **FRACTION)
    cases = []
    for dtype in EIGHT_BITS:
        for zero in (-128, -3, 0, 100) if dtype == "int8" else (0, 128, 255):
            result = out(dtype, scale=2.0**-7, zero=zero)
            cases.append(Case("MUL", [ends, others], [result], label=f"ends_{dtype}_{zero}"))
            for i, activation in enumerate(ACTIVATIONS):
                inputs = [x(3, 40, **FRACTION), x(3, 40, **FRACTION)]
                options = {"fused_activation_function": activation}
                label = f"{dtype}_{zero}_{activation}"
                cases.append(Case("MUL", inputs, [result], options, seed=i, label=label))
        cases.append(Case("MUL", [x(5, dtype="int16"), x(5, dtype="int16")], [out(dtype)], label=dtype))
    return cases


def paddings() -> list[Case]:
    cases = []
    for index in ("int8", "int16"):
        for make in (const, fed):
            for dtype in ("float32", "int8", "int32"):
                amounts = make(((1, 0), (0, 2)), index)
                cases.append(Case("PAD", [x(2, 3, dtype=dtype), amounts], [out(dtype)]))
                cases.append(Case("PADV2", [x(2, 3, dtype=dtype), amounts, const(5, dtype)], [out(dtype)]))
    negative = const(((-1, 0), (0, 2)), "int8")
    return [*cases, Case("PAD", [x(2, 3), negative], [out()], error="padding of -1")]


def fed_weights() -> list[Case]:
    """LiteRT's Python interface feeds no int2."""
    cases = []
    data = {"dtype": "int8", "scale": 0.1, "zero": 3}
    result = out("int8", scale=0.5, zero=-4)
    dense = {"fused_activation_function": "NONE", "weights_format": "DEFAULT"}
    for i, (rows, units, depth) in enumerate(((1, 4, 32), (3, 5, 7), (4, 16, 64))):
        weights = x(units, depth, dtype="int4", scale=0.07)
        more = {"seed": i, "version": 10}
        cases.append(Case("FULLY_CONNECTED", [x(rows, depth, **data), weights, None], [result], dense, **more))
        cases.append(Case("FULLY_CONNECTED", [x(rows, depth), weights, None], [out()], dense, **more))
    window = {"stride_h": 1, "stride_w": 1, "padding": "SAME", "dilation_h_factor": 1, "dilation_w_factor": 1}
    window |= {"fused_activation_function": "NONE"}
    for i, depth in enumerate((2, 3)):
        image, weights = x(1, 5, 4, depth, **data), x(6, 3, 3, depth, dtype="int4", scale=0.07)
        bias = const([3, -2, 0, 1, 7, 9], scale=0.007)
        cases.append(Case("CONV_2D", [image, weights, bias], [result], window, seed=i, version=7))
    return cases


def channels() -> list[Case]:
    """Requantization with a scale for each channel; ratios from a half on are rounded once."""
    ratios = np.array([1.0, 2.0, 0.74, 4.0])
    why = "TFLite computes with a scale of 0"
    cases = []

    def expected(shift: int, low: int, high: int, along: Array) -> Callable[[list[Array]], list[Array]]:
        def rescaled(arrays: list[Array]) -> list[Array]:
            (given,) = arrays
            real = np.floor(given.astype(np.float64) * along + 0.5) + shift
            return [real.clip(low, high).astype(np.int8 if low < 0 else np.uint8)]

        return rescaled

    for source in ("int8", "uint8", "int16"):
        for axis, along in ((0, ratios[:, None]), (1, ratios[None])):
            given = x(4, 4, dtype=source, low=0, high=40, scale=0.25)
            scaled = out("int8", shape=(4, 4), scale=(0.25 / ratios).tolist(), zero=-3, axis=axis)
            answer = expected(-3, -128, 127, along)
            cases.append(Case("QUANTIZE", [given], [scaled], expected=answer, why=why, label=f"to_axis{axis}"))
            many = x(4, 4, dtype=source, low=0, high=40, scale=(0.25 * ratios).tolist(), axis=axis)
            single = out("int8", scale=0.25, zero=-3)
            cases.append(Case("QUANTIZE", [many], [single], expected=answer, why=why, label=f"from_axis{axis}"))
    both = {"shape": (4, 4), "scale": ratios.tolist()}
    refused = Case(
        "QUANTIZE",
        [x(4, 4, dtype="int8", scale=ratios.tolist(), axis=1)],
        [out("int8", axis=0, **both)],
        error="along different dimensions",
    )
    return [*cases, refused]


CASES = [*channels(), *fractions(), *paddings(), *fed_weights()]
