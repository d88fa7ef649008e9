"""A compiled model and what it was made from: which ops it replaces, and whether it computes with the same numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from subgraft.backends.edgetpu import parameters
from subgraft.backends.edgetpu.errors import WrongTwin
from subgraft.backends.edgetpu.immediates import Immediates
from subgraft.backends.edgetpu.locate import Difference, Located, Placed, locate
from subgraft.backends.edgetpu.package import CUSTOM_OP, Package, package_of
from subgraft.backends.edgetpu.parameters import SIGN_BIT, ParameterLayer
from subgraft.backends.edgetpu.replaced import CURE, UNSIGNED_BY, check_others, replaced
from subgraft.delegates import Graph, Segment

COMPARED, NAMES_ONLY = "compared", "names only"
IN_PARAMETERS, IN_INSTRUCTIONS, NOT_COMPARED = "in the parameters", "in the instructions", "not compared"


@dataclass(frozen=True, slots=True)
class LayerMatch:
    """What is known of one layer.

    op: in the uncompiled graph. name: of the tensor that it computes. parameters: COMPARED, or NAMES_ONLY and `why`.
    scales: where they were compared; IN_INSTRUCTIONS the zero points were too. bytes: of its weights and biases.
    """

    op: int
    kind: str
    name: str
    parameters: str
    scales: str
    bytes: int
    why: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One custom op, and the ops of the uncompiled graph that it replaces.

    op: its index in `compiled`. segment: its inputs and outputs are in the order of the package's layers; a state is an
    input and an output.
    """

    compiled: Graph
    op: int
    package: Package
    segment: Segment
    located: Located
    layers: tuple[LayerMatch, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Twin:
    """An uncompiled graph and the compiled ones that belong to it."""

    graph: Graph
    parts: tuple[Part, ...]

    @property
    def layers(self) -> tuple[LayerMatch, ...]:
        return tuple(layer for part in self.parts for layer in part.layers)

    @property
    def compared_bytes(self) -> int:
        return sum(layer.bytes for layer in self.layers if layer.parameters == COMPARED)

    @property
    def total_bytes(self) -> int:
        return sum(layer.bytes for layer in self.layers)

    def report(self) -> dict[str, object]:
        """For a JSON file."""
        return {
            "compared_bytes": self.compared_bytes,
            "total_bytes": self.total_bytes,
            "layers": [asdict(layer) for layer in self.layers],
        }

    def __str__(self) -> str:
        layers = self.layers
        compared = sum(layer.parameters == COMPARED for layer in layers)
        head = f"{compared} of {len(layers)} layers compared, {self.compared_bytes:,} of {self.total_bytes:,} bytes"
        return "\n".join([head, *(_line(layer) for layer in layers)])


def match(graph: Graph, compiled: Graph) -> Twin:
    """The twin of one compiled file; see match_all."""
    return match_all(graph, [compiled])


def match_all(graph: Graph, compiled: Sequence[Graph]) -> Twin:
    """Which ops the custom ops of the compiled graphs replace, their parameters compared.

    Raises WrongTwin, naming layer, tensor and what differs; PackageError and NeedsNewerRuntime for compiled graphs
    that cannot be read.
    """
    twin = pair(graph, compiled)
    for part in twin.parts:
        _check_parameters(part)
        _check_constants(part)
    return twin


def pair(graph: Graph, compiled: Sequence[Graph]) -> Twin:
    """As match_all, but parameters may differ: where they do, the layers of the report say so in `why`."""
    _check_kinds(graph, compiled)
    parts = [_part(graph, other, i) for other in compiled for i, op in enumerate(other.ops) if op.kind == CUSTOM_OP]
    taken: set[int] = set()
    for part in parts:
        again = taken.intersection(part.segment.ops)
        if again:
            name = graph.tensors[graph.ops[min(again)].outputs[0]].name
            raise WrongTwin(f"two of the compiled models compute {name!r}; give each part of the model once")
        taken.update(part.segment.ops)
    check_others(graph, compiled, [part.segment for part in parts])
    return Twin(graph, tuple(parts))


def _check_kinds(graph: Graph, compiled: Sequence[Graph]) -> None:
    plain = [i for i, other in enumerate(compiled) if all(op.kind != CUSTOM_OP for op in other.ops)]
    is_compiled = any(op.kind == CUSTOM_OP for op in graph.ops)
    if is_compiled and plain:
        raise WrongTwin("the two models are swapped: load the uncompiled one, and give the compiled one as its twin")
    if is_compiled:
        raise WrongTwin("the model itself is compiled for the Edge TPU; load the .tflite that it was made from")
    if plain or not compiled:
        which = f"compiled model {plain[0] + 1} of {len(compiled)}" if len(compiled) > 1 else "compiled model"
        raise WrongTwin(f"the {which} holds no {CUSTOM_OP}: it was not compiled for the Edge TPU; {CURE}")


def _part(graph: Graph, compiled: Graph, op: int) -> Part:
    package = Package.parse(package_of(compiled.ops[op]))
    segment = replaced(graph, compiled, compiled.ops[op], package)
    located = locate(package, segment)
    immediates = Immediates(package.inference)
    layers = tuple(_layer_match(graph, placed, immediates) for placed in located.placed)
    return Part(compiled, op, package, segment, located, layers)


def _layer_match(graph: Graph, placed: Placed, immediates: Immediates) -> LayerMatch:
    layer, scales = placed.layer, NOT_COMPARED
    if placed.layout is not None and parameters.MULTIPLIERS in placed.layout.header:
        scales = IN_PARAMETERS
    elif layer.multiplier is not None and not _wrong_constants(graph, placed, immediates):
        scales = IN_INSTRUCTIONS
    why = "; ".join(f"{one.count} of {one.of} {one.part} differ" for one in placed.differences) or placed.why
    kind = COMPARED if placed.is_found else NAMES_ONLY
    return LayerMatch(layer.op, layer.kind, layer.name, kind, scales, layer.tensor_bytes, why)


def _wrong_constants(graph: Graph, placed: Placed, immediates: Immediates) -> str:
    """In what the constants in the instructions differ from those of a layer quantized per tensor."""
    layer, op = placed.layer, graph.ops[placed.layer.op]
    assert layer.multiplier is not None and layer.parameters is not None and layer.parameters.zero_points is not None
    beside = immediates.beside(layer.multiplier)
    if not beside:
        return (
            f"it multiplies by {layer.multiplier:.9g} (input scale x weight scale / output scale) here, but not there"
        )
    wanted = {"input": _zero_point(graph, op.inputs[0]), "output": _zero_point(graph, op.outputs[0])}
    if layer.layouts and parameters.ZERO_POINTS not in layer.layouts[0].header:
        wanted["weights"] = int(layer.parameters.zero_points[0])
    if any(all(getattr(points, name) == point for name, point in wanted.items()) for points in beside):
        return ""
    points = min(beside, key=lambda points: sum(getattr(points, name) != point for name, point in wanted.items()))
    name = next(name for name, point in wanted.items() if getattr(points, name) != point)
    tensor = graph.tensors[{"input": op.inputs[0], "output": op.outputs[0], "weights": layer.weights}[name]]
    there = getattr(points, name) - UNSIGNED_BY.get(tensor.dtype, 0)
    here = wanted[name] - UNSIGNED_BY.get(tensor.dtype, 0)
    return f"the zero point of its {name} {tensor.name!r} is {here} here and {there} there"


def _zero_point(graph: Graph, t: int) -> int:
    """Unsigned."""
    quantization = graph.tensors[t].quantization
    points = quantization.zero_points if quantization else ()
    return (*points, 0)[0] + UNSIGNED_BY.get(graph.tensors[t].dtype, 0)


def _check_parameters(part: Part) -> None:
    different = [placed for placed in part.located.placed if placed.differences]
    if not different:
        return
    first, of = different[0], len(part.located.placed)
    more = f", and {len(different)} of its {of} layers differ" if len(different) > 1 else ""
    raise WrongTwin(
        f"{_named(first.layer)} is another one in the compiled model: "
        f"{_said(part.segment.graph, first, first.differences[0])}{more}; {CURE}"
    )


def _said(graph: Graph, placed: Placed, difference: Difference) -> str:
    """Where a difference is, in the terms of the graph."""
    layer, i = placed.layer, difference.index
    count = f"; {difference.count:,} of {difference.of:,} differ" if difference.of > 1 else ""
    if difference.part == parameters.WEIGHTS:
        tensor = graph.tensors[layer.weights]
        shift = SIGN_BIT if tensor.dtype == "int8" else 0
        what = "weights" if layer.is_convolution else "constant"
        place = list(_tensor_index(layer, i, tensor.shape))
        here, there = int(difference.graph) - shift, int(difference.package) - shift
        return f"{place} of its {what} {tensor.name!r} is {here} here and {there} there{count}"
    if difference.part == parameters.BIASES:
        name = graph.tensors[layer.bias].name if layer.bias >= 0 else ""
        return f"[{i[0]}] of its biases {name!r} is {difference.graph} here and {difference.package} there{count}"
    if difference.part == parameters.ZERO_POINTS:
        name = graph.tensors[layer.weights].name
        return f"zero point {i[0]} of its weights {name!r} is not {difference.graph} but {difference.package}{count}"
    return (
        f"output {i[0]} is multiplied by {difference.graph:.9g} here and {difference.package:.9g} there "
        f"(input scale x weight scale / output scale){count}"
    )


def _tensor_index(layer: ParameterLayer, index: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    output, tap, source = index
    if not layer.is_convolution:
        return tuple(int(i) for i in np.unravel_index(source, shape))
    if layer.kind == "FULLY_CONNECTED":
        return output, source
    y, x = divmod(tap, shape[2])
    return (0, y, x, output) if layer.kind == "DEPTHWISE_CONV_2D" else (output, y, x, source)


def _check_constants(part: Part) -> None:
    """Those in the instructions, if they hold the multiplier of any layer that is quantized per tensor."""
    if all(layer.scales != IN_INSTRUCTIONS for layer in part.layers):
        return
    immediates = Immediates(part.package.inference)
    for placed, layer in zip(part.located.placed, part.layers, strict=True):
        if layer.scales == NOT_COMPARED and placed.layer.multiplier is not None:
            reason = _wrong_constants(part.segment.graph, placed, immediates)
            raise WrongTwin(
                f"{_named(placed.layer)} is quantized in another way in the compiled model: {reason}; {CURE}"
            )


def _named(layer: ParameterLayer) -> str:
    return f"the layer {layer.name!r} ({layer.kind}, op {layer.op})"


def _line(layer: LayerMatch) -> str:
    why = f": {layer.why}" if layer.why else ""
    return f"  op {layer.op} {layer.kind} {layer.name}: parameters {layer.parameters}, scales {layer.scales}{why}"
