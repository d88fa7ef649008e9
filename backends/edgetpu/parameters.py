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
| constant of an elementwise op | its bytes in order, seen once |

Weights are unsigned: int8 has its top bit inverted. Padding: inputs up to a multiple of 4, outputs up to a multiple of
4 and what is off the diagonal hold the zero point, and those outputs the multiplier of the first one; further lanes
hold 0, but the multiplier 1 where there are over 64 outputs.
multiplier = (input scale * weight scale) * (1 / output scale), each step rounded to float32; of layers that are
quantized per tensor it is a constant in the instructions (see immediates.py).

Not known: depthwise convolutions with several outputs for each of several inputs, grouped and transposed
convolutions, and LSTM.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from subgraft.backends.edgetpu.errors import PackageError
from subgraft.delegates import Array, Tensor

WORD_BYTES = 64  # layers begin at multiples
BLOCK = 4  # inputs side by side in one lane; outputs and inputs are padded to multiples
GROUP_LANES = 64
LANE_STEP = 16
NARROW_LANES = 4  # of convolutions with one output
ENTRY_BYTES = 4  # of each header entry
SIGN_BIT = 0x80
RANGES = {"uint8": range(256), "int8": range(-128, 128)}

CONVOLUTIONS = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"})

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

    op: its index. kind: of CONVOLUTIONS, or of an op with a constant, which stands for the weights.
    name: of the tensor that it computes. bias: -1 for none.
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

    @property
    def is_convolution(self) -> bool:
        return self.kind in CONVOLUTIONS


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
