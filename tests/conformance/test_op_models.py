"""The op-level models of tflite-micro's tests, mostly int8 and int16, against TFLite."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import subgraft
from op_cases import Array, compare
from oracle import Oracle, Request
from shared_models import MODELS, needs_shared
from subgraft.delegates import Graph, Unsupported
from subgraft.interpreter.model import Model
from subgraft.interpreter.native import _native

RUNS = 3
COMPILED = "ethos-u"  # what the compiler for Arm's NPU makes of a model; nothing else runs it
FILES = sorted((MODELS / "ops").glob("*.tflite"))


def random_values(graph: Graph, place: int, seed: int) -> Array:
    tensor = graph.tensors[graph.inputs[place]]
    if graph.ops[0].kind == "TRANSPOSE_CONV" and place == 0:
        return np.array(graph.tensors[graph.outputs[0]].shape, np.int32)
    rng = np.random.default_rng(seed)
    dtype = np.dtype(tensor.dtype)
    if dtype.kind == "f":
        return np.asarray(rng.standard_normal(tensor.shape)).astype(dtype)
    limits = np.iinfo(dtype)
    return np.asarray(rng.integers(limits.min, limits.max, tensor.shape, dtype, endpoint=True))


@needs_shared
@pytest.mark.conformance
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_op_model_equals_tflite(path: Path, oracle: Oracle) -> None:
    model = Model.open(path)
    graph = model.graphs[0]
    if COMPILED in {op.kind for op in graph.ops}:
        with pytest.raises(Unsupported, match=f"{COMPILED}: the CPU interpreter has no kernel"):
            subgraft.load(path)
        return
    runs = [[random_values(graph, i, 10 * run + i) for i in range(len(graph.inputs))] for run in range(RUNS)]
    answer = oracle.ask(Request(path, runs))
    assert not answer.error, answer.error
    program = _native.Program(model.native, pool=_native.ThreadPool(1))
    for inputs, expected in zip(runs, answer.runs, strict=True):
        for ours, theirs in zip(program.call(inputs), expected, strict=True):
            assert not compare(ours, theirs, 1e-5), path.name
