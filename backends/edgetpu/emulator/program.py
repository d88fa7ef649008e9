"""A compiled model as the emulated device knows it: found again by its instructions, computed by whom it was taught."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from subgraft.backends.edgetpu.emulator.bitstream import Descriptor, runs, scan
from subgraft.backends.edgetpu.emulator.stream import INPUT, INTERRUPT, OUTPUT
from subgraft.backends.edgetpu.layer import Layer
from subgraft.backends.edgetpu.package import (
    DataHint,
    FenceHint,
    Field,
    InstructionHint,
    InterruptHint,
    Package,
    Program,
)
from subgraft.backends.edgetpu.relayout import flip_mask, tile
from subgraft.backends.edgetpu.transfers import INSTRUCTIONS, PARAMETERS, Fence, Interrupt, Receive, Send, Step, script
from subgraft.delegates import NUMPY_DTYPES, Array

# (parameters as received: what is cached on the chip, then what came with this inference; inputs) -> outputs
Compute = Callable[[bytes, list[Array]], list[Array]]

FIELD_BYTES = 5  # that 32 bits at any bit offset may touch
SIGN = 0x80


@dataclass(frozen=True, slots=True)
class Stage:
    """Adjacent DMAs of one tag. descriptors: as the chip announces them, from the instructions where they agree."""

    tag: int
    size: int
    steps: tuple[Step, ...]
    descriptors: tuple[Descriptor, ...]


@dataclass(frozen=True, slots=True)
class Chunk:
    """What happens between the arrival of a chunk of instructions and the next."""

    index: int
    stages: tuple[Stage, ...]
    from_bitstream: bool


class Executable:
    """One program of a package, ready to be recognized."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.chunks = _chunks(program)
        self._patterns = tuple(_Pattern(bitstream.data, bitstream.fields) for bitstream in program.bitstreams)

    @property
    def lengths(self) -> tuple[int, ...]:
        """Bytes of the instructions of each chunk, in the order in which they come."""
        return tuple(self._patterns[chunk.index].length for chunk in self.chunks)

    @property
    def parameter_bytes(self) -> int:
        return len(self.program.parameters)

    @property
    def from_bitstream(self) -> bool:
        """Whether its transfers follow from the instructions; False: the package's hints had to say them."""
        return all(chunk.from_bitstream for chunk in self.chunks)

    def matches(self, position: int, instructions: bytes) -> bool:
        """Whether these are its instructions, whatever the addresses in them."""
        return self._patterns[self.chunks[position].index].matches(instructions)

    def stages(self, position: int, instructions: bytes) -> tuple[Stage, ...]:
        """What the chip does with these very instructions."""
        chunk = self.chunks[position]
        return _announced(chunk.stages, scan(instructions)) or chunk.stages


class EmulatedProgram:
    """A package and what computes its outputs.

    compute: gets the parameters as the device received them and the inputs as the host sent them, unflipped, in the
    layers' shapes; None: outputs are patterns that depend on both, and mean nothing.
    """

    def __init__(self, package: Package, compute: Compute | None = None, *, name: str = "") -> None:
        self.package = package
        self.name = name or package.model_identifier or package.inference.name or "a program"
        self.inference = Executable(package.inference)
        caching = package.parameter_caching
        self.caching = Executable(caching) if caching else None
        self._compute = compute

    @property
    def computes(self) -> bool:
        return self._compute is not None

    def outputs(self, parameters: bytes, inputs: list[Array], fill: np.random.Generator) -> list[bytes]:
        """Each output as the device sends it. Raises Damaged for parameters with which nothing can be computed."""
        if self._compute is None:
            return self.patterns(parameters, inputs)
        layers = self.inference.program.outputs
        arrays = self._compute(parameters, inputs)
        return [tile(layer, array, fill) for layer, array in zip(layers, arrays, strict=True)]

    def patterns(self, parameters: bytes, inputs: Sequence[Array]) -> list[bytes]:
        """Outputs without meaning: the same for the same parameters and inputs, others for others."""
        seed = [zlib.crc32(parameters), *(zlib.crc32(array.tobytes()) for array in inputs)]
        random = np.random.default_rng(seed)
        return [random.bytes(layer.size_bytes) for layer in self.inference.program.outputs]


