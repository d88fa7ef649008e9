"""A delegate for compiled models that moves every byte as a device would, without the driver."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from edgetpu_raw_client import RawClient, event
from subgraft.backends.edgetpu.emulator import EmulatedCoral
from subgraft.backends.edgetpu.layer import Layer
from subgraft.backends.edgetpu.package import CUSTOM_OP, Package, Program, package_of
from subgraft.backends.edgetpu.relayout import flip_mask, relayout, tile
from subgraft.backends.edgetpu.transfers import Receive, Send, Step, input_bytes, script
from subgraft.delegates import Array, Cost, Device, Executable, Graph, Health, Op, Segment, Verdict

# (which custom op of the graph, counted from 0; its package; padded inputs as on the wire) -> outputs in tiles
Play = Callable[[int, Package, list[bytes]], list[bytes]]
CHUNK_BYTES = 1024


def flipped(layer: Layer, tensor: bytes) -> bytes:
    size = flip_mask(layer)
    flat = np.frombuffer(tensor, np.uint8).copy()
    if size:
        flat[size - 1 :: size] ^= 0x80
    return flat.tobytes()


class Wire:
    name = "wire"

    def __init__(self, play: Play) -> None:
        self.packages: list[Package] = []
        self.runs = 0
        self.play = play

    def devices(self) -> Sequence[Device]:
        return [Device("wire", "0", emulated=True)]

    def check(self, op: Op, graph: Graph) -> Verdict:
        return Verdict() if op.kind == CUSTOM_OP else Verdict(("only compiled parts run here",))

    def cost(self, segment: Segment) -> Cost | None:
        return None

    def compile(self, segment: Segment, device: Device) -> Executable:
        return Played(self, segment)

    def health(self, device: Device) -> Health:
        return Health.OK


class Played:
    def __init__(self, wire: Wire, segment: Segment) -> None:
        self._wire = wire
        self._segment = segment
        self._packages = [Package.parse(package_of(segment.graph.ops[i])) for i in segment.ops]
        wire.packages += self._packages

    def run(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        self._wire.runs += 1
        graph = self._segment.graph
        customs = [i for i, op in enumerate(graph.ops) if op.kind == CUSTOM_OP]
        there = dict(zip(self._segment.inputs, inputs, strict=True))
        for i, package in zip(self._segment.ops, self._packages, strict=True):
            op, program = graph.ops[i], package.inference
            steps = script(program)
            given = [
                flipped(layer, there[t].tobytes()).ljust(input_bytes(steps, n), b"\xaa")
                for n, (layer, t) in enumerate(zip(program.inputs, op.inputs, strict=True))
            ]
            made = self._wire.play(customs.index(i), package, given)
            for t, layer, tiles in zip(op.outputs, program.outputs, made, strict=True):
                there[t] = relayout(layer, tiles).reshape(graph.tensors[t].shape)
        for t, output in zip(self._segment.outputs, outputs, strict=True):
            output[...] = there[t]

    def close(self) -> None:
        pass


def by_reference(original: Graph, parts: Sequence[Sequence[int]]) -> Play:
    """The CPU computes. parts: the ops of the original graph behind each custom op."""
    segments = [original.segment(part) for part in parts]
    references = [segment.reference() for segment in segments]

    def play(place: int, package: Package, given: list[bytes]) -> list[bytes]:
        program, segment = package.inference, segments[place]
        steps = script(program)
        arrived = []
        for i, (layer, t) in enumerate(zip(program.inputs, segment.inputs, strict=True)):
            tensor = flipped(layer, taken(steps, i, given[i], layer.size_bytes)[: layer.tensor_bytes])
            arrived.append(np.frombuffer(tensor, original.tensors[t].dtype).reshape(original.tensors[t].shape))
        made = [np.empty(original.tensors[t].shape, original.tensors[t].dtype) for t in segment.outputs]
        references[place].run(arrived, made)
        fill = np.random.default_rng(9)
        tiles = [tile(layer, array, fill) for layer, array in zip(program.outputs, made, strict=True)]
        return [sent(steps, i, content) for i, content in enumerate(tiles)]

    return play


def by_emulator(coral: EmulatedCoral) -> Play:
    """An emulated device, which was taught, computes. Parameters are sent where those of another package were last."""
    client = RawClient(coral)
    client.open()
    stored: list[Package] = []

    def play(place: int, package: Package, given: list[bytes]) -> list[bytes]:
        if stored != [package]:
            assert package.parameter_caching
            run_script(client, package.parameter_caching, [])
            stored[:] = [package]
        return run_script(client, package.inference, given)

    return play


def run_script(client: RawClient, program: Program, given: Sequence[bytes]) -> list[bytes]:
    outputs = [bytearray(layer.size_bytes) for layer in program.outputs]
    for step in script(program):
        if isinstance(step, Send):
            source = {
                "instructions": lambda s: program.bitstreams[s.index].data,
                "parameters": lambda s: program.parameters,
                "input": lambda s: given[s.index],
            }[step.source](step)
            client.send(step.tag, source[step.offset : step.offset + step.size])
        elif isinstance(step, Receive):
            got = b""
            while len(got) < step.size:
                got += client.take(0x81, -(-(step.size - len(got)) // CHUNK_BYTES) * CHUNK_BYTES)
            outputs[step.index][step.offset : step.offset + step.size] = got
    assert client.take(0x82, 16) == event(4)
    return [bytes(output) for output in outputs]


def taken(steps: Sequence[Step], index: int, staged: bytes, size_bytes: int) -> bytes:
    """What of an input the device reads; zeros elsewhere."""
    there = bytearray(size_bytes)
    for step in steps:
        if isinstance(step, Send) and step.source == "input" and step.index == index:
            there[step.offset : step.offset + step.size] = staged[step.offset : step.offset + step.size]
    return bytes(there)


def sent(steps: Sequence[Step], index: int, tiles: bytes) -> bytes:
    """What of an output the script receives; zeros elsewhere."""
    received = bytearray(len(tiles))
    for step in steps:
        if isinstance(step, Receive) and step.source == "output" and step.index == index:
            received[step.offset : step.offset + step.size] = tiles[step.offset : step.offset + step.size]
    return bytes(received)
