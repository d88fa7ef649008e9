"""What ops with weights ask of their operands, and how their sums become outputs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from subgraft.backends.opencl.activations import REAL_RANGES, zero_point_of
from subgraft.backends.opencl.ops import finish
from subgraft.backends.opencl.ops.finish import Finish, activation_of
from subgraft.delegates import Graph, Op, Tensor, rule
from subgraft.delegates.constants import is_constant

MOST_ELEMENTS = (1 << 31) - 1  # kernels count elements in 32 bits
SIGNED_WEIGHTS = ("int8", "int4", "int2")
# Weights that go with each type of activations.
WEIGHTS: Mapping[str, tuple[str, ...]] = {
    "float32": ("float32", "uint8", *SIGNED_WEIGHTS), "int8": SIGNED_WEIGHTS, "uint8": ("uint8",),
    "int16": SIGNED_WEIGHTS,
}  # fmt: skip
# Weights that the ops' kernels take with floats.
MIXED: Mapping[str, tuple[str, ...]] = {
    "CONV_2D": WEIGHTS["float32"], "DEPTHWISE_CONV_2D": ("float32", *SIGNED_WEIGHTS),
    "FULLY_CONNECTED": WEIGHTS["float32"],
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Places:
    """Which inputs an op's operands are, and along which dimension of the weights its output channels lie.

    is_real: it requantizes in double precision.
    """

    data: int
    weights: int
    bias: int
    axis: int
    is_real: bool = False


PLACES: Mapping[str, Places] = {
    "CONV_2D": Places(0, 1, 2, 0),
    "DEPTHWISE_CONV_2D": Places(0, 1, 2, 3),
    "TRANSPOSE_CONV": Places(2, 1, 3, 0),
    "FULLY_CONNECTED": Places(0, 1, 2, 0, is_real=True),
}


def operand(op: Op, graph: Graph, place: int) -> Tensor | None:
    """An input that may be absent."""
    t = op.inputs[place] if place < len(op.inputs) else -1
    return graph.tensors[t] if t >= 0 else None


@rule
def operand_count(op: Op, graph: Graph) -> bool:
    """it must have an input, weights, at most a bias besides, and one output"""
    at = PLACES[op.kind]
    required = all(operand(op, graph, i) is not None for i in range(at.bias))
    return required and len(op.inputs) <= at.bias + 1 and len(op.outputs) == 1


@rule
def matching_types(op: Op, graph: Graph) -> bool:
    """its types must go together: float32 activations with weights of float32 or of 8 bits or fewer (TRANSPOSE_CONV: float32), or quantized activations with weights of 8 bits or fewer (uint8 with uint8, int8 and int16 with signed ones) and a bias of int32 (int16: or int64)"""  # noqa: E501
    at = PLACES[op.kind]
    data, weights, bias = (operand(op, graph, i) for i in (at.data, at.weights, at.bias))
    made = graph.tensors[op.outputs[0]] if op.outputs else None
    if data is None or weights is None or made is None:
        return True
    if made.dtype != data.dtype or weights.dtype not in WEIGHTS.get(data.dtype, ()):
        return False
    if data.dtype == "float32" and weights.dtype not in MIXED.get(op.kind, ("float32",)):
        return False
    return bias is None or bias.dtype == _bias_type(op, graph)


@rule
def constant_parameters(op: Op, graph: Graph) -> bool:
    """its weights and its bias must be constants"""
    at = PLACES[op.kind]
    return all(
        is_constant(t, graph) for t in (*op.inputs[at.weights : at.weights + 1], *op.inputs[at.bias :]) if t >= 0
    )


@rule
def addressable(op: Op, graph: Graph) -> bool:
    """its tensors must have fewer than 2^31 elements each"""
    return all(math.prod(graph.tensors[t].shape) <= MOST_ELEMENTS for t in (*op.inputs, *op.outputs) if t >= 0)


@rule
def usable_scales(op: Op, graph: Graph) -> bool:
    """quantized tensors need finite scales above 0 (the weights' one, or one for each output channel) that do not make outputs far larger than sums; the zero points of int16, and of CONV_2D's signed weights, must be 0"""  # noqa: E501
    at = PLACES[op.kind]
    data, weights = operand(op, graph, at.data), operand(op, graph, at.weights)
    if data is None or weights is None or weights.dtype == "float32" or not matching_types(op, graph):
        return True
    if len(weights.shape) <= at.axis:
        return False
    channels = weights.shape[at.axis]
    if data.dtype == "float32":
        q = weights.quantization
        return has_scales(weights, channels) and q is not None and (len(q.scales) == 1 or q.axis == at.axis)
    made = graph.tensors[op.outputs[0]]
    if not all(has_scales(t, 1) for t in (data, made)):
        return False
    if not has_scales(weights, 1 if weights.dtype == "uint8" else channels) or not _centered(op, graph):
        return False
    if activation_of(op) not in REAL_RANGES:
        return True
    try:
        finish_of(op, graph)
    except (ValueError, OverflowError):  # a multiplier too large, a clamp that no integer holds
        return False
    return True


def finish_of(op: Op, graph: Graph) -> Finish:
    """How the op's sums become its outputs. Raises ValueError for scales that no kernel can use."""
    at = PLACES[op.kind]
    data, weights, made = op.inputs[at.data], op.inputs[at.weights], op.outputs[0]
    out, activation = graph.tensors[made], activation_of(op)
    dtype = graph.tensors[data].dtype
    if dtype == "float32":
        return finish.of_floats(activation)
    channels = graph.tensors[weights].shape[at.axis]
    wide = dtype == "int16" and _bias_type(op, graph) == "int64"
    if dtype == "uint8" and not at.is_real:
        return finish.in_fixed_point([finish.tensor_scale(graph, data, weights, made)] * channels, out, activation)
    scales = finish.channel_scales(graph, data, weights, made, channels)
    make = finish.in_real_numbers if at.is_real else finish.in_fixed_point
    return make(scales, out, activation, wide=wide)


def weights_zero(op: Op, graph: Graph) -> int:
    """The zero point that the CPU's kernels take off the weights."""
    weights = graph.tensors[op.inputs[PLACES[op.kind].weights]]
    q = weights.quantization
    if q is None or len(q.scales) != 1 or not q.zero_points:
        return 0
    return int(q.zero_points[0]) if weights.dtype == "uint8" or op.kind == "FULLY_CONNECTED" else 0


def _bias_type(op: Op, graph: Graph) -> str:
    """Of the op's bias, and so of its sums; native/src/kernels/weights.h, bias_type()."""
    at = PLACES[op.kind]
    data, bias = operand(op, graph, at.data), operand(op, graph, at.bias)
    if data is None or data.dtype == "float32":
        return "float32"
    if data.dtype != "int16":
        return "int32"
    if op.kind == "DEPTHWISE_CONV_2D":
        return "int64"
    named = str(op.options.get("quantized_bias_type", "FLOAT32"))
    if named in ("INT32", "INT64"):
        return named.lower()
    return bias.dtype if named == "FLOAT32" and bias is not None and bias.dtype in ("int32", "int64") else "int64"


def has_scales(tensor: Tensor, most: int) -> bool:
    """One scale, or `most` of them, all of them usable."""
    q = tensor.quantization
    if q is None or q.blockwise is not None or len(q.scales) not in (1, most):
        return False
    return all(math.isfinite(scale) and np.float32(scale) > 0 for scale in q.scales)


def _centered(op: Op, graph: Graph) -> bool:
    """Whether zero points are where the kernels need them, and scales along the right dimension."""
    at = PLACES[op.kind]
    data, weights = graph.tensors[op.inputs[at.data]], graph.tensors[op.inputs[at.weights]]
    q = weights.quantization
    if q is None or (len(q.scales) > 1 and q.axis != at.axis):
        return False
    if data.dtype == "int16" and any(zero_point_of(t) for t in (data, graph.tensors[op.outputs[0]])):
        return False
    return op.kind != "CONV_2D" or weights.dtype == "uint8" or not any(q.zero_points)
