"""All that a .tflite file says, as plain values: once by TFLite's own generated parser, once by ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from subgraft.delegates import Graph, Op, Quantization, Sparsity, Tensor
from subgraft.interpreter.model import Model

Fields = dict[str, Any]

# Which enumeration an option's value belongs to, by the option's name without underscores.
ENUMERATIONS = {
    "algorithm": schema.RngAlgorithm,
    "combiner": schema.CombinerType,
    "comparetype": schema.StablehloComparisonType,
    "comparisondirection": schema.StablehloComparisonDirection,
    "compositeattributesformat": schema.CustomOptionsFormat,
    "fusedactivationfunction": schema.ActivationFunctionType,
    "idxouttype": schema.TensorType,
    "indatatype": schema.TensorType,
    "kerneltype": schema.LSTMKernelType,
    "keydtype": schema.TensorType,
    "mode": schema.MirrorPadMode,
    "outdatatype": schema.TensorType,
    "outputtype": schema.TensorType,
    "outtype": schema.TensorType,
    "padding": schema.Padding,
    "precisionconfig": schema.StablehloPrecisionConfig,
    "quantizedbiastype": schema.TensorType,
    "reducefunction": schema.ReduceWindowFunction,
    "type": schema.LSHProjectionType,
    "valuedtype": schema.TensorType,
    "weightsformat": schema.FullyConnectedOptionsWeightsFormat,
}


def parse(content: bytes) -> Any:
    """The file as TFLite's object tree."""
    return schema.ModelT.InitFromPackedBuf(content, 0)


def names_of(enumeration: type) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


OPERATORS = names_of(schema.BuiltinOperator)
DTYPES = {value: name.lower() for value, name in names_of(schema.TensorType).items()}
TABLES = names_of(schema.BuiltinOptions)
TABLES_2 = names_of(schema.BuiltinOptions2)


def expected(content: bytes) -> Fields:
    """What TFLite's parser finds."""
    model = parse(content)

    def buffer(index: int) -> bytes | None:
        entry = model.buffers[index]
        if entry.offset > 1:
            return content[entry.offset : entry.offset + entry.size]
        return None if entry.data is None else bytes(bytearray(entry.data))

    graphs = [
        {
            "name": text(graph.name),
            "inputs": numbers(graph.inputs),
            "outputs": numbers(graph.outputs),
            "tensors": [_expected_tensor(t, buffer) for t in graph.tensors or ()],
            "ops": [_expected_op(op, model) for op in graph.operators or ()],
            "debug_metadata_index": graph.debugMetadataIndex,
        }
        for graph in model.subgraphs
    ]
    return {
        "graphs": graphs,
        "version": model.version,
        "description": text(model.description),
        "metadata": {text(entry.name): buffer(entry.buffer) or b"" for entry in model.metadata or ()},
        "signatures": [
            (text(s.signatureKey), _aliases(s.inputs), _aliases(s.outputs), s.subgraphIndex)
            for s in model.signatureDefs or ()
        ],
        "external_buffers": [
            (e.id, text(model.externalBufferGroups[e.group].name), e.offset, e.length, text(e.packing))
            for e in model.externalBuffers or ()
        ],
    }


def found(model: Model) -> Fields:
    """What ours finds."""
    return {
        "graphs": [_found_graph(graph) for graph in model.graphs],
        "version": model.version,
        "description": model.description,
        "metadata": {name: bytes(content) for name, content in model.metadata.items()},
        "signatures": [(s.key, dict(s.inputs), dict(s.outputs), s.graph) for s in model.signatures],
        "external_buffers": [(e.id, e.group, e.offset, e.length, e.packing) for e in model.external_buffers],
    }


def text(value: bytes | str | None) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value or ""


def numbers(values: Any) -> tuple[Any, ...]:
    """TFLite's parser gives arrays, lists, or None for what is absent."""
    return () if values is None else tuple(np.asarray(values).tolist())


