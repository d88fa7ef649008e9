"""How weights, biases, multipliers and zero points of a layer lie in the parameter stream.

Nobody publishes this layout; it was found by comparing compiled models with what they were made from, and each row was
checked byte for byte on all such pairs that tests/test_edgetpu_parameters.py knows (13 compiled files).

A layer is a sequence of records, one for each group of outputs (channels), and is padded to 64 bytes. A record:

| part | bytes | when |
| --- | --- | --- |
| multipliers, float32 | 4 x lanes | quantized per channel, and not all scales are the same |
| biases, int32 | 4 x lanes | any bias is not 0 |
| zero points of the weights, int32, unsigned | 4 x lanes | quantized per channel |
| weights: for each tap (y, then x), for each block of 4 inputs, for each lane: the 4 weights | 4 x lanes a row | |

| layer | lanes |
| --- | --- |
| over 64 outputs | 64, in the last group too |
| 2 to 64 outputs | outputs rounded up to 16 |
| 1 output, convolution | 4 |
| 1 output, fully connected | 16, so that each row takes one word of 64 bytes |
| depthwise convolution | 4; a row is a 4 x 4 matrix with the weights on its diagonal |
| depthwise convolution of one input channel | as a convolution |

Weights are unsigned: int8 has its top bit inverted. Padding: inputs up to a multiple of 4, outputs up to a multiple of
4 and what is off the diagonal hold the zero point, and those outputs the multiplier of the first one; further lanes
hold 0, but the multiplier 1 where there are over 64 outputs.
multiplier = (input scale * weight scale) * (1 / output scale), each step rounded to float32; of layers that are
quantized per tensor it is a constant in the instructions (see immediates.py).

Not known: depthwise convolutions with several outputs for each of several inputs, grouped and transposed
convolutions, and LSTM.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from subgraft.backends.edgetpu.errors import PackageError
from subgraft.delegates import Array, Graph, Op, Quantization, Segment, Tensor

WORD_BYTES = 64  # layers begin at multiples
BLOCK = 4  # inputs side by side in one lane; outputs and inputs are padded to multiples
GROUP_LANES = 64
LANE_STEP = 16
NARROW_LANES = 4  # of convolutions with one output
ENTRY_BYTES = 4  # of each header entry
SIGN_BIT = 0x80

MULTIPLIERS, BIASES, ZERO_POINTS = "multipliers", "biases", "zero_points"
WEIGHTS = "weights"


@dataclass(frozen=True, slots=True, eq=False)
class Parameters:
    """What a layer computes with, as the device has it.

    weights: uint8 [outputs, taps, inputs]; of depthwise convolutions inputs is 1.
    The others have one entry for each output; None: not in the stream.
    """

    weights: Array
    multipliers: Array | None = None  # float32
    biases: Array | None = None  # int32
    zero_points: Array | None = None  # int32


@dataclass(frozen=True)
class Layout:
    """The places of one layer's parameters, counted from where the layer begins.

    header: which of MULTIPLIERS, BIASES and ZERO_POINTS a record holds, in that order.
    zero_point: of the weights as stored.
    """

    outputs: int
    taps: int
    inputs: int
    lanes: int
    header: tuple[str, ...]
    zero_point: int
    is_diagonal: bool = False

    @cached_property
    def groups(self) -> int:
        return -(-self.outputs // self.lanes)

    @cached_property
    def rows(self) -> int:
        """Rows of 4 x lanes bytes in one record."""
        return self.taps * (-(-self.inputs // BLOCK))

    @cached_property
    def header_bytes(self) -> int:
        return len(self.header) * self.lanes * ENTRY_BYTES

    @cached_property
    def record_bytes(self) -> int:
        return self.header_bytes + self.rows * self.lanes * BLOCK

    @cached_property
    def size_bytes(self) -> int:
        """Without the padding behind it."""
        return self.groups * self.record_bytes

    @cached_property
    def padded_bytes(self) -> int:
        return -(-self.size_bytes // WORD_BYTES) * WORD_BYTES


@dataclass(frozen=True, slots=True, eq=False)
class ParameterLayer:
    """An op of a graph whose parameters the device gets.

    op: its index. name: of the tensor that it computes. bias: -1 for none.
    layouts: those that it may have, the likeliest first; none where no layout is known, and `unknown` says why.
    parameters: what the graph has, all four kinds, whatever of them is stored. multiplier: of all outputs together,
    float32, where they have the same.
    """

    op: int
    kind: str
    name: str
    weights: int
    bias: int
    layouts: tuple[Layout, ...] = ()
    unknown: str = ""
    parameters: Parameters | None = None
    multiplier: np.float32 | None = None
    tensor_bytes: int = 0  # of weights and bias in the graph


def layers(segment: Segment) -> tuple[ParameterLayer, ...]:
    """The segment's convolutions and fully connected layers with constant weights, in the order of the graph."""
    graph = segment.graph
    return tuple(_layer(graph, i) for i in segment.ops if _has_parameters(graph, graph.ops[i]))