def tensor(layer: Layer, data: bytes | bytearray) -> Array:
    """An input as the host meant it, from its bytes on the wire: without padding, the sign as in the tensor."""
    flat = np.frombuffer(data, np.uint8, layer.tensor_bytes).copy()
    every = flip_mask(layer)
    if every:
        flat[every - 1 :: every] ^= SIGN
    shape = (layer.executions, 1, layer.z) if layer.executions > 1 else (layer.y, layer.x, layer.z)
    return flat.view(NUMPY_DTYPES.get(layer.dtype, np.dtype(np.uint16))).reshape(shape)


class _Pattern:
    """Instructions with holes where the host writes addresses."""

    def __init__(self, data: bytes, fields: Sequence[Field]) -> None:
        self.length = len(data)
        mask = np.full(len(data) + FIELD_BYTES, 0xFF, np.uint8)
        for field in fields:
            at, shift = divmod(field.offset_bit, 8)
            hole = (0xFFFFFFFF << shift).to_bytes(FIELD_BYTES, "little")
            mask[at : at + FIELD_BYTES] &= ~np.frombuffer(hole, np.uint8)
        self._touched = np.flatnonzero(mask[: len(data)] != 0xFF)
        self._mask = mask[self._touched]
        self._data = self._without_addresses(data)

    def matches(self, data: bytes) -> bool:
        return len(data) == self.length and self._without_addresses(data) == self._data

    def _without_addresses(self, data: bytes) -> bytes:
        copy = np.frombuffer(bytearray(data), np.uint8)
        copy[self._touched] &= self._mask
        return copy.tobytes()


def _chunks(program: Program) -> tuple[Chunk, ...]:
    chunks: list[Chunk] = []
    for index, steps in _by_chunk(script(program) if program.deterministic else _listed(program)):
        stages = _stages(steps)
        announced = _announced(stages, scan(program.bitstreams[index].data))
        chunks.append(Chunk(index, announced or stages, bool(announced)))
    return tuple(chunks)


def _by_chunk(steps: Sequence[Step]) -> list[tuple[int, list[Step]]]:
    found: list[tuple[int, list[Step]]] = []
    for step in steps:
        if isinstance(step, Send) and step.source == "instructions":
            found.append((step.index, []))
        elif found and not isinstance(step, Fence):
            found[-1][1].append(step)
    return found


def _listed(program: Program) -> tuple[Step, ...]:
    """The steps of a program that does not list all of them: as far as they go."""
    steps: list[Step] = []
    for hint in program.hints:
        if isinstance(hint, InstructionHint):
            steps.append(Send(INSTRUCTIONS, "instructions", hint.chunk, 0, len(program.bitstreams[hint.chunk].data)))
        elif isinstance(hint, DataHint) and hint.source == "parameters":
            steps.append(Send(PARAMETERS, "parameters", 0, hint.offset, hint.size))
        elif isinstance(hint, DataHint) and hint.source == "input":
            steps.append(Send(INPUT, "input", program.layer(hint)[0], hint.offset, hint.size, hint.batch))
        elif not isinstance(hint, FenceHint | InterruptHint):
            break  # what follows depends on what the device announces
    return tuple(steps)


def _stages(steps: Sequence[Step]) -> tuple[Stage, ...]:
    stages: list[Stage] = []
    for step in steps:
        tag, size = _tag(step), 0 if isinstance(step, Interrupt | Fence) else step.size
        descriptor = Descriptor(tag, size, 0)
        if stages and stages[-1].tag == tag and tag < INTERRUPT:
            last = stages.pop()
            stages.append(Stage(tag, last.size + size, (*last.steps, step), (*last.descriptors, descriptor)))
        else:
            stages.append(Stage(tag, size, (step,), (descriptor,)))
    return tuple(stages)


def _tag(step: Step) -> int:
    if isinstance(step, Send):
        return step.tag
    return OUTPUT if isinstance(step, Receive) else INTERRUPT + (step.number if isinstance(step, Interrupt) else 0)


def _announced(stages: tuple[Stage, ...], descriptors: Sequence[Descriptor]) -> tuple[Stage, ...]:
    """The stages with the descriptors found in the instructions; empty when those tell another story."""
    found = runs(descriptors)
    sizes = [(tag, sum(d.size for d in members)) for tag, members in found]
    if sizes != [(stage.tag, stage.size) for stage in stages]:
        return ()
    return tuple(
        Stage(stage.tag, stage.size, stage.steps, members) for stage, (_, members) in zip(stages, found, strict=True)
    )
