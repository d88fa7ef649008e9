"""Writes the package of one segment: a program that fills the parameter memory and one that runs."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import prod

import numpy as np

from subgraft.backends.edgetpu import parameter_layers
from subgraft.backends.edgetpu.emulator.compiler.flatbuffer_writer import (
    Slots,
    Structs,
    flatbuffer,
    float32,
    int8,
    int16,
    int32,
    uint64,
)
from subgraft.backends.edgetpu.emulator.compiler.instructions import (
    Block,
    assemble,
    constants,
    interrupt,
    mark,
    transfer,
    work,
)
from subgraft.backends.edgetpu.emulator.compiler.parameter_stream import Streams
from subgraft.backends.edgetpu.emulator.compiler.tiling import check_size, input_layer, output_layer
from subgraft.backends.edgetpu.layer import DTYPES, INPUT_LAYER, MAX_NAME_BYTES, OUTPUT_LAYER, Layer
from subgraft.backends.edgetpu.package import (
    CHIP,
    IDENTIFIER,
    KINDS,
    SOURCES,
    STAND_IN,
    Bitstream,
    DataHint,
    Field,
    Hint,
    InstructionHint,
    InterruptHint,
)
from subgraft.backends.edgetpu.parameters import SIGN_BIT, ParameterLayer
from subgraft.delegates import Graph, Segment, Tensor

COMPILER_VERSION = f"{STAND_IN} 1, for the emulated Edge TPU only"
DATA_HINT, INSTRUCTION_HINT, INTERRUPT_HINT = 1, 2, 3  # AnyHint of executable.fbs
SPLIT_INPUT_BYTES = 256 << 10  # larger inputs are read in two parts that overlap, as Google's compiler does
HALO_ROWS = 8
ALIGNMENT = 8
SHORTENED = 200  # characters of a name that cannot stay as it is
CODES = {name: code for code, (name, _) in DTYPES.items()}


def package(segment: Segment, streams: Streams, digest: bytes, token: int, runtime: int) -> bytes:
    """The DWN1 bytes. digest: of the model and what is mapped of it. token: never 0."""
    programs = (_running(segment, streams, digest, token), _filling(streams, digest, token))
    return flatbuffer(
        {
            0: int32(runtime),
            1: flatbuffer({0: programs}),
            2: b"",
            3: int32(0),
            4: COMPILER_VERSION,
            5: int32(0),
            7: hashlib.sha256(digest).hexdigest()[:16],
        },
        IDENTIFIER,
    )


def _filling(streams: Streams, digest: bytes, token: int) -> bytes:
    blocks = [mark(digest + b"parameters"), transfer("parameters", "", 0, len(streams.cached)), interrupt()]
    return _executable("parameter_caching", token, blocks, streams.cached, (), ())


def _running(segment: Segment, streams: Streams, digest: bytes, token: int) -> bytes:
    tensors = segment.graph.tensors
    inputs = _named([input_layer(tensors[t]) for t in segment.inputs])
    outputs = _named([output_layer(tensors[t]) for t in segment.outputs])
    blocks = _schedule(segment, streams, digest, inputs, outputs)
    return _executable("execution_only", token, blocks, streams.streamed, inputs, outputs)


def _named(layers: Sequence[Layer]) -> Sequence[Layer]:
    """With a name of its own for each: hints go by them."""
    names = Counter(layer.name for layer in layers)
    return [
        layer
        if layer.name and names[layer.name] == 1 and len(layer.name.encode()) <= MAX_NAME_BYTES
        else replace(layer, name=f"{layer.name[:SHORTENED]}#{i}")
        for i, layer in enumerate(layers)
    ]


def _schedule(
    segment: Segment, streams: Streams, digest: bytes, inputs: Sequence[Layer], outputs: Sequence[Layer]
) -> Iterator[Block]:
    """Inputs, their second halves in the middle of the work, and outputs as soon as they are made."""
    graph = segment.graph
    yield mark(digest)
    late = []
    for layer in inputs:
        first, *rest = _parts(layer)
        yield transfer("input", layer.name, *first)
        late += [(layer.name, part) for part in rest]
    if streams.streamed:
        yield transfer("parameters", "", 0, len(streams.streamed))
    made = dict(zip(segment.outputs, outputs, strict=True))
    layers = {layer.op: layer for layer in parameter_layers.layers(segment) if layer.layouts}
    middle = segment.ops[len(segment.ops) // 2]
    for i in segment.ops:
        if i == middle:
            yield from (transfer("input", name, *part) for name, part in late)
        sizes = [prod(graph.tensors[t].shape) for t in graph.ops[i].outputs if t >= 0]
        check_size(sum(sizes))
        if i in layers and layers[i].multiplier is not None:
            yield _constants(graph, layers[i])
        yield work(digest, i, sum(sizes))
        yield from (transfer("output", made[t].name, 0, made[t].size_bytes) for t in graph.ops[i].outputs if t in made)
    yield interrupt()


def _constants(graph: Graph, layer: ParameterLayer) -> Block:
    op, content = graph.ops[layer.op], layer.parameters
    assert content is not None and content.zero_points is not None and layer.multiplier is not None
    source, target = (_zero_point(graph.tensors[t]) for t in (op.inputs[0], op.outputs[0]))
    return constants(int(content.zero_points[0]), source, layer.multiplier, target)


def _zero_point(tensor: Tensor) -> int:
    """Unsigned."""
    points = tensor.quantization.zero_points if tensor.quantization else ()
    return (*points, 0)[0] + (SIGN_BIT if tensor.dtype == "int8" else 0)


def _parts(layer: Layer) -> Sequence[tuple[int, int]]:
    """Offset and size of each read of an input."""
    if layer.size_bytes <= SPLIT_INPUT_BYTES or layer.y < 4 * HALO_ROWS:
        return [(0, layer.size_bytes)]
    row_bytes, middle = layer.x * layer.z * layer.element_bytes, layer.y // 2
    end = -(-(middle + HALO_ROWS) * row_bytes // ALIGNMENT) * ALIGNMENT
    start = (middle - HALO_ROWS) * row_bytes // ALIGNMENT * ALIGNMENT
    return [(0, end), (start, layer.size_bytes - start)]


def _executable(
    kind: str,
    token: int,
    blocks: Sequence[Block] | Iterator[Block],
    parameters: bytes,
    inputs: Sequence[Layer],
    outputs: Sequence[Layer],
) -> bytes:
    bitstreams, hints = assemble(blocks)
    return flatbuffer(
        {
            0: int32(0),
            1: "model",
            3: int32(1),
            4: int32(0),
            5: [_bitstream(bitstream) for bitstream in bitstreams],
            6: parameters,
            7: {0: [_hint(hint) for hint in hints], 1: int8(True)},
            8: [_layer(layer, INPUT_LAYER) for layer in inputs],
            9: [_layer(layer, OUTPUT_LAYER) for layer in outputs],
            10: CHIP,
            13: int16(KINDS.index(kind)),
            14: uint64(token),
        }
    )


def _bitstream(bitstream: Bitstream) -> Slots:
    return {0: bitstream.data, 1: [_field(field) for field in bitstream.fields]}


def _field(field: Field) -> Slots:
    return {0: _target(field.source, field.name, field.upper), 1: int32(field.offset_bit)}


def _target(source: str, name: str, upper: bool = False) -> Slots:
    named: Slots = {2: name} if name else {}
    return {0: int16(SOURCES.index(source)), 1: int32(0), **named, 3: int16(upper)}


def _hint(hint: Hint) -> Slots:
    if isinstance(hint, DataHint):
        content: Slots = {0: _target(hint.source, hint.name), 1: int32(hint.offset), 2: int32(hint.size)}
        return {0: int8(DATA_HINT), 1: content, 2: int16(hint.outfeed)}
    if isinstance(hint, InstructionHint):
        return {0: int8(INSTRUCTION_HINT), 1: {0: int32(hint.chunk)}, 2: int16(0)}
    assert isinstance(hint, InterruptHint), "the stand-in writes no fences"
    return {0: int8(INTERRUPT_HINT), 1: {0: int16(hint.number)}, 2: int16(1)}


def _layer(layer: Layer, kind: int) -> Slots:
    details: Slots = {}
    if layer.layout:
        layout = layer.layout
        maps = (
            layout.y_to_tile,
            layout.x_to_tile,
            layout.tile_offset,
            layout.x_to_offset,
            layout.y_to_row,
            layout.x_to_row_size,
        )
        details = {0: dict(enumerate(maps))}
    last = np.array(layer.shape, np.int64) - 1
    ranges = Structs(np.stack([np.zeros_like(last), last], axis=1).reshape(-1), 2)
    shape: Slots = {11: {0: ranges}} if layer.shape else {}
    return {
        0: layer.name,
        1: int32(layer.size_bytes),
        2: int32(layer.y),
        3: int32(layer.x),
        4: int32(layer.z),
        5: {0: int32(layer.zero_point), 1: float32(layer.scale)},
        6: int16(CODES[layer.dtype]),
        7: int8(kind),
        8: details,
        9: int32(layer.executions),
        **shape,
    }
