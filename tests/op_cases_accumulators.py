"""Sums near the ends of their type, from biases as large as the type allows: convolutions and FULLY_CONNECTED."""

from __future__ import annotations

from typing import Any

from op_cases import Case, In, c, const, out, x
from op_cases_transpose_conv import options as transposed_options

INPUT, WEIGHTS = 0.05, 0.02
PLAIN = {"padding": "SAME", "stride_h": 1, "stride_w": 1, "fused_activation_function": "NONE"}
UNDILATED = {"dilation_h_factor": 1, "dilation_w_factor": 1}
CHANNELS = 6
# Steps of the output: where the largest sums stay in range, where most of them do not, and where none does.
STEPS = (2.0**14, 2.0**6, 0.01)
# The type of the data, of the weights and of the biases, and the largest bias: no sum leaves 32 bits, and no product of
# a wide one and its multiplier does.
KINDS: tuple[tuple[str, str, str, int], ...] = (
    ("int8", "int8", "int32", 2**31 - 2**20),
    ("uint8", "uint8", "int32", 2**31 - 2**23),
    ("int16", "int8", "int64", 2**34),
)


def tensors(weights: tuple[int, ...], axis: int, kind: tuple[str, str, str, int]) -> tuple[In, In]:
    dtype, weight_type, bias_type, largest = kind
    zero = 120 if weight_type == "uint8" else 0
    filters = c(*weights, dtype=weight_type, scale=WEIGHTS, zero=zero, axis=axis)
    biases = c(CHANNELS, dtype=bias_type, scale=INPUT * WEIGHTS, low=-largest, high=largest)
    return filters, biases


def given(kind: tuple[str, str, str, int], *shape: int) -> In:
    return x(*shape, dtype=kind[0], scale=INPUT, zero={"int8": -3, "uint8": 130, "int16": 0}[kind[0]])


def result(kind: tuple[str, str, str, int], step: float) -> Any:
    return out(kind[0], scale=step, zero={"int8": 5, "uint8": 125, "int16": 0}[kind[0]])


def convolution(kind: tuple[str, str, str, int], step: float, seed: int) -> Case:
    filters, biases = tensors((CHANNELS, 3, 3, 4), 0, kind)
    inputs = [given(kind, 1, 5, 5, 4), filters, biases]
    return Case("CONV_2D", inputs, [result(kind, step)], PLAIN | UNDILATED, seed=seed, label=f"step{step:g}")


def depthwise(kind: tuple[str, str, str, int], step: float, seed: int) -> Case:
    filters, biases = tensors((1, 3, 3, CHANNELS), 3, kind)
    options = PLAIN | UNDILATED | {"depth_multiplier": 2}
    inputs = [given(kind, 1, 5, 5, CHANNELS // 2), filters, biases]
    return Case("DEPTHWISE_CONV_2D", inputs, [result(kind, step)], options, seed=seed, label=f"step{step:g}")


def fully_connected(kind: tuple[str, str, str, int], step: float, seed: int) -> Case:
    filters, biases = tensors((CHANNELS, 20), 0, kind)
    options = {"fused_activation_function": "NONE", "weights_format": "DEFAULT", "keep_num_dims": False}
    options |= {"asymmetric_quantize_inputs": False}
    inputs = [given(kind, 4, 20), filters, biases]
    return Case("FULLY_CONNECTED", inputs, [result(kind, step)], options, seed=seed, label=f"step{step:g}")


def transposed(kind: tuple[str, str, str, int], step: float, seed: int) -> Case:
    filters, biases = tensors((CHANNELS, 3, 3, 4), 0, kind)
    inputs = [const((1, 5, 5, CHANNELS)), filters, given(kind, 1, 5, 5, 4), biases]
    return Case("TRANSPOSE_CONV", inputs, [result(kind, step)], transposed_options(), seed=seed, label=f"step{step:g}")


CASES = [
    make(kind, step, seed)
    for make in (convolution, depthwise, fully_connected, transposed)
    for kind in KINDS
    for seed, step in enumerate(STEPS)
]
