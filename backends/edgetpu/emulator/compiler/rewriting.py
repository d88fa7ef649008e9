"""Writes a .tflite file with Edge TPU custom ops in the place of what was compiled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from subgraft import _native
from subgraft.backends.edgetpu.emulator.compiler.errors import CompilationFailed
from subgraft.backends.edgetpu.package import CUSTOM_OP, PACKAGE_KEY
from subgraft.delegates import flexbuffer

COPIED = (
    "name", "shape", "shape_signature", "dtype", "is_variable", "has_rank", "sparsity", "variant_tensors",
    "external_buffer",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Compiled:
    """One custom op: its package, and the tensors of the main graph that it reads and writes, in the layers' order."""

    package: bytes
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def rewrite(
    model: _native.Model,
    nodes: Sequence[int | Compiled],
    inputs: Sequence[int],
    outputs: Sequence[int],
) -> bytes:
    """A file whose main graph has these nodes (ops of the old one, or custom ops) between these tensors.

    Other subgraphs come along, and signatures of the main graph where all of their tensors are there.
    Raises CompilationFailed when an op has options of a newer schema.
    """
    draft = _native.Draft()
    draft.describe(model.version, model.description)
    buffers = _Buffers(model, draft)
    graph = _MainGraph(model, draft, buffers, nodes, inputs, outputs)
    draft.add_subgraph(graph.written)
    for i in range(1, model.subgraph_count):
        draft.add_subgraph(_whole(model, i, draft, buffers))
    for name, buffer in model.metadata:
        draft.add_metadata(name, buffers.place(buffer))
    for key, given, made, subgraph in model.signatures:
        if subgraph != 0:
            draft.add_signature(key, list(given.items()), list(made.items()), subgraph)
        elif graph.places.keys() >= {*given.values(), *made.values()} and graph.is_between({*given.values()}):
            draft.add_signature(key, graph.moved_names(given), graph.moved_names(made), 0)
    for external in model.external_buffers:
        draft.add_external_buffer(*external)
    return draft.write()


class _Buffers:
    """Copies the buffers that are asked for, each once."""

    def __init__(self, model: _native.Model, draft: _native.Draft) -> None:
        self._model = model
        self._draft = draft
        self._places = {0: 0}

    def place(self, index: int) -> int:
        if index not in self._places:
            content = self._model.buffer(index)
            self._places[index] = self._draft.add_buffer(memoryview(content) if content is not None else b"")
        return self._places[index]


class _MainGraph:
    """The new main graph. places: where each tensor of the old one is now."""

    def __init__(
        self,
        model: _native.Model,
        draft: _native.Draft,
        buffers: _Buffers,
        nodes: Sequence[int | Compiled],
        inputs: Sequence[int],
        outputs: Sequence[int],
    ) -> None:
        old = model.subgraph(0)
        self._inputs = set(inputs)
        needed = {*inputs, *outputs}
        for node in nodes:
            op = node if isinstance(node, Compiled) else old.op(node)
            needed.update((*op.inputs, *op.outputs))
            needed.update(() if isinstance(op, Compiled) else op.intermediates)
        needed.discard(-1)
        needed.update(t for used in list(needed) for t in _scales(old.tensor(used)))
        self.places = {tensor: place for place, tensor in enumerate(sorted(needed))} | {-1: -1}
        self.written = _native.SubgraphDef()
        self.written.name = old.name
        self.written.inputs = self._moved(inputs)
        self.written.outputs = self._moved(outputs)
        for t in sorted(needed):
            self.written.add_tensor(_tensor(old.tensor(t), buffers, self.places))
        for node in nodes:
            op = self._custom(node, draft) if isinstance(node, Compiled) else self._kept(model, node, draft)
            self.written.add_op(op)

    def is_between(self, given: set[int]) -> bool:
        """Whether a signature with these inputs runs the new graph, and not one that lacks its beginning."""
        return given <= self._inputs

    def moved_names(self, tensors: Mapping[str, int]) -> list[tuple[str, int]]:
        return [(name, self.places[tensor]) for name, tensor in tensors.items()]

    def _moved(self, tensors: Iterable[int]) -> list[int]:
        return [self.places[t] for t in tensors]

    def _kept(self, model: _native.Model, index: int, draft: _native.Draft) -> _native.OpDef:
        op = _op(model, 0, index, draft)
        op.inputs = self._moved(op.inputs)
        op.outputs = self._moved(op.outputs)
        op.intermediates = self._moved(op.intermediates)
        return op

    def _custom(self, compiled: Compiled, draft: _native.Draft) -> _native.OpDef:
        op = _native.OpDef()
        op.opcode = draft.add_opcode(CUSTOM_OP, True, 1)
        op.inputs = self._moved(compiled.inputs)
        op.outputs = self._moved(compiled.outputs)
        # As in compiled files: version, package, execution preference, chips (18: the Edge TPU), further packages.
        options = {"1": 0, PACKAGE_KEY: compiled.package, "5": -1, "6": [18], "7": []}
        draft.set_custom_options(op, flexbuffer.encode(options))
        return op


def _whole(model: _native.Model, index: int, draft: _native.Draft, buffers: _Buffers) -> _native.SubgraphDef:
    old, new = model.subgraph(index), _native.SubgraphDef()
    new.name = old.name
    new.inputs, new.outputs = old.inputs, old.outputs
    same = {t: t for t in range(-1, old.tensor_count)}
    for t in range(old.tensor_count):
        new.add_tensor(_tensor(old.tensor(t), buffers, same))
    for i in range(old.op_count):
        new.add_op(_op(model, index, i, draft))
    return new


def _op(model: _native.Model, subgraph: int, index: int, draft: _native.Draft) -> _native.OpDef:
    old, new = model.subgraph(subgraph).op(index), _native.OpDef()
    code = model.opcode(old.opcode)
    new.inputs, new.outputs, new.intermediates = old.inputs, old.outputs, old.intermediates
    new.mutating_variable_inputs = old.mutating_variable_inputs
    new.custom_options_format = old.custom_options_format
    try:
        new.opcode = draft.add_opcode(code.name, code.is_custom, code.version)
        draft.set_options(new, old.options_table, old.options)
    except (ValueError, RuntimeError) as error:
        raise CompilationFailed(f"The op {code.name} cannot be copied: {error}") from error
    if options := model.custom_options(subgraph, index):
        draft.set_custom_options(new, options)
    return new


def _tensor(old: _native.TensorDef, buffers: _Buffers, places: Mapping[int, int]) -> _native.TensorDef:
    new = _native.TensorDef()
    try:
        for name in COPIED:
            setattr(new, name, getattr(old, name))
    except ValueError as error:
        raise CompilationFailed(f"The tensor {old.name} cannot be copied: {error}") from error
    new.buffer = buffers.place(old.buffer)
    new.quantization = _quantization(old.quantization, places)
    return new


def _quantization(old: _native.Quantization | None, places: Mapping[int, int]) -> _native.Quantization | None:
    """With blockwise scales where they are now."""
    blockwise = old.blockwise if old else None
    if old is None or blockwise is None:
        return old
    scales, zero_points, block_size, dimensions = blockwise
    new = _native.Quantization()
    new.min, new.max = old.min, old.max
    new.scale, new.zero_point, new.quantized_dimension = old.scale, old.zero_point, old.quantized_dimension
    new.set_blockwise(places[scales], places[zero_points], block_size, dimensions)
    return new


def _scales(tensor: _native.TensorDef) -> Iterable[int]:
    blockwise = tensor.quantization.blockwise if tensor.quantization else None
    return [t for t in blockwise[:2] if t >= 0] if blockwise else []