def _aliases(maps: Any) -> dict[str, int]:
    return {text(entry.name): entry.tensorIndex for entry in maps or ()}


def _expected_tensor(tensor: Any, buffer: Callable[[int], bytes | None]) -> Fields:
    constant = buffer(tensor.buffer) if tensor.buffer else None
    if constant == b"" and 0 not in numbers(tensor.shape):
        constant = None
    return {
        "name": text(tensor.name),
        "shape": numbers(tensor.shape),
        "dtype": DTYPES[tensor.type],
        "constant": constant,
        "quantization": _expected_quantization(tensor.quantization),
        "shape_signature": numbers(tensor.shapeSignature) or None,
        "is_variable": tensor.isVariable,
        "has_rank": tensor.hasRank,
        "sparsity": _expected_sparsity(tensor.sparsity),
        "variants": [(numbers(v.shape), DTYPES[v.type], v.hasRank) for v in tensor.variantTensors or ()],
        "external_buffer": tensor.externalBuffer,
    }


def _found_tensor(tensor: Tensor) -> Fields:
    return {
        "name": tensor.name,
        "shape": tensor.shape,
        "dtype": tensor.dtype,
        "constant": None if tensor.buffer is None else bytes(tensor.buffer),
        "quantization": _found_quantization(tensor.quantization),
        "shape_signature": tensor.shape_signature,
        "is_variable": tensor.is_variable,
        "has_rank": tensor.has_rank,
        "sparsity": _found_sparsity(tensor.sparsity),
        "variants": [(v.shape, v.dtype, v.has_rank) for v in tensor.variant_types],
        "external_buffer": tensor.external_buffer,
    }


def _expected_quantization(quantization: Any) -> Fields | None:
    if quantization is None:
        return None
    details = quantization.details
    blockwise = None
    if isinstance(details, schema.BlockwiseQuantizationT):
        blockwise = (details.scales, details.zeroPoints, details.blockSize, None)
    if isinstance(details, schema.MultiAxisQuantizationT):
        blockwise = (details.scales, details.zeroPoints, details.blockSize, numbers(details.quantizedDimensions))
    return {
        "scales": numbers(quantization.scale),
        "zero_points": numbers(quantization.zeroPoint),
        "axis": quantization.quantizedDimension,
        "min": numbers(quantization.min),
        "max": numbers(quantization.max),
        "blockwise": blockwise,
        "custom": bytes(numbers(details.custom)) if isinstance(details, schema.CustomQuantizationT) else None,
    }


def _found_quantization(quantization: Quantization | None) -> Fields | None:
    if quantization is None:
        return None
    block = quantization.blockwise
    return {
        "scales": quantization.scales,
        "zero_points": quantization.zero_points,
        "axis": quantization.axis,
        "min": quantization.min,
        "max": quantization.max,
        "blockwise": block and (block.scales, block.zero_points, block.block_size, block.quantized_dimensions),
        "custom": quantization.custom,
    }


def _expected_sparsity(sparsity: Any) -> Fields | None:
    if sparsity is None:
        return None

    def values(vector: Any) -> tuple[Any, ...] | None:
        return None if vector is None else numbers(vector.values)

    return {
        "traversal_order": numbers(sparsity.traversalOrder),
        "block_map": numbers(sparsity.blockMap),
        "dimensions": [
            (d.format == 1, d.denseSize, values(d.arraySegments), values(d.arrayIndices), d.arrayIndicesType)
            for d in sparsity.dimMetadata or ()
        ],
    }


def _found_sparsity(sparsity: Sparsity | None) -> Fields | None:
    if sparsity is None:
        return None
    stored = {"int32": 1, "uint16": 2, "uint8": 3}

    def values(array: np.ndarray | None) -> tuple[Any, ...] | None:
        return None if array is None else tuple(array.tolist())

    return {
        "traversal_order": sparsity.traversal_order,
        "block_map": sparsity.block_map,
        "dimensions": [
            (
                d.compressed,
                d.size,
                values(d.segments),
                values(d.indices),
                0 if d.indices is None else stored[d.indices.dtype.name],
            )
            for d in sparsity.dimensions
        ],
    }