def encode(layer: ParameterLayer, layout: Layout | None = None) -> bytes:
    """The layer's bytes in a parameter stream, padding included, as Google's compiler makes them.

    layout: of those that it may have; None: the likeliest. Raises PackageError where none is known.
    """
    content = layer.parameters
    layout = layout or next(iter(layer.layouts), None)
    if content is None or layout is None:
        raise PackageError(f"the Edge TPU's layout for the parameters of {layer.name!r} is not known: {layer.unknown}")
    records = np.zeros((layout.groups, layout.record_bytes), np.uint8)
    for name, view in _entries(layout, records):
        values = getattr(content, name)
        entries = np.zeros(layout.groups * layout.lanes, values.dtype)
        if name == MULTIPLIERS and layout.outputs > GROUP_LANES:
            entries[:] = 1
        if name != BIASES:
            entries[layout.outputs : -(-layout.outputs // BLOCK) * BLOCK] = values[0]
        entries[: layout.outputs] = values
        view[...] = entries.view(np.uint8).reshape(view.shape)
    rows = records[:, layout.header_bytes :]
    rows[...] = _rows(layout, content.weights)
    return records.tobytes().ljust(layout.padded_bytes, b"\0")


def decode(layout: Layout, stream: bytes, offset: int = 0) -> Parameters:
    """The inverse: of the layer that begins at `offset`. Raises PackageError when the stream ends before it."""
    if offset < 0 or offset + layout.size_bytes > len(stream):
        raise PackageError(f"a layer of {layout.size_bytes} B at {offset} is not within {len(stream)} B of parameters")
    records = np.frombuffer(stream, np.uint8, layout.size_bytes, offset).reshape(layout.groups, layout.record_bytes)
    header = {
        name: np.ascontiguousarray(view)
        .view(np.float32 if name == MULTIPLIERS else np.int32)
        .reshape(-1)[: layout.outputs]
        for name, view in _entries(layout, records)
    }
    return Parameters(_weights(layout, records[:, layout.header_bytes :]), **header)


def live(layout: Layout) -> Array:
    """Which of the layer's bytes the device computes with, the others being padding: bool [size_bytes]."""
    ones = np.full((layout.outputs, layout.taps, layout.inputs), 1, np.uint8)
    records = np.zeros((layout.groups, layout.record_bytes), np.uint8)
    entries = np.zeros((layout.groups * layout.lanes, ENTRY_BYTES), np.uint8)
    entries[: layout.outputs] = 1
    for _, view in _entries(layout, records):
        view[...] = entries.reshape(view.shape)
    records[:, layout.header_bytes :] = _rows(layout, ones, padding=0)
    return records.reshape(-1).view(bool)


def _entries(layout: Layout, records: Array) -> Iterator[tuple[str, Array]]:
    """The bytes of each header entry: [groups, 4 x lanes]."""
    step = layout.lanes * ENTRY_BYTES
    for i, name in enumerate(layout.header):
        yield name, records[:, i * step : (i + 1) * step]


def _rows(layout: Layout, weights: Array, padding: int | None = None) -> Array:
    """The rows of all records, [groups, bytes]. padding: what surrounds the weights; None: the zero point."""
    fill = layout.zero_point if padding is None else padding
    if layout.is_diagonal:
        matrices = np.full((layout.groups, layout.taps, BLOCK, BLOCK), fill, np.uint8)
        lanes = np.full((layout.groups * BLOCK, layout.taps), fill, np.uint8)
        lanes[: layout.outputs] = weights[:, :, 0]
        diagonal = np.arange(BLOCK)
        matrices[:, :, diagonal, diagonal] = lanes.reshape(layout.groups, BLOCK, layout.taps).transpose(0, 2, 1)
        return matrices.reshape(layout.groups, -1)
    blocks = layout.rows // layout.taps
    lanes = np.zeros((layout.groups * layout.lanes, layout.taps, blocks * BLOCK), np.uint8)
    lanes[: -(-layout.outputs // BLOCK) * BLOCK] = fill
    lanes[: layout.outputs, :, : layout.inputs] = weights
    words = lanes.view(np.uint32).reshape(layout.groups, layout.lanes, layout.rows)
    return np.ascontiguousarray(words.transpose(0, 2, 1)).view(np.uint8).reshape(layout.groups, -1)


def _weights(layout: Layout, rows: Array) -> Array:
    """The inverse of _rows: [outputs, taps, inputs]."""
    if layout.is_diagonal:
        matrices = rows.reshape(layout.groups, layout.taps, BLOCK, BLOCK)
        lanes = matrices.diagonal(axis1=2, axis2=3).transpose(0, 2, 1).reshape(-1, layout.taps)
        return lanes[: layout.outputs, :, None]
    words = np.ascontiguousarray(rows).view(np.uint32).reshape(layout.groups, layout.rows, layout.lanes)
    lanes = np.ascontiguousarray(words.transpose(0, 2, 1)).view(np.uint8)
    padded = lanes.reshape(layout.groups * layout.lanes, layout.taps, -1)
    return padded[: layout.outputs, :, : layout.inputs]


def _has_parameters(graph: Graph, op: Op) -> bool:
    place = {"TRANSPOSE_CONV": 1, "CONV_2D": 1, "DEPTHWISE_CONV_2D": 1, "FULLY_CONNECTED": 1}.get(op.kind)
    return place is not None and len(op.inputs) > place and graph.tensors[op.inputs[place]].is_constant


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
    if reason := _not_quantized(source, quantization, target, outputs):
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
    if weights.dtype not in ("uint8", "int8") or weights.sparsity is not None or 0 in weights.shape:
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
    _, height, width, outputs = weights.shape
    if source.shape[-1] not in (1, outputs):
        return "it is a depthwise convolution with several outputs for each of several inputs"
    return outputs, height * width, 1


def _not_quantized(
    source: Quantization | None, weights: Quantization | None, target: Quantization | None, outputs: int
) -> str:
    if not (weights and source and target and len(source.scales) == len(target.scales) == 1):
        return "a tensor of it is not quantized"
    if len(weights.scales) not in (1, outputs) or len(weights.zero_points) not in (0, 1, outputs):
        return f"its weights have {len(weights.scales)} scales and {len(weights.zero_points)} zero points"
    return "" if target.scales[0] > 0 else f"its output has the scale {target.scales[0]:g}"


def _content(graph: Graph, weights: int, bias: int, shape: tuple[int, int, int], scales: Array) -> Parameters:
    tensor, outputs = graph.tensors[weights], shape[0]
    quantization = tensor.quantization
    assert quantization is not None
    points = np.array(quantization.zero_points or (0,), np.int64) + (SIGN_BIT if tensor.dtype == "int8" else 0)
    biases = np.zeros(outputs, np.int32)
    if bias >= 0 and graph.tensors[bias].dtype == "int32":
        biases = np.frombuffer(graph.tensors[bias].buffer or biases, np.int32, outputs)
    return Parameters(
        stored(tensor, shape),
        np.broadcast_to(scales, outputs),
        biases,
        np.broadcast_to(points.astype(np.int32), outputs),
    )


def multipliers(source: Quantization, weights: Quantization, target: Quantization) -> Array:
    """What accumulators are multiplied with, as the compiler rounds it; one, or one for each output."""
    scales = np.array(weights.scales, np.float32)
    return (np.float32(source.scales[0]) * scales) * (np.float32(1) / np.float32(target.scales[0]))


def stored(tensor: Tensor, shape: tuple[int, int, int]) -> Array:
    """A weights tensor as uint8 [outputs, taps, inputs]. Raises ValueError when its buffer is too small."""
    data = tensor.data
    assert data is not None
    unsigned = data.view(np.uint8) ^ np.uint8(SIGN_BIT) if tensor.dtype == "int8" else data
    outputs, taps, inputs = shape
    if _outputs_last(tensor, shape):
        return unsigned.reshape(taps, outputs).T[:, :, None]
    return unsigned.reshape(outputs, taps, inputs)


def unstored(weights: Array, tensor: Tensor) -> bytes:
    """The inverse: the buffer of a weights tensor like this one."""
    outputs, taps, inputs = weights.shape
    unsigned = np.ascontiguousarray(weights[:, :, 0].T if _outputs_last(tensor, (outputs, taps, inputs)) else weights)
    return (unsigned ^ np.uint8(SIGN_BIT) if tensor.dtype == "int8" else unsigned).tobytes()


def _outputs_last(tensor: Tensor, shape: tuple[int, int, int]) -> bool:
    """Whether it is the weights tensor of a depthwise convolution: [1, height, width, outputs]."""
    return len(tensor.shape) == 4 and tensor.shape[0] == 1 and tensor.shape[3] == shape[0] and shape[2] == 1


def stream(segment_layers: Sequence[ParameterLayer]) -> bytes:
    """One parameter stream of all these layers, in their order. Raises PackageError where a layout is not known."""
    return b"".join(encode(layer) for layer in segment_layers)
