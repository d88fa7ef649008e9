"""Between the native structs of a file and the types that delegates see."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from typing import Any, TypeVar, overload

from subgraft.delegates import (
    Blockwise,
    Graph,
    Op,
    Options,
    Quantization,
    SparseDimension,
    Sparsity,
    Tensor,
    VariantType,
)
from subgraft.interpreter.native import _native

T = TypeVar("T")


class Lazy(Sequence[T]):
    """Elements that are made when they are first asked for, and kept."""

    __slots__ = ("_make", "_made")

    def __init__(self, count: int, make: Callable[[int], T]) -> None:
        self._made: list[T | None] = [None] * count
        self._make = make

    def __len__(self) -> int:
        return len(self._made)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        made = self._made[index]
        if made is None:
            place = range(len(self._made))[index]
            made = self._made[index] = self._make(place)
        return made

    def __iter__(self) -> Iterator[T]:
        return (self[i] for i in range(len(self._made)))

    def __repr__(self) -> str:
        return f"<{len(self._made)} elements>"


class _Buffers:
    """The buffers of a file; tensors that share one get the same memoryview."""

    def __init__(self, model: _native.Model) -> None:
        self._model = model
        self._views: dict[int, memoryview | None] = {}

    def __getitem__(self, index: int) -> memoryview | None:
        if index not in self._views:
            content = self._model.buffer(index)
            self._views[index] = None if content is None else memoryview(content)
        return self._views[index]

    def constant(self, index: int, shape: Sequence[int]) -> memoryview | None:
        """A tensor's constant. Writers give tensors without one buffer 0, or an empty buffer of their own."""
        content = self[index] if index else None
        if content is not None and len(content) == 0 and prod(shape) != 0:
            return None
        return content


def graphs(model: _native.Model) -> tuple[Graph, ...]:
    """The subgraphs of a decoded file."""
    buffers = _Buffers(model)
    return tuple(_graph(model, index, buffers) for index in range(model.subgraph_count))


def metadata(model: _native.Model) -> Mapping[str, memoryview | bytes]:
    """Name to content."""
    buffers = _Buffers(model)
    return {name: buffers[index] or b"" for name, index in model.metadata}


def _graph(model: _native.Model, index: int, buffers: _Buffers) -> Graph:
    subgraph = model.subgraph(index)
    return Graph(
        tensors=Lazy(subgraph.tensor_count, lambda i: _tensor(subgraph.tensor(i), buffers)),
        ops=Lazy(subgraph.op_count, lambda i: _op(model, index, i)),
        inputs=tuple(subgraph.inputs),
        outputs=tuple(subgraph.outputs),
        name=subgraph.name,
        index=index,
        debug_metadata_index=subgraph.debug_metadata_index,
    )


def _tensor(native: _native.TensorDef, buffers: _Buffers) -> Tensor:
    return Tensor(
        name=native.name,
        shape=tuple(native.shape),
        dtype=native.dtype,
        buffer=buffers.constant(native.buffer, native.shape),
        quantization=_quantization(native.quantization),
        shape_signature=tuple(native.shape_signature) or None,
        is_variable=native.is_variable,
        sparsity=_sparsity(native.sparsity),
        has_rank=native.has_rank,
        variant_types=tuple(VariantType(tuple(v.shape), v.dtype, v.has_rank) for v in native.variant_tensors),
        external_buffer=native.external_buffer,
    )


def _quantization(native: _native.Quantization | None) -> Quantization | None:
    if native is None:
        return None
    blockwise = native.blockwise
    return Quantization(
        scales=tuple(native.scale),
        zero_points=tuple(native.zero_point),
        axis=native.quantized_dimension,
        blockwise=None if blockwise is None else Blockwise(*blockwise),
        min=tuple(native.min),
        max=tuple(native.max),
        custom=native.custom,
    )


def _sparsity(native: _native.Sparsity | None) -> Sparsity | None:
    if native is None:
        return None
    return Sparsity(
        traversal_order=tuple(native.traversal_order),
        block_map=tuple(native.block_map),
        dimensions=tuple(
            SparseDimension(size, segments, indices, compressed)
            for compressed, size, segments, indices in native.dimensions
        ),
    )


