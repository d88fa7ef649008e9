"""What a model of model_table.py is fed, and the file that TFLite gets where it refuses the original."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from model_table import TOKEN_DTYPES, ModelCase
from op_cases import Array
from subgraft.delegates import Graph, Op, Tensor
from subgraft.interpreter.model import Model


def random_values(case: ModelCase, place: int, tensor: Tensor, rng: np.random.Generator) -> Array:
    dtype = np.dtype(tensor.dtype)
    values = case.values.get(place)
    if dtype.kind == "b":
        return rng.integers(0, 2, tensor.shape).astype(dtype)
    if dtype.kind in "iu":
        assert values or tensor.dtype not in TOKEN_DTYPES, f"{case.path}: what may input {place} hold?"
        low, high = (values.low, values.high) if values else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        return rng.integers(int(low), int(high), tensor.shape, dtype, endpoint=True)
    if values:
        return rng.uniform(values.low, values.high, tensor.shape).astype(dtype)
    if case.pictures:
        return rng.uniform(*case.pictures, tensor.shape).astype(dtype)
    return rng.standard_normal(tensor.shape).astype(dtype)


def oracle_model(case: ModelCase, path: Path, model: Model) -> bytes:
    if not case.repaired and not case.older and not case.in_floats:
        return path.read_bytes()
    graph = model.graphs[0]
    tensors, ops = list(graph.tensors), [replace(op, version=case.older.get(op.kind, op.version)) for op in graph.ops]
    if case.repaired:
        tensors = [
            replace(t, quantization=replace(t.quantization, axis=0)) if t.quantization and len(t.shape) == 1 else t
            for t in tensors
        ]
    graph = Graph(tensors, ops, graph.inputs, graph.outputs)
    return Model.of(with_floats(graph, case.in_floats)).to_bytes()


def with_floats(graph: Graph, kind: str) -> Graph:
    """The graph with ops of this kind computing in floats."""
    tensors, ops = list(graph.tensors), []
    for op in graph.ops:
        if op.kind != kind:
            ops.append(op)
            continue
        first = len(tensors)
        tensors += [Tensor(f"{tensors[t].name} real", tensors[t].shape, "float32") for t in (*op.inputs, *op.outputs)]
        inputs = range(first, first + len(op.inputs))
        ops += [Op("DEQUANTIZE", (t,), (real,), version=3) for t, real in zip(op.inputs, inputs, strict=True)]
        ops.append(replace(op, inputs=tuple(inputs), outputs=(len(tensors) - 1,), version=1))
        ops.append(Op("QUANTIZE", (len(tensors) - 1,), op.outputs, version=2))
    return Graph(tensors, ops, graph.inputs, graph.outputs)
