"""What an emulated device computes: the uncompiled graph on the CPU, with the parameters that arrived over the wire."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from subgraft import _native
from subgraft.backends.edgetpu import parameters
from subgraft.backends.edgetpu.layer import Layer
from subgraft.backends.edgetpu.locate import Located, Placed, locate
from subgraft.backends.edgetpu.package import Package
from subgraft.backends.edgetpu.parameters import SIGN_BIT, Layout, ParameterLayer, Parameters
from subgraft.delegates import NUMPY_DTYPES, Array, Graph, ModelError, Segment, Tensor, Unsupported

PROGRAMS_KEPT = 4  # for the latest parameters


class Damaged(ValueError):
    """The parameters as received mean nothing that could be computed. A device would compute nonsense."""


class Numerics:
    """Computes one program's outputs; may be called from several threads, one at a time computes.

    Weights, biases, multipliers and zero points of weights are decoded from the parameters as received, wherever a
    layer was found in them. All other bytes, padding included, must be the package's.
    """

    def __init__(self, package: Package, segment: Segment, *, zero_constants: bool = False) -> None:
        """segment: inputs and outputs in the order of the package's layers, as twin.Part has them.

        zero_constants: the graph's own weights and biases are forgotten first. Raises ValueError where a layer was not
        found, so that it had none; ValueError for programs that compute a part of a tensor in each run; Unsupported and
        ModelError for graphs that the CPU cannot run.
        """
        self._check_sizes(package, segment)
        self._located = locate(package, segment)
        self._live = self._located.covered()
        self._graph = segment.graph
        self._segment = segment
        if zero_constants:
            self._graph = _zeroed(segment.graph, self._located)
        self._lock = threading.Lock()
        self._programs: dict[bytes, _Program] = {}  # the latest last
        self._program(self._located.stream)

    @property
    def located(self) -> Located:
        """Where each layer lies in the parameters."""
        return self._located

    def __call__(self, received: bytes, inputs: list[Array]) -> list[Array]:
        """The outputs in the order of the package's layers.

        received: the parameters that are cached on the device, then those that came with this inference.
        inputs: of as many bytes as the tensors have, with their sign. Raises Damaged.
        """
        with self._lock:
            return self._program(received).run(inputs)

    def decoded(self, received: bytes) -> Mapping[int, Mapping[int, Tensor]]:
        """By op: its weights and biases by their indices, as received, scales and zero points too. Raises Damaged."""
        self._check_rest(received)
        return {placed.layer.op: self._tensors(placed, layout, received) for placed, layout in self._found()}

    def _program(self, received: bytes) -> _Program:
        program = self._programs.pop(received, None) or self._built(received)
        self._programs[received] = program
        if len(self._programs) > PROGRAMS_KEPT:
            del self._programs[next(iter(self._programs))]
        return program

    def _built(self, received: bytes) -> _Program:
        tensors, ops = list(self._graph.tensors), list(self._graph.ops)
        for index, decoded in self.decoded(received).items():
            ops[index] = replace(ops[index], inputs=_redirected(ops[index].inputs, decoded, len(tensors)))
            tensors += decoded.values()
        segment = replace(self._segment, graph=replace(self._graph, tensors=tensors, ops=ops))
        try:
            return _Program(segment)
        except (Unsupported, ModelError) as error:
            if received == self._located.stream:
                raise
            raise Damaged(f"no kernel computes with the parameters as received: {error}") from error

    def _found(self) -> Iterator[tuple[Placed, Layout]]:
        for placed in self._located.placed:
            if placed.layout is not None:
                yield placed, placed.layout

    def _check_rest(self, received: bytes) -> None:
        """All that is not decoded."""
        expected = self._located.stream
        if received == expected:
            return
        if len(received) != len(expected):
            raise Damaged(f"{len(received)} B of parameters arrived, the package has {len(expected)}")
        unequal = np.frombuffer(received, np.uint8) != np.frombuffer(expected, np.uint8)
        unequal &= ~self._live
        if unequal.any():
            first = int(unequal.argmax())
            raise Damaged(
                f"{int(unequal.sum())} B of the parameters that are in no known layer are not the package's, "
                f"the first of them byte {first}"
            )

    def _tensors(self, placed: Placed, layout: Layout, received: bytes) -> dict[int, Tensor]:
        layer = placed.layer
        arrived = parameters.decode(layout, received, placed.offset)
        sent = parameters.decode(layout, self._located.stream, placed.offset)
        weights = self._graph.tensors[layer.weights]
        quantization = weights.quantization
        assert quantization is not None
        points = _zero_points(layer, weights, sent, arrived)
        scales = _scales(layer, quantization.scales, sent, arrived)
        tensors = {
            layer.weights: replace(
                weights,
                buffer=parameters.unstored(arrived.weights, weights),
                quantization=replace(quantization, scales=scales, zero_points=points or quantization.zero_points),
            )
        }
        if arrived.biases is not None:
            biases = self._graph.tensors[layer.bias]
            tensors[layer.bias] = replace(biases, buffer=arrived.biases.tobytes())
        return tensors

    @staticmethod
    def _check_sizes(package: Package, segment: Segment) -> None:
        program = package.inference
        for layers, tensors in ((program.inputs, segment.inputs), (program.outputs, segment.outputs)):
            for layer, t in zip(layers, tensors, strict=True):
                if _size(segment.graph.tensors[t]) != layer.tensor_bytes:
                    raise ValueError(_whole(layer, segment.graph.tensors[t]))


def _redirected(inputs: Sequence[int], decoded: Mapping[int, Tensor], start: int) -> tuple[int, ...]:
    """An op's inputs with those that were decoded found from `start` on."""
    places = {t: start + i for i, t in enumerate(decoded)}
    return tuple(places.get(t, t) for t in inputs)