def _op(model: _native.Model, graph: int, index: int) -> Op:
    native = model.subgraph(graph).op(index)
    code = model.opcode(native.opcode)
    return Op(
        kind=code.name,
        inputs=tuple(native.inputs),
        outputs=tuple(native.outputs),
        options=Options(native.options, table=native.options_table),
        version=code.version,
        is_custom=code.is_custom,
        custom_options=model.custom_options(graph, index),
        intermediates=tuple(native.intermediates),
        mutating_variable_inputs=tuple(bool(flag) for flag in native.mutating_variable_inputs),
        custom_options_format=native.custom_options_format,
        debug_metadata_index=native.debug_metadata_index,
    )


def draft(graphs: Sequence[Graph]) -> _native.Draft:
    """A file of these graphs, yet to be described and written. Tensors that share one buffer object share it there."""
    made = _native.Draft()
    places: dict[int, int] = {}

    def place(content: Any) -> int:
        if content is None:
            return 0
        if id(content) not in places:
            places[id(content)] = made.add_buffer(content)
        return places[id(content)]

    for graph in graphs:
        subgraph = _native.SubgraphDef()
        subgraph.name = graph.name
        subgraph.inputs = list(graph.inputs)
        subgraph.outputs = list(graph.outputs)
        subgraph.debug_metadata_index = graph.debug_metadata_index
        for tensor in graph.tensors:
            subgraph.add_tensor(_draft_tensor(tensor, place(tensor.buffer)))
        for op in graph.ops:
            subgraph.add_op(_draft_op(op, made))
        made.add_subgraph(subgraph)
    return made


def _draft_tensor(tensor: Tensor, buffer: int) -> _native.TensorDef:
    native = _native.TensorDef()
    native.name = tensor.name
    native.shape = list(tensor.shape)
    native.dtype = tensor.dtype
    native.buffer = buffer
    native.quantization = _draft_quantization(tensor.quantization)
    native.shape_signature = list(tensor.shape_signature or ())
    native.is_variable = tensor.is_variable
    native.sparsity = _draft_sparsity(tensor.sparsity)
    native.has_rank = tensor.has_rank
    native.variant_tensors = [_draft_variant(variant) for variant in tensor.variant_types]
    native.external_buffer = tensor.external_buffer
    return native


def _draft_quantization(quantization: Quantization | None) -> _native.Quantization | None:
    if quantization is None:
        return None
    native = _native.Quantization()
    native.scale = list(quantization.scales)
    native.zero_point = list(quantization.zero_points)
    native.quantized_dimension = quantization.axis
    native.min = list(quantization.min)
    native.max = list(quantization.max)
    if quantization.custom is not None:
        native.custom = quantization.custom
    if (blockwise := quantization.blockwise) is not None:
        dimensions = blockwise.quantized_dimensions
        native.set_blockwise(
            blockwise.scales,
            blockwise.zero_points,
            blockwise.block_size,
            None if dimensions is None else list(dimensions),
        )
    return native


def _draft_sparsity(sparsity: Sparsity | None) -> _native.Sparsity | None:
    if sparsity is None:
        return None
    native = _native.Sparsity()
    native.traversal_order = list(sparsity.traversal_order)
    native.block_map = list(sparsity.block_map)
    for dimension in sparsity.dimensions:
        native.add_dimension(dimension.compressed, dimension.size, dimension.segments, dimension.indices)
    return native


def _draft_variant(variant: VariantType) -> _native.VariantSubType:
    native = _native.VariantSubType()
    native.shape = list(variant.shape)
    native.dtype = variant.dtype
    native.has_rank = variant.has_rank
    return native


def _draft_op(op: Op, made: _native.Draft) -> _native.OpDef:
    native = _native.OpDef()
    native.opcode = made.add_opcode(op.kind, op.is_custom, op.version)
    native.inputs = list(op.inputs)
    native.outputs = list(op.outputs)
    native.intermediates = list(op.intermediates)
    native.mutating_variable_inputs = [int(flag) for flag in op.mutating_variable_inputs]
    native.custom_options_format = op.custom_options_format
    native.debug_metadata_index = op.debug_metadata_index
    made.set_options(native, op.options.table, dict(op.options))
    if op.custom_options:
        made.set_custom_options(native, op.custom_options)
    return native
