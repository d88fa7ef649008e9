"""Which ops of a graph a compiled graph's custom op replaces, by names, shapes, types and quantization of tensors."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from subgraft.backends.edgetpu.errors import PackageError, WrongTwin
from subgraft.backends.edgetpu.layer import Layer
from subgraft.backends.edgetpu.package import CUSTOM_OP, Package
from subgraft.delegates import Graph, Op, Quantization, Segment, Tensor

VARIABLE_OUTPUT = "_variable_output"  # what the name of an output ends in that is the next value of an input
UNSIGNED_BY = {"int8": 1 << 7, "int16": 1 << 15}  # what a package adds to zero points: the device computes unsigned

CURE = "compile this model again, or give the .tflite that the compiled one was made from"


@dataclass(frozen=True, slots=True)
class Bound:
    """A custom op's tensors in the order of the package's layers, as indices in one graph."""

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def bound(op: Op, graph: Graph, package: Package) -> Bound:
    """The tensors of a compiled graph that the package's layers are; a state's next value is its input's tensor.

    Raises PackageError when op and package do not fit.
    """
    program = package.inference
    if len(op.inputs) != len(program.inputs):
        raise PackageError(f"the {CUSTOM_OP} has {len(op.inputs)} inputs, its package {len(program.inputs)}")
    states = {layer.name + VARIABLE_OUTPUT: t for layer, t in zip(program.inputs, op.inputs, strict=True)}
    plain = [layer for layer in program.outputs if layer.name not in states]
    if len(op.outputs) != len(plain):
        raise PackageError(f"the {CUSTOM_OP} has {len(op.outputs)} outputs, its package {len(plain)}")
    made = {layer.name: t for layer, t in zip(plain, op.outputs, strict=True)}
    found = Bound(op.inputs, tuple({**states, **made}[layer.name] for layer in program.outputs))
    if any(not 0 <= t < len(graph.tensors) for t in (*found.inputs, *found.outputs)):
        raise PackageError(f"the {CUSTOM_OP} leaves out an input or output")
    return found


def replaced(graph: Graph, compiled: Graph, op: Op, package: Package) -> Segment:
    """The ops of `graph` that stand for the custom op, inputs and outputs in the order of the package's layers.

    Raises WrongTwin, PackageError.
    """
    there = bound(op, compiled, package)
    inputs = tuple(_counterpart(graph, compiled.tensors[t], "reads") for t in there.inputs)
    outputs = tuple(_counterpart(graph, compiled.tensors[t], "makes") for t in there.outputs)
    for layers, tensors in ((package.inference.inputs, inputs), (package.inference.outputs, outputs)):
        for layer, t in zip(layers, tensors, strict=True):
            _check_layer(layer, graph.tensors[t])
    ops, read = _between(graph, inputs, [t for t in outputs if not graph.tensors[t].is_variable])
    unread = [graph.tensors[t].name for t in inputs if t not in read]
    if unread:
        raise WrongTwin(f"the compiled model computes its outputs from {unread[0]!r}, the uncompiled does not; {CURE}")
    leaving = [graph.tensors[t].name for t in graph.segment(ops).outputs if t not in outputs]
    if leaving:
        raise WrongTwin(f"the compiled model does not make {leaving[0]!r}, which the uncompiled one needs; {CURE}")
    return Segment(graph, tuple(sorted(ops)), inputs, outputs)


def check_others(graph: Graph, compiled: Sequence[Graph], segments: Sequence[Segment]) -> None:
    """That the ops which no custom op replaces are the same on both sides. Raises WrongTwin."""
    inside = {i for segment in segments for i in segment.ops}
    makers: dict[str, list[int]] = {}
    for i, op in enumerate(graph.ops):
        if i not in inside and op.outputs:
            makers.setdefault(graph.tensors[op.outputs[0]].name, []).append(i)
    seen: set[int] = set()
    for other in compiled:
        for i, op in enumerate(other.ops):
            if op.kind == CUSTOM_OP or not op.outputs:
                continue
            name = other.tensors[op.outputs[0]].name
            if name not in makers:
                raise WrongTwin(f"the compiled model makes {name!r} on the CPU, the uncompiled one not; {CURE}")
            reasons = [_unlike(graph, graph.ops[k], other, op) for k in makers[name]]
            if all(reasons):
                raise WrongTwin(f"op {i} of the compiled model ({op.kind}, which makes {name!r}) {reasons[0]}; {CURE}")
            seen.update(k for k, reason in zip(makers[name], reasons, strict=True) if not reason)
    missing = [i for i in _needed(graph, segments) if i not in seen]
    if missing:
        op = graph.ops[missing[0]]
        name = graph.tensors[op.outputs[0]].name
        raise WrongTwin(
            f"op {missing[0]} of the uncompiled model ({op.kind}, which makes {name!r}) is in no compiled one; "
            f"give all of the compiled files, or compile this model again"
        )


def describe(tensor: Tensor) -> str:
    """Type, shape and quantization."""
    text = f"{tensor.dtype}[{', '.join(map(str, tensor.shape))}]"
    quantization = tensor.quantization
    if quantization and len(quantization.scales) == 1:
        return f"{text} scale {quantization.scales[0]:.9g} zero point {(*quantization.zero_points, 0)[0]}"
    return f"{text} of {len(quantization.scales)} scales" if quantization and quantization.scales else text


def _counterpart(graph: Graph, wanted: Tensor, does: str) -> int:
    """The tensor of the same name that is computed; where several have it, the one that is alike."""
    named = [t for t, tensor in enumerate(graph.tensors) if tensor.name == wanted.name and not tensor.is_constant]
    if not named:
        raise WrongTwin(
            f"the compiled model {does} the tensor {wanted.name!r}, which the uncompiled model does not have; {CURE}"
        )
    alike = [t for t in named if _same(graph.tensors[t], wanted)]
    if not alike:
        raise WrongTwin(
            f"the tensor {wanted.name!r} is {describe(graph.tensors[named[0]])} in the uncompiled model, "
            f"but {describe(wanted)} in the compiled one; {CURE}"
        )
    if len(alike) > 1:
        raise WrongTwin(
            f"{len(alike)} tensors of the uncompiled model are named {wanted.name!r}; give them other names"
        )
    return alike[0]


def _same(one: Tensor, other: Tensor) -> bool:
    return (one.shape, one.dtype, _numbers(one.quantization)) == (
        other.shape,
        other.dtype,
        _numbers(other.quantization),
    )


def _numbers(quantization: Quantization | None) -> tuple[object, ...]:
    if quantization is None or not quantization.scales:
        return ()
    points = quantization.zero_points or (0,) * len(quantization.scales)
    return quantization.scales, points, quantization.axis if len(quantization.scales) > 1 else 0


def _check_layer(layer: Layer, tensor: Tensor) -> None:
    """That the package has the tensor with this type, size and quantization."""
    size = tensor_bytes(tensor)
    if layer.dtype != tensor.dtype or size % layer.tensor_bytes:
        raise WrongTwin(
            f"the tensor {tensor.name!r} is {describe(tensor)}, but {layer.dtype}[{layer.y}, {layer.x}, {layer.z}] "
            f"in the package of the compiled model; {CURE}"
        )
    quantization = tensor.quantization
    if quantization is None or len(quantization.scales) != 1:
        return
    point = (*quantization.zero_points, 0)[0] + UNSIGNED_BY.get(tensor.dtype, 0)
    if layer.scale != quantization.scales[0] or layer.zero_point != point:
        raise WrongTwin(
            f"the tensor {tensor.name!r} is {describe(tensor)}, but has the scale {layer.scale:.9g} and the zero point "
            f"{layer.zero_point - UNSIGNED_BY.get(tensor.dtype, 0)} in the package of the compiled model; {CURE}"
        )


def tensor_bytes(tensor: Tensor) -> int:
    """Of all elements. Raises WrongTwin for types that no package has."""
    if tensor.dtype not in ELEMENT_BYTES:
        raise WrongTwin(f"the tensor {tensor.name!r} is {tensor.dtype}, which no Edge TPU takes; {CURE}")
    size = ELEMENT_BYTES[tensor.dtype]
    for dimension in tensor.shape:
        size *= dimension
    return size


ELEMENT_BYTES = {"uint8": 1, "int8": 1, "uint16": 2, "int16": 2, "int32": 4, "float32": 4, "float16": 2, "bfloat16": 2}


def _between(graph: Graph, inputs: Collection[int], outputs: Iterable[int]) -> tuple[set[int], set[int]]:
    """The ops that compute `outputs` from `inputs`, and what of these they read."""
    producers, ops, read = graph.producers(), set[int](), set[int]()
    waiting = list(outputs)
    while waiting:
        t = waiting.pop()
        if t in inputs:
            read.add(t)
        elif t in producers:
            if producers[t] not in ops:
                ops.add(producers[t])
                waiting += [source for source in graph.ops[producers[t]].inputs if source >= 0]
        elif not graph.tensors[t].is_constant:
            name = graph.tensors[t].name
            raise WrongTwin(f"the uncompiled model computes outputs from {name!r}, the compiled one does not; {CURE}")
    return ops, read


def _needed(graph: Graph, segments: Sequence[Segment]) -> list[int]:
    """The ops outside of the segments that the graph's outputs depend on."""
    owner = {i: segment for segment in segments for i in segment.ops}
    producers, seen, waiting = graph.producers(), set[int](), list(graph.outputs)
    needed: set[int] = set()
    while waiting:
        t = waiting.pop()
        if t in seen or t not in producers:
            continue
        seen.add(t)
        i = producers[t]
        if i not in owner:
            needed.add(i)
        waiting += owner[i].inputs if i in owner else [s for s in graph.ops[i].inputs if s >= 0]
    return sorted(needed)