def _expected_op(op: Any, model: Any) -> Fields:
    code = model.operatorCodes[op.opcodeIndex]
    builtin = max(code.deprecatedBuiltinCode, code.builtinCode)
    is_custom = builtin == schema.BuiltinOperator.CUSTOM
    table, options = TABLES[op.builtinOptionsType], op.builtinOptions
    if options is None:
        table, options = TABLES_2[op.builtinOptions2Type], op.builtinOptions2
    return {
        "kind": text(code.customCode) if is_custom else OPERATORS[builtin],
        "is_custom": is_custom,
        "version": code.version,
        "inputs": numbers(op.inputs),
        "outputs": numbers(op.outputs),
        "intermediates": numbers(op.intermediates),
        "mutating": tuple(bool(flag) for flag in numbers(op.mutatingVariableInputs)),
        "custom_options": bytes(numbers(op.customOptions)),
        "custom_options_format": op.customOptionsFormat,
        "table": "" if options is None else table,
        "options": {} if options is None else expected_options(options),
        "debug_metadata_index": op.debugMetadataIndex,
    }


def expected_options(options: Any) -> Fields:
    """An options object of TFLite's parser: names in lower case without underscores, enumerations as numbers."""

    def plain(value: Any) -> Any:
        if isinstance(value, bytes):
            return text(value)
        if isinstance(value, np.ndarray | list):
            return tuple(text(v) if isinstance(v, bytes) else v for v in np.asarray(value).tolist())
        return value

    return {name.lower(): plain(value) for name, value in vars(options).items()}


def _found_op(op: Op) -> Fields:
    return {
        "kind": op.kind,
        "is_custom": op.is_custom,
        "version": op.version,
        "inputs": op.inputs,
        "outputs": op.outputs,
        "intermediates": op.intermediates,
        "mutating": op.mutating_variable_inputs,
        "custom_options": op.custom_options,
        "custom_options_format": op.custom_options_format,
        "table": op.options.table,
        "options": found_options(op.options),
        "debug_metadata_index": op.debug_metadata_index,
    }


def found_options(options: Mapping[str, Any]) -> Fields:
    """Our options in the same form."""

    def plain(key: str, value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(plain(key, element) for element in value)
        if isinstance(value, str) and key in ENUMERATIONS:
            return getattr(ENUMERATIONS[key], value)
        return value

    keys = {name: name.replace("_", "") for name in options}
    return {keys[name]: plain(keys[name], value) for name, value in options.items()}


def _found_graph(graph: Graph) -> Fields:
    return {
        "name": graph.name,
        "inputs": graph.inputs,
        "outputs": graph.outputs,
        "tensors": [_found_tensor(tensor) for tensor in graph.tensors],
        "ops": [_found_op(op) for op in graph.ops],
        "debug_metadata_index": graph.debug_metadata_index,
    }


def difference(ours: Any, theirs: Any, where: str = "file") -> str:
    """The first place where they differ, or nothing."""
    if isinstance(ours, dict) and isinstance(theirs, dict) and ours.keys() == theirs.keys():
        parts: Sequence[tuple[Any, Any, Any]] = [(key, ours[key], theirs[key]) for key in ours]
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        parts = [(i, a, b) for i, (a, b) in enumerate(zip(ours, theirs, strict=True))]
    else:
        same = ours == theirs or repr(ours) == repr(theirs)  # the second for NaN
        return "" if same else f"{where}: {repr(ours)[:200]} instead of {repr(theirs)[:200]}"
    return next((text for key, a, b in parts if (text := difference(a, b, f"{where}.{key}"))), "")
