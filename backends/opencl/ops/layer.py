"""An op with weights, read: what it multiplies, what it adds, and how its sums become outputs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from subgraft.backends.opencl.activations import zero_point_of
from subgraft.backends.opencl.launch import In, Value
from subgraft.backends.opencl.lowering import Build
from subgraft.backends.opencl.ops import dynamic_range, finish
from subgraft.backends.opencl.ops.finish import Finish, activation_of
from subgraft.backends.opencl.ops.operands import PLACES, finish_of, weights_zero
from subgraft.delegates import Array, Op, Tensor


@dataclass(frozen=True, slots=True)
class Layer:
    """data: activations as they lie on the device. dtype: their type, or dynamic_range.CENTERED.

    weights: as the file has them. weights_zero, data_zero: zero points. bias: of each channel.
    """

    data: Value
    dtype: str
    data_zero: int
    weights: Array
    weights_zero: int
    bias: Array
    finish: Finish


def read(op: Op, build: Build, rows: int) -> Layer:
    """rows: parts of the activations that are quantized each by itself, where floats meet integers."""
    at = PLACES[op.kind]
    tensor = build.tensor(op.inputs[at.data])
    data = build.value(op.inputs[at.data])
    weights = build.constant(op.inputs[at.weights])
    channels = weights.shape[at.axis]
    bias = np.zeros(channels, np.int64)
    if at.bias < len(op.inputs) and op.inputs[at.bias] >= 0:
        bias = build.constant(op.inputs[at.bias]).reshape(-1)
    if tensor.dtype == "float32" and weights.dtype != np.float32:
        return _of_floats_and_integers(
            op, build, Layer(data, "", 0, weights, 0, bias, finish_of(op, build.graph)), rows
        )
    return Layer(
        data, tensor.dtype, zero_point_of(tensor), weights, weights_zero(op, build.graph), bias,
        finish_of(op, build.graph),
    )  # fmt: skip


def _of_floats_and_integers(op: Op, build: Build, layer: Layer, rows: int) -> Layer:
    at = PLACES[op.kind]
    scales = _scales(build.tensor(op.inputs[at.weights]), len(layer.bias))
    quantized = dynamic_range.quantize(build, layer.data, rows, asymmetric=_is_asymmetric(op, scales, layer))
    pixels = build.value(op.outputs[0]).count // len(layer.bias) // rows
    return replace(
        layer,
        data=quantized.steps,
        dtype=dynamic_range.CENTERED,
        weights=layer.weights.view(np.int8),  # uint8 holds signed numbers here
        bias=np.zeros(len(layer.bias), np.int64),
        finish=finish.of_steps(
            In("input_scale", quantized.scale), scales, layer.bias, activation_of(op), pixels,
            twice=op.kind == "CONV_2D" and _is_asymmetric(op, scales, layer),
        ),
    )  # fmt: skip


def _is_asymmetric(op: Op, scales: Array, layer: Layer) -> bool:
    """As the CPU's kernels choose."""
    if op.kind == "FULLY_CONNECTED":
        return bool(op.options.get("asymmetric_quantize_inputs"))
    if op.kind == "CONV_2D":
        return bool((scales != scales[0]).any()) or layer.data.shape[3] != layer.weights.shape[3]
    return True


def _scales(weights: Tensor, channels: int) -> Array:
    """One for each channel."""
    q = weights.quantization
    return np.broadcast_to(np.array(q.scales if q else (), np.float32), (channels,))
