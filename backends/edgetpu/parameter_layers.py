"""The layers of a graph that have parameters: what they compute with, and how that may lie in a parameter stream."""

from __future__ import annotations

import math

import numpy as np

from subgraft.backends.edgetpu.parameters import (
    BIASES,
    BLOCK,
    CONVOLUTIONS,
    ENTRY_BYTES,
    GROUP_LANES,
    LANE_STEP,
    MULTIPLIERS,
    NARROW_LANES,
    RANGES,
    SIGN_BIT,
    ZERO_POINTS,
    Layout,
    ParameterLayer,
    Parameters,
    stored,
)
from subgraft.delegates import Array, Graph, Op, Quantization, Segment, Tensor

SMALLEST_CONSTANT = 64  # elements: fewer say too little of the place where they are found


def layers(segment: Segment) -> tuple[ParameterLayer, ...]:
    """The segment's ops with constant weights or other quantized constants, in the order of the graph."""
    graph = segment.graph
    return tuple(layer for i in segment.ops if (layer := _of(graph, i)) is not None)


def _of(graph: Graph, index: int) -> ParameterLayer | None:
    op = graph.ops[index]
    if op.kind in CONVOLUTIONS:
        has_weights = len(op.inputs) > 1 and op.inputs[1] >= 0 and graph.tensors[op.inputs[1]].is_constant
        return _layer(graph, index) if has_weights else None
    constants = [t for t in op.inputs if t >= 0 and _is_quantized_constant(graph.tensors[t])]
    return _constant(graph, index, constants) if constants else None


def _is_quantized_constant(tensor: Tensor) -> bool:
    return tensor.is_constant and tensor.quantization is not None and len(tensor.quantization.scales) > 0


def _constant(graph: Graph, index: int, constants: list[int]) -> ParameterLayer:
    """An op that is no convolution. One larger constant lies in the stream byte by byte."""
    op, tensor = graph.ops[index], graph.tensors[constants[0]]
    name, size = graph.tensors[op.outputs[0]].name, sum(len(graph.tensors[t].buffer or b"") for t in constants)
    elements = math.prod(tensor.shape)
    if len(constants) > 1 or tensor.dtype not in RANGES or tensor.sparsity is not None:
        unknown = f"where constants of {op.kind} lie is not known"
    elif not SMALLEST_CONSTANT <= elements <= len(tensor.buffer or b"") or min(tensor.shape) < 1:
        unknown = f"a constant of {elements} elements is too small to be found"
    else:
        content = Parameters(stored(tensor, (1, 1, elements)))
        layouts = (Layout(1, 1, elements, 1, (), 0),)
        return ParameterLayer(index, op.kind, name, constants[0], -1, layouts, "", content, tensor_bytes=size)
    return ParameterLayer(index, op.kind, name, constants[0], -1, unknown=unknown, tensor_bytes=size)


def _layer(graph: Graph, index: int) -> ParameterLayer:
    op = graph.ops[index]
    weights, bias = op.inputs[1], op.inputs[2] if len(op.inputs) > 2 else -1
    if op.kind == "TRANSPOSE_CONV":
        bias = op.inputs[3] if len(op.inputs) > 3 else -1
    size = sum(len(graph.tensors[t].buffer or b"") for t in (weights, bias) if t >= 0)
    name = graph.tensors[op.outputs[0]].name
    shape = _stored_shape(graph, op)
    if isinstance(shape, str):
        return ParameterLayer(index, op.kind, name, weights, bias, unknown=shape, tensor_bytes=size)
    outputs, taps, inputs = shape
    quantization = graph.tensors[weights].quantization
    source, target = (graph.tensors[t].quantization for t in (op.inputs[0], op.outputs[0]))
    reason = _not_quantized(source, graph.tensors[weights], target, outputs) or _unfit_bias(graph, bias, outputs)
    if reason:
        return ParameterLayer(index, op.kind, name, weights, bias, unknown=reason, tensor_bytes=size)
    assert source and quantization and target
    content = _content(graph, weights, bias, shape, multipliers(source, quantization, target))
    scales = content.multipliers
    assert scales is not None and content.biases is not None and content.zero_points is not None
    same = len(set(quantization.scales)) == 1
    header = [] if same else [MULTIPLIERS]
    header += [BIASES] if content.biases.any() else []
    header += [ZERO_POINTS] if len(quantization.scales) > 1 else []
    is_diagonal = op.kind == "DEPTHWISE_CONV_2D" and graph.tensors[op.inputs[0]].shape[-1] != 1
    layouts = tuple(
        Layout(outputs, taps, inputs, lanes, tuple(header), int(content.zero_points[0]), is_diagonal)
        for lanes in _lanes(op, outputs, is_diagonal)
    )
    multiplier = np.float32(scales[0]) if same else None
    return ParameterLayer(
        index, op.kind, name, weights, bias, layouts, "", content, multiplier=multiplier, tensor_bytes=size
    )


