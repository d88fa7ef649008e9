"""What the compiler needs to know of a .tflite file: its main graph, without what only the CPU's kernels ask for."""

from __future__ import annotations

import math

from subgraft import _native
from subgraft.backends.edgetpu.emulator.compiler.errors import InvalidModel
from subgraft.delegates import Graph, Op, Options, Quantization, Sparsity, Tensor


def read(tflite: bytes) -> tuple[_native.Model, Graph]:
    """The decoded file and its main graph. Raises InvalidModel."""
    try:
        model = _native.Model.read(tflite)
    except (ValueError, RuntimeError) as error:  # ModelError and Unsupported, where the interpreter named them
        raise InvalidModel(f"Model could not be parsed: {error}") from error
    if model.subgraph_count == 0:
        raise InvalidModel("Model has no graph")
    return model, _main_graph(model)


def _main_graph(model: _native.Model) -> Graph:
    subgraph = model.subgraph(0)
    return Graph(
        tensors=tuple(_tensor(model, subgraph.tensor(i)) for i in range(subgraph.tensor_count)),
        ops=tuple(_op(model, subgraph.op(i)) for i in range(subgraph.op_count)),
        inputs=tuple(subgraph.inputs),
        outputs=tuple(subgraph.outputs),
        name=subgraph.name,
    )


def _tensor(model: _native.Model, tensor: _native.TensorDef) -> Tensor:
    quantization = tensor.quantization
    return Tensor(
        name=tensor.name,
        shape=tuple(tensor.shape),
        dtype=tensor.dtype,
        buffer=_constant(model, tensor),
        quantization=None
        if quantization is None or quantization.blockwise is not None
        else Quantization(tuple(quantization.scale), tuple(quantization.zero_point), quantization.quantized_dimension),
        shape_signature=tuple(tensor.shape_signature) or None,
        is_variable=tensor.is_variable,
        sparsity=None if tensor.sparsity is None else Sparsity((), (), ()),
    )


def _constant(model: _native.Model, tensor: _native.TensorDef) -> memoryview | None:
    """None also where the buffer is empty and the tensor is not, which is how some writers say that there is none."""
    content = model.buffer(tensor.buffer) if tensor.buffer else None
    view = None if content is None else memoryview(content)
    return None if view is not None and len(view) == 0 and math.prod(tensor.shape) != 0 else view


def _op(model: _native.Model, op: _native.OpDef) -> Op:
    code = model.opcode(op.opcode)
    return Op(
        kind=code.name,
        inputs=tuple(op.inputs),
        outputs=tuple(op.outputs),
        options=Options(op.options, table=op.options_table),
        version=code.version,
        is_custom=code.is_custom,
        intermediates=tuple(op.intermediates),
    )
