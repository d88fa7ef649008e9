"""A delegate for compiled models that moves every byte as a device would, in tiles, and lets the CPU compute."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from subgraft.backends.edgetpu.layer import Layer
from subgraft.backends.edgetpu.package import CUSTOM_OP, Package, Program, package_of
from subgraft.backends.edgetpu.relayout import flip_mask, relayout, tile
from subgraft.backends.edgetpu.transfers import Receive, Send, Step, input_bytes, script
from subgraft.delegates import Array, Cost, Device, Executable, Graph, Health, Op, Segment, Verdict


def flipped(layer: Layer, tensor: bytes) -> bytes:
    size = flip_mask(layer)
    flat = np.frombuffer(tensor, np.uint8).copy()
    if size:
        flat[size - 1 :: size] ^= 0x80
    return flat.tobytes()


class Wire:
    """original: the graph before; parts: its ops behind each custom op of the compiled graph, in that order."""

    name = "wire"

    def __init__(self, original: Graph, parts: Sequence[Sequence[int]]) -> None:
        self.packages: list[Package] = []
        self.runs = 0
        self._parts = [original.segment(part) for part in parts]

    def devices(self) -> Sequence[Device]:
        return [Device("wire", "0", emulated=True)]

    def check(self, op: Op, graph: Graph) -> Verdict:
        return Verdict() if op.kind == CUSTOM_OP else Verdict(("only compiled parts run here",))

    def cost(self, segment: Segment) -> Cost | None:
        return None

    def compile(self, segment: Segment, device: Device) -> Executable:
        customs = [i for i, op in enumerate(segment.graph.ops) if op.kind == CUSTOM_OP]
        behind = [self._parts[customs.index(i)] for i in segment.ops]
        return Played(self, segment, behind)

    def health(self, device: Device) -> Health:
        return Health.OK


class Played:
    def __init__(self, wire: Wire, segment: Segment, behind: Sequence[Segment]) -> None:
        self._wire = wire
        self._segment = segment
        self._packages = [Package.parse(package_of(segment.graph.ops[i])) for i in segment.ops]
        self._references = [part.reference() for part in behind]
        wire.packages += self._packages

    def run(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        self._wire.runs += 1
        graph = self._segment.graph
        there = dict(zip(self._segment.inputs, inputs, strict=True))
        for i, package, reference in zip(self._segment.ops, self._packages, self._references, strict=True):
            op = graph.ops[i]
            made = transferred(package.inference, reference, [there[t] for t in op.inputs], graph, op)
            there.update(zip(op.outputs, made, strict=True))
        for t, output in zip(self._segment.outputs, outputs, strict=True):
            output[...] = there[t]

    def close(self) -> None:
        for reference in self._references:
            reference.close()


def transferred(program: Program, reference: Executable, given: Sequence[Array], graph: Graph, op: Op) -> list[Array]:
    """What the host gets back: it stages inputs, the device takes what the script says, computes, sends tiles."""
    steps = script(program)
    arrived = []
    for i, (layer, array) in enumerate(zip(program.inputs, given, strict=True)):
        staged = flipped(layer, array.tobytes()).ljust(input_bytes(steps, i), b"\xaa")
        taken = bytearray(layer.size_bytes)
        for step in steps:
            if isinstance(step, Send) and step.source == "input" and step.index == i:
                taken[step.offset : step.offset + step.size] = staged[step.offset : step.offset + step.size]
        tensor = flipped(layer, bytes(taken[: layer.tensor_bytes]))
        arrived.append(np.frombuffer(tensor, array.dtype).reshape(array.shape))
    tensors = [graph.tensors[t] for t in op.outputs]
    made = [np.empty(tensor.shape, tensor.dtype) for tensor in tensors]
    reference.run(arrived, made)
    return [
        relayout(layer, sent(steps, i, tile(layer, array, np.random.default_rng(9)))).reshape(array.shape)
        for i, (layer, array) in enumerate(zip(program.outputs, made, strict=True))
    ]


def sent(steps: Sequence[Step], index: int, tiles: bytes) -> bytes:
    """Only what the script receives."""
    received = bytearray(len(tiles))
    for step in steps:
        if isinstance(step, Receive) and step.source == "output" and step.index == index:
            received[step.offset : step.offset + step.size] = tiles[step.offset : step.offset + step.size]
    return bytes(received)
