"""Edge TPU packages made with Google's flatbuffers library, apart from our own reader and writer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np

from shared_models import MODELS
from subgraft.backends.edgetpu.layer import Layer, OutputLayout
from subgraft.backends.edgetpu.package import CUSTOM_OP, Package, package_of
from subgraft.interpreter.model import Model

FOLDER = MODELS / "edgetpu"
OUTPUT, INPUT, PARAMETERS, SCRATCH = range(4)
STAND_ALONE, PARAMETER_CACHING, EXECUTION_ONLY = range(3)


@dataclass(frozen=True)
class Scalar:
    kind: str  # as the library names it: "Int16", "Int32", "Uint64", "Float32", "Bool", ...
    value: Any


def i16(value: int) -> Scalar:
    return Scalar("Int16", value)


def i32(value: int) -> Scalar:
    return Scalar("Int32", value)


def u8(value: int) -> Scalar:
    return Scalar("Uint8", value)


# A table is a mapping of slots to scalars, texts, bytes, tables, arrays of int32, or lists of tables or bytes.
# What is in a list twice is written once.
Slots = Mapping[int, Any]


def write(builder: flatbuffers.Builder, value: Any) -> int:
    if isinstance(value, str):
        return int(builder.CreateString(value))
    if isinstance(value, bytes):
        return int(builder.CreateByteVector(value))
    if isinstance(value, np.ndarray):
        return int(builder.CreateNumpyVector(value.astype(np.int32)))
    if isinstance(value, list):
        written: dict[int, int] = {}
        for v in value:
            if id(v) not in written:
                written[id(v)] = write_string(builder, v) if isinstance(v, bytes) else write(builder, v)
        places = [written[id(v)] for v in value]
        builder.StartVector(4, len(places), 4)
        for place in reversed(places):
            builder.PrependUOffsetTRelative(place)
        return int(builder.EndVector())
    return write_table(builder, value)


def write_string(builder: flatbuffers.Builder, content: bytes) -> int:
    return int(builder.CreateString(content))


def write_table(builder: flatbuffers.Builder, slots: Slots) -> int:
    places = {slot: write(builder, value) for slot, value in slots.items() if not isinstance(value, Scalar)}
    builder.StartObject(max(slots, default=-1) + 1)
    for slot, value in slots.items():
        if isinstance(value, Scalar):
            builder.ForceDefaults(True)
            getattr(builder, f"Prepend{value.kind}Slot")(slot, value.value, 0)
        else:
            builder.PrependUOffsetTRelativeSlot(slot, places[slot], 0)
    return int(builder.EndObject())


def flatbuffer(slots: Slots, identifier: bytes | None = None) -> bytes:
    builder = flatbuffers.Builder(1024)
    root = write_table(builder, slots)
    builder.Finish(root, file_identifier=identifier)
    return bytes(builder.Output())


def layer(name: str, shape: tuple[int, int, int], kind: int, **changes: Any) -> dict[int, Any]:
    """An input (kind 2) or output (1). changes: size, dtype, layout (six arrays), executions."""
    y, x, z = shape
    slots: dict[int, Any] = {
        0: name,
        1: i32(changes.get("size", y * x * z)),
        2: i32(y),
        3: i32(x),
        4: i32(z),
        5: {0: i32(128), 1: Scalar("Float32", 0.5)},
        6: i16(changes.get("dtype", 0)),
        7: u8(kind),
        8: {},
        9: i32(changes.get("executions", 1)),
    }
    if "layout" in changes:
        slots[8] = {0: dict(enumerate(changes["layout"]))}
    return slots


def target(source: int, name: str = "", upper: bool = False, batch: int = 0) -> dict[int, Any]:
    return {0: i16(source), 1: i32(batch), 2: name, 3: i16(int(upper))}


def data(
    source: int, offset: int, size: int, name: str = "", *, outfeed: bool = False, batch: int = 0
) -> dict[int, Any]:
    content = {0: target(source, name, batch=batch), 1: i32(offset), 2: i32(size)}
    return {0: u8(1), 1: content, 2: i16(int(outfeed))}


def instructions(chunk: int) -> dict[int, Any]:
    return {0: u8(2), 1: {0: i32(chunk)}, 2: i16(0)}


def interrupt(number: int) -> dict[int, Any]:
    return {0: u8(3), 1: {0: i16(number)}, 2: i16(1)}


def fence() -> dict[int, Any]:
    return {0: u8(4), 1: {}}


def bitstream(content: bytes, *fields: tuple[int, str, bool, int]) -> dict[int, Any]:
    """fields: source, name, whether it is the upper half, bit."""
    return {0: content, 1: [{0: target(s, name, upper), 1: i32(bit)} for s, name, upper, bit in fields]}


@dataclass(frozen=True)
class Executable:
    """What a serialized executable is made from; `slots` go over everything."""

    kind: int
    bitstreams: Sequence[Slots]
    hints: Sequence[Slots]
    parameters: bytes = b""
    inputs: Sequence[Slots] = ()
    outputs: Sequence[Slots] = ()
    slots: Slots = field(default_factory=dict)

    def serialized(self) -> bytes:
        slots = {
            0: i32(0),
            1: "model",
            3: i32(1),
            5: list(self.bitstreams),
            6: self.parameters,
            7: {0: list(self.hints), 1: Scalar("Bool", True)},
            8: list(self.inputs),
            9: list(self.outputs),
            10: "beagle",
            13: i16(self.kind),
            14: Scalar("Uint64", 0x1234),
        }
        return flatbuffer({**slots, **self.slots})


def package(*executables: Executable, runtime: int = 13, slots: Slots | None = None) -> bytes:
    multi = flatbuffer({0: [e.serialized() for e in executables]})
    fixed = {0: i32(runtime), 1: multi, 4: "made by a test", 7: ""}
    return flatbuffer({**fixed, **(slots or {})}, b"DWN1")


GRID = (  # 4 x 5 elements of 3 in 2 x 2 tiles, z padded to 4: the example in executable.fbs with padding
    np.array([0, 0, 2, 2]),
    np.array([0, 0, 0, 1, 1]),
    np.array([0, 24, 40, 64]),
    np.array([0, 4, 8, 0, 4]),
    np.array([0, 1, 0, 1]),
    np.array([12, 12, 12, 8, 8]),
)
GRID_BYTES = 80


def small_package() -> bytes:
    """Two programs in 3 KB with everything in: tiles, two chunks, streamed parameters, scratch and fences."""
    filling = Executable(
        PARAMETER_CACHING,
        [bitstream(bytes(32), (PARAMETERS, "", False, 70))],
        [instructions(0), data(PARAMETERS, 0, 64), interrupt(0)],
        parameters=bytes(64),
    )
    running = Executable(
        EXECUTION_ONLY,
        [bitstream(bytes(48), (INPUT, "in", False, 70), (OUTPUT, "out", True, 198)), bitstream(bytes(16))],
        [
            instructions(0),
            data(INPUT, 0, 40, "in"),
            instructions(1),
            data(INPUT, 32, 32, "in"),
            data(PARAMETERS, 0, 24),
            data(SCRATCH, 0, 16, outfeed=True),
            fence(),
            data(SCRATCH, 8, 8),
            data(OUTPUT, 0, 56, "out", outfeed=True),
            data(OUTPUT, 56, 24, "out", outfeed=True),
            interrupt(0),
        ],
        parameters=bytes(24),
        inputs=[layer("in", (4, 5, 3), 2, size=64)],
        outputs=[layer("out", (4, 5, 3), 1, size=GRID_BYTES, dtype=8, layout=GRID)],
        slots={4: i32(16)},
    )
    return package(running, filling)


def compiled_files() -> list[Path]:
    return sorted(FOLDER.glob("*_edgetpu.tflite"))


def package_in(path: Path) -> Package:
    graph = Model.open(path).graphs[0]
    (op,) = (op for op in graph.ops if op.kind == CUSTOM_OP)
    return Package.parse(package_of(op))


def tiled_layer(
    rows: Sequence[int], columns: Sequence[int], z: int, padded: int, gap: int, dtype: str = "uint8"
) -> Layer:
    """An output in a grid of tiles of these heights and widths, each followed by `gap` elements that mean nothing."""
    size = {"uint8": 1, "int8": 1, "int16": 2}[dtype]
    offsets, end = [], 0
    for height in rows:
        for width in columns:
            offsets.append(end)
            end += height * width * padded + gap

    def per_index(sizes: Sequence[int], value: Any) -> np.ndarray[Any, np.dtype[np.int64]]:
        return np.array([value(i, j) for i, n in enumerate(sizes) for j in range(n)], np.int64)

    layout = OutputLayout(
        per_index(rows, lambda i, j: i * len(columns)),
        per_index(columns, lambda i, j: i),
        np.array(offsets, np.int64),
        per_index(columns, lambda i, j: j * padded),
        per_index(rows, lambda i, j: j),
        per_index(columns, lambda i, j: columns[i] * padded),
    )
    return Layer("tiled", end * size, sum(rows), sum(columns), z, dtype, 0, 1.0, layout, 1, (), size)