def _lanes(op: Op, outputs: int, is_diagonal: bool) -> tuple[int, ...]:
    if is_diagonal:
        return (BLOCK,)
    if outputs == 1:
        narrow = (LANE_STEP, NARROW_LANES)
        return narrow if op.kind == "FULLY_CONNECTED" else narrow[::-1]
    return (GROUP_LANES,) if outputs > GROUP_LANES else (-(-outputs // LANE_STEP) * LANE_STEP,)


def _stored_shape(graph: Graph, op: Op) -> tuple[int, int, int] | str:
    """Outputs, taps and inputs; or why the layout is not known."""
    weights, source = graph.tensors[op.inputs[1]], graph.tensors[op.inputs[0]]
    if weights.dtype not in RANGES or weights.sparsity is not None or min(weights.shape, default=0) < 1:
        return f"its weights are {weights.dtype}, sparse or empty"
    if len(weights.buffer or b"") < math.prod(weights.shape):
        return "its weights are too short"
    if op.kind == "TRANSPOSE_CONV":
        return "it is a transposed convolution"
    if op.kind == "FULLY_CONNECTED" and len(weights.shape) == 2:
        return weights.shape[0], 1, weights.shape[1]
    if len(weights.shape) != 4 or len(source.shape) != 4:
        return f"its weights have {len(weights.shape)} dimensions"
    if op.kind == "CONV_2D":
        outputs, height, width, inputs = weights.shape
        return (outputs, height * width, inputs) if inputs == source.shape[-1] else "it is a grouped convolution"
    one, height, width, outputs = weights.shape
    if source.shape[-1] not in (1, outputs) or one != 1:
        return "it is a depthwise convolution with several outputs for each of several inputs"
    return outputs, height * width, 1


def _not_quantized(source: Quantization | None, weights: Tensor, target: Quantization | None, outputs: int) -> str:
    quantization = weights.quantization
    if not (quantization and source and target and len(source.scales) == len(target.scales) == 1):
        return "a tensor of it is not quantized"
    scales, points = quantization.scales, quantization.zero_points
    if len(scales) not in (1, outputs) or len(points) not in (0, 1, outputs):
        return f"its weights have {len(scales)} scales and {len(points)} zero points"
    if any(point not in RANGES[weights.dtype] for point in points):
        return f"its weights have zero points that no {weights.dtype} has"
    return "" if target.scales[0] > 0 else f"its output has the scale {target.scales[0]:g}"


def _unfit_bias(graph: Graph, bias: int, outputs: int) -> str:
    if bias < 0:
        return ""
    tensor = graph.tensors[bias]
    fits = tensor.dtype == "int32" and len(tensor.buffer or b"") >= outputs * ENTRY_BYTES
    return "" if fits else f"its biases are no {outputs} constants of type int32"


def _content(graph: Graph, weights: int, bias: int, shape: tuple[int, int, int], scales: Array) -> Parameters:
    tensor, outputs = graph.tensors[weights], shape[0]
    quantization = tensor.quantization
    assert quantization is not None
    points = np.array(quantization.zero_points or (0,), np.int64) + (SIGN_BIT if tensor.dtype == "int8" else 0)
    buffer = graph.tensors[bias].buffer if bias >= 0 else None
    biases = np.zeros(outputs, np.int32) if buffer is None else np.frombuffer(buffer, np.int32, outputs)
    return Parameters(
        stored(tensor, shape),
        np.broadcast_to(scales, outputs),
        biases,
        np.broadcast_to(points.astype(np.int32), outputs),
    )


def multipliers(source: Quantization, weights: Quantization, target: Quantization) -> Array:
    """What accumulators are multiplied with, as the compiler rounds it; one, or one for each output."""
    with np.errstate(all="ignore"):  # damaged scales are no reason to warn: no package has what comes of them
        scales = np.array(weights.scales, np.float32)
        return (np.float32(source.scales[0]) * scales) * (np.float32(1) / np.float32(target.scales[0]))
