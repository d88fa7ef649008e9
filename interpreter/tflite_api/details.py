"""Tensor and op details as the dictionaries that TFLite's interpreter gives."""

from __future__ import annotations

from typing import Any

import numpy as np

from subgraft.delegates import NUMPY_DTYPES, Array, Graph, Op, Quantization, Sparsity, Tensor

# numpy has no type for these; the ones that TFLite gives instead.
STAND_INS: dict[str, Any] = {
    "string": np.bytes_,
    "int4": np.int8,
    "int2": np.int8,
    "uint4": np.uint8,
    "bfloat16": np.uint16,
    "float8_e4m3fn": np.uint8,
    "float8_e5m2": np.uint8,
    "resource": np.object_,
    "variant": np.object_,
}


def numpy_type(dtype: str) -> Any:
    """The numpy scalar type of a TFLite dtype: numpy.int8 for "int8", numpy.bytes_ for "string"."""
    return NUMPY_DTYPES[dtype].type if dtype in NUMPY_DTYPES else STAND_INS.get(dtype, np.void)


def tensor_details(graph: Graph, index: int, shape: tuple[int, ...]) -> dict[str, Any]:
    """What get_tensor_details() says of one tensor; `shape` is its shape now."""
    tensor = graph.tensors[index]
    return {
        "name": tensor.name,
        "index": index,
        "shape": np.array(shape, np.int32),
        "shape_signature": np.array(tensor.shape_signature or shape, np.int32),
        "dtype": numpy_type(tensor.dtype),
        "quantization": _pair(tensor.quantization),
        "quantization_parameters": _parameters(graph, tensor),
        "sparsity_parameters": _sparsity(tensor.sparsity),
    }


def op_details(graph: Graph, index: int, op: Op) -> dict[str, Any]:
    """What _get_ops_details() says of one op."""
    return {
        "index": index,
        "op_name": op.kind,
        "inputs": np.array(op.inputs, np.int32),
        "outputs": np.array(op.outputs, np.int32),
        "operand_types": [numpy_type(graph.tensors[t].dtype) for t in op.inputs if t >= 0],
        "result_types": [numpy_type(graph.tensors[t].dtype) for t in op.outputs if t >= 0],
    }


def _pair(quantization: Quantization | None) -> tuple[float, int]:
    """The deprecated (scale, zero point); zeros unless there is exactly one."""
    if quantization is None or len(quantization.scales) != 1:
        return 0.0, 0
    return quantization.scales[0], quantization.zero_points[0] if quantization.zero_points else 0


def _parameters(graph: Graph, tensor: Tensor) -> dict[str, Any]:
    quantization = tensor.quantization or Quantization()
    scales: Array = np.array(quantization.scales, np.float32)
    block_size = 0
    if quantization.blockwise is not None:
        block_size = quantization.blockwise.block_size
        values = graph.tensors[quantization.blockwise.scales].data
        scales = scales if values is None else values.reshape(-1).copy()
    return {
        "scales": scales,
        "zero_points": np.array(quantization.zero_points, np.int32),
        "quantized_dimension": quantization.axis,
        "block_size": block_size,
    }


def _sparsity(sparsity: Sparsity | None) -> dict[str, Any]:
    if sparsity is None:
        return {}
    dimensions: list[dict[str, Any]] = []
    for dimension in sparsity.dimensions:
        if not dimension.compressed:
            dimensions.append({"format": 0, "dense_size": dimension.size})
            continue
        segments = np.array([] if dimension.segments is None else dimension.segments, np.int32)
        indices = np.array([] if dimension.indices is None else dimension.indices, np.int32)
        dimensions.append({"format": 1, "array_segments": segments, "array_indices": indices})
    details: dict[str, Any] = {"traversal_order": np.array(sparsity.traversal_order, np.int32)}
    if sparsity.block_map:
        details["block_map"] = np.array(sparsity.block_map, np.int32)
    details["dim_metadata"] = dimensions
    return details
