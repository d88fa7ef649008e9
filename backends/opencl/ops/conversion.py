"""QUANTIZE, DEQUANTIZE and CAST."""

from __future__ import annotations

import math

import numpy as np

from subgraft.backends.opencl.fusion import elementwise
from subgraft.backends.opencl.launch import Argument, Int, Real, Table
from subgraft.backends.opencl.lookup import thresholds
from subgraft.backends.opencl.lowering import Build, lowers
from subgraft.backends.opencl.ops.pointwise_quantized import look_up
from subgraft.backends.opencl.ops.pointwise_rules import BYTES, broadcasts, countable, one_varies
from subgraft.backends.opencl.ops.reshape import move
from subgraft.backends.opencl.quantization import LIMITS, affine, has_one_scale, multiplier
from subgraft.delegates import Graph, Op, rule

QUANTIZED_FROM = {
    "float32": ("int8", "uint8", "int16"), "int32": ("int8", "int16"), "int16": ("int8", "int16", "int32"),
    "int8": ("int8", "uint8", "int16"), "uint8": ("int8", "uint8", "int16"),
}  # fmt: skip
C_TYPES = {"int8": "char", "uint8": "uchar", "int16": "short", "int32": "int"}


@rule
def quantizes(op: Op, graph: Graph) -> bool:
    """QUANTIZE is known from float32, int32, int16, int8 and uint8 to types of 8 and 16 bits (int16 also to int32)"""
    given, made = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    return made.dtype in QUANTIZED_FROM.get(given.dtype, ())


@rule
def one_scale(op: Op, graph: Graph) -> bool:
    """it must quantize with one scale, above 1e-37 and below infinity, and a zero point within its type"""
    ends = [graph.tensors[t] for t in (*op.inputs, *op.outputs)]
    return all(has_one_scale(t) for t in ends if t.dtype != "float32")


@rule
def ratio_fits(op: Op, graph: Graph) -> bool:
    """the input's scale must be less than 2^30 times the output's"""
    ends = [graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]]
    if not all(map(has_one_scale, ends)):
        return True  # floats, or one_scale says why not
    given, made = (float(affine(t).scale) for t in ends)
    try:
        multiplier("out", given / made)
    except ValueError:
        return False
    return True


@rule
def dequantizes(op: Op, graph: Graph) -> bool:
    """DEQUANTIZE is known from int8, uint8 and int16 to float32"""
    return graph.tensors[op.inputs[0]].dtype in ("int8", "uint8", "int16") and _is_float(op, graph)


@rule
def scales_fit(op: Op, graph: Graph) -> bool:
    """it must have one scale, or one for each index of a dimension, and its zero points must fit its type"""
    return has_one_scale(graph.tensors[op.inputs[0]]) or _has_channels(op, graph)


@lowers("QUANTIZE", rules=(quantizes, one_varies, countable, broadcasts, one_scale, ratio_fits))
def quantize(op: Op, build: Build) -> None:
    given, made = build.tensor(op.inputs[0]), build.tensor(op.outputs[0])
    low, high = LIMITS[made.dtype]
    out = affine(made)
    arguments: list[Argument] = [Int("zero", out.zero), Int("low", low), Int("high", high)]
    if given.dtype in BYTES:
        look_up(op, build)
        return
    if given.dtype == "float32":
        arguments += [
            Table("least", thresholds(build.graph, build.op, made.dtype)),
            Real("inverse", float(np.float32(1) / out.scale)),
        ]
        code = "$w = quantized(a, POINTER($least), $inverse, $zero, $low, $high);"
    else:
        arguments += [
            Int("a_zero", affine(given).zero),
            *multiplier("out", float(affine(given).scale) / float(out.scale)),
        ]
        code = "$w = requantized_saturated(wrapping_subtract(a, $a_zero), $out_value, $out_shift, $zero, $low, $high);"
    elementwise(build, op.outputs[0], {"a": op.inputs[0]}, code, "int", arguments)


@lowers("DEQUANTIZE", rules=(dequantizes, one_varies, countable, broadcasts, scales_fit))
def dequantize(op: Op, build: Build) -> None:
    given = build.tensor(op.inputs[0])
    if has_one_scale(given):
        of = affine(given)
        arguments: list[Argument] = [Real("scale", float(of.scale)), Int("zero", of.zero)]
        code = "$w = $scale * (float)(a - $zero);"
    else:
        quantization = given.quantization
        assert quantization is not None  # the rules let none pass
        count, axis = len(quantization.scales), quantization.axis
        zeros = np.broadcast_to(np.array(quantization.zero_points or (0,), np.int32), (count,))
        arguments = [
            Table("scales", np.array(quantization.scales, np.float32)),
            Table("zeros", zeros),
            Int("inside", math.prod(given.shape[axis + 1 :])),
            Int("channels", count),
        ]
        code = (
            "const int channel = $i / $inside % $channels; "
            "$w = LOAD($scales, channel) * (float)(a - LOAD($zeros, channel));"
        )
    elementwise(build, op.outputs[0], {"a": op.inputs[0]}, code, "float", arguments)


@rule
def castable(op: Op, graph: Graph) -> bool:
    """CAST is known among float32, int32, int16, int8, uint8 and bool"""
    known = ("float32", "bool", *C_TYPES)
    return all(graph.tensors[t].dtype in known for t in (*op.inputs, *op.outputs))


@lowers("CAST", rules=(castable, one_varies, countable, broadcasts))
def cast(op: Op, build: Build) -> None:
    given, made = build.tensor(op.inputs[0]).dtype, build.tensor(op.outputs[0]).dtype
    if given == made and given != "bool":
        move(op, build)
        return
    number = "(a != 0)" if given == "bool" else "a"
    arguments: list[Argument] = []
    if made == "float32":
        code = f"$w = (float){number};"
    elif made == "bool":
        code = f"$w = {number} != 0;"
    elif given == "float32":
        low, high = LIMITS[made]
        arguments += [Real("low", float(low)), Real("beyond", float(high) + 1), Int("least", low), Int("most", high)]
        code = "$w = truncated(a, $low, $beyond, $least, $most);"
    else:
        code = f"$w = ({C_TYPES[made]}){number};"
    elementwise(build, op.outputs[0], {"a": op.inputs[0]}, code, "float" if made == "float32" else "int", arguments)


def _is_float(op: Op, graph: Graph) -> bool:
    return graph.tensors[op.outputs[0]].dtype == "float32"


def _has_channels(op: Op, graph: Graph) -> bool:
    tensor = graph.tensors[op.inputs[0]]
    quantization = tensor.quantization
    if quantization is None or quantization.blockwise is not None or not 0 <= quantization.axis < len(tensor.shape):
        return False
    count = tensor.shape[quantization.axis]
    low, high = LIMITS["int16"][0], 65535
    return (
        len(quantization.scales) == count
        and len(quantization.zero_points) in (0, 1, count)
        and all(0 <= scale < math.inf for scale in quantization.scales)
        and all(low <= zero <= high for zero in quantization.zero_points)
    )