def _zero_points(layer: ParameterLayer, weights: Tensor, sent: Parameters, arrived: Parameters) -> tuple[int, ...]:
    """Of the tensor; empty: as they are. Raises Damaged where they changed: no kernel has others per channel."""
    if arrived.zero_points is None or sent.zero_points is None:
        return ()
    changed = np.flatnonzero(arrived.zero_points != sent.zero_points)
    if len(changed):
        raise Damaged(
            f"the zero point of output {changed[0]} of {layer.name!r} arrived as {arrived.zero_points[changed[0]]}, "
            f"not {sent.zero_points[changed[0]]}: no kernel computes with that"
        )
    shift = SIGN_BIT if weights.dtype == "int8" else 0
    return tuple((arrived.zero_points.astype(np.int64) - shift).tolist())


def _scales(layer: ParameterLayer, scales: Sequence[float], sent: Parameters, arrived: Parameters) -> tuple[float, ...]:
    """Of the weights: where a multiplier arrived as another one, changed by as much. Raises Damaged."""
    if arrived.multipliers is None or sent.multipliers is None:
        return tuple(scales)
    changed = arrived.multipliers.view(np.uint32) != sent.multipliers.view(np.uint32)
    derived = np.array(scales, np.float32)
    for i in np.flatnonzero(changed):
        before, now, scale = float(sent.multipliers[i]), float(arrived.multipliers[i]), derived[i]
        largest = float(np.finfo(np.float32).max)
        wanted = float(scale) * (now / before)
        if not (np.finfo(np.float32).tiny <= wanted <= largest and np.isfinite(now)):
            raise Damaged(f"the multiplier of output {i} of {layer.name!r} arrived as {now:g} instead of {before:g}")
        derived[i] = wanted
        if derived[i] == scale:  # its last bit is worth less than the scale's
            derived[i] = np.nextafter(scale, np.float32(np.inf if now > before else 0))
    return tuple(derived.tolist())


def _zeroed(graph: Graph, located: Located) -> Graph:
    """Without the weights and biases of convolutions and fully connected layers.

    Raises ValueError where they are nowhere else.
    """
    convolutions = [placed for placed in located.placed if placed.layer.is_convolution]
    lost = [placed.layer.name for placed in convolutions if not placed.is_found]
    if lost:
        raise ValueError(f"the parameters of {lost[0]!r} were not found in the package, so its constants are needed")
    tensors = list(graph.tensors)
    for placed in convolutions:
        for t in (placed.layer.weights, placed.layer.bias):
            if t >= 0:
                tensors[t] = replace(tensors[t], buffer=bytes(len(tensors[t].buffer or b"")))
    return replace(graph, tensors=tensors)


def _size(tensor: Tensor) -> int:
    dtype = NUMPY_DTYPES.get(tensor.dtype)
    return int(np.prod(tensor.shape, dtype=np.int64)) * (dtype.itemsize if dtype else 0)


def _whole(layer: Layer, tensor: Tensor) -> str:
    return (
        f"the package computes the tensor {tensor.name!r} of {_size(tensor)} B in parts of {layer.tensor_bytes} B; "
        f"the emulated device computes whole ones only"
    )


@dataclass(frozen=True, slots=True)
class _Port:
    """An input or output of a program. index: in the program's model."""

    index: int
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    is_variable: bool


class _Program:
    """A segment on the CPU, made anew for its constants."""

    def __init__(self, segment: Segment) -> None:
        self._model = _native.Model.read(segment.to_tflite())
        cut = self._model.subgraph(0)
        self._inputs = _ports(segment.graph, segment.inputs, cut.inputs)
        self._outputs = _ports(segment.graph, segment.outputs, cut.outputs)
        self._program = _native.Program(
            self._model,
            0,
            None,
            [port.index for port in self._inputs if not port.is_variable],
            [port.index for port in self._outputs if not port.is_variable],
            pool=_native.ThreadPool(1),
        )

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        for port, array in zip(self._inputs, inputs, strict=True):
            whole = np.ascontiguousarray(array).reshape(-1).view(port.dtype).reshape(port.shape)
            self._program.set(port.index, whole)
        self._program.run()
        return [np.array(self._program.get(port.index)) for port in self._outputs]


def _ports(graph: Graph, tensors: Sequence[int], indices: Sequence[int]) -> list[_Port]:
    ports = []
    for t, index in zip(tensors, indices, strict=True):
        tensor = graph.tensors[t]
        ports.append(_Port(index, tensor.shape, NUMPY_DTYPES[tensor.dtype], tensor.is_variable))
    return ports