def _unlike(graph: Graph, op: Op, other: Graph, others_op: Op) -> str:
    """In what an op differs from that of the compiled graph; empty: in nothing."""
    if op.kind != others_op.kind:
        return f"is {op.kind} in the uncompiled one"
    shared = op.options.keys() & others_op.options.keys()  # the compiler writes defaults where a file has no options
    unequal = sorted(name for name in shared if op.options[name] != others_op.options[name])
    if unequal or op.custom_options != others_op.custom_options:
        return f"has other options in the uncompiled one: {', '.join(unequal) or 'those of its own format'}"
    if len(op.inputs) != len(others_op.inputs) or len(op.outputs) != len(others_op.outputs):
        return "has another number of inputs or outputs in the uncompiled one"
    pairs = zip((*op.inputs, *op.outputs), (*others_op.inputs, *others_op.outputs), strict=True)
    for t, others in pairs:
        if (t < 0) != (others < 0):
            return "leaves out an input in one of the two"
        if t >= 0 and (reason := _unlike_tensor(graph.tensors[t], other.tensors[others])):
            return reason
    return ""


def _unlike_tensor(here: Tensor, there: Tensor) -> str:
    if not here.is_constant and () in (here.shape, there.shape):
        there = replace(there, shape=here.shape)  # a file need not know the shape of what a custom op makes
    if not _same(here, there):
        return f"has {there.name!r} as {describe(there)}, in the uncompiled one {describe(here)}"
    if here.is_constant != there.is_constant or bytes(here.buffer or b"") != bytes(there.buffer or b""):
        return f"has another constant {there.name!r} in the uncompiled one"
    return "" if here.is_constant or here.name == there.name else f"reads {there.name!r}, there {here.name!r}"
